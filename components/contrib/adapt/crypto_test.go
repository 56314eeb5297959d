package adapt_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	contrib "github.com/dapr/components-contrib/crypto"
	"github.com/dapr/components-contrib/crypto/jwks"
	"github.com/dapr/components-contrib/crypto/localstorage"
	"github.com/dapr/kit/logger"
	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/mrt-wasm/mrt-wasm/components/contrib/adapt"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

// keys are made anew for each run.
func keys(t *testing.T) map[string]any {
	t.Helper()
	rsaKey, errRSA := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, errEC := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, edKey, errED := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(errRSA, errEC, errED); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"rsa": rsaKey, "ec": ecKey, "ed": edKey, "aes": random(32), "aes64": random(64)}
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, by its documentation
	return b
}

func open(t *testing.T, spec component.Spec[crypto.Provider], metadata map[string]string) crypto.Provider {
	t.Helper()
	p, err := spec.New(t.Context(), component.Config{
		Name: "vault", Type: spec.Type, Version: "v1", Metadata: metadata, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// files is Dapr's localstorage with the keys in its files.
func files(t *testing.T, all map[string]any) crypto.Provider {
	t.Helper()
	dir := t.TempDir()
	for name, key := range all {
		text, symmetric := key.([]byte)
		if symmetric {
			text = []byte(base64.StdEncoding.EncodeToString(text))
		} else {
			der, err := x509.MarshalPKCS8PrivateKey(key)
			if err != nil {
				t.Fatal(err)
			}
			text = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		}
		write(t, filepath.Join(dir, name), text)
	}
	write(t, filepath.Join(dir, "broken.json"), []byte(`{"kty": "oct", "k": "cGxhbnRlZA", planted-key-material`))
	return open(t, adapt.Crypto("crypto.dapr.localstorage", localstorage.NewLocalStorageCrypto), map[string]string{"path": dir})
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// document is Dapr's jwks with the keys in its metadata.
func document(t *testing.T, all map[string]any) crypto.Provider {
	t.Helper()
	set := jwk.NewSet()
	for name, raw := range all {
		key, err := jwk.FromRaw(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(key.Set(jwk.KeyIDKey, name), set.AddKey(key)); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return open(t, adapt.Crypto("crypto.dapr.jwks", jwks.NewJWKSCrypto), map[string]string{"jwks": string(text)})
}

func TestCrypto(t *testing.T) {
	all := keys(t)
	for name, p := range map[string]crypto.Provider{"localstorage": files(t, all), "jwks": document(t, all)} {
		t.Run(name, func(t *testing.T) {
			t.Run("cipher", func(t *testing.T) { ciphers(t, p) })
			t.Run("wrap", func(t *testing.T) { wraps(t, p, all) })
			t.Run("sign", func(t *testing.T) { signs(t, p) })
			t.Run("public", func(t *testing.T) { public(t, p) })
			t.Run("errors", func(t *testing.T) { failures(t, p) })
		})
	}
}

// algorithms of each kind that there is a key of, with the length of their nonces.
var algorithms = []struct {
	name, key string
	nonce     int
	tag       bool
}{
	{"A256CBC", "aes", 16, false},
	{"A256GCM", "aes", 12, true},
	{"A256KW", "aes", 0, false},
	{"A128CBC-HS256", "aes", 16, true},
	{"A256CBC-HS512", "aes64", 16, true},
	{"C20P", "aes", 12, true},
	{"XC20P", "aes", 24, true},
	{"RSA-OAEP", "rsa", 0, false},
	{"RSA-OAEP-256", "rsa", 0, false},
	{"RSA1_5", "rsa", 0, false},
}

func ciphers(t *testing.T, p crypto.Provider) {
	have, err := p.Algorithms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := random(32)
	for _, a := range algorithms {
		t.Run(a.name, func(t *testing.T) {
			if !slices.Contains(have.Encryption, a.name) {
				t.Errorf("the vault lists %v", have.Encryption)
			}
			op := crypto.Operation{Key: a.key, Algorithm: a.name, Data: text}
			if a.nonce > 0 {
				op.Nonce = random(a.nonce)
			}
			if a.tag {
				op.AssociatedData = []byte("about it")
			}
			sealed, err := p.Encrypt(t.Context(), &op)
			if err != nil || (len(sealed.Tag) > 0) != a.tag || bytes.Contains(sealed.Data, text) {
				t.Fatalf("encrypt: %d bytes, tag %x, %v", len(sealed.Data), sealed.Tag, err)
			}
			op.Data, op.Tag = sealed.Data, sealed.Tag
			if got, err := p.Decrypt(t.Context(), &op); err != nil || !bytes.Equal(got, text) {
				t.Fatalf("decrypt: %x, %v; want %x", got, err, text)
			}
			if !a.tag {
				return
			}
			op.Tag = random(len(sealed.Tag))
			if _, err := p.Decrypt(t.Context(), &op); !errors.Is(err, crypto.ErrFailed) {
				t.Errorf("wrong tag: got %v, want ErrFailed", err)
			}
			op.Tag, op.AssociatedData = sealed.Tag, []byte("other")
			if _, err := p.Decrypt(t.Context(), &op); !errors.Is(err, crypto.ErrFailed) {
				t.Errorf("other associated data: got %v, want ErrFailed", err)
			}
		})
	}
}

// wraps: a vault wraps the bytes of keys of any kind.
func wraps(t *testing.T, p crypto.Provider, all map[string]any) {
	der, err := x509.MarshalPKCS8PrivateKey(all["ec"])
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range algorithms {
		wrapped := map[string][]byte{"symmetric": random(32)}
		if a.name != "RSA1_5" && a.name != "RSA-OAEP" && a.name != "A256KW" {
			wrapped["pkcs8"] = der
		}
		for kind, key := range wrapped {
			op := crypto.Operation{Key: a.key, Algorithm: a.name, Data: key}
			if a.nonce > 0 {
				op.Nonce = random(a.nonce)
			}
			sealed, err := p.WrapKey(t.Context(), &op)
			if err != nil {
				t.Errorf("%s %s: wrap: %v", a.name, kind, err)
				continue
			}
			op.Data, op.Tag = sealed.Data, sealed.Tag
			if got, err := p.UnwrapKey(t.Context(), &op); err != nil || !bytes.Equal(got, key) {
				t.Errorf("%s %s: unwrap: %d bytes, %v", a.name, kind, len(got), err)
			}
			op.Data = random(len(sealed.Data))
			if _, err := p.UnwrapKey(t.Context(), &op); a.tag && !errors.Is(err, crypto.ErrFailed) {
				t.Errorf("%s %s: unwrap something else: got %v, want ErrFailed", a.name, kind, err)
			}
		}
	}
}

func signs(t *testing.T, p crypto.Provider) {
	digest := sha256.Sum256([]byte("message"))
	for algorithm, key := range map[string]string{"RS256": "rsa", "PS256": "rsa", "ES256": "ec", "EdDSA": "ed"} {
		signature, err := p.Sign(t.Context(), key, algorithm, digest[:])
		if err != nil {
			t.Errorf("%s: sign: %v", algorithm, err)
			continue
		}
		if ok, err := p.Verify(t.Context(), key, algorithm, digest[:], signature); err != nil || !ok {
			t.Errorf("%s: verify: %t, %v", algorithm, ok, err)
		}
		if ok, err := p.Verify(t.Context(), key, algorithm, random(32), signature); err != nil || ok {
			t.Errorf("%s: verify something else: %t, %v", algorithm, ok, err)
		}
		if ok, err := p.Verify(t.Context(), key, algorithm, digest[:], []byte("none")); err != nil || ok {
			t.Errorf("%s: verify what is no signature: %t, %v", algorithm, ok, err)
		}
	}
}

func public(t *testing.T, p crypto.Provider) {
	for _, name := range []string{"rsa", "ec", "ed"} {
		got, err := p.PublicKey(t.Context(), name)
		if err != nil || got.Name != name {
			t.Fatalf("%s: got %q, %v", name, got.Name, err)
		}
		var raw any
		if err := got.Key.Raw(&raw); err != nil {
			t.Fatal(err)
		}
		if _, err := x509.MarshalPKIXPublicKey(raw); err != nil {
			t.Errorf("%s is no public key: %v", name, err)
		}
	}
}

func failures(t *testing.T, p crypto.Provider) {
	encrypt := func(key, algorithm string, nonce []byte) error {
		_, err := p.Encrypt(t.Context(), &crypto.Operation{Key: key, Algorithm: algorithm, Data: []byte("x"), Nonce: nonce})
		return err
	}
	for name, tt := range map[string]struct{ err, want error }{
		"no key":            {encrypt("none", "A256GCM", random(12)), crypto.ErrKeyNotFound},
		"empty name":        {encrypt("", "A256GCM", random(12)), crypto.ErrKeyNotFound},
		"name of no file":   {encrypt(strings.Repeat("n", 5000), "A256GCM", random(12)), crypto.ErrKeyNotFound},
		"no algorithm":      {encrypt("aes", "ROT13", random(12)), crypto.ErrInvalid},
		"wrong kind of key": {encrypt("rsa", "A256GCM", random(12)), crypto.ErrInvalid},
		"wrong nonce":       {encrypt("aes", "A256GCM", random(3)), crypto.ErrInvalid},
	} {
		if !errors.Is(tt.err, tt.want) {
			t.Errorf("%s: got %v, want %v", name, tt.err, tt.want)
		}
	}
	if _, err := p.PublicKey(t.Context(), "aes"); !errors.Is(err, crypto.ErrKeyNotFound) {
		t.Errorf("public part of a symmetric key: got %v, want ErrKeyNotFound", err)
	}
	if err := encrypt("broken.json", "A256GCM", random(12)); !errors.Is(err, crypto.ErrKeyNotFound) || strings.Contains(err.Error(), "planted") {
		t.Errorf("broken key: got %v, want ErrKeyNotFound without the key", err)
	}
	op := crypto.Operation{Key: "aes", Algorithm: "A256GCM", Data: random(8), Nonce: random(12), Tag: random(3)}
	if _, err := p.Decrypt(t.Context(), &op); !errors.Is(err, crypto.ErrInvalid) && !errors.Is(err, crypto.ErrFailed) {
		t.Errorf("short tag: got %v, want ErrInvalid or ErrFailed", err)
	}
	if _, err := p.WrapKey(t.Context(), &crypto.Operation{Key: "aes", Algorithm: "A256KW", Data: random(9)}); !errors.Is(err, crypto.ErrInvalid) {
		t.Errorf("wrap 9 bytes: got %v, want ErrInvalid", err)
	}
	// Here the library of Dapr's component panics.
	if _, err := p.UnwrapKey(t.Context(), &crypto.Operation{Key: "aes", Algorithm: "A256KW", Data: []byte("x")}); !errors.Is(err, crypto.ErrFailed) {
		t.Errorf("unwrap too short a text: got %v, want ErrFailed", err)
	}
	if _, err := p.WrapKey(t.Context(), &crypto.Operation{Key: "aes", Algorithm: "A256KW"}); !errors.Is(err, crypto.ErrInvalid) {
		t.Errorf("wrap no key: got %v, want ErrInvalid", err)
	}
}

// hollow is a component that panics.
type hollow struct{ contrib.SubtleCrypto }

func (hollow) Init(context.Context, contrib.Metadata) error { return nil }
func (hollow) Close() error                                 { return nil }

// TestCryptoPanic: a component that panics ends neither the call's goroutine nor the host.
func TestCryptoPanic(t *testing.T) {
	p := open(t, adapt.Crypto("crypto.hollow", func(logger.Logger) contrib.SubtleCrypto { return hollow{} }), nil)
	op := crypto.Operation{Key: "k", Algorithm: "a", Data: []byte("planted")}
	_, encrypt := p.Encrypt(t.Context(), &op)
	_, decrypt := p.Decrypt(t.Context(), &op)
	_, wrap := p.WrapKey(t.Context(), &op)
	_, unwrap := p.UnwrapKey(t.Context(), &op)
	_, sign := p.Sign(t.Context(), "k", "a", nil)
	_, verify := p.Verify(t.Context(), "k", "a", nil, nil)
	_, public := p.PublicKey(t.Context(), "k")
	for i, err := range []error{encrypt, decrypt, wrap, unwrap, sign, verify, public} {
		if err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("call %d: got %v", i, err)
		}
	}
}

// TestCryptoStart: wrong metadata end the start with an error, and a document that cannot be read does so in time.
func TestCryptoStart(t *testing.T) {
	for name, metadata := range map[string]map[string]string{
		"crypto.dapr.jwks":         {"jwks": "{planted"},
		"crypto.dapr.localstorage": {"path": filepath.Join(t.TempDir(), "none")},
	} {
		spec := adapt.Crypto("crypto.dapr.jwks", jwks.NewJWKSCrypto)
		if name == "crypto.dapr.localstorage" {
			spec = adapt.Crypto(name, localstorage.NewLocalStorageCrypto)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := spec.New(ctx, component.Config{Metadata: metadata, Log: slog.New(slog.DiscardHandler)})
		if err == nil || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s with %v: got %v", name, metadata, err)
		}
		if _, err := spec.New(ctx, component.Config{Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "is missing") {
			t.Errorf("%s without metadata: got %v, want that a field is missing", name, err)
		}
	}
}
