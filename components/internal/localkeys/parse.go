package localkeys

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	kit "github.com/dapr/kit/crypto"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

// MaxSize is how many bytes a file or document of keys may have.
const MaxSize = 1 << 20

const (
	// maxModulus is the largest RSA key, in bits: one operation with a larger one takes seconds.
	maxModulus = 16384
	// maxExponent is the length of the largest exponent that crypto/rsa takes.
	maxExponent = 4
)

// Parse reads a key, by the name of its file: .json is a JSON Web Key, .pem is PEM (PKCS #1, PKCS #8, PKIX or SEC 1), and
// others are guessed as Dapr does: a key of these forms, or a symmetric key as its bytes or in base64. Errors do not have
// what was read.
func Parse(data []byte, name string) (jwk.Key, error) {
	want, contentType := "a JSON Web Key, PEM, or the bytes of a symmetric key", ""
	switch strings.ToLower(path.Ext(name)) {
	case ".json":
		want, contentType = "a JSON Web Key, such as {\"kty\":\"EC\",…}", "application/json"
	case ".pem":
		want, contentType = "a key in PEM without a password", "application/x-pem-file"
	}
	if len(data) > MaxSize {
		return nil, fmt.Errorf("want %s, found more than %d bytes", want, MaxSize)
	}
	// The library's errors quote what they stumble on.
	key, err := guard(func() (jwk.Key, error) { return kit.ParseKey(data, contentType) })
	if err != nil {
		return nil, fmt.Errorf("want %s, found %d bytes that are none", want, len(data))
	}
	if _, err := guard(func() (jwk.Key, error) { return key, check(key) }); err != nil {
		return nil, err
	}
	return key, nil
}

// Set are the keys of a JSON Web Key Set by their ids.
type Set struct {
	Keys map[string]jwk.Key
	// Skipped says of each key that cannot be used why.
	Skipped []string
}

// ParseSet reads a JSON Web Key Set, or one JSON Web Key. As RFC 7517 has it, keys that are not understood are left out. Of
// keys with the same id the first one counts.
func ParseSet(data []byte) (Set, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
		Kty  string            `json:"kty"`
	}
	const want = "want a JSON Web Key Set, such as {\"keys\":[…]}"
	switch {
	case len(data) > MaxSize:
		return Set{}, fmt.Errorf("%s, found more than %d bytes", want, MaxSize)
	case json.Unmarshal(data, &doc) != nil:
		return Set{}, fmt.Errorf("%s, found %d bytes that are not such JSON", want, len(data))
	case doc.Keys == nil && doc.Kty == "":
		return Set{}, errors.New(want + ", found JSON without keys")
	case doc.Keys == nil:
		doc.Keys = []json.RawMessage{data}
	}
	set := Set{Keys: map[string]jwk.Key{}}
	for i, raw := range doc.Keys {
		key, err := Parse(bytes.TrimSpace(raw), ".json")
		switch {
		case err != nil:
			set.Skipped = append(set.Skipped, fmt.Sprintf("key %d of %d: %v", i+1, len(doc.Keys), err))
		case key.KeyID() == "":
			set.Skipped = append(set.Skipped, fmt.Sprintf("key %d of %d: has no kid, by which it could be found", i+1, len(doc.Keys)))
		case set.Keys[key.KeyID()] != nil:
			set.Skipped = append(set.Skipped, fmt.Sprintf("key %d of %d: has the kid of an earlier one", i+1, len(doc.Keys)))
		default:
			set.Keys[key.KeyID()] = key
		}
	}
	if len(set.Keys) == 0 && len(set.Skipped) > 0 {
		return Set{}, fmt.Errorf("%s, found no key in it that can be used: %s", want, set.Skipped[0])
	}
	return set, nil
}

// check wants a key that the algorithms can work with: what they would panic on or take very long with is none.
func check(key jwk.Key) error {
	var raw any
	if err := key.Raw(&raw); err != nil {
		return errors.New("the key is not valid: its numbers do not fit together")
	}
	switch k := raw.(type) {
	case []byte:
		if len(k) == 0 {
			return errors.New("the key is empty")
		}
		return nil
	case *rsa.PublicKey:
		return checkRSA(key, k)
	case *rsa.PrivateKey:
		if err := checkRSA(key, &k.PublicKey); err != nil {
			return err
		}
		if k.Validate() != nil {
			return errors.New("the RSA key is not valid: its numbers do not fit together")
		}
		return nil
	case *ecdsa.PublicKey:
		if _, err := k.ECDH(); err != nil {
			return errors.New("the EC key is not valid: want a point on P-256, P-384 or P-521")
		}
		return nil
	case *ecdsa.PrivateKey:
		return checkEC(k)
	case ed25519.PublicKey:
		if len(k) != ed25519.PublicKeySize {
			return fmt.Errorf("the Ed25519 key is not valid: want %d bytes, found %d", ed25519.PublicKeySize, len(k))
		}
		return nil
	case ed25519.PrivateKey:
		return nil // Raw has compared its halves
	default:
		return errors.New("the type of the key is not supported: want RSA, EC with P-256, P-384 or P-521, Ed25519 or a symmetric key")
	}
}

func checkRSA(key jwk.Key, public *rsa.PublicKey) error {
	if bits := public.N.BitLen(); bits > maxModulus {
		return fmt.Errorf("the RSA key is too large: want %d bits or fewer, found %d", maxModulus, bits)
	}
	number, ok := key.(interface{ E() []byte })
	if !ok || len(number.E()) > maxExponent || public.E < 3 || public.E%2 == 0 {
		return errors.New("the RSA key is not valid: want an odd exponent from 3 to 2147483647")
	}
	return nil
}

func checkEC(k *ecdsa.PrivateKey) error {
	mine, err := k.ECDH()
	if err != nil {
		return errors.New("the EC key is not valid: want a number and a point on P-256, P-384 or P-521")
	}
	if public, err := k.PublicKey.ECDH(); err != nil || !mine.PublicKey().Equal(public) {
		return errors.New("the EC key is not valid: its private and public halves do not fit together")
	}
	return nil
}
