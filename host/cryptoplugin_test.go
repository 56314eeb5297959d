package host_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// pluggedVault is an app with a vault that is a wasm module. %s are its file and its keys.
const pluggedVault = `
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: one}
spec: {source: {wasm: guest.wasm}, limits: {maxInstances: 4, timeout: 60s}}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: vault}
spec:
  type: crypto.wasm
  version: v1
  initTimeout: 60s
  metadata: [{name: source, value: "%s"}, {name: timeout, value: 60s}, {name: keys, value: "%s"}]
---
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: policies}
spec: {policies: {timeouts: {DefaultCryptoComponentOutboundTimeoutPolicy: 60s}}}
`

// TestCryptoPlugin: the scheme and the single operations work over a vault that is a plugin, from app to plugin and back.
func TestCryptoPlugin(t *testing.T) {
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{"aes": base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xc3}, 32))}
	for name, key := range map[string]any{"ec": pair, "rsa": rsaKey} {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	}
	text, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	plugin := filepath.Join(dir, "vault.wasm")
	writeFile(t, plugin, enginetest.Build(t, "../components/crypto/wasm/testdata/vault"))
	s := &system{
		t: t, dir: dir, text: fmt.Sprintf(pluggedVault, filepath.ToSlash(plugin), base64.StdEncoding.EncodeToString(text)),
		wasm: guests{"one": enginetest.Build(t, "testdata/cryptographer")},
	}
	t.Cleanup(s.stop)
	s.start()
	message := bytes.Repeat([]byte("a secret. "), 30_000)
	for _, how := range []cryptographer{{Key: "aes", Algorithm: "A256KW"}, {Key: "rsa", Algorithm: "RSA", ChaCha: true}} {
		how.Data = message
		sealed := s.bytes("one", "encrypt", how)
		if got := s.bytes("one", "decrypt", cryptographer{Data: sealed}); !bytes.Equal(got, message) {
			t.Errorf("%s: an app gets %d bytes, want %d", how.Algorithm, len(got), len(message))
		}
		if status, _, got := s.call(http.MethodPut, "/v1.0-alpha1/crypto/vault/decrypt", string(sealed)); status != 200 || got != string(message) {
			t.Errorf("%s: the API answers %d %.300q", how.Algorithm, status, got)
		}
		sealed[len(sealed)-1] ^= 1
		if status, got := s.cryptographer("one", "decrypt", cryptographer{Data: sealed}); status != 422 {
			t.Errorf("%s, changed: got %d %s, want 422", how.Algorithm, status, got)
		}
	}
	sum := sha256.Sum256([]byte("hello"))
	signature := s.bytes("one", "sign", cryptographer{Key: "ec", Algorithm: "ES256", Data: sum[:]})
	if !ecdsa.VerifyASN1(&pair.PublicKey, sum[:], signature) {
		t.Error("the signature is not one of the standard library")
	}
	if status, text := s.cryptographer("one", "verify", cryptographer{Key: "ec", Algorithm: "ES256", Data: sum[:], Signature: signature}); status != 200 || text != "true" {
		t.Errorf("verify: got %d %s, want true", status, text)
	}
	if status, text := s.cryptographer("one", "key", cryptographer{Key: "ec"}); status != 200 || !strings.Contains(text, "PUBLIC KEY") {
		t.Errorf("key: got %d %s, want PEM", status, text)
	}
	if status, text := s.cryptographer("one", "encrypt", cryptographer{Key: "none", Algorithm: "AES"}); status != 404 {
		t.Errorf("no such key: got %d %s, want 404", status, text)
	}
	if status, text := s.cryptographer("one", "sign", cryptographer{Key: "aes", Algorithm: "ES256", Data: sum[:]}); status != 400 {
		t.Errorf("an algorithm of another key: got %d %s, want 400", status, text)
	}
	if status, text := s.cryptographer("one", "sign", cryptographer{Key: "trap", Algorithm: "ES256", Data: sum[:]}); status == 200 {
		t.Errorf("a trap: got %d %s", status, text)
	}
	if got := s.bytes("one", "sign", cryptographer{Key: "ec", Algorithm: "ES256", Data: sum[:]}); len(got) == 0 {
		t.Error("after a trap the vault signs nothing")
	}
}
