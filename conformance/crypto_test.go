package conformance

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	suite "github.com/dapr/components-contrib/tests/conformance/crypto"
	"github.com/lestrrat-go/jwx/v2/jwk"
)

// testKeys are made anew for each run: symmetric ones are bytes, others private keys.
func testKeys(t *testing.T) map[string]any {
	t.Helper()
	rsaKey, errRSA := rsa.GenerateKey(rand.Reader, 2048)
	p256, errP256 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, ed, errED := ed25519.GenerateKey(rand.Reader)
	if err := errors.Join(errRSA, errP256, errED); err != nil {
		t.Fatal(err)
	}
	symmetric := make([]byte, 32)
	_, _ = rand.Read(symmetric) // never fails, by its documentation
	return map[string]any{
		"rsa-private": rsaKey, "p256-private": p256, "ed25519-private": ed, "symmetric-256": symmetric,
		"rsa-public": rsaKey.Public(), "p256-public": p256.Public(), "ed25519-public": ed.Public(),
	}
}

// cryptoKeys tells the suite what each key is for, as Dapr's configuration of the suite does.
func cryptoKeys() []map[string]any {
	key := func(name, kind string, algorithms ...string) map[string]any {
		return map[string]any{"name": name, "type": kind, "algorithms": algorithms}
	}
	return []map[string]any{
		key("ed25519-public", "public", "EdDSA"),
		key("ed25519-private", "private", "EdDSA"),
		key("p256-public", "public", "ES256"),
		key("p256-private", "private", "ES256"),
		key("rsa-public", "public", "PS256", "RS256", "RSA1_5", "RSA-OAEP", "RSA-OAEP-256"),
		key("rsa-private", "private", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512", "RSA1_5", "RSA-OAEP", "RSA-OAEP-256",
			"RSA-OAEP-384", "RSA-OAEP-512"),
		key("symmetric-256", "symmetric", "A256CBC", "A256GCM", "A256KW", "C20P", "XC20P", "C20PKW", "XC20PKW", "A128CBC-HS256"),
	}
}

// keyFiles are the keys as PEM, and base64 for the symmetric one.
func keyFiles(t *testing.T) map[string]string {
	dir := t.TempDir()
	for name, key := range testKeys(t) {
		block := pem.Block{Type: "PRIVATE KEY"}
		var err error
		switch key := key.(type) {
		case []byte:
			if err := os.WriteFile(filepath.Join(dir, name), []byte(base64.StdEncoding.EncodeToString(key)), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		case *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey:
			block.Bytes, err = x509.MarshalPKCS8PrivateKey(key)
		default:
			block.Type = "PUBLIC KEY"
			block.Bytes, err = x509.MarshalPKIXPublicKey(key)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&block), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return map[string]string{"path": dir}
}

// keySet are the keys as a JSON Web Key Set.
func keySet(t *testing.T) map[string]string {
	set := jwk.NewSet()
	for name, raw := range testKeys(t) {
		key, err := jwk.FromRaw(raw)
		if err == nil {
			err = errors.Join(key.Set(jwk.KeyIDKey, name), set.AddKey(key))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"jwks": string(text)}
}

func TestCrypto(t *testing.T) {
	t.Parallel()
	tests := []struct {
		typ        string
		properties func(t *testing.T) map[string]string
	}{
		{"crypto.dapr.localstorage", keyFiles},
		{"crypto.dapr.jwks", keySet},
		{"crypto.wasm", nil},
	}
	for _, tt := range tests {
		t.Run(tt.typ, func(t *testing.T) {
			var o opener
			var properties map[string]string
			if tt.properties == nil {
				over := fmt.Sprintf("type: crypto.dapr.localstorage, metadata: [{name: path, value: %q}]", keyFiles(t)["path"])
				o, _ = pluginOver(t, over, tt.typ, "../components/crypto/wasm/testdata/over")
			} else {
				o, properties = testOpener(t, tt.typ), tt.properties(t)
			}
			t.Parallel()
			cfg, err := suite.NewTestConfig(tt.typ, []string{"public", "symmetric"}, map[string]any{"keys": cryptoKeys()})
			if err != nil {
				t.Fatal(err)
			}
			provider := &cryptoProvider{opener: o}
			suite.ConformanceTests(t, properties, provider, cfg)
			if err := provider.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}
