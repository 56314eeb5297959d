// A vault whose keys are in its metadata: the field "keys" is a JSON object, in base64 or as it is, of names with PEM
// (PKCS #8 or PKIX) or, for symmetric keys, with base64.
package main

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/crypto"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/crypto/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/plugin"
)

type vault struct{ keys map[string]any }

func init() {
	plugin.Stateless()
	driver.Register(&vault{})
}

func main() {}

// Init reads the keys. What is wrong is told by the key's name.
func (v *vault) Init(metadata map[string]string) error {
	if metadata["fail"] != "" {
		return errors.New(metadata["fail"])
	}
	text := []byte(metadata["keys"])
	if plain, err := base64.StdEncoding.DecodeString(metadata["keys"]); err == nil {
		text = plain
	}
	var given map[string]string
	if json.Unmarshal(text, &given) != nil {
		return errors.New("metadata field keys: want a JSON object of names with PEM or base64")
	}
	v.keys = map[string]any{}
	for name, text := range given {
		key, err := parse(text)
		if err != nil {
			return fmt.Errorf("key %q: want PKCS #8 or PKIX in PEM, or the base64 of a symmetric key: %w", name, err)
		}
		v.keys[name] = key
	}
	return nil
}

func parse(text string) (any, error) {
	block, _ := pem.Decode([]byte(text))
	switch {
	case block == nil:
		return base64.StdEncoding.DecodeString(text)
	case block.Type == "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	default:
		return x509.ParsePKCS8PrivateKey(block.Bytes)
	}
}

func (v *vault) key(name string) (any, error) {
	if name == "trap" {
		panic("as asked")
	}
	key, ok := v.keys[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q", crypto.ErrKeyNotFound, name)
	}
	return key, nil
}

// Algorithms are those that seal, open, sign and verify know.
func (v *vault) Algorithms() (crypto.Algorithms, error) {
	return crypto.Algorithms{
		Encryption: []string{"A128GCM", "A192GCM", "A256GCM", "A128KW", "A192KW", "A256KW", "RSA-OAEP-256"},
		Signature:  []string{"ES256", "PS256", "RS256", "EdDSA"},
	}, nil
}

// lies are what PublicKey says of keys that no vault should speak of so; the pair is an example of RFC 8037, A.1.
var lies = map[string]string{
	"lies": "no key", "lies symmetric": `{"kty":"oct","k":"c2VjcmV0"}`,
	"whole pair": `{"kty":"OKP","crv":"Ed25519","kid":"whole pair/7","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",` +
		`"x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`,
}

// PublicKey gives a JSON Web Key.
func (v *vault) PublicKey(name string) (string, error) {
	if lie, ok := lies[name]; ok {
		return lie, nil
	}
	key, err := v.key(name)
	if err != nil {
		return "", err
	}
	return public(key)
}

// Encrypt encrypts.
func (v *vault) Encrypt(op crypto.Operation) (crypto.Sealed, error) {
	key, err := v.key(op.Key)
	if err != nil {
		return crypto.Sealed{}, err
	}
	return seal(key, &op)
}

// Decrypt decrypts.
func (v *vault) Decrypt(op crypto.Operation) ([]byte, error) {
	key, err := v.key(op.Key)
	if err != nil {
		return nil, err
	}
	return open(key, &op)
}

// WrapKey is Encrypt: a key is bytes.
func (v *vault) WrapKey(op crypto.Operation) (crypto.Sealed, error) { return v.Encrypt(op) }

// UnwrapKey is Decrypt.
func (v *vault) UnwrapKey(op crypto.Operation) ([]byte, error) { return v.Decrypt(op) }

// Sign signs.
func (v *vault) Sign(name, algorithm string, digest []byte) ([]byte, error) {
	key, err := v.key(name)
	if err != nil {
		return nil, err
	}
	return sign(key, algorithm, digest)
}

// Verify verifies.
func (v *vault) Verify(name, algorithm string, digest, signature []byte) (bool, error) {
	key, err := v.key(name)
	if err != nil {
		return false, err
	}
	return verify(key, algorithm, digest, signature)
}
