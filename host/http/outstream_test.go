package http

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// outStream gives what sends the streaming requests of an app that may call allow.
func outStream(t *testing.T, policies []chain.Policy, allow ...string) Streaming {
	t.Helper()
	b, err := New(Config{Chain: chain.New(nil, policies), Apps: func(string) AppConfig { return AppConfig{AllowHosts: allow} }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Open(t.Context(), answer("app", 200, "")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	return b.Streaming("app")
}

func outRequest(ctx context.Context, t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestStreamingSend(t *testing.T) {
	target := newTarget(t)
	s := outStream(t, nil, target.URL)
	req := outRequest(t.Context(), t, "POST", target.URL+"/echo?x=1", strings.NewReader("body"))
	res, err := s.Send(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != 202 || string(body) != "body" || res.Header.Get("X-Query") != "x=1" {
		t.Errorf("got %d %v %s, %v", res.StatusCode, res.Header, body, err)
	}
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	if got := target.seen.Get("Accept-Encoding"); got != "identity" {
		t.Errorf("accept-encoding: got %q, want identity: what is packed is for the guest to unpack", got)
	}
}

// What the server packs reaches the guest as it is, when it asks for it.
func TestStreamingLeavesEncodings(t *testing.T) {
	target := newTarget(t)
	req := outRequest(t.Context(), t, "GET", target.URL+"/bomb", nil)
	req.Header.Set("Accept-Encoding", "gzip")
	res, err := outStream(t, nil, target.URL).Send(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.Header.Get("Content-Encoding") != "gzip" || len(body) >= 5000 {
		t.Errorf("got %d bytes with %v, %v; want what the server sent", len(body), res.Header, err)
	}
}

// closed tells whether a body was closed.
type closed struct {
	io.Reader
	closed bool
}

// Close closes.
func (c *closed) Close() error {
	c.closed = true
	return nil
}

func TestStreamingDenied(t *testing.T) {
	s := outStream(t, nil, "http://example.com")
	body := &closed{Reader: strings.NewReader("x")}
	req := outRequest(t.Context(), t, "POST", "http://127.0.0.1:9/", body)
	if _, ok := errors.AsType[*wire.DeniedError](s.Check(req)); !ok {
		t.Errorf("Check: got %v, want a *wire.DeniedError", s.Check(req))
	}
	_, err := s.Send(req) //nolint:bodyclose // there is no response
	if _, ok := errors.AsType[*wire.DeniedError](err); !ok || !body.closed {
		t.Errorf("Send: got %v, body closed %t; want a *wire.DeniedError and the body closed", err, body.closed)
	}
	if err := s.Check(outRequest(t.Context(), t, "GET", "http://example.com/x", nil)); err != nil {
		t.Errorf("Check of a host that is allowed: %v", err)
	}
	if err := outStream(t, nil).Check(req); err == nil {
		t.Error("an app that may call nothing: got no error")
	}
}

// A redirect is the guest's to follow.
func TestStreamingGivesRedirects(t *testing.T) {
	target := newTarget(t)
	res, err := outStream(t, nil, target.URL).Send(outRequest(t.Context(), t, "GET", target.URL+"/loop", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusFound {
		t.Errorf("got %d, want the redirect", res.StatusCode)
	}
}

// A retry policy acts as long as the request is whole; what a request with a body ended with is not hidden by it.
func TestStreamingRetries(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]io.Reader{"without": nil, "with": io.LimitReader(zeros{}, 10)} {
		policy := &again{}
		_, err := outStream(t, []chain.Policy{policy}, url).Send(outRequest(t.Context(), t, "POST", url, body)) //nolint:bodyclose // there is no response
		if !errors.Is(err, syscall.ECONNREFUSED) || policy.calls != 1 {
			t.Errorf("%s a body: got %v after %d retries, want the refused connection after one", name, err, policy.calls)
		}
		var p interface{ Permanent() bool }
		if got := errors.As(err, &p); got != (body != nil) {
			t.Errorf("%s a body: got %v, permanent %t", name, err, got)
		}
	}
}

// The end of the call ends the request.
func TestStreamingEndsWithItsCall(t *testing.T) {
	target := newTarget(t)
	ctx, cancel := context.WithCancel(t.Context())
	go cancel()
	_, err := outStream(t, nil, target.URL).Send(outRequest(ctx, t, "GET", target.URL+"/hang", nil)) //nolint:bodyclose // there is no response
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}
