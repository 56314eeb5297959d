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
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// cryptographers are two apps that encrypt, with a vault for both and one that only two sees, and a policy. %s are folders.
const cryptographers = `
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: one}
spec: {source: {wasm: guest.wasm}, limits: {maxInstances: 4, timeout: 60s}}
---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: two}
spec: {source: {wasm: guest.wasm}, limits: {maxInstances: 4, timeout: 60s}}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: crypto}
spec: {type: crypto.dapr.localstorage, version: v1, metadata: [{name: path, value: %q}]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: private}
spec: {type: crypto.dapr.localstorage, version: v1, metadata: [{name: path, value: %q}]}
scopes: [two]
---
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: policies}
spec: {policies: {timeouts: {DefaultCryptoComponentOutboundTimeoutPolicy: 60s}}}
`

// encrypting starts a host with the apps and with keys in two folders. public is the key pair's public key.
func encrypting(t *testing.T) (s *system, public *ecdsa.PublicKey) {
	t.Helper()
	guest := enginetest.Build(t, "testdata/cryptographer")
	dir := t.TempDir()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	writeKey(t, filepath.Join(dir, "shared", "ec.pem"), ec)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	writeKey(t, filepath.Join(dir, "shared", "rsa.pem"), rsaKey)
	writeFile(t, filepath.Join(dir, "shared", "aes"), bytes.Repeat([]byte{0xc3}, 32))
	writeFile(t, filepath.Join(dir, "own", "aes"), bytes.Repeat([]byte{0xf1}, 32))
	text := fmt.Sprintf(cryptographers, filepath.Join(dir, "shared"), filepath.Join(dir, "own"))
	s = &system{t: t, dir: dir, text: text, wasm: guests{"one": guest, "two": guest}}
	t.Cleanup(s.stop)
	s.start()
	return s, &ec.PublicKey
}

func writeKey(t *testing.T, path string, key any) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// cryptographer is what a request to the guest says.
type cryptographer struct {
	Component, Key, Algorithm               string
	ChaCha, JWK                             bool
	Data, Signature, Nonce, Tag, Associated []byte
}

func (s *system) cryptographer(app, op string, c cryptographer) (int, string) {
	s.t.Helper()
	body, err := json.Marshal(c)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.Post(s.front+"/"+app+"/"+op, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// bytes is cryptographer of a call that has to succeed, and answers bytes.
func (s *system) bytes(app, op string, c cryptographer) []byte {
	s.t.Helper()
	status, text := s.cryptographer(app, op, c)
	out, err := base64.StdEncoding.DecodeString(text)
	if status != 200 || err != nil {
		s.t.Fatalf("%s of %s: got %d %s, error %v", op, app, status, text, err)
	}
	return out
}

// TestCrypto: messages of apps and of the HTTP API are the same ones, across apps and restarts.
func TestCrypto(t *testing.T) {
	s, _ := encrypting(t)
	message := bytes.Repeat([]byte("a secret. "), 30_000)
	byApp := s.bytes("one", "encrypt", cryptographer{Key: "rsa.pem", Algorithm: "RSA", Data: message, ChaCha: true})
	status, header, text := s.call(http.MethodPut, "/v1.0-alpha1/crypto/crypto/encrypt", string(message),
		"dapr-app-id", "two", "dapr-key-name", "aes", "dapr-key-wrap-algorithm", "aes")
	if status != 200 || header.Get("Content-Type") != "application/octet-stream" {
		t.Fatalf("encrypt by the API: got %d %.300s", status, text)
	}
	s.restart()
	for by, encrypted := range map[string][]byte{"an app": byApp, "the API": []byte(text)} {
		if bytes.Contains(encrypted, []byte("a secret")) {
			t.Errorf("by %s: the plaintext stands in the message", by)
		}
		if got := s.bytes("two", "decrypt", cryptographer{Component: "crypto", Data: encrypted}); !bytes.Equal(got, message) {
			t.Errorf("by %s: an app gets %d bytes, want %d", by, len(got), len(message))
		}
		if status, _, got := s.call(http.MethodPut, "/v1.0-alpha1/crypto/crypto/decrypt", string(encrypted)); status != 200 || got != string(message) {
			t.Errorf("by %s: the API answers %d %.300q", by, status, got)
		}
		encrypted[len(encrypted)-1] ^= 1
		if status, got := s.cryptographer("one", "decrypt", cryptographer{Data: encrypted}); status != 422 || !strings.Contains(got, "it was changed or cut off") {
			t.Errorf("by %s, changed: got %d %s", by, status, got)
		}
	}
	if _, _, text := s.call(http.MethodGet, "/v1.0/metadata", ""); !strings.Contains(text, `{"capabilities":[],"name":"crypto","type":"crypto.dapr.localstorage","version":"v1"}`) {
		t.Errorf("metadata: got %s, want the vault in it", text)
	}
	if status, _, text := s.call(http.MethodGet, "/v1.0/healthz", ""); status != 204 {
		t.Errorf("health: got %d %s", status, text)
	}
	if _, _, text := s.call(http.MethodGet, "/metrics", ""); !strings.Contains(text, `"wrap-key"`) {
		t.Error("metrics have nothing of the vault")
	}
}

// TestSubtleCrypto: single operations of apps, and what others make of their results.
func TestSubtleCrypto(t *testing.T) {
	s, public := encrypting(t)
	sum := sha256.Sum256([]byte("hello"))
	signature := s.bytes("one", "sign", cryptographer{Key: "ec.pem", Algorithm: "ES256", Data: sum[:]})
	if !ecdsa.VerifyASN1(public, sum[:], signature) {
		t.Error("the signature is not one of the standard library")
	}
	for digest, want := range map[string]string{string(sum[:]): "true", strings.Repeat("x", len(sum)): "false"} {
		if status, text := s.cryptographer("two", "verify", cryptographer{Key: "ec.pem", Algorithm: "ES256", Data: []byte(digest), Signature: signature}); status != 200 || text != want {
			t.Errorf("verify of %x: got %d %s, want %s", digest, status, text, want)
		}
	}
	status, text := s.cryptographer("one", "key", cryptographer{Key: "ec.pem"})
	block, _ := pem.Decode([]byte(strings.TrimPrefix(text, "ec.pem ")))
	if status != 200 || block == nil {
		t.Fatalf("key: got %d %s", status, text)
	}
	if key, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil || !public.Equal(key) {
		t.Errorf("key: got %v, error %v", key, err)
	}
	if status, _, text := s.call(http.MethodPost, "/v1.0-alpha1/subtlecrypto/crypto/getkey", `{"name":"ec.pem","format":"JSON"}`); status != 200 || !strings.Contains(text, `\"kty\":\"EC\"`) || strings.Contains(text, `\"d\"`) {
		t.Errorf("key by the API: got %d %s", status, text)
	}
	nonce := make([]byte, 12)
	_, sealed := s.cryptographer("one", "seal", cryptographer{Key: "aes", Algorithm: "A256GCM", Data: []byte("hello"), Nonce: nonce, Associated: []byte("to you")})
	data, tag, _ := strings.Cut(sealed, " ")
	status, _, text = s.call(http.MethodPost, "/v1.0-alpha1/subtlecrypto/crypto/decrypt", asJSON(map[string]any{
		"keyName": "aes", "algorithm": "A256GCM", "ciphertext": data, "tag": tag, "nonce": nonce, "associatedData": []byte("to you"),
	}))
	if status != 200 || strings.TrimSpace(text) != `{"plaintext":"aGVsbG8="}` {
		t.Errorf("decrypt by the API: got %d %s", status, text)
	}
	wrapped := s.bytes("one", "wrap", cryptographer{Key: "aes", Algorithm: "A256KW", Data: []byte("0123456789abcdef")})
	if got := s.bytes("two", "unwrap", cryptographer{Key: "aes", Algorithm: "A256KW", Data: wrapped}); string(got) != "0123456789abcdef" {
		t.Errorf("unwrap: got %q", got)
	}
	for algorithm, want := range map[string]string{"A256KW": "true", "EdDSA": "true", "ROT13": "false"} {
		if status, text := s.cryptographer("one", "knows", cryptographer{Algorithm: algorithm}); status != 200 || text != want {
			t.Errorf("the vault knows %s: got %d %s, want %s", algorithm, status, text, want)
		}
	}
}

// TestCryptoErrors: what apps are told.
func TestCryptoErrors(t *testing.T) {
	s, _ := encrypting(t)
	mine := s.bytes("two", "encrypt", cryptographer{Component: "private", Key: "aes", Algorithm: "A256KW", Data: []byte("mine")})
	for _, tt := range []struct {
		app, op string
		c       cryptographer
		status  int
		text    string
	}{
		{"two", "decrypt", cryptographer{Component: "private", Data: mine}, 200, base64.StdEncoding.EncodeToString([]byte("mine"))},
		{"one", "decrypt", cryptographer{Component: "private", Data: mine}, 410, "it sees crypto"},
		{"two", "decrypt", cryptographer{Data: mine}, 422, "this is not its key"},
		{"one", "encrypt", cryptographer{Key: "nope", Algorithm: "AES"}, 404, "failed to wrap key: key not found"},
		{"one", "encrypt", cryptographer{Key: "../own/aes", Algorithm: "AES"}, 404, "key not found"},
		{"one", "encrypt", cryptographer{Key: "rsa.pem", Algorithm: "AES"}, 400, "want a key of type oct, found RSA"},
		{"one", "encrypt", cryptographer{Key: "aes", Algorithm: "ROT13"}, 400, "want A256KW (or AES)"},
		{"one", "encrypt", cryptographer{Algorithm: "AES"}, 400, "the key name is missing"},
		{"one", "decrypt", cryptographer{Data: []byte("hello")}, 400, "not a message of the scheme dapr.io/enc/v1"},
		{"one", "open", cryptographer{Key: "aes", Algorithm: "A256GCM", Nonce: make([]byte, 12), Tag: make([]byte, 16)}, 422, "failed to decrypt"},
		{"one", "open", cryptographer{Key: "aes", Algorithm: "A256GCM", Tag: make([]byte, 16)}, 400, "want a nonce of 12 bytes, found 0"},
		{"one", "key", cryptographer{Key: "aes"}, 404, "key not found"},
	} {
		if status, text := s.cryptographer(tt.app, tt.op, tt.c); status != tt.status || !strings.Contains(text, tt.text) {
			t.Errorf("%s of %s with %+v: got %d %s, want %d %s", tt.op, tt.app, tt.c, status, text, tt.status, tt.text)
		}
	}
	status, _, text := s.call(http.MethodPut, "/v1.0-alpha1/crypto/private/decrypt", string(mine), "dapr-app-id", "one")
	if status != 400 || !strings.Contains(text, "ERR_CRYPTO_PROVIDER_NOT_FOUND") {
		t.Errorf("by the API: got %d %s", status, text)
	}
}

// TestCryptoAtOnce: many instances of two apps at once.
func TestCryptoAtOnce(t *testing.T) {
	s, _ := encrypting(t)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			app := []string{"one", "two"}[i%2]
			message := bytes.Repeat([]byte{byte(i)}, 100_000)
			for range 5 {
				var got []byte
				for _, step := range []cryptographer{{Key: "aes", Algorithm: "AES", Data: message}, {}} {
					op := "encrypt"
					if step.Key == "" {
						op, step.Data = "decrypt", got
					}
					status, text := s.cryptographer(app, op, step)
					var err error
					if got, err = base64.StdEncoding.DecodeString(text); status != 200 || err != nil {
						t.Errorf("%s: got %d %.300s, error %v", op, status, text, err)
						return
					}
				}
				if !bytes.Equal(got, message) {
					t.Errorf("got %d bytes, want %d", len(got), len(message))
				}
			}
		})
	}
	wg.Wait()
}

// TestNoCrypto: without a component there is no vault, as in Dapr.
func TestNoCrypto(t *testing.T) {
	_, _, api := start(t, relays(memoryComponents), relayGuests(t), &lines{})
	for method, path := range map[string]string{http.MethodPut: "crypto/x/encrypt", http.MethodPost: "subtlecrypto/x/sign"} {
		status, _, text := fetch(t, method, api+"/v1.0-alpha1/"+path, `{}`)
		if status != 500 || !strings.Contains(text, "ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED") {
			t.Errorf("%s: got %d %s, want 500 ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED", path, status, text)
		}
	}
}
