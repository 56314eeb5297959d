package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/crypto"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

func do(t *testing.T, method, path, body, signature string, want int) string {
	t.Helper()
	r := &http.Request{Method: method, Path: path, Body: []byte(body)}
	if signature != "" {
		r.Header.Set(signatureField, signature)
	}
	got := http.Do(r)
	if got.Status != want {
		t.Errorf("%s %s: got %d %s, want %d", method, path, got.Status, got.Body, want)
	}
	return string(got.Body)
}

// The app's logic, natively: on fakes with keys of the test's own, which encrypt and sign in earnest.
func TestApp(t *testing.T) {
	state.ResetFake()
	crypto.ResetFake()
	do(t, "PUT", "/records/ada", "loves numbers", "", 500) // there is no key yet
	pair, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	crypto.SetFakeKey("", messageKey, pair)
	crypto.SetFakeKey("", recordKey, bytes.Repeat([]byte{1}, 32))

	do(t, "PUT", "/records/ada", "loves numbers", "", 201)
	if got := do(t, "GET", "/records/ada", "", "", 200); got != "loves numbers" {
		t.Errorf("the record is %q", got)
	}
	do(t, "GET", "/records/bob", "", "", 404)
	kept, err := state.Default.Get("ada")
	if err != nil || bytes.Contains(kept.Value, []byte("numbers")) {
		t.Errorf("kept: %q, error %v, want no plaintext", kept.Value, err)
	}
	if err := state.Default.Set("bob", kept.Value); err != nil {
		t.Fatal(err)
	}
	do(t, "GET", "/records/bob", "", "", 422) // it is ada's
	kept.Value[len(kept.Value)-1] ^= 1
	if err := state.Default.Set("ada", kept.Value); err != nil {
		t.Fatal(err)
	}
	do(t, "GET", "/records/ada", "", "", 422)

	signature := strings.TrimSpace(do(t, "POST", "/messages/sign", "pay 5", "", 200))
	do(t, "POST", "/messages/receive", "pay 5", signature, 202)
	do(t, "POST", "/messages/receive", "pay 500", signature, 401)
	do(t, "POST", "/messages/receive", "pay 5", "", 401)
	if got := do(t, "GET", "/messages/key", "", "", 200); !strings.Contains(got, "PUBLIC KEY") {
		t.Errorf("the public key is %q", got)
	}
	crypto.FailFake(crypto.ErrUnavailable)
	do(t, "PUT", "/records/ada", "x", "", 503)
}
