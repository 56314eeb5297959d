// Package driver makes a vault of a wasm module, for a component of type crypto.wasm:
//
//	type vault struct{ … }
//
//	func init() { driver.Register(&vault{}) }
//
// Calls come one after the other (but see package plugin).
//
// Errors are those of package crypto: return or wrap crypto.ErrKeyNotFound, crypto.ErrInvalidRequest, crypto.ErrFailed and
// crypto.ErrUnavailable, and put nothing of keys and plaintexts into their texts. Importing this package makes the module a
// vault: it exports mrt:crypto/driver. main does not run.
package driver

import "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/crypto"

// Cipher encrypts short texts.
type Cipher interface {
	Encrypt(op crypto.Operation) (crypto.Sealed, error)
	// Decrypt gives the plaintext, or crypto.ErrFailed if anything was changed.
	Decrypt(op crypto.Operation) ([]byte, error)
}

// KeyWrapper encrypts keys: their bytes if they are symmetric, else PKCS #8 or PKIX in DER.
type KeyWrapper interface {
	WrapKey(op crypto.Operation) (crypto.Sealed, error)
	// UnwrapKey gives a key's bytes, or crypto.ErrFailed.
	UnwrapKey(op crypto.Operation) ([]byte, error)
}

// Signer signs digests, which are as long as the algorithm's hash (EdDSA: the message itself).
type Signer interface {
	Sign(key, algorithm string, digest []byte) ([]byte, error)
	// Verify tells whether a signature is the key's, of this digest. Bytes that are no signature are false, not an error.
	Verify(key, algorithm string, digest, signature []byte) (bool, error)
}

// Vault is what a vault does. What encrypts messages needs of it no more than WrapKey and UnwrapKey of 32 bytes.
type Vault interface {
	Cipher
	KeyWrapper
	Signer
	// Init gets the component's metadata, before anything else. An error ends the start of the component; one that is
	// crypto.ErrUnavailable has it tried again while the component's initTimeout lasts.
	Init(metadata map[string]string) error
	// Algorithms tells which algorithms the vault knows.
	Algorithms() (crypto.Algorithms, error)
	// PublicKey gives the public part of a key pair as a JSON Web Key, whose member kid, if it has one, is the name with its
	// version; crypto.ErrKeyNotFound for a symmetric key.
	PublicKey(key string) (string, error)
}

var registered Vault

// Register makes v the module's vault. Call it in an init function. It panics when there is one already.
func Register(v Vault) {
	if registered != nil {
		panic("driver.Register: the module has a vault already")
	}
	registered = v
}
