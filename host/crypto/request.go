package crypto

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"unicode/utf8"

	kitcrypto "github.com/dapr/kit/crypto"
	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

// MaxName bounds the names of keys and algorithms, in bytes.
const MaxName = 4096

// checkName refuses what no vault could mean; what is "key name" or "algorithm".
func checkName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: the %s is missing", ErrInvalid, what)
	case len(name) > MaxName:
		return fmt.Errorf("%w: %s %q... has %d bytes, want %d or fewer", ErrInvalid, what, name[:32], len(name), MaxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: %s %q is not valid UTF-8", ErrInvalid, what, name)
	default:
		return nil
	}
}

// check refuses an operation that no vault could carry out, and gives it the form of the contract.
func (o *Operation) check() error {
	if err := checkName("key name", o.Key); err != nil {
		return err
	}
	o.Tag, o.Nonce, o.AssociatedData = orNil(o.Tag), orNil(o.Nonce), orNil(o.AssociatedData)
	return checkName("algorithm", o.Algorithm)
}

func (s *signing) check() error {
	if err := checkName("key name", s.key); err != nil {
		return err
	}
	return checkName("algorithm", s.algorithm)
}

func orNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// maxKeyText bounds keys that have to be read: an RSA key of 16384 bits fits, and none that takes long to be checked.
const maxKeyText = 20 << 10

// keyBytes gives a key to wrap in the form that vaults take: the bytes of a symmetric key, PKCS #8 or PKIX in DER of
// another. A JSON Web Key and PEM are told by their text, which no random key has; all else is a symmetric key as it is.
// Errors have nothing of the key.
func keyBytes(given []byte) ([]byte, error) {
	asPEM := bytes.HasPrefix(given, []byte("-----BEGIN "))
	switch {
	case len(given) == 0:
		return nil, fmt.Errorf("%w: the key to wrap is empty", ErrInvalid)
	case !asPEM && (given[0] != '{' || !json.Valid(given)):
		return given, nil
	case len(given) > maxKeyText:
		return nil, fmt.Errorf("%w: the key to wrap has %d bytes: want %d or fewer of a JSON Web Key or PEM", ErrInvalid, len(given), maxKeyText)
	}
	out, err := parseKey(given, asPEM)
	if err != nil || len(out) == 0 {
		return nil, fmt.Errorf("%w: the key to wrap looks like a JSON Web Key or PEM, and cannot be read as one: want a valid RSA, EC, Ed25519 or symmetric key",
			ErrInvalid)
	}
	return out, nil
}

// parseKey reads a key. The libraries panic on some that make no sense.
func parseKey(given []byte, asPEM bool) (out []byte, err error) {
	defer func() {
		if recover() != nil { // its value may have parts of the key
			err = ErrInvalid
		}
	}()
	key, err := jwk.ParseKey(given, jwk.WithPEM(asPEM))
	if err != nil {
		return nil, err
	}
	return kitcrypto.SerializeKey(key)
}

// keyFormat is the form of a public key, numbered as in Dapr.
type keyFormat int32

const (
	formatPEM keyFormat = iota
	formatJWK
)

// text gives the key in a form. A driver that gives a whole key pair does not give it away.
func (k PublicKey) text(format keyFormat) (string, error) {
	if k.Key == nil || k.Key.KeyType() == jwa.OctetSeq {
		return "", fmt.Errorf("%w: it is symmetric, and has no public part", ErrKeyNotFound)
	}
	public, err := k.Key.PublicKey()
	if err != nil {
		return "", fmt.Errorf("%w: it has no public part", ErrKeyNotFound)
	}
	if format == formatJWK {
		out, err := json.Marshal(public)
		if err != nil {
			return "", fmt.Errorf("public key as a JSON Web Key: %w", err)
		}
		return string(out), nil
	}
	var raw any
	if err := public.Raw(&raw); err != nil {
		return "", fmt.Errorf("public key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(raw)
	if err != nil {
		return "", fmt.Errorf("public key as PKIX: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}
