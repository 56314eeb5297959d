package crypto

// Subtle is a crypto component whose single operations are called, by its name: for those who know what they do. With most
// algorithms a nonce must never be used twice with a key, and nothing that has no tag is safe from changes.
type Subtle string

// Operation is what an operation with a key works on.
type Operation struct {
	// Key is the vault's key, with a version or without (name/version).
	Key string
	// Algorithm is a name of RFC 7518 or, where that has none, Dapr's, such as A256GCM.
	Algorithm string
	// Data is what is encrypted, decrypted, wrapped or unwrapped.
	Data []byte
	// Tag is the authentication tag to check; nil where the algorithm has none, and to encrypt.
	Tag []byte
	// Nonce is nil for algorithms without one.
	Nonce []byte
	// AssociatedData is authenticated, not encrypted; nil for none.
	AssociatedData []byte
}

// Sealed is what an encryption gives.
type Sealed struct {
	// Data is the ciphertext, or the wrapped key.
	Data []byte
	// Tag is the authentication tag; empty where the algorithm has none, or has it in Data.
	Tag []byte
}

// Algorithms are those that a vault knows. A key may be good for some of them only.
type Algorithms struct {
	// Encryption are those that encrypt and wrap keys.
	Encryption []string
	// Signature are those that sign.
	Signature []string
}

// KeyFormat is the form of a public key.
type KeyFormat uint8

// The forms of public keys.
const (
	// PEM is PEM with a PKIX structure (PUBLIC KEY).
	PEM KeyFormat = iota
	// JWK is a JSON Web Key (RFC 7517).
	JWK
)

// PublicKey is the public part of a key pair.
type PublicKey struct {
	// Name is the key's name in the vault, with its version where the vault has versions.
	Name string
	// Key is the key in the form that was asked for.
	Key string
}

// Algorithms tells which algorithms the vault knows.
func (s Subtle) Algorithms() (Algorithms, error) {
	out, err := backendAlgorithms(string(s))
	return out, wrap("list algorithms", "", string(s), err)
}

// PublicKey gives the public part of a key pair. A symmetric key has none: ErrKeyNotFound.
func (s Subtle) PublicKey(key string, format KeyFormat) (PublicKey, error) {
	out, err := backendPublicKey(string(s), key, format)
	return out, wrap("get the public key", key, string(s), err)
}

// Encrypt encrypts a short text.
func (s Subtle) Encrypt(op Operation) (Sealed, error) {
	out, err := backendEncrypt(string(s), &op)
	return out, wrap("encrypt", op.Key, string(s), err)
}

// Decrypt decrypts a short text; ErrFailed if anything was changed.
func (s Subtle) Decrypt(op Operation) ([]byte, error) {
	out, err := backendDecrypt(string(s), &op)
	return out, wrap("decrypt", op.Key, string(s), err)
}

// WrapKey encrypts a key: Data is its bytes if it is symmetric, else PEM or a JSON Web Key.
func (s Subtle) WrapKey(op Operation) (Sealed, error) {
	out, err := backendWrapKey(string(s), &op)
	return out, wrap("wrap a key", op.Key, string(s), err)
}

// UnwrapKey decrypts a key: its bytes if it is symmetric, else PKCS #8 or PKIX in DER. ErrFailed if anything was changed.
func (s Subtle) UnwrapKey(op Operation) ([]byte, error) {
	out, err := backendUnwrapKey(string(s), &op)
	return out, wrap("unwrap a key", op.Key, string(s), err)
}

// Sign signs a digest, which is as long as the algorithm's hash (EdDSA: the message itself). Signatures of ES256, ES384 and
// ES512 are in ASN.1, as Dapr's, and not the two numbers of RFC 7518.
func (s Subtle) Sign(key, algorithm string, digest []byte) ([]byte, error) {
	out, err := backendSign(string(s), key, algorithm, digest)
	return out, wrap("sign", key, string(s), err)
}

// Verify tells whether a signature is the key's, of this digest. A wrong signature is false, and no error.
func (s Subtle) Verify(key, algorithm string, digest, signature []byte) (bool, error) {
	ok, err := backendVerify(string(s), key, algorithm, digest, signature)
	return ok && err == nil, wrap("verify", key, string(s), err)
}
