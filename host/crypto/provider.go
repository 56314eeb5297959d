// Package crypto is the building block for cryptography with keys that stay in a vault: what a vault implements, Dapr's
// scheme for whole messages, and Dapr's HTTP API for both.
package crypto

import (
	"context"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// Operation is what an operation with a key works on. Providers do not change its slices and do not keep them.
type Operation struct {
	// Key is the name of a key, with its version behind a slash where the vault has versions.
	Key string
	// Algorithm is a name of RFC 7518 or, where that has none, Dapr's (such as A256CBC-NOPAD or XC20P), in upper case as
	// they write it.
	Algorithm string
	// Data is the plaintext or the ciphertext; of keys to wrap the bytes: of symmetric ones themselves, of others PKCS #8
	// or PKIX in DER.
	Data []byte
	// Tag is the authentication tag to check; nil where the algorithm has none.
	Tag []byte
	// Nonce is nil for algorithms without one.
	Nonce []byte
	// AssociatedData is authenticated, not encrypted; nil for none.
	AssociatedData []byte
}

// Sealed is what an encryption gives.
type Sealed struct {
	Data []byte
	// Tag is nil for algorithms that do not authenticate, or that have it in Data.
	Tag []byte
}

// Algorithms are those that a vault knows; a key may be good for some only.
type Algorithms struct {
	// Encryption are those that encrypt and wrap keys.
	Encryption []string
	Signature  []string
}

// PublicKey is the public part of a key pair.
type PublicKey struct {
	// Name is the key's in the vault, with its version where it has versions.
	Name string
	Key  jwk.Key
}

// Cipher encrypts short texts.
type Cipher interface {
	Encrypt(ctx context.Context, op *Operation) (Sealed, error)
	// Decrypt gives the plaintext, or ErrFailed if anything was changed.
	Decrypt(ctx context.Context, op *Operation) ([]byte, error)
}

// KeyWrapper encrypts keys.
type KeyWrapper interface {
	WrapKey(ctx context.Context, op *Operation) (Sealed, error)
	// UnwrapKey gives a key's bytes, or ErrFailed.
	UnwrapKey(ctx context.Context, op *Operation) ([]byte, error)
}

// Signer signs digests, which are as long as the algorithm's hash (EdDSA: the message itself).
type Signer interface {
	Sign(ctx context.Context, key, algorithm string, digest []byte) ([]byte, error)
	// Verify tells whether a signature is the key's, of this digest. Bytes that are no signature are false, not an error.
	Verify(ctx context.Context, key, algorithm string, digest, signature []byte) (bool, error)
}

// Provider is what every crypto driver implements: a vault that works with its keys. All methods are safe for concurrent
// use. Errors are ErrKeyNotFound, ErrInvalid, ErrFailed and ErrUnavailable where they apply, wrapped; anything else is the
// vault's failure.
type Provider interface {
	Cipher
	KeyWrapper
	Signer
	// Algorithms tells which algorithms the vault knows.
	Algorithms(ctx context.Context) (Algorithms, error)
	// PublicKey gives the public part of a key pair; ErrKeyNotFound for a symmetric key.
	PublicKey(ctx context.Context, key string) (PublicKey, error)
	// Close ends the use of the vault; no other method runs or follows.
	Close(ctx context.Context) error
}

// Pinger is a Provider that can tell whether its vault answers.
type Pinger interface {
	Ping(ctx context.Context) error
}

// The errors that a driver gives, wrapped with what it knows.
var (
	// ErrKeyNotFound: there is no such key, or not in a form that the call can use.
	ErrKeyNotFound error = &kind{text: "key not found", permanent: true}
	// ErrInvalid: an argument is not valid, or the algorithm and the key do not go together.
	ErrInvalid error = &kind{text: "invalid request", permanent: true}
	// ErrFailed: the ciphertext, tag or key is not the right one. What is told to apps does not say which.
	ErrFailed error = &kind{text: "the operation failed", permanent: true}
	// ErrUnavailable: the vault cannot be reached now.
	ErrUnavailable error = &kind{text: "unavailable"}
)

// kind is a class of errors. A retry policy asks Permanent, so that it does not repeat what cannot succeed.
type kind struct {
	text      string
	permanent bool
}

// Error gives the class's name.
func (k *kind) Error() string { return k.text }

// Permanent tells that the same request will fail again.
func (k *kind) Permanent() bool { return k.permanent }
