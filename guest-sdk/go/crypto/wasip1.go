//go:build wasip1

package crypto

import (
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/crypto/cipher"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/crypto/subtle"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/crypto/types"
)

func backendEncryptMessage(component string, plaintext []byte, o Options) ([]byte, error) {
	c := cipher.DataCipherAesGcm
	switch o.Cipher {
	case AESGCM:
	case ChaCha20Poly1305:
		c = cipher.DataCipherChacha20Poly1305
	default:
		return nil, fmt.Errorf("%w: data cipher %d: want AESGCM or ChaCha20Poly1305", ErrInvalidRequest, o.Cipher)
	}
	out, err := cipher.Encrypt(component, plaintext, cipher.EncryptOptions{
		KeyName: o.Key, KeyWrapAlgorithm: o.Algorithm, DataCipher: c,
		OmitDecryptionKeyName: o.OmitKeyName, DecryptionKeyName: o.DecryptionKey,
	})
	return out, convert(err)
}

func backendDecryptMessage(component string, message []byte, key string) ([]byte, error) {
	out, err := cipher.Decrypt(component, message, key)
	return out, convert(err)
}

func backendAlgorithms(component string) (Algorithms, error) {
	out, err := subtle.ListAlgorithms(component)
	return Algorithms(out), convert(err)
}

func backendPublicKey(component, key string, format KeyFormat) (PublicKey, error) {
	f := types.KeyFormatPem
	switch format {
	case PEM:
	case JWK:
		f = types.KeyFormatJwk
	default:
		return PublicKey{}, fmt.Errorf("%w: key format %d: want PEM or JWK", ErrInvalidRequest, format)
	}
	out, err := subtle.GetKey(component, key, f)
	return PublicKey(out), convert(err)
}

func backendEncrypt(component string, op *Operation) (Sealed, error) {
	out, err := subtle.Encrypt(component, op.Key, op.Algorithm, op.Data, op.Nonce, op.AssociatedData)
	return Sealed(out), convert(err)
}

func backendDecrypt(component string, op *Operation) ([]byte, error) {
	out, err := subtle.Decrypt(component, op.Key, op.Algorithm, op.Data, op.Tag, op.Nonce, op.AssociatedData)
	return out, convert(err)
}

func backendWrapKey(component string, op *Operation) (Sealed, error) {
	out, err := subtle.WrapKey(component, op.Key, op.Algorithm, op.Data, op.Nonce, op.AssociatedData)
	return Sealed(out), convert(err)
}

func backendUnwrapKey(component string, op *Operation) ([]byte, error) {
	out, err := subtle.UnwrapKey(component, op.Key, op.Algorithm, op.Data, op.Tag, op.Nonce, op.AssociatedData)
	return out, convert(err)
}

func backendSign(component, key, algorithm string, digest []byte) ([]byte, error) {
	out, err := subtle.Sign(component, key, algorithm, digest)
	return out, convert(err)
}

func backendVerify(component, key, algorithm string, digest, signature []byte) (bool, error) {
	ok, err := subtle.Verify(component, key, algorithm, digest, signature)
	return ok, convert(err)
}

// convert gives a contract error as an error of this package.
func convert(err error) error {
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	var base error
	switch e.Tag {
	case types.ErrorProviderNotFound:
		base = ErrProviderNotFound
	case types.ErrorKeyNotFound:
		base = ErrKeyNotFound
	case types.ErrorInvalidRequest:
		base = ErrInvalidRequest
	case types.ErrorFailed:
		base = ErrFailed
	case types.ErrorUnavailable:
		base = ErrUnavailable
	default:
		return errors.New(e.Value)
	}
	return fmt.Errorf("%w: %s", base, e.Value)
}
