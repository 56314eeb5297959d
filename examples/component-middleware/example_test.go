package example

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	mrthttp "github.com/mrt-wasm/mrt-wasm/host/http"
	"github.com/mrt-wasm/mrt-wasm/host/http/httptest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/source"
)

// start runs the example as its manifest has it.
func start(t *testing.T) *host.Host {
	t.Helper()
	m, err := manifest.Load("manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	drivers, err := standard.Drivers()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	builder := source.New(source.Options{Dir: dir})
	if err := builder.Prepare(t.Context(), source.All(m.Apps)); err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(t), Drivers: drivers,
		HTTPAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0", Loader: source.Loader{Builder: builder},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return h
}

func TestConformance(t *testing.T) {
	c, err := start(t).Component("guard")
	if err != nil {
		t.Fatal(err)
	}
	m, ok := c.(mrthttp.Middleware)
	if !ok {
		t.Fatalf("the component is a %T, want a middleware", c)
	}
	httptest.Run(t, func(*testing.T) mrthttp.Middleware { return m })
}

// TestGuard goes the way of a client.
func TestGuard(t *testing.T) {
	h := start(t)
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	front, _ := h.Addrs()
	for i, tt := range []struct {
		key    string
		status int
		body   string // "" for any
		left   string
	}{
		{"", 401, "", ""},
		{"wrong", 401, "", ""},
		{"3c9e1f", 200, "hello, ada\n", "2"},
		{"3c9e1f", 200, "hello, ada\n", "1"},
		{"3c9e1f", 200, "hello, ada\n", "0"},
		{"3c9e1f", 429, "", ""},
		{"77b0d2", 200, "hello, bob\n", "2"},
		{"3c9e1f", 429, "", ""},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			status, header, body := get(t, front+"/hello", tt.key)
			if status != tt.status || tt.body != "" && body != tt.body {
				t.Errorf("key %q: got %d %q, want %d %q", tt.key, status, body, tt.status, tt.body)
			}
			if got := header.Get("X-Requests-Left"); got != tt.left {
				t.Errorf("key %q: got %q requests left, want %q", tt.key, got, tt.left)
			}
			if after := header.Get("Retry-After"); (after != "") != (tt.status == 429) {
				t.Errorf("key %q: got Retry-After %q with %d", tt.key, after, tt.status)
			}
		})
	}
}

func get(t *testing.T, url, key string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}
