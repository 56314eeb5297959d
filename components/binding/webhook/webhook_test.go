package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

const secret = "planted-secret"

// deadline is how long anything may take that has to happen.
const deadline = 30 * time.Second

func tryOpen(t testing.TB, log io.Writer, metadata ...string) (*hook, error) {
	t.Helper()
	m := component.Metadata{"path": "/hook"}
	for i := 0; i < len(metadata); i += 2 {
		m[metadata[i]] = metadata[i+1]
	}
	b, err := Spec.New(t.Context(), component.Config{Name: "h", Metadata: m, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		return nil, err
	}
	return b.(*hook), nil
}

func openHook(t testing.TB, metadata ...string) *hook {
	t.Helper()
	k, err := tryOpen(t, io.Discard, metadata...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func sign(body string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = mac.Write([]byte(body))
	return mac.Sum(nil)
}

func TestConformance(t *testing.T) {
	bindingtest.Run(t, func(t testing.TB) binding.Binding { return openHook(t, "secret", secret) }, bindingtest.Caps{
		Redelivers: true,
		// The sender tries again until it is told that all is well, as senders of webhooks do.
		Emit: func(t testing.TB, b binding.Binding, text string) {
			srv := httptest.NewServer(b.(http.Handler))
			defer srv.Close()
			for t.Context().Err() == nil {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/hook", strings.NewReader(text))
				if err != nil {
					t.Error(err)
					return
				}
				req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(sign(text)))
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					return // the test is over
				}
				_ = resp.Body.Close()
				if resp.StatusCode/100 == 2 {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		},
	})
}

// read has the hook read by a handler and gives it a server.
func read(t *testing.T, k *hook, h binding.Handler) string {
	t.Helper()
	if h != nil {
		r, err := k.Read(t.Context(), "app", h)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Stop(context.Background()) })
	}
	srv := httptest.NewServer(k)
	t.Cleanup(srv.Close)
	return srv.URL
}

type response struct {
	code   int
	body   string
	header http.Header
}

func send(t *testing.T, method, url, body string, headers ...string) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response{resp.StatusCode, string(data), resp.Header}
}

func TestSignatures(t *testing.T) {
	const body = `{"zen":"Approachable is better than simple."}`
	good := hex.EncodeToString(sign(body))
	for _, test := range []struct {
		name    string
		config  []string
		headers []string
		want    int
	}{
		{"GitHub's", nil, []string{"X-Hub-Signature-256", "sha256=" + good}, 204},
		{"upper case hex", nil, []string{"X-Hub-Signature-256", "sha256=" + strings.ToUpper(good)}, 204},
		{"none", nil, nil, 401},
		{"empty", nil, []string{"X-Hub-Signature-256", ""}, 401},
		{"no prefix", nil, []string{"X-Hub-Signature-256", good}, 401},
		{"another body's", nil, []string{"X-Hub-Signature-256", "sha256=" + hex.EncodeToString(sign("other"))}, 401},
		{"cut off", nil, []string{"X-Hub-Signature-256", "sha256=" + good[:62]}, 401},
		{"no hex", nil, []string{"X-Hub-Signature-256", "sha256=" + strings.Repeat("z", 64)}, 401},
		{"SHA-1", nil, []string{"X-Hub-Signature", "sha1=" + good[:40]}, 401},
		{"second value", nil, []string{"X-Hub-Signature-256", "sha256=00", "X-Hub-Signature-256", "sha256=" + good}, 401},
		{"own header", []string{"signatureHeader", "X-Sign", "signaturePrefix", "none", "signatureEncoding", "base64"}, []string{"X-Sign", base64.StdEncoding.EncodeToString(sign(body))}, 204},
		{"own header, GitHub's sent", []string{"signatureHeader", "X-Sign"}, []string{"X-Hub-Signature-256", "sha256=" + good}, 401},
	} {
		called := false
		k := openHook(t, append([]string{"secret", secret}, test.config...)...)
		url := read(t, k, func(context.Context, *binding.Event) ([]byte, error) {
			called = true
			return nil, nil
		})
		got := send(t, "POST", url, body, test.headers...)
		if got.code != test.want || called != (test.want == 204) {
			t.Errorf("%s: got %d, called %t; want %d", test.name, got.code, called, test.want)
		}
		if strings.Contains(got.body, secret) || strings.Contains(got.body, good) {
			t.Errorf("%s: the response has a secret: %s", test.name, got.body)
		}
	}
	// GitHub's own example of a signature.
	k := openHook(t, "secret", "It's a Secret to Everybody")
	url := read(t, k, func(context.Context, *binding.Event) ([]byte, error) { return nil, nil })
	if got := send(t, "POST", url, "Hello, World!", "X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"); got.code != 204 {
		t.Errorf("a known signature: got %d", got.code)
	}
}

func TestResponses(t *testing.T) {
	for _, test := range []struct {
		name, want, contentType, retry string
		answer                         []byte
		err                            error
		code                           int
	}{
		{name: "no answer", code: 204},
		{name: "empty", answer: []byte{}, code: 200, contentType: "text/plain; charset=utf-8"},
		{name: "text", answer: []byte("hello"), code: 200, want: "hello", contentType: "text/plain; charset=utf-8"},
		{name: "json", answer: []byte(`{"a":1}`), code: 200, want: `{"a":1}`, contentType: "application/json"},
		{name: "binary", answer: []byte{0, 255}, code: 200, want: "\x00\xff", contentType: "application/octet-stream"},
		{name: "failure", err: errors.New("planted detail"), code: 500, want: "the handler failed\n"},
		{name: "overload", err: &binding.OverloadedError{After: 2500 * time.Millisecond, Err: errors.New("full")}, code: 503, retry: "3", want: "busy; try again later\n"},
	} {
		url := read(t, openHook(t), func(context.Context, *binding.Event) ([]byte, error) { return test.answer, test.err })
		got := send(t, "POST", url, "x")
		if got.code != test.code || got.body != test.want || got.header.Get("Retry-After") != test.retry {
			t.Errorf("%s: got %+v", test.name, got)
		}
		if test.contentType != "" && got.header.Get("Content-Type") != test.contentType {
			t.Errorf("%s: content type %s, want %s", test.name, got.header.Get("Content-Type"), test.contentType)
		}
	}
	if got := send(t, "POST", read(t, openHook(t), nil), "x"); got.code != 503 || got.header.Get("Retry-After") == "" {
		t.Errorf("nobody reads: got %+v", got)
	}
}

func TestRequests(t *testing.T) {
	k := openHook(t, "methods", "post, PUT", "maxBodySize", "1Ki")
	events := make(chan *binding.Event, 10)
	url := read(t, k, func(_ context.Context, ev *binding.Event) ([]byte, error) {
		events <- ev
		return nil, nil
	})
	if got := send(t, "PUT", url+"/hook?a=1", "data", "Content-Type", "text/x", "X-Event", "push", "Traceparent", "00-1-2-01"); got.code != 204 {
		t.Fatalf("got %+v", got)
	}
	ev := <-events
	m := ev.Metadata
	got := strings.Join([]string{string(ev.Data), ev.ContentType, m["method"], m["path"], m["query"], m["X-Event"], m["traceparent"]}, " ")
	if want := "data text/x PUT /hook a=1 push 00-1-2-01"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := send(t, "GET", url, ""); got.code != 405 || got.header.Get("Allow") != "POST, PUT" {
		t.Errorf("another method: got %+v", got)
	}
	if got := send(t, "POST", url, strings.Repeat("x", 1025)); got.code != 413 {
		t.Errorf("a large body: got %+v", got)
	}
	if got := send(t, "POST", url, strings.Repeat("x", 1024)); got.code != 204 {
		t.Errorf("a body of the limit: got %+v", got)
	}
}

// TestShutdown stops while requests come: each is answered as it was handled.
func TestShutdown(t *testing.T) {
	k := openHook(t)
	entered, release := make(chan struct{}), make(chan struct{})
	r, err := k.Read(t.Context(), "app", func(context.Context, *binding.Event) ([]byte, error) {
		close(entered)
		<-release
		return []byte("done"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(k)
	defer srv.Close()
	first := make(chan response, 1)
	go func() { first <- send(t, "POST", srv.URL, "x") }()
	select {
	case <-entered:
	case <-time.After(deadline):
		t.Fatal("the request does not arrive")
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.Stop(context.Background()) }()
	for end := time.Now().Add(deadline); ; time.Sleep(time.Millisecond) {
		k.mu.Lock()
		gone := len(k.readers) == 0
		k.mu.Unlock()
		if gone {
			break
		}
		if time.Now().After(end) {
			t.Fatal("stop does not begin")
		}
	}
	if got := send(t, "POST", srv.URL, "x"); got.code != 503 {
		t.Errorf("a request after stop: got %+v, want 503", got)
	}
	close(release)
	if got := <-first; got.code != 200 || got.body != "done" {
		t.Errorf("the request that was handled: got %+v", got)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	var log bytes.Buffer
	for _, test := range []struct {
		metadata []string
		want     string
	}{
		{[]string{"path", ""}, "path is missing"},
		{[]string{"path", "hook"}, "field path"},
		{[]string{"path", "/a/../b"}, "field path"},
		{[]string{"path", "/{x}"}, "field path"},
		{[]string{"methods", "PO ST"}, "field methods"},
		{[]string{"secret", ""}, "secret is empty"},
		{[]string{"signatureHeader", "X-Sign"}, "need secret"},
		{[]string{"secret", secret, "signatureHeader", "X Sign"}, "signatureHeader: want"},
		{[]string{"secret", secret, "signatureEncoding", "rot13"}, "signatureEncoding: want"},
		{[]string{"secret", secret, "maxBodySize", "huge"}, "maxBodySize"},
		{[]string{"secret", secret, "maxBodySize", "1Gi"}, "maxBodySize"},
	} {
		_, err := tryOpen(t, &log, test.metadata...)
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want a permanent error with %q", test.metadata, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error has the secret: %v", err)
		}
	}
	if _, err := tryOpen(t, &log); err != nil || !strings.Contains(log.String(), "takes requests of anybody") {
		t.Errorf("without a secret: %v, log %q", err, log.String())
	}
	if strings.Contains(log.String(), secret) {
		t.Error("the log has the secret")
	}
}
