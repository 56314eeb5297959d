//go:build !wasip1

package crypto

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"slices"
	"strings"
	"testing"
)

// keys gives the fake one key of each kind.
func keys(t *testing.T) {
	t.Helper()
	ResetFake()
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, d, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	SetFakeKey("", "aes", bytes.Repeat([]byte{7}, 32))
	SetFakeKey("crypto", "aes2", bytes.Repeat([]byte{8}, 32))
	SetFakeKey("", "rsa", r)
	SetFakeKey("", "ec", e)
	SetFakeKey("", "ed", d)
}

func TestMessages(t *testing.T) {
	keys(t)
	for _, o := range []Options{
		{Key: "aes", Algorithm: "A256KW"},
		{Key: "aes", Algorithm: "aes", Cipher: ChaCha20Poly1305},
		{Key: "rsa", Algorithm: "RSA"},
		{Key: "rsa", Algorithm: "RSA-OAEP-256"},
	} {
		for _, plain := range []string{"", "a secret", strings.Repeat("long ", 50_000)} {
			sealed, err := Encrypt("", []byte(plain), o)
			if err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
			if plain != "" && bytes.Contains(sealed, []byte(plain)) {
				t.Errorf("%+v: the plaintext stands in the message", o)
			}
			if got, err := Decrypt("crypto", sealed); err != nil || string(got) != plain {
				t.Errorf("%+v: got %d bytes, error %v, want %d bytes", o, len(got), err, len(plain))
			}
			sealed[len(sealed)-1] ^= 1
			if _, err := Decrypt("", sealed); !errors.Is(err, ErrFailed) {
				t.Errorf("%+v: a changed message: got error %v, want %v", o, err, ErrFailed)
			}
		}
	}
}

// TestKeyNames: what stands in a message, and what overrides it.
func TestKeyNames(t *testing.T) {
	keys(t)
	omitted, err := Encrypt("", []byte("x"), Options{Key: "aes", Algorithm: "A256KW", OmitKeyName: true})
	if err != nil {
		t.Fatal(err)
	}
	other, err := Encrypt("", []byte("x"), Options{Key: "aes", Algorithm: "A256KW", DecryptionKey: "gone/1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		what    string
		message []byte
		key     string
		want    error
	}{
		{"no name", omitted, "", ErrInvalidRequest},
		{"the name given", omitted, "aes", nil},
		{"another key", omitted, "aes2", ErrFailed},
		{"a key of another kind", omitted, "ec", ErrInvalidRequest},
		{"another name in the message", other, "", ErrKeyNotFound},
		{"the name overridden", other, "aes", nil},
		{"no message", []byte("hello"), "", ErrInvalidRequest},
		{"nothing", nil, "", ErrInvalidRequest},
	} {
		if got, err := DecryptWith("", tc.message, tc.key); !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) || err == nil && string(got) != "x" {
			t.Errorf("%s: got %q, error %v, want error %v", tc.what, got, err, tc.want)
		}
	}
}

func TestErrors(t *testing.T) {
	keys(t)
	vault := Subtle("vault")
	SetFakeKey("vault", "aes", bytes.Repeat([]byte{7}, 16))
	do := func(_ any, err error) error { return err }
	digest := make([]byte, 32)
	for what, tc := range map[string]struct {
		err, want error
	}{
		"no key name":               {do(Encrypt("", nil, Options{Algorithm: "A256KW"})), ErrInvalidRequest},
		"no algorithm":              {do(Encrypt("", nil, Options{Key: "aes"})), ErrInvalidRequest},
		"no such data cipher":       {do(Encrypt("", nil, Options{Key: "aes", Algorithm: "A256KW", Cipher: 9})), ErrInvalidRequest},
		"no such key":               {do(Encrypt("", nil, Options{Key: "no", Algorithm: "A256KW"})), ErrKeyNotFound},
		"a key too short":           {do(Encrypt("vault", nil, Options{Key: "aes", Algorithm: "A256KW"})), ErrInvalidRequest},
		"another component's key":   {do(vault.Sign("ec", "ES256", digest)), ErrKeyNotFound},
		"a symmetric key's public":  {do(vault.PublicKey("aes", PEM)), ErrKeyNotFound},
		"no such format":            {do(Subtle("").PublicKey("ec", 9)), ErrInvalidRequest},
		"a nonce too short":         {do(vault.Encrypt(Operation{Key: "aes", Algorithm: "A128GCM", Nonce: digest[:3]})), ErrInvalidRequest},
		"another algorithm":         {do(vault.Encrypt(Operation{Key: "aes", Algorithm: "A256GCM", Nonce: digest[:12]})), ErrInvalidRequest},
		"signing with a secret key": {do(vault.Sign("aes", "ES256", digest)), ErrInvalidRequest},
		"a digest too short":        {do(Subtle("").Sign("ec", "ES256", digest[:5])), ErrInvalidRequest},
		"another curve":             {do(Subtle("").Sign("ec", "ES384", make([]byte, 48))), ErrInvalidRequest},
		"no such hash":              {do(Subtle("").Sign("rsa", "PS", digest)), ErrInvalidRequest},
		"too much for RSA":          {do(Subtle("").Encrypt(Operation{Key: "rsa", Algorithm: "RSA-OAEP", Data: make([]byte, 300)})), ErrInvalidRequest},
		"what was not wrapped":      {do(vault.UnwrapKey(Operation{Key: "aes", Algorithm: "A128KW", Data: digest})), ErrFailed},
		"half a block":              {do(vault.UnwrapKey(Operation{Key: "aes", Algorithm: "A128KW", Data: digest[:3]})), ErrFailed},
	} {
		if !errors.Is(tc.err, tc.want) || !strings.HasPrefix(tc.err.Error(), "crypto: ") {
			t.Errorf("%s: got error %v, want %v", what, tc.err, tc.want)
		}
	}
	FailFake(ErrUnavailable)
	for what, err := range map[string]error{
		"encrypt": do(Encrypt("", nil, Options{Key: "aes", Algorithm: "A256KW"})), "decrypt": do(Decrypt("", nil)),
		"algorithms": do(vault.Algorithms()), "public key": do(vault.PublicKey("ec", JWK)), "verify": do(vault.Verify("ec", "ES256", nil, nil)),
	} {
		if !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s of a vault that fails: got error %v, want %v", what, err, ErrUnavailable)
		}
	}
}

func TestSubtle(t *testing.T) {
	keys(t)
	var vault Subtle
	nonce := make([]byte, 12)
	for _, op := range []Operation{
		{Key: "aes", Algorithm: "A256GCM", Nonce: nonce, AssociatedData: []byte("row 7")},
		{Key: "rsa", Algorithm: "RSA-OAEP"},
		{Key: "rsa", Algorithm: "RSA-OAEP-256"},
	} {
		op.Data = []byte("a short text")
		sealed, err := vault.Encrypt(op)
		if err != nil {
			t.Fatalf("%s: %v", op.Algorithm, err)
		}
		op.Data, op.Tag = sealed.Data, sealed.Tag
		if got, err := vault.Decrypt(op); err != nil || string(got) != "a short text" {
			t.Errorf("%s: got %q, error %v", op.Algorithm, got, err)
		}
		op.Data = slices.Clone(op.Data)
		op.Data[0] ^= 1
		if _, err := vault.Decrypt(op); !errors.Is(err, ErrFailed) {
			t.Errorf("%s: a changed ciphertext: got error %v, want %v", op.Algorithm, err, ErrFailed)
		}
	}
	digest := sha256.Sum256([]byte("a message"))
	for key, algorithms := range map[string][]string{"ec": {"ES256"}, "ed": {"EdDSA"}, "rsa": {"RS256", "PS256"}} {
		for _, algorithm := range algorithms {
			signature, err := vault.Sign(key, algorithm, digest[:])
			if err != nil {
				t.Fatalf("%s: %v", algorithm, err)
			}
			want := func(want bool, digest, signature []byte) {
				t.Helper()
				if got, err := vault.Verify(key, algorithm, digest, signature); err != nil || got != want {
					t.Errorf("%s: got %t, error %v, want %t", algorithm, got, err, want)
				}
			}
			want(true, digest[:], signature)
			want(false, digest[:], signature[1:])
			other := sha256.Sum256([]byte("another message"))
			want(false, other[:], signature)
		}
	}
}

// TestKeyWrap has the vector of RFC 3394, section 4.6.
func TestKeyWrap(t *testing.T) {
	ResetFake()
	unhex := func(s string) []byte {
		out, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	plain := unhex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F")
	SetFakeKey("", "kek", unhex("000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"))
	op := Operation{Key: "kek", Algorithm: "A256KW", Data: plain}
	got, err := Subtle("").WrapKey(op)
	if want := unhex("28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"); err != nil || !bytes.Equal(got.Data, want) {
		t.Errorf("got %x, error %v, want %x", got.Data, err, want)
	}
	op.Data = got.Data
	if got, err := Subtle("").UnwrapKey(op); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("got %x, error %v, want %x", got, err, plain)
	}
}

func TestPublicKeys(t *testing.T) {
	keys(t)
	for name, kind := range map[string]string{"rsa": "RSA", "ec": "EC", "ed": "OKP"} {
		got, err := Subtle("").PublicKey(name, PEM)
		if err != nil || got.Name != name {
			t.Fatalf("%s: got %+v, error %v", name, got, err)
		}
		block, _ := pem.Decode([]byte(got.Key))
		if block == nil || block.Type != "PUBLIC KEY" {
			t.Fatalf("%s: not PEM: %s", name, got.Key)
		}
		if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err = Subtle("").PublicKey(name, JWK)
		var jwk map[string]string
		if err != nil || json.Unmarshal([]byte(got.Key), &jwk) != nil || jwk["kty"] != kind {
			t.Errorf("%s: got %+v, error %v, want a JSON Web Key of %s", name, got, err, kind)
		}
		if jwk["d"] != "" {
			t.Errorf("%s: the public key has a private part", name)
		}
	}
	// A key given as PEM is wrapped as what it has.
	public, err := Subtle("").PublicKey("ed", PEM)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(public.Key))
	op := Operation{Key: "rsa", Algorithm: "RSA-OAEP", Data: []byte(public.Key)}
	wrapped, err := Subtle("").WrapKey(op)
	if err != nil {
		t.Fatal(err)
	}
	op.Data = wrapped.Data
	if got, err := Subtle("").UnwrapKey(op); err != nil || !bytes.Equal(got, block.Bytes) {
		t.Errorf("got %x, error %v, want %x", got, err, block.Bytes)
	}
}
