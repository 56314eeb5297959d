package jwks_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/localkeys"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/crypto"
)

const patience = 90 * time.Second

// server serves a set, and can be stopped and started on its port.
type server struct {
	addr   string
	body   atomic.Pointer[[]byte]
	handle atomic.Pointer[http.HandlerFunc] // in place of the set
	count  atomic.Int64
	http   *http.Server
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{addr: fmt.Sprint("127.0.0.1:", testserver.FreePort(t))}
	s.start(t)
	t.Cleanup(s.stop)
	return s
}

func (s *server) url() string {
	return "http://shop:" + planted + "@" + s.addr + "/keys?token=" + planted
}

func (s *server) start(t *testing.T) {
	t.Helper()
	var l net.Listener
	within(t, "the port is free", func() bool {
		var err error
		l, err = net.Listen("tcp", s.addr)
		return err == nil
	})
	s.http = &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.count.Add(1)
		if h := s.handle.Load(); h != nil {
			(*h)(w, r)
			return
		}
		_, _ = w.Write(*s.body.Load())
	})}
	go func(srv *http.Server) { _ = srv.Serve(l) }(s.http)
}

func (s *server) stop() { _ = s.http.Close() }

func (s *server) set(b []byte)              { s.body.Store(&b) }
func (s *server) answer(h http.HandlerFunc) { s.handle.Store(&h) }

func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// lockedBuffer takes the log.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// TestStoppedAndStarted: while the server is down the keys that are known work, the others are unavailable, and afterwards
// new keys are found. Nothing that comes out has what is in the URL.
func TestStoppedAndStarted(t *testing.T) {
	var log lockedBuffer
	s := serve(t)
	s.set(oct("a"))
	v := kept(t, component.Metadata{"jwks": s.url(), "minRefreshInterval": "1s"}, slog.New(slog.NewTextHandler(&log, nil)))
	want(t, v, "a", nil)
	s.stop()
	within(t, "the loss is seen", func() bool {
		_, err := use(t, v, "b")
		return errors.Is(err, crypto.ErrUnavailable)
	})
	want(t, v, "a", nil)
	want(t, v, "b", crypto.ErrUnavailable)
	if err := v.(crypto.Pinger).Ping(t.Context()); !errors.Is(err, crypto.ErrUnavailable) || strings.Contains(err.Error(), planted) {
		t.Errorf("ping: got error %v, want %v", err, crypto.ErrUnavailable)
	}
	s.set(oct("b"))
	s.start(t)
	within(t, "the new key is found", func() bool { _, err := use(t, v, "b"); return err == nil })
	want(t, v, "a", crypto.ErrKeyNotFound)
	if err := v.(crypto.Pinger).Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
	if text := log.String(); strings.Contains(text, planted) || !strings.Contains(text, "cannot be fetched") || !strings.Contains(text, "without TLS") {
		t.Errorf("got the log %s", text)
	}
}

// TestStart: an answer that is no set is an error that trying again may mend.
func TestStart(t *testing.T) {
	s := serve(t)
	huge := bytes.Repeat([]byte(" "), localkeys.MaxSize+1)
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"status": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }, "want status 200, found 403"},
		"text":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, planted) }, "want a JSON Web Key Set"},
		"huge":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(huge) }, "more than"},
		"gzip": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 64 {
				_, _ = z.Write(huge)
			}
			_ = z.Close()
		}, "more than"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, "{")
		}, "EOF"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/"+planted, http.StatusFound)
		}, "leads on"},
		"no answer": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no answer within 100ms (requestTimeout)"},
	} {
		t.Run(name, func(t *testing.T) {
			s.answer(tt.answer)
			timeout := "60s"
			if name == "no answer" {
				timeout = "100ms"
			}
			_, err := opened(t, component.Metadata{"jwks": s.url(), "requestTimeout": timeout}, nil)
			if !errors.Is(err, crypto.ErrUnavailable) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), planted) {
				t.Errorf("got error %v, want %v with %q", err, crypto.ErrUnavailable, tt.want)
			}
			if _, permanent := errors.AsType[*component.PermanentError](err); permanent {
				t.Errorf("got the permanent error %v", err)
			}
		})
	}
	s.stop()
	if _, err := opened(t, component.Metadata{"jwks": s.url()}, nil); !errors.Is(err, crypto.ErrUnavailable) || strings.Contains(err.Error(), planted) {
		t.Errorf("without a server: got error %v, want %v", err, crypto.ErrUnavailable)
	}
}

// TestInterval: keys that the set lacks do not make more requests than the interval allows, however many ask.
func TestInterval(t *testing.T) {
	s := serve(t)
	s.set(oct("a"))
	v := kept(t, component.Metadata{"jwks": s.url(), "minRefreshInterval": "1h"}, nil)
	s.set(oct("a", "b"))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				want(t, v, "b", crypto.ErrKeyNotFound)
				want(t, v, "a", nil)
			}
		})
	}
	wg.Wait()
	if n := s.count.Load(); n != 1 {
		t.Errorf("the server had %d requests, want 1", n)
	}
}

// TestWaiting: who asks for an unknown key waits for the set, and only until their context ends or the vault is closed. Who
// asks for a known one does not wait.
func TestWaiting(t *testing.T) {
	s := serve(t)
	s.set(oct("a"))
	v := kept(t, component.Metadata{"jwks": s.url(), "minRefreshInterval": "1s"}, nil)
	s.answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	within(t, "the set is asked for again", func() bool { want(t, v, "a", nil); return s.count.Load() > 1 })
	want(t, v, "a", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := v.PublicKey(ctx, "b"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got error %v, want %v", err, context.DeadlineExceeded)
	}
	waiting := make(chan error)
	go func() { _, err := v.PublicKey(t.Context(), "b"); waiting <- err }()
	if err := v.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	select {
	case err := <-waiting:
		if err == nil || errors.Is(err, crypto.ErrKeyNotFound) {
			t.Errorf("after close: got error %v, want that it is closed", err)
		}
	case <-time.After(patience):
		t.Error("still waiting after close")
	}
}
