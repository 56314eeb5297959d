package http

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	"github.com/mrt-wasm/mrt-wasm/host/api/apitest"
)

// deadline is for what must come, on however slow a machine.
const deadline = 30 * time.Second

// echo answers with what it got, as JSON.
func echo(name string) *apitest.App {
	return &apitest.App{AppName: name, HTTP: func(_ context.Context, req abihttp.Request) abihttp.Response {
		body, err := json.Marshal(req)
		if err != nil {
			panic(err)
		}
		return abihttp.Response{Status: 200, Headers: []abihttp.Header{{Name: "content-type", Value: "application/json"}, {Name: "X-App", Value: name}}, Body: body}
	}}
}

// answer is an app that always answers the same.
func answer(name string, status uint16, body string, fields ...string) *apitest.App {
	return &apitest.App{AppName: name, HTTP: func(context.Context, abihttp.Request) abihttp.Response {
		res := abihttp.Response{Status: status, Body: []byte(body)}
		for i := 0; i < len(fields); i += 2 {
			res.Headers = append(res.Headers, abihttp.Header{Name: fields[i], Value: fields[i+1]})
		}
		return res
	}}
}

// open starts a front door on a free port.
func open(t *testing.T, cfg Config, mounts ...Mount) (*Front, string) {
	t.Helper()
	cfg.Address = "127.0.0.1:0"
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := b.Front()
	if err := f.Mount(t.Context(), mounts); err != nil {
		t.Fatal(err)
	}
	if err := f.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), deadline)
		defer cancel()
		if err := f.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return f, f.URLs()[0]
}

func send(t *testing.T, method, url string, body io.Reader, fields ...string) (reply, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: deadline}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, res.ContentLength}, string(b)
}

// reply is an answer without its body.
type reply struct {
	StatusCode    int
	Header        http.Header
	ContentLength int64
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends.
func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// String gives what was written.
func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
