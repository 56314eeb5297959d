package example

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds waiting for what comes in a moment on most machines.
const patience = 5 * time.Minute

// binary is mrt-wasm, built once.
func binary(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "mrt-wasm")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../../cmd/mrt-wasm").CombinedOutput(); err != nil {
		t.Fatalf("building mrt-wasm: %v\n%s", err, out)
	}
	return bin
}

// makeKeys makes the keys of the example in a folder, as its README says.
func makeKeys(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "go", "run", "./keys", filepath.Join(dir, "keystore")).CombinedOutput(); err != nil {
		t.Fatalf("making keys: %v\n%s", err, out)
	}
}

// host is a running mrt-wasm.
type host struct {
	front, api string
	t          *testing.T
}

// run runs the example with the keys and the state in a folder, and gives what stops it.
func run(t *testing.T, bin, dir string) (h host, stop func()) {
	t.Helper()
	manifest, err := filepath.Abs("manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	// Ended by a signal below, and not with the test's context, which ends before the cleanup.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), bin, "run", manifest, "--http", "127.0.0.1:0", "--api", "127.0.0.1:0",
		"--data", filepath.Join(dir, "data"), "--cache", filepath.Join(dir, "cache"), "--watch=false", "--log-format", "json")
	cmd.Dir = dir
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder // read after done
	ready, done := make(chan host, 1), make(chan error, 1)
	go func() {
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			log.WriteString(lines.Text() + "\n")
			var line struct{ Msg, HTTP, API string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ready" {
				ready <- host{line.HTTP, line.API, t}
			}
		}
		done <- cmd.Wait()
	}()
	stop = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("mrt-wasm ended with %v, want exit code 0\n%s", err, log.String())
			}
		case <-time.After(patience):
			_ = cmd.Process.Kill()
			t.Errorf("mrt-wasm does not end within %s after SIGTERM", patience)
		}
	})
	t.Cleanup(stop)
	select {
	case h = <-ready:
	case err := <-done:
		done <- nil
		t.Fatalf("mrt-wasm ended before it was ready: %v\n%s", err, log.String())
	case <-time.After(patience):
		t.Fatalf("mrt-wasm is not ready within %s", patience)
	}
	return h, stop
}

// call wants a status and gives the answer.
func (h host) call(want int, method, url, body string, header ...string) string {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	if resp.StatusCode != want {
		h.t.Fatalf("%s %s: got %d %s, want %d", method, url, resp.StatusCode, text, want)
	}
	return string(text)
}

// TestExample: records are encrypted in the store and readable again after a restart; messages are signed and checked.
func TestExample(t *testing.T) {
	bin, dir := binary(t), t.TempDir()
	makeKeys(t, dir)
	h, stop := run(t, bin, dir)
	t.Run("records", func(t *testing.T) { records(t, h) })
	t.Run("messages", func(t *testing.T) { messages(t, h) })
	t.Run("outside", func(t *testing.T) { outside(t, h) })
	stop()

	// Making keys again leaves those that are there, so that what was encrypted can still be read.
	makeKeys(t, dir)
	h, stop = run(t, bin, dir)
	if got := h.call(200, "GET", h.front+"/records/ada", ""); got != "loves numbers" {
		t.Errorf("after a restart the record is %q", got)
	}
	stop()

	// With other keys it cannot.
	if err := os.RemoveAll(filepath.Join(dir, "keystore")); err != nil {
		t.Fatal(err)
	}
	makeKeys(t, dir)
	h, _ = run(t, bin, dir)
	h.call(422, "GET", h.front+"/records/ada", "")
}

func records(t *testing.T, h host) {
	h.t = t
	h.call(201, "PUT", h.front+"/records/ada", "loves numbers")
	if got := h.call(200, "GET", h.front+"/records/ada", ""); got != "loves numbers" {
		t.Errorf("the record is %q", got)
	}
	h.call(404, "GET", h.front+"/records/bob", "")
	// The store has no plaintext.
	stored := h.call(200, "GET", h.api+"/v1.0/state/statestore/ada", "")
	if !strings.HasPrefix(stored, "dapr.io/enc/v1\n") || !strings.Contains(stored, "records.json") || strings.Contains(stored, "numbers") {
		t.Errorf("the store has %q, want a message in Dapr's scheme and no plaintext", stored)
	}
	// A program with the same vault decrypts it.
	if got := h.call(200, "PUT", h.api+"/v1.0-alpha1/crypto/vault/decrypt", stored); got != `{"id":"ada","text":"loves numbers"}` {
		t.Errorf("by Dapr's API the record is %q", got)
	}
	// Long ones come back as well.
	long := strings.Repeat("all her letters ", 20_000)
	h.call(201, "PUT", h.front+"/records/letters", long)
	if got := h.call(200, "GET", h.front+"/records/letters", ""); got != long {
		t.Errorf("a record of %d bytes came back with %d", len(long), len(got))
	}
}

func messages(t *testing.T, h host) {
	h.t = t
	signature := strings.TrimSpace(h.call(200, "POST", h.front+"/messages/sign", "pay 5"))
	h.call(202, "POST", h.front+"/messages/receive", "pay 5", "X-Signature", signature)
	h.call(401, "POST", h.front+"/messages/receive", "pay 500", "X-Signature", signature)
	h.call(401, "POST", h.front+"/messages/receive", "pay 5", "X-Signature", signature[:20]+"AAAA"+signature[24:])
	h.call(401, "POST", h.front+"/messages/receive", "pay 5")
	// Others need the public key only.
	block, _ := pem.Decode([]byte(h.call(200, "GET", h.front+"/messages/key", "")))
	if block == nil {
		t.Fatal("the public key is not in PEM")
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("pay 5"))
	if key, ok := public.(*ecdsa.PublicKey); !ok || !ecdsa.VerifyASN1(key, digest[:], raw) {
		t.Errorf("the standard library does not verify the signature with the public key, a %T", public)
	}
}

// outside: programs have the same vault by Dapr's HTTP API.
func outside(t *testing.T, h host) {
	h.t = t
	vault := h.api + "/v1.0-alpha1/crypto/vault/"
	sealed := h.call(200, "PUT", vault+"encrypt", "secret", "dapr-key-name", "records.json", "dapr-key-wrap-algorithm", "A256KW")
	if got := h.call(200, "PUT", vault+"decrypt", sealed); got != "secret" {
		t.Errorf("by Dapr's API: got %q, want secret", got)
	}
	changed := []byte(sealed)
	changed[len(changed)-1] ^= 1
	if got := h.call(500, "PUT", vault+"decrypt", string(changed)); !strings.Contains(got, "ERR_CRYPTO") || strings.Contains(got, "secret") {
		t.Errorf("a changed message: got %s, want ERR_CRYPTO", got)
	}
	// What somebody else puts into the store is no record.
	h.call(204, "POST", h.api+"/v1.0/state/statestore", `[{"key":"marred","value":"hello"}]`)
	h.call(422, "GET", h.front+"/records/marred", "")
}
