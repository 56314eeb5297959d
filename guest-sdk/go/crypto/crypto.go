// Package crypto encrypts and signs with keys that stay in a vault: an app names a key, and never sees it.
//
//	sealed, err := crypto.Encrypt("", []byte("a secret"), crypto.Options{Key: "records", Algorithm: "RSA-OAEP-256"})
//	plain, err := crypto.Decrypt("", sealed)
//
// This is for whole messages of any length, in Dapr's scheme dapr.io/enc/v1: every message has a key of its own, which the
// vault's key wraps, and says how it was made. What was changed does not decrypt. Single operations with a vault's keys are
// methods of Subtle:
//
//	digest := sha256.Sum256(body)
//	signature, err := crypto.Subtle("vault").Sign("webhook", "ES256", digest[:])
//
// An empty component name means the only crypto component that the app sees, or the one called "crypto". There is no
// component by default: the manifest declares one.
//
// The standard library has a package of the same name. Its packages below (crypto/sha256, crypto/rand) go with this one in
// a file; for crypto itself, which is seldom needed, give one of the two another name in the import.
//
// Under a native build, as in go test, the same calls work with keys in memory, and with real cryptography: see ResetFake.
package crypto

import (
	"errors"
	"fmt"
)

// The errors of this package; test with errors.Is. The text says what was wrong, but never anything of a key or plaintext.
var (
	// ErrProviderNotFound: the app sees no crypto component of this name.
	ErrProviderNotFound = errors.New("crypto component not found")
	// ErrKeyNotFound: the vault has no such key, or not in a form that the call can use.
	ErrKeyNotFound = errors.New("key not found")
	// ErrInvalidRequest: an argument is missing or not valid, or the algorithm and the key do not go together.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrFailed: the ciphertext, tag or key is not the right one. Which of them is not said, since that helps who guesses.
	ErrFailed = errors.New("the operation failed")
	// ErrUnavailable: the vault cannot be reached now.
	ErrUnavailable = errors.New("unavailable")
)

// DataCipher is what encrypts a message itself.
type DataCipher uint8

// The data ciphers.
const (
	AESGCM DataCipher = iota
	ChaCha20Poly1305
)

// Options say how a message is encrypted. Key and Algorithm are required.
type Options struct {
	// Key is the vault's key, with a version or without (name/version).
	Key string
	// Algorithm is what wraps the message's key: A256KW (or AES), A128CBC-NOPAD, A192CBC-NOPAD, A256CBC-NOPAD or
	// RSA-OAEP-256 (or RSA).
	Algorithm string
	// Cipher is AESGCM if nothing else is said.
	Cipher DataCipher
	// OmitKeyName leaves the key's name out of the message: who decrypts it has to know (DecryptWith).
	OmitKeyName bool
	// DecryptionKey is the name to put into the message if it is not Key, for example one with a version.
	DecryptionKey string
}

// Encrypt encrypts a message.
func Encrypt(component string, plaintext []byte, options Options) ([]byte, error) {
	out, err := backendEncryptMessage(component, plaintext, options)
	return out, wrap("encrypt a message", options.Key, component, err)
}

// Decrypt decrypts a message with the key that it names.
func Decrypt(component string, message []byte) ([]byte, error) {
	return DecryptWith(component, message, "")
}

// DecryptWith decrypts a message with a key, whatever the message says. An empty name is the one in the message.
func DecryptWith(component string, message []byte, key string) ([]byte, error) {
	out, err := backendDecryptMessage(component, message, key)
	return out, wrap("decrypt a message", key, component, err)
}

func wrap(what, key, component string, err error) error {
	if err == nil {
		return nil
	}
	if key != "" {
		what = fmt.Sprintf("%s with key %q", what, key)
	}
	if component == "" {
		component = "the default component"
	}
	return fmt.Errorf("crypto: %s in %s: %w", what, component, err)
}
