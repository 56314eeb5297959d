package crypto_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	kitcrypto "github.com/dapr/kit/crypto"
	"github.com/lestrrat-go/jwx/v2/jwk"

	abicrypto "github.com/mrt-wasm/mrt-wasm/abi/crypto"
)

// TestSubtle: each operation and back.
func TestSubtle(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	ctx, s := t.Context(), f.subtle["one"]
	for _, tc := range []struct {
		key, algorithm string
		nonce, tag     int
		associated     string
	}{
		{"aes256", "A256GCM", 12, 16, "with"},
		{"aes128", "A128GCM", 12, 16, ""},
		{"aes256", "XC20P", 24, 16, "with"},
		{"aes192", "A192CBC", 16, 0, ""},
		{"aes512", "A256CBC-HS512", 16, 32, "x"},
		{"rsa", "RSA-OAEP-256", 0, 0, "label"},
	} {
		nonce, associated := random(tc.nonce), []byte(tc.associated)
		out, failed := s.Encrypt(ctx, "", tc.key, tc.algorithm, []byte("hello"), nonce, associated)
		if failed != nil || len(out.Tag) != tc.tag {
			t.Errorf("%s: got a tag of %d bytes, error %v", tc.algorithm, len(out.Tag), failed)
			continue
		}
		got, failed := s.Decrypt(ctx, "vault", tc.key, tc.algorithm, out.Data, out.Tag, nonce, associated)
		if failed != nil || string(got) != "hello" {
			t.Errorf("%s: got %q, error %v", tc.algorithm, got, failed)
		}
	}
	for algorithm, key := range map[string]string{"ES256": "ec", "RS256": "rsa", "PS256": "rsa", "EdDSA": "ed"} {
		sum := digest("hello")
		signature, failed := s.Sign(ctx, "", key, algorithm, sum)
		if failed != nil {
			t.Errorf("%s: %v", algorithm, failed)
			continue
		}
		if valid, failed := s.Verify(ctx, "", key, algorithm, sum, signature); failed != nil || !valid {
			t.Errorf("%s: got %t, error %v", algorithm, valid, failed)
		}
		if valid, failed := s.Verify(ctx, "", key, algorithm, digest("other"), signature); failed != nil || valid {
			t.Errorf("%s of another digest: got %t, error %v", algorithm, valid, failed)
		}
	}
	known, failed := s.ListAlgorithms(ctx, "")
	if failed != nil || !slices.Contains(known.Encryption, "A256GCM") || !slices.Contains(known.Signature, "ES256") {
		t.Errorf("algorithms: got %v, error %v", known, failed)
	}
}

// TestWrapKey: keys come as bytes, as a JSON Web Key and as PEM, and reach the vault as bytes, PKCS #8 or PKIX.
func TestWrapKey(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	ctx, s := t.Context(), f.subtle["one"]
	text := func(v any, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	der := func(k jwk.Key) []byte {
		out, err := kitcrypto.SerializeKey(k)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	ec := keys()["ec"]
	public, err := ec.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	brace := append([]byte("{"), random(63)...)
	nonce := random(12)
	for name, tc := range map[string]struct{ given, want []byte }{
		"bytes":                       {[]byte("0123456789abcdef"), []byte("0123456789abcdef")},
		"bytes that look like {":      {brace, brace},
		"symmetric as a JSON Web Key": {text(keys()["aes128"], nil), der(keys()["aes128"])},
		"private as a JSON Web Key":   {text(ec, nil), der(ec)},
		"public as a JSON Web Key":    {text(public, nil), der(public)},
		"private as PEM":              {pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der(ec)}), der(ec)},
		"public as PEM":               {pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der(public)}), der(public)},
	} {
		wrapped, failed := s.WrapKey(ctx, "", "aes256", "A256GCM", tc.given, nonce, nil)
		if failed != nil {
			t.Errorf("%s: %v", name, failed)
			continue
		}
		got, failed := s.UnwrapKey(ctx, "", "aes256", "A256GCM", wrapped.Data, wrapped.Tag, nonce, nil)
		if failed != nil || !bytes.Equal(got, tc.want) {
			t.Errorf("%s: got %d bytes, want %d, error %v", name, len(got), len(tc.want), failed)
		}
	}
	number := func(n int) string { return base64.RawURLEncoding.EncodeToString(append([]byte{1}, random(n)...)) }
	for given, want := range map[string]string{
		`{"kty":"RSA","n":"` + number(30_000) + `","e":"AQAB"}`:                                                                                "want 20480 or fewer",
		`{"kty":"RSA","n":"AQAB","e":"AQAB","d":"AQAB","p":"","q":"","dp":"","dq":"","qi":""}`:                                                 "cannot be read as one",
		`{"kty":"RSA","n":"` + number(4000) + `","e":"AQAB","d":"` + number(4000) + `","p":"` + number(2000) + `","q":"` + number(2000) + `"}`: "cannot be read as one",
		`{"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"}`:                                                                                "cannot be read as one",
		"":                          "the key to wrap is empty",
		`{"kty":"planted"}`:         "cannot be read as one",
		"-----BEGIN planted-----\n": "cannot be read as one",
		`{"kty":"OKP","crv":"X25519","x":"cGxhbnRlZHBsYW50ZWRwbGFudGVkcGxhbnRlZDEyMzQ"}`: "cannot be read as one",
	} {
		_, failed := s.WrapKey(ctx, "", "aes256", "A256GCM", []byte(given), nonce, nil)
		if failed == nil || failed.Tag != abicrypto.ErrorInvalidRequest || !strings.Contains(failed.Value, want) || strings.Contains(failed.Value, "planted") {
			t.Errorf("%q: got %v, want %q", given, failed, want)
		}
	}
}

// TestGetKey: only the public part, in both forms, though the vault gives all.
func TestGetKey(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	for _, name := range []string{"rsa", "ec", "ed"} {
		want, err := keys()[name].PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range []abicrypto.KeyFormat{abicrypto.KeyFormatPem, abicrypto.KeyFormatJwk} {
			got, failed := f.subtle["one"].GetKey(t.Context(), "", name, format)
			if failed != nil || got.Name != name+"/1" {
				t.Errorf("%s as %s: got %q, error %v", name, format, got.Name, failed)
				continue
			}
			k, err := jwk.ParseKey([]byte(got.Key), jwk.WithPEM(format == abicrypto.KeyFormatPem))
			if err != nil || !jwk.Equal(k, want) || strings.Contains(got.Key, "PRIVATE") || strings.Contains(got.Key, `"d"`) {
				t.Errorf("%s as %s: got %s, error %v", name, format, got.Key, err)
			}
			if block, _ := pem.Decode([]byte(got.Key)); format == abicrypto.KeyFormatPem {
				if block == nil || block.Type != "PUBLIC KEY" {
					t.Errorf("%s: got %s", name, got.Key)
				} else if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
	for name, want := range map[string]string{
		"aes256": "crypto component vault: key aes256: key not found: it is symmetric, and has no public part",
		"nope":   "crypto component vault: key not found: the vault has no key nope",
	} {
		if got, failed := f.subtle["one"].GetKey(t.Context(), "", name, abicrypto.KeyFormatJwk); failed == nil || failed.Tag != abicrypto.ErrorKeyNotFound || failed.Value != want {
			t.Errorf("%s: got %v, error %v", name, got, failed)
		}
	}
}
