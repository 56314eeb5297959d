package crypto_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// request makes a call of the API on behalf of an app; headers are "Name: value".
func (f *fixture) request(t testing.TB, app, method, path string, body []byte, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	mux := http.NewServeMux()
	f.Routes(func(pattern string, h http.HandlerFunc) { mux.HandleFunc(pattern, h) })
	r := httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader(body))
	r.Header.Set("App", app)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

const (
	cryptoAPI = "/v1.0-alpha1/crypto/"
	subtleAPI = "/v1.0-alpha1/subtlecrypto/"
)

// TestHTTPMessages: a message there and back, by every header.
func TestHTTPMessages(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	message := random(200_000)
	for _, tc := range []struct {
		name    string
		headers []string
		key     string // in the message
		give    []string
	}{
		{"plain", []string{"dapr-key-name: aes256", "dapr-key-wrap-algorithm: A256KW"}, "aes256", nil},
		{"small letters", []string{"dapr-key-name: rsa", "dapr-key-wrap-algorithm: rsa-oaep-256", "dapr-data-encryption-cipher: chacha20-poly1305"}, "rsa", nil},
		{"great letters", []string{"dapr-key-name: rsa", "dapr-key-wrap-algorithm: RSA", "dapr-data-encryption-cipher: AES-GCM"}, "rsa", nil},
		{"another name", []string{"dapr-key-name: aes256", "dapr-key-wrap-algorithm: AES", "dapr-decryption-key-name: aes256/2"}, "aes256/2", nil},
		{"omitted", []string{"dapr-key-name: aes256", "dapr-key-wrap-algorithm: AES", "dapr-omit-decryption-key-name: Yes"}, "", []string{"dapr-key-name: aes256"}},
		{"not omitted", []string{"dapr-key-name: aes256", "dapr-key-wrap-algorithm: AES", "dapr-omit-decryption-key-name: no"}, "aes256", nil},
	} {
		w := f.request(t, "one", "PUT", cryptoAPI+"vault/encrypt", message, tc.headers...)
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s: encrypt: got %d %s %.300s", tc.name, w.Code, w.Header().Get("Content-Type"), w.Body)
			continue
		}
		encrypted := w.Body.Bytes()
		if m := manifestOf(t, encrypted); m.KeyName != tc.key {
			t.Errorf("%s: the message names %q, want %q", tc.name, m.KeyName, tc.key)
		}
		w = f.request(t, "one", "PUT", cryptoAPI+"vault/decrypt", encrypted, tc.give...)
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/octet-stream" || !bytes.Equal(w.Body.Bytes(), message) {
			t.Errorf("%s: decrypt: got %d %s %.300q", tc.name, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
	}
}

func TestHTTPErrors(t *testing.T) {
	f := started(t, nil, declared("vault", nil), declared("second", nil, "two"))
	const name, algorithm = "dapr-key-name: aes256", "dapr-key-wrap-algorithm: AES"
	for _, tc := range []struct {
		request string // METHOD path
		body    string
		headers []string
		status  int
		answer  string
	}{
		{"PUT " + cryptoAPI + "vault/encrypt", "x", []string{algorithm}, 400, `{"errorCode":"ERR_BAD_REQUEST","message":"invalid request: missing header 'dapr-key-name'"}`},
		{"PUT " + cryptoAPI + "vault/encrypt", "x", []string{name}, 400, `{"errorCode":"ERR_BAD_REQUEST","message":"invalid request: missing header 'dapr-key-wrap-algorithm'"}`},
		{"PUT " + cryptoAPI + "vault/encrypt", "x", []string{name, "dapr-key-wrap-algorithm: A256GCM"}, 500, `{"errorCode":"ERR_CRYPTO","message":"failed to perform operation: crypto component vault: .*want A256KW .*`},
		{"PUT " + cryptoAPI + "vault/encrypt", "x", []string{name, algorithm, "dapr-data-encryption-cipher: rot13"}, 500, `{"errorCode":"ERR_CRYPTO".*want aes-gcm or chacha20-poly1305"}`},
		{"PUT " + cryptoAPI + "vault/encrypt", "x", []string{"dapr-key-name: nope", algorithm}, 500, `{"errorCode":"ERR_CRYPTO","message":"failed to perform operation: .*key not found: the vault has no key nope"}`},
		{"PUT " + cryptoAPI + "vault/encrypt", "x", []string{"dapr-key-name: rsa", algorithm}, 500, `{"errorCode":"ERR_CRYPTO".*key type mismatch"}`},
		{"PUT " + cryptoAPI + "vault/decrypt", "x", nil, 500, `{"errorCode":"ERR_CRYPTO","message":"failed to perform operation: .*not a message of the scheme dapr.io/enc/v1.*`},
		{"PUT " + cryptoAPI + "vault/decrypt", "", nil, 500, `{"errorCode":"ERR_CRYPTO".*`},
		{"PUT " + cryptoAPI + "nope/encrypt", "x", nil, 400, `{"errorCode":"ERR_CRYPTO_PROVIDER_NOT_FOUND","message":"crypto provider nope not found: .*it sees vault.*`},
		{"PUT " + cryptoAPI + "second/decrypt", "x", nil, 400, `{"errorCode":"ERR_CRYPTO_PROVIDER_NOT_FOUND".*`},
		{"POST " + cryptoAPI + "vault/encrypt", "x", []string{name, algorithm}, 405, `.*`},

		{"POST " + subtleAPI + "vault/encrypt", "{", nil, 400, `{"errorCode":"ERR_MALFORMED_REQUEST","message":"failed deserializing HTTP body: .*`},
		{"POST " + subtleAPI + "nope/encrypt", "[]", nil, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*`},
		{"POST " + subtleAPI + "vault/encrypt", "null", nil, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*`},
		{"POST " + subtleAPI + "vault/sign", `{"keyName":7}`, nil, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*keyName: want a text"}`},
		{"POST " + subtleAPI + "vault/sign", `{"keyName":"a","key_name":"a"}`, nil, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*keyName is there twice, also as key_name"}`},
		{"POST " + subtleAPI + "vault/sign", `{"digest":"planted*"}`, nil, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*digest: want bytes as text in base64, found something else"}`},
		{"POST " + subtleAPI + "vault/sign", `{"digest":[1]}`, nil, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*digest: want bytes as text in base64"}`},
		{"POST " + subtleAPI + "vault/sign", "{\"keyName\":\"\xff\"}", nil, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*not valid UTF-8.*`},
		{"POST " + subtleAPI + "vault/getkey", `{"name":"ec","format":true}`, nil, 400, `{"errorCode":"ERR_MALFORMED_REQUEST".*format: want PEM, JSON, 0 or 1"}`},
		{"POST " + subtleAPI + "vault/getkey", `{"name":"ec","format":7}`, nil, 400, `{"errorCode":"ERR_BAD_REQUEST","message":"invalid request: invalid key format.*`},
		{"POST " + subtleAPI + "vault/getkey", `{"name":"ec","format":"DER"}`, nil, 400, `{"errorCode":"ERR_BAD_REQUEST","message":"invalid request: invalid key format.*`},
		{"POST " + subtleAPI + "vault/getkey", `{"name":"nope"}`, nil, 500, `{"errorCode":"ERR_CRYPTO_KEY","message":"failed to retrieve key nope: crypto component vault: key not found: .*`},
		{"POST " + subtleAPI + "vault/getkey", `{"name":"aes256"}`, nil, 500, `{"errorCode":"ERR_CRYPTO_KEY".*it is symmetric.*`},
		{"POST " + subtleAPI + "vault/getkey", ``, nil, 500, `{"errorCode":"ERR_CRYPTO_KEY".*the key name is missing"}`},
		{"POST " + subtleAPI + "vault/encrypt", `{}`, nil, 500, `{"errorCode":"ERR_CRYPTO".*the key name is missing"}`},
		{"POST " + subtleAPI + "vault/decrypt", `{"keyName":"aes256","algorithm":"A256GCM","nonce":"AAAA"}`, nil, 500, `{"errorCode":"ERR_CRYPTO".*failed to decrypt: invalid request: invalid nonce"}`},
		{"POST " + subtleAPI + "vault/decrypt", `{"keyName":"aes256","algorithm":"A256CBC","nonce":"AAAAAAAAAAAAAAAAAAAAAA","ciphertext":"AAAAAAAAAAAAAAAAAAAAAA=="}`, nil, 500, `{"errorCode":"ERR_CRYPTO","message":"failed to perform operation: crypto component vault: failed to decrypt"}`},
		{"POST " + subtleAPI + "vault/unwrapkey", `{"keyName":"aes256","algorithm":"A256KW","wrappedKey":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`, nil, 500, `{"errorCode":"ERR_CRYPTO","message":"failed to perform operation: crypto component vault: failed to unwrap key"}`},
		{"POST " + subtleAPI + "nope/sign", `{}`, nil, 400, `{"errorCode":"ERR_CRYPTO_PROVIDER_NOT_FOUND".*`},
		{"POST " + subtleAPI + "vault/nope", `{}`, nil, 404, `.*`},
		{"PUT " + subtleAPI + "vault/sign", `{}`, nil, 405, `.*`},
	} {
		method, path, _ := strings.Cut(tc.request, " ")
		w := f.request(t, "one", method, path, []byte(tc.body), tc.headers...)
		body := strings.TrimSpace(w.Body.String())
		if w.Code != tc.status || !regexp.MustCompile("^(?:"+tc.answer+")$").MatchString(body) || strings.Contains(body, "planted") || strings.Contains(body, "oracle") {
			t.Errorf("%s %s %q: got %d %s, want %d %s", tc.request, tc.body, tc.headers, w.Code, body, tc.status, tc.answer)
		}
	}
	f.vaults["vault"].failing(errDown, 0)
	if w := f.request(t, "one", "PUT", cryptoAPI+"vault/encrypt", nil, name, algorithm); w.Code != 500 ||
		w.Body.String() != `{"errorCode":"ERR_CRYPTO","message":"failed to perform operation: crypto component vault: failed to wrap key: unavailable: the cable is out"}` {
		t.Errorf("without a vault: got %d %s", w.Code, w.Body)
	}
}

// TestHTTPNotConfigured: for an app that sees no vault there is none.
func TestHTTPNotConfigured(t *testing.T) {
	f := started(t, nil, declared("second", nil, "two"))
	for _, request := range []string{"PUT " + cryptoAPI + "second/encrypt", "PUT " + cryptoAPI + "x/decrypt", "POST " + subtleAPI + "second/getkey"} {
		method, path, _ := strings.Cut(request, " ")
		w := f.request(t, "one", method, path, nil)
		if w.Code != 500 || !strings.Contains(w.Body.String(), `"errorCode":"ERR_CRYPTO_PROVIDERS_NOT_CONFIGURED","message":"crypto providers not configured`) {
			t.Errorf("%s: got %d %s", request, w.Code, w.Body)
		}
	}
}

// post makes a call of a single operation and gives its answer.
func (f *fixture) post(t *testing.T, op string, body map[string]any) map[string]any {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	w := f.request(t, "one", "POST", subtleAPI+"vault/"+op, text)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); w.Code != 200 || err != nil {
		t.Fatalf("%s %s: got %d %s, error %v", op, text, w.Code, w.Body, err)
	}
	return out
}

// TestHTTPSubtle: each operation and back, with the names and forms that the JSON of protocol buffers allows.
func TestHTTPSubtle(t *testing.T) {
	f := started(t, nil, declared("vault", nil))
	nonce := base64.StdEncoding.EncodeToString(random(12))
	sealed := f.post(t, "encrypt", map[string]any{
		"keyName": "aes256", "algorithm": "A256GCM", "plaintext": "aGVsbG8=", "nonce": nonce, "associatedData": "_w", "unknown": []int{1}, "componentName": "other",
	})
	opened := f.post(t, "decrypt", map[string]any{
		"key_name": "aes256", "algorithm": "A256GCM", "ciphertext": sealed["ciphertext"], "tag": sealed["tag"], "nonce": nonce, "associated_data": "/w==",
	})
	if len(opened) != 1 || opened["plaintext"] != "aGVsbG8=" {
		t.Errorf("decrypt: got %v", opened)
	}
	wrapped := f.post(t, "wrapkey", map[string]any{"keyName": "aes256", "algorithm": "A256KW", "plaintextKey": "MDEyMzQ1Njc4OWFiY2RlZg", "nonce": nil})
	if _, tagged := wrapped["tag"]; tagged || wrapped["wrappedKey"] == "" {
		t.Errorf("wrapkey: got %v", wrapped)
	}
	if got := f.post(t, "unwrapkey", map[string]any{"keyName": "aes256", "algorithm": "A256KW", "wrapped_key": wrapped["wrappedKey"]}); got["plaintextKey"] != "MDEyMzQ1Njc4OWFiY2RlZg==" {
		t.Errorf("unwrapkey: got %v", got)
	}
	sum := digest("hello")
	signed := f.post(t, "sign", map[string]any{"keyName": "ec", "algorithm": "ES256", "digest": sum})
	if got := f.post(t, "verify", map[string]any{"keyName": "ec", "algorithm": "ES256", "digest": sum, "signature": signed["signature"]}); fmt.Sprint(got) != "map[valid:true]" {
		t.Errorf("verify: got %v", got)
	}
	if got := f.post(t, "verify", map[string]any{"keyName": "ec", "algorithm": "ES256", "digest": digest("x"), "signature": signed["signature"]}); len(got) != 0 {
		t.Errorf("verify of another digest: got %v, want nothing, as Dapr leaves out what is false", got)
	}
	want, err := keys()["ec"].PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		format any
		pem    bool
	}{{nil, true}, {"PEM", true}, {0, true}, {"JSON", false}, {1, false}, {1.0, false}} {
		got := f.post(t, "getkey", map[string]any{"name": "ec", "format": tc.format})
		text, _ := got["publicKey"].(string)
		k, err := jwk.ParseKey([]byte(text), jwk.WithPEM(tc.pem))
		if err != nil || !jwk.Equal(k, want) || got["name"] != "ec/1" {
			t.Errorf("format %v: got %v, error %v", tc.format, got, err)
		}
	}
}

// FuzzRequest: whatever comes, the answer is one of Dapr's.
func FuzzRequest(f *testing.F) {
	fix := started(f, nil, declared("vault", nil))
	ops := []string{"getkey", "encrypt", "decrypt", "wrapkey", "unwrapkey", "sign", "verify"}
	for i := range ops {
		f.Add(uint(i), []byte(`{"name":"ec","format":"JSON","keyName":"aes256","algorithm":"A256GCM","plaintext":"AAAA","nonce":"AAAAAAAAAAAAAAAA","associated_data":"_w"}`))
		f.Add(uint(i), []byte(`{"key_name":"ec","algorithm":"ES256","digest":"AAAA","signature":"MAYCAQECAQE","format":1e0}`))
		f.Add(uint(i), []byte(`{"keyName":"rsa","algorithm":"RSA-OAEP-256","ciphertext":"AAAA","plaintextKey":"e30=","wrappedKey":"AA=="}`))
	}
	codes := regexp.MustCompile(`^{"errorCode":"(ERR_MALFORMED_REQUEST|ERR_BAD_REQUEST|ERR_CRYPTO|ERR_CRYPTO_KEY)",`)
	f.Fuzz(func(t *testing.T, op uint, body []byte) {
		if len(body) > 1<<20 {
			return
		}
		w := fix.request(t, "one", "POST", subtleAPI+"vault/"+ops[op%uint(len(ops))], body)
		if w.Code == 200 && !json.Valid(w.Body.Bytes()) || w.Code != 200 && !codes.Match(w.Body.Bytes()) {
			t.Errorf("got %d %s", w.Code, w.Body)
		}
	})
}
