package adapt

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	contrib "github.com/dapr/components-contrib/crypto"
	kit "github.com/dapr/kit/crypto"
	"github.com/dapr/kit/logger"
	"github.com/lestrrat-go/jwx/v2/jwk"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// Crypto makes a driver of a vault.
func Crypto(typ string, impl func(logger.Logger) contrib.SubtleCrypto, aliases ...string) component.Spec[crypto.Provider] {
	return spec(typ, aliases, func(ctx context.Context, cfg component.Config) (crypto.Provider, error) {
		v := &vault{impl: impl(log{cfg.Log})}
		err := start(cfg, func() error {
			// None of these keeps the start's context, and one waits for a server as long as it lasts.
			return v.impl.Init(ctx, contrib.Metadata{Base: base(cfg)})
		})
		if err != nil {
			return nil, errors.Join(err, v.impl.Close())
		}
		return v, nil
	})
}

// vault is a component of Dapr. It takes and gives keys as objects; here they are bytes.
type vault struct{ impl contrib.SubtleCrypto }

var (
	_ crypto.Provider = (*vault)(nil)
	_ crypto.Pinger   = (*vault)(nil)
)

// Encrypt encrypts a short text.
func (v *vault) Encrypt(ctx context.Context, op *crypto.Operation) (out crypto.Sealed, err error) {
	defer guard(crypto.ErrInvalid, op.Key, op.Algorithm, &err)
	out.Data, out.Tag, err = v.impl.Encrypt(ctx, clipped(op.Data), op.Algorithm, op.Key, op.Nonce, op.AssociatedData)
	return out, refused(op.Key, op.Algorithm, err)
}

// Decrypt decrypts it again.
func (v *vault) Decrypt(ctx context.Context, op *crypto.Operation) (out []byte, err error) {
	defer guard(crypto.ErrFailed, op.Key, op.Algorithm, &err)
	out, err = v.impl.Decrypt(ctx, clipped(op.Data), op.Algorithm, op.Key, op.Nonce, op.Tag, op.AssociatedData)
	return out, wrong(op.Key, op.Algorithm, err)
}

// WrapKey encrypts a key. For Dapr's components the bytes of any key are those of a symmetric one, so that none has to be
// parsed.
func (v *vault) WrapKey(ctx context.Context, op *crypto.Operation) (out crypto.Sealed, err error) {
	defer guard(crypto.ErrInvalid, op.Key, op.Algorithm, &err)
	key, err := jwk.FromRaw(append([]byte{}, op.Data...))
	if err != nil {
		return out, fmt.Errorf("%w: the key to wrap is empty", crypto.ErrInvalid)
	}
	out.Data, out.Tag, err = v.impl.WrapKey(ctx, key, op.Algorithm, op.Key, op.Nonce, op.AssociatedData)
	return out, refused(op.Key, op.Algorithm, err)
}

// UnwrapKey decrypts it again.
func (v *vault) UnwrapKey(ctx context.Context, op *crypto.Operation) (out []byte, err error) {
	defer guard(crypto.ErrFailed, op.Key, op.Algorithm, &err)
	key, err := v.impl.UnwrapKey(ctx, clipped(op.Data), op.Algorithm, op.Key, op.Nonce, op.Tag, op.AssociatedData)
	if err != nil {
		return nil, wrong(op.Key, op.Algorithm, err)
	}
	return kit.SerializeKey(key)
}

// Sign signs a digest.
func (v *vault) Sign(ctx context.Context, key, algorithm string, digest []byte) (out []byte, err error) {
	defer guard(crypto.ErrInvalid, key, algorithm, &err)
	out, err = v.impl.Sign(ctx, digest, algorithm, key)
	return out, refused(key, algorithm, err)
}

// Verify tells whether a signature is the key's.
func (v *vault) Verify(ctx context.Context, key, algorithm string, digest, signature []byte) (ok bool, err error) {
	defer guard(crypto.ErrInvalid, key, algorithm, &err)
	ok, err = v.impl.Verify(ctx, digest, signature, algorithm, key)
	return ok, refused(key, algorithm, err)
}

// Algorithms tells which algorithms the component knows.
func (v *vault) Algorithms(context.Context) (crypto.Algorithms, error) {
	return crypto.Algorithms{Encryption: v.impl.SupportedEncryptionAlgorithms(), Signature: v.impl.SupportedSignatureAlgorithms()}, nil
}

// PublicKey gives the public part of a key pair.
func (v *vault) PublicKey(ctx context.Context, name string) (out crypto.PublicKey, err error) {
	defer guard(crypto.ErrInvalid, name, "", &err)
	key, err := v.impl.GetKey(ctx, name)
	if err != nil || key == nil {
		return out, refused(name, "", errors.Join(err, missing(key)))
	}
	out = crypto.PublicKey{Name: name, Key: key}
	// Only vaults with versions give this type, whose ID is the name with the version.
	if versioned, ok := key.(*contrib.Key); ok {
		out.Key = versioned.Key
		if id := versioned.KeyID(); id != "" {
			out.Name = id
		}
	}
	return out, nil
}

func missing(key jwk.Key) error {
	if key == nil {
		return contrib.ErrKeyNotFound
	}
	return nil
}

// Ping asks the server if the component can.
func (v *vault) Ping(ctx context.Context) error { return ping(ctx, v.impl) }

// Close closes the component.
func (v *vault) Close(context.Context) error { return v.impl.Close() }

// clipped gives bytes with no room behind them: some components append to what they get.
func clipped(b []byte) []byte { return b[:len(b):len(b)] }

// guard makes a panic of a component an error: some panic on texts that are too short. What a panic says may have key material
// in it and is left out.
func guard(class error, key, algorithm string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%w: the component panicked on algorithm %q with key %q", class, algorithm, key)
	}
}

// wrong is refused for what opens ciphertexts: what has no other reason is a wrong ciphertext, tag or key.
func wrong(key, algorithm string, err error) error {
	if err == nil {
		return nil
	}
	if e := refused(key, algorithm, err); known(e) {
		return e
	}
	if strings.Contains(err.Error(), "failed to decrypt data") {
		return fmt.Errorf("%w: key %q, algorithm %s: %w", crypto.ErrFailed, key, algorithm, err)
	}
	return err
}

func known(err error) bool {
	return errors.Is(err, crypto.ErrKeyNotFound) || errors.Is(err, crypto.ErrInvalid) || errors.Is(err, crypto.ErrUnavailable) ||
		errors.Is(err, crypto.ErrFailed)
}

// invalid are the errors of what a caller gets wrong.
var invalid = []error{
	kit.ErrUnsupportedAlgorithm, kit.ErrKeyTypeMismatch, kit.ErrInvalidNonce, kit.ErrInvalidTag, kit.ErrInvalidPlaintextLength,
}

// invalidTexts are of those that are only a text.
var invalidTexts = []string{
	"failed to encrypt data", "failed to wrap key", // of lengths that an algorithm does not take
	"key cannot perform the", "key cannot be used with algorithm", "invalid algorithm: ", "cannot wrap asymmetric keys",
	"outside of its time validity bounds", "key is not in a valid format", "invalid key path",
}

// refused gives an error in the block's terms as far as Dapr's components tell which it is.
func refused(key, algorithm string, err error) error {
	if err == nil {
		return nil
	}
	if strings.Contains(err.Error(), "failed to parse key") { // the rest may quote the key
		return fmt.Errorf("%w: key %q is in no form that Dapr's component reads", crypto.ErrKeyNotFound, key)
	}
	class := class(err)
	if class == nil {
		return err
	}
	return fmt.Errorf("%w: key %q, algorithm %q: %w", class, key, algorithm, err)
}

func class(err error) error {
	for _, e := range invalid {
		if errors.Is(err, e) {
			return crypto.ErrInvalid
		}
	}
	if errors.Is(err, contrib.ErrKeyNotFound) || apierrors.IsNotFound(err) {
		return crypto.ErrKeyNotFound
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok { // a name that no file can have is as good as one that none has
		if errors.Is(err, fs.ErrPermission) {
			return nil
		}
		return crypto.ErrKeyNotFound
	}
	if e, ok := errors.AsType[*azcore.ResponseError](err); ok {
		return azure(e)
	}
	var network net.Error
	if errors.As(err, &network) || apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) {
		return crypto.ErrUnavailable
	}
	for _, text := range invalidTexts {
		if strings.Contains(err.Error(), text) {
			return crypto.ErrInvalid
		}
	}
	return nil
}

// azure tells what an answer of Azure Key Vault means.
func azure(e *azcore.ResponseError) error {
	switch {
	case e.StatusCode == http.StatusNotFound:
		return crypto.ErrKeyNotFound
	case e.StatusCode == http.StatusBadRequest:
		return crypto.ErrInvalid
	case e.StatusCode == http.StatusTooManyRequests || e.StatusCode >= http.StatusInternalServerError:
		return crypto.ErrUnavailable
	default:
		return nil
	}
}
