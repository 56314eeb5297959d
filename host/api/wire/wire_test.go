package wire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/block"
)

func TestStartIsAllOrNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	s := NewServer(ServerConfig{Name: "server", Flag: "--x", Addresses: []string{address, taken.Addr().String()}})
	if err := s.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "server cannot listen on "+taken.Addr().String()) {
		t.Fatalf("got %v, want an error that names the address", err)
	}
	if len(s.Addrs()) != 0 {
		t.Errorf("got addresses %v, want none", s.Addrs())
	}
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("the first address was kept: %v", err)
	}
	_ = again.Close()
}

func TestServerListensOnSeveralAddresses(t *testing.T) {
	s := NewServer(ServerConfig{
		Name: "server", Addresses: []string{"127.0.0.1:0", "127.0.0.1:0"},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }),
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(s.URLs()) != 2 || s.URLs()[0] == s.URLs()[1] {
		t.Fatalf("got %v, want two", s.URLs())
	}
	for _, u := range s.URLs() {
		res, err := http.Get(u)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
	}
	if err := s.Err(); err != nil {
		t.Errorf("Err: got %v while it listens", err)
	}
	if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
	if err := s.Err(); err != nil {
		t.Errorf("Err: got %v after Stop, want nil", err)
	}
}

func TestServerThatDiesSaysSo(t *testing.T) {
	s := NewServer(ServerConfig{Name: "server", Addresses: []string{"127.0.0.1:0"}, Handler: http.NotFoundHandler()})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	l := s.listeners[0]
	s.mu.Unlock()
	if err := l.Close(); err != nil { // as if the system took the socket away
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); s.Err() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("Err stays nil although nothing listens")
		}
	}
	_ = s.Stop(context.WithoutCancel(t.Context()))
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LOCALHOST.": true, "a.localhost": true, "127.0.0.1": true, "::1": true, "[::1]": true,
		"": false, "0.0.0.0": false, "::": false, "localhost.example.com": false, "10.0.0.1": false,
	} {
		if got := LoopbackHost(host); got != want {
			t.Errorf("%q: got %t, want %t", host, got, want)
		}
	}
}

func TestStripHopByHop(t *testing.T) {
	h := http.Header{"Connection": {"X-A, x-b", "x-c"}, "X-A": {"1"}, "X-B": {"1"}, "X-C": {"1"}, "X-D": {"1"}, "Te": {"1"}, "Upgrade": {"1"}, "Keep-Alive": {"1"}}
	StripHopByHop(h)
	if len(h) != 1 || h.Get("X-D") != "1" {
		t.Errorf("got %v, want X-D only", h)
	}
	for name, want := range map[string]bool{"connection": true, "TRANSFER-ENCODING": true, "x-connection": false, "": false} {
		if got := HopByHop(name); got != want {
			t.Errorf("%q: got %t, want %t", name, got, want)
		}
	}
}

func TestReadBodyThatBreaksOff(t *testing.T) {
	r := httptest.NewRequest("POST", "/", io.MultiReader(strings.NewReader("abc")))
	r.ContentLength = 10
	_, err := ReadBody(nil, r, 100)
	api, ok := errors.AsType[*block.APIError](err)
	if !ok || api.Status != 400 {
		t.Errorf("got %v, want 400", err)
	}
}

func TestRetryAfter(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Minute: "60", -time.Second: "1"} {
		h := http.Header{}
		RetryAfter(h, d)
		if got := h.Get("Retry-After"); got != want {
			t.Errorf("%s: got %s, want %s", d, got, want)
		}
	}
}

func TestForwardedOfAnAddressWithoutPort(t *testing.T) {
	r := httptest.NewRequest("GET", "http://shop.example/x", nil)
	r.RemoteAddr = "@" // a Unix socket
	SetForwarded(r.Header, r, true)
	if got := r.Header.Get("X-Forwarded-For"); got != "@" {
		t.Errorf("got %q, want the address as it is", got)
	}
}

// A handler may take longer than a client may take to send its request.
func TestReadTimeoutIsOverOnceTheBodyIsRead(t *testing.T) {
	const limit = 50 * time.Millisecond
	ended := make(chan error, 2)
	s := NewServer(ServerConfig{
		Name: "server", Addresses: []string{"127.0.0.1:0"}, ReadTimeout: limit,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := ReadBody(w, r, MaxBody); err != nil {
				t.Errorf("ReadBody: %v", err)
			}
			time.Sleep(4 * limit)
			ended <- r.Context().Err()
		}),
	})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"", "body"} {
		res, err := http.Post(s.URLs()[0], "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if err := <-ended; err != nil {
			t.Errorf("body %q: the request was canceled while it was handled: %v", body, err)
		}
	}
	if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}
