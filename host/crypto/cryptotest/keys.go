package cryptotest

import (
	stdcrypto "crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"slices"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// Key is a key of the vault.
type Key struct {
	// Name is by what the vault knows it.
	Name string
	// Raw is the key: []byte, *rsa.PrivateKey, *ecdsa.PrivateKey or ed25519.PrivateKey.
	Raw any
	// Algorithms are all that it is good for in this vault.
	Algorithms []string
}

// Keys are two of each sort, and with them those of the published vectors. A driver that has fewer algorithms takes from them
// what it needs.
func Keys(t testing.TB) []Key {
	t.Helper()
	var keys []Key
	add := func(name string, raw any, algorithms ...string) {
		keys = append(keys, Key{name, raw, slices.Clone(algorithms)})
	}
	sizes := map[int][]string{
		16: {"A128CBC", "A128CBC-NOPAD", "A128GCM", "A128KW"}, 24: {"A192CBC", "A192CBC-NOPAD", "A192GCM", "A192KW"},
		32: {"A256CBC", "A256CBC-NOPAD", "A256GCM", "A256KW", "A128CBC-HS256", "C20P", "XC20P", "C20PKW", "XC20PKW"},
		48: {"A192CBC-HS384"}, 64: {"A256CBC-HS512"},
	}
	for size, algorithms := range sizes {
		for i := range 2 {
			key := make([]byte, size)
			_, _ = rand.Read(key) // never fails, by its documentation
			add(fmt.Sprintf("secret%d-%d", size, i), key, algorithms...)
		}
	}
	published := map[string]bool{}
	for i, v := range vectors {
		if key := unhex(v.key); !published[v.key] {
			add(fmt.Sprintf("vector%d", i), key, sizes[len(key)]...)
		}
		published[v.key] = true
	}
	for i := range 2 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		add(fmt.Sprint("rsa", i), key, "RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512",
			"RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
		for algorithm, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
			key, err := ecdsa.GenerateKey(curve, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			add(fmt.Sprintf("ec-%s-%d", algorithm, i), key, algorithm)
		}
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	add("ed25519", key, "EdDSA")
	add("ed25519-rfc8032", ed25519.NewKeyFromSeed(unhex(edSeed)), "EdDSA")
	return keys
}

// JSON gives the key as a JSON Web Key whose kid is its name.
func (k Key) JSON(t testing.TB) []byte {
	t.Helper()
	key, err := jwk.FromRaw(k.Raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Set(jwk.KeyIDKey, k.Name); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// PEM gives a key pair as PKCS #8 in PEM; nil for a symmetric key.
func (k Key) PEM(t testing.TB) []byte {
	t.Helper()
	if _, symmetric := k.Raw.([]byte); symmetric {
		return nil
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// Set gives keys as a JSON Web Key Set.
func Set(t testing.TB, keys []Key) []byte {
	t.Helper()
	doc := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	for _, key := range keys {
		doc.Keys = append(doc.Keys, key.JSON(t))
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// public is the public half; nil for a symmetric key.
func (k Key) public() stdcrypto.PublicKey {
	if pair, ok := k.Raw.(stdcrypto.Signer); ok {
		return pair.Public()
	}
	return nil
}

// cipher is what an algorithm wants.
type cipher struct {
	nonce, tag int
	// unit and least are the lengths that a plaintext may have.
	unit, least int
	asymmetric  bool
	// authentic tells that it finds every change; label that it takes associated data.
	authentic, label bool
}

// aead is an algorithm with a tag.
func aead(nonce, tag int) cipher {
	return cipher{nonce: nonce, tag: tag, unit: 1, authentic: true, label: true}
}

var (
	cbc        = cipher{nonce: 16, unit: 1}
	cbcNoPad   = cipher{nonce: 16, unit: 16}
	keyWrap    = cipher{unit: 8, least: 16, authentic: true}
	rsaOAEP    = cipher{unit: 1, asymmetric: true, authentic: true, label: true}
	rsaPKCS1v1 = cipher{unit: 1, asymmetric: true}
	ciphers    = map[string]cipher{
		"A128CBC": cbc, "A192CBC": cbc, "A256CBC": cbc, "A128CBC-NOPAD": cbcNoPad, "A192CBC-NOPAD": cbcNoPad, "A256CBC-NOPAD": cbcNoPad,
		"A128GCM": aead(12, 16), "A192GCM": aead(12, 16), "A256GCM": aead(12, 16),
		"A128CBC-HS256": aead(16, 16), "A192CBC-HS384": aead(16, 24), "A256CBC-HS512": aead(16, 32),
		"A128KW": keyWrap, "A192KW": keyWrap, "A256KW": keyWrap,
		"C20P": aead(12, 16), "C20PKW": aead(12, 16), "XC20P": aead(24, 16), "XC20PKW": aead(24, 16),
		"RSA1_5": rsaPKCS1v1, "RSA-OAEP": rsaOAEP, "RSA-OAEP-256": rsaOAEP, "RSA-OAEP-384": rsaOAEP, "RSA-OAEP-512": rsaOAEP,
	}
)

// operation is an encryption of n bytes that are different each time.
func (c cipher) operation(key, algorithm string, n int) crypto.Operation {
	op := crypto.Operation{Key: key, Algorithm: algorithm, Data: make([]byte, n)}
	if c.nonce > 0 {
		op.Nonce = make([]byte, c.nonce)
	}
	_, _ = rand.Read(op.Data) // never fails, by its documentation
	_, _ = rand.Read(op.Nonce)
	return op
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err) // a constant of this package
	}
	return b
}
