// Package localkeys is a vault whose keys are in this process: what drivers of files and documents of keys share. It works
// with Dapr's algorithms, and its library holds only what the standards leave open: what could make it panic is refused
// before it is asked.
package localkeys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	kit "github.com/dapr/kit/crypto"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// Find finds a key by name. Keys come from Parse; a name that is not there is an ErrKeyNotFound.
type Find func(ctx context.Context, name string) (jwk.Key, error)

// Vault is a provider without Ping, which is the driver's.
type Vault struct {
	find   Find
	closed atomic.Bool
}

var _ crypto.Provider = (*Vault)(nil)

// New makes a vault of what finds its keys.
func New(find Find) *Vault { return &Vault{find: find} }

var errClosed = errors.New("the vault is closed")

// Algorithms are those of Dapr's library.
func (v *Vault) Algorithms(ctx context.Context) (crypto.Algorithms, error) {
	if err := v.open(ctx); err != nil {
		return crypto.Algorithms{}, err
	}
	return crypto.Algorithms{
		Encryption: slices.Concat(kit.SupportedSymmetricAlgorithms(), kit.SupportedAsymmetricAlgorithms()),
		Signature:  kit.SupportedSignatureAlgorithms(),
	}, nil
}

// PublicKey gives what a key pair shows to others.
func (v *Vault) PublicKey(ctx context.Context, name string) (crypto.PublicKey, error) {
	key, err := v.key(ctx, name)
	if err != nil {
		return crypto.PublicKey{}, err
	}
	if key.KeyType() == jwa.OctetSeq {
		return crypto.PublicKey{}, fmt.Errorf("%w: key %q is symmetric, and has no public part", crypto.ErrKeyNotFound, name)
	}
	public, err := key.PublicKey()
	if err != nil {
		return crypto.PublicKey{}, fmt.Errorf("the public part of key %q cannot be made", name)
	}
	return crypto.PublicKey{Name: name, Key: public}, nil
}

// Encrypt encrypts a text.
func (v *Vault) Encrypt(ctx context.Context, op *crypto.Operation) (crypto.Sealed, error) {
	return v.seal(ctx, op, jwk.KeyOpEncrypt)
}

// WrapKey encrypts a key.
func (v *Vault) WrapKey(ctx context.Context, op *crypto.Operation) (crypto.Sealed, error) {
	return v.seal(ctx, op, jwk.KeyOpWrapKey)
}

// Decrypt decrypts a text.
func (v *Vault) Decrypt(ctx context.Context, op *crypto.Operation) ([]byte, error) {
	return v.unseal(ctx, op, jwk.KeyOpDecrypt)
}

// UnwrapKey decrypts a key.
func (v *Vault) UnwrapKey(ctx context.Context, op *crypto.Operation) ([]byte, error) {
	return v.unseal(ctx, op, jwk.KeyOpUnwrapKey)
}

// Sign signs a digest.
func (v *Vault) Sign(ctx context.Context, name, algorithm string, digest []byte) ([]byte, error) {
	key, err := v.keyFor(ctx, name, algorithm, jwk.KeyOpSign)
	if err != nil {
		return nil, err
	}
	if err := checkSigning(key, name, algorithm, digest, true); err != nil {
		return nil, err
	}
	return guard(func() ([]byte, error) {
		signature, err := kit.SignPrivateKey(digest, algorithm, key)
		if err != nil { // all that depends on the digest was checked
			return nil, fmt.Errorf("%w: key %q cannot sign with %s: it is too small or not valid", crypto.ErrInvalid, name, algorithm)
		}
		return signature, nil
	})
}

// Verify checks a signature.
func (v *Vault) Verify(ctx context.Context, name, algorithm string, digest, signature []byte) (bool, error) {
	key, err := v.keyFor(ctx, name, algorithm, jwk.KeyOpVerify)
	if err != nil {
		return false, err
	}
	if err := checkSigning(key, name, algorithm, digest, false); err != nil {
		return false, err
	}
	return guard(func() (bool, error) {
		valid, err := kit.VerifyPublicKey(digest, signature, algorithm, key)
		if err != nil {
			return false, fmt.Errorf("%w: key %q cannot verify with %s: it is too small or not valid", crypto.ErrInvalid, name, algorithm)
		}
		return valid, nil
	})
}

// Close ends the vault.
func (v *Vault) Close(context.Context) error {
	v.closed.Store(true)
	return nil
}

func (v *Vault) open(ctx context.Context) error {
	if v.closed.Load() {
		return errClosed
	}
	return ctx.Err()
}

func (v *Vault) key(ctx context.Context, name string) (jwk.Key, error) {
	if err := v.open(ctx); err != nil {
		return nil, err
	}
	return v.find(ctx, name)
}

// keyFor finds a key that may be used for an operation with an algorithm.
func (v *Vault) keyFor(ctx context.Context, name, algorithm string, op jwk.KeyOperation) (jwk.Key, error) {
	key, err := v.key(ctx, name)
	if err != nil {
		return nil, err
	}
	if ops := key.KeyOps(); len(ops) > 0 && !slices.Contains(ops, op) {
		return nil, fmt.Errorf("%w: key %q is not for %s: its key_ops are %q", crypto.ErrInvalid, name, op, ops)
	}
	use := string(jwk.ForEncryption)
	if op == jwk.KeyOpSign || op == jwk.KeyOpVerify {
		use = string(jwk.ForSignature)
	}
	if key.KeyUsage() != "" && key.KeyUsage() != use {
		return nil, fmt.Errorf("%w: key %q is not for %s: its use is %q", crypto.ErrInvalid, name, op, key.KeyUsage())
	}
	if alg := key.Algorithm().String(); alg != "" && alg != algorithm {
		return nil, fmt.Errorf("%w: key %q is for the algorithm %q, not for %.64q", crypto.ErrInvalid, name, alg, algorithm)
	}
	return key, nil
}

func (v *Vault) seal(ctx context.Context, op *crypto.Operation, what jwk.KeyOperation) (crypto.Sealed, error) {
	key, err := v.keyFor(ctx, op.Key, op.Algorithm, what)
	if err != nil {
		return crypto.Sealed{}, err
	}
	c, err := checkCipher(key, op, false)
	if err != nil {
		return crypto.Sealed{}, err
	}
	if err := c.checkPlain(op); err != nil {
		return crypto.Sealed{}, err
	}
	return guard(func() (crypto.Sealed, error) {
		var sealed crypto.Sealed
		var err error
		// The library appends padding in place, so that it gets a slice without room for it.
		data := slices.Clip(op.Data)
		if c.key == jwa.RSA {
			sealed.Data, err = kit.EncryptPublicKey(data, op.Algorithm, key, op.AssociatedData)
		} else {
			sealed.Data, sealed.Tag, err = kit.EncryptSymmetric(data, op.Algorithm, key, op.Nonce, op.AssociatedData)
		}
		if err != nil {
			return crypto.Sealed{}, fmt.Errorf("%w: key %q cannot encrypt %d bytes with %s: the key is too small or not valid",
				crypto.ErrInvalid, op.Key, len(op.Data), op.Algorithm)
		}
		return sealed, nil
	})
}

func (v *Vault) unseal(ctx context.Context, op *crypto.Operation, what jwk.KeyOperation) ([]byte, error) {
	key, err := v.keyFor(ctx, op.Key, op.Algorithm, what)
	if err != nil {
		return nil, err
	}
	c, err := checkCipher(key, op, true)
	if err != nil {
		return nil, err
	}
	if !c.mayBeSealed(len(op.Data)) {
		return nil, failed(op)
	}
	return guard(func() ([]byte, error) {
		var plain []byte
		var err error
		data := slices.Clip(op.Data)
		if c.key == jwa.RSA {
			plain, err = kit.DecryptPrivateKey(data, op.Algorithm, key, op.AssociatedData)
		} else {
			plain, err = kit.DecryptSymmetric(data, op.Algorithm, key, op.Nonce, op.Tag, op.AssociatedData)
		}
		if err != nil {
			return nil, failed(op)
		}
		return plain, nil
	})
}

// failed does not tell why: with some algorithms that is enough to find out the plaintext.
func failed(op *crypto.Operation) error {
	return fmt.Errorf("%w: key %q with %s", crypto.ErrFailed, op.Key, op.Algorithm)
}

// guard makes an error of a panic. Every panic that is known is prevented; but keys and texts come from others, and what
// their libraries make of them must not end the host.
func guard[T any](do func() (T, error)) (got T, err error) {
	defer func() {
		if recover() != nil { // its value may have parts of the key
			err = fmt.Errorf("%w: the key or the arguments are not valid", crypto.ErrInvalid)
		}
	}()
	return do()
}
