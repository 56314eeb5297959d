package example

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/source"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
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
	h, err := host.New(t.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(t), Drivers: drivers,
		HTTPAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0",
		Loader: source.Loader{Builder: source.New(source.Options{Dir: dir})},
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

func store(t *testing.T, h *host.Host, name string) state.Store {
	t.Helper()
	c, err := h.Component(name)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := c.(state.Store)
	if !ok {
		t.Fatalf("component %s is a %T", name, c)
	}
	return s
}

func TestConformance(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store { return store(t, start(t), "notes") }, statetest.Caps{})
}

// TestNothingInClear goes the way of a user: over the HTTP API, and looks into the other store.
func TestNothingInClear(t *testing.T) {
	h := start(t)
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	const secret = "nobody reads this"
	_, api := h.Addrs()
	url := "http://" + strings.TrimPrefix(api, "http://") + "/v1.0/state/notes"
	call(t, http.MethodPost, url, fmt.Sprintf(`[{"key":"a","value":%q}]`, secret), http.StatusNoContent)
	if got := call(t, http.MethodGet, url+"/a", "", http.StatusOK); got != fmt.Sprintf("%q", secret) {
		t.Errorf("got %s, want %q", got, secret)
	}
	disk := store(t, h, "disk")
	e, err := disk.Get(t.Context(), state.GetRequest{Key: "a"})
	if err != nil || e == nil {
		t.Fatalf("the other store has no entry under the same key: %v, %v", e, err)
	}
	if bytes.Contains(e.Value, []byte(secret)) {
		t.Errorf("the other store has the value in clear: %q", e.Value)
	}
	// A value that is put in another's place is not taken for it.
	if err := disk.Set(t.Context(), state.SetRequest{Key: "b", Value: e.Value}); err != nil {
		t.Fatal(err)
	}
	if got := call(t, http.MethodGet, url+"/b", "", http.StatusInternalServerError); !strings.Contains(got, "or it was changed") {
		t.Errorf("a value under another key: got %s", got)
	}
}

func call(t *testing.T, method, url, body string, status int) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		t.Fatalf("%s %s: got %d %s, %v; want %d", method, url, resp.StatusCode, text, err, status)
	}
	return string(text)
}
