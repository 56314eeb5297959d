// Package plugintest runs hosts with plugins in tests.
package plugintest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// stopTime bounds the end of a host.
const stopTime = 30 * time.Second

// Config is a host with plugins and no apps.
type Config struct {
	Drivers host.Drivers
	// Guests are folders of Go plugins, relative to the test's package: each is built to <name>.wasm beside the manifest.
	Guests []string
	// Built are what Build gave, for tests that make several hosts.
	Built map[string][]byte
	// Manifest is the YAML of the components.
	Manifest string
	// Log may be nil.
	Log *slog.Logger
}

// Build builds folders of Go plugins, by the names of their files.
func Build(t testing.TB, guests ...string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, guest := range guests {
		out[filepath.Base(guest)+".wasm"] = enginetest.Build(t, guest)
	}
	return out
}

// New makes the host, which is stopped with the test. The error is New's.
func New(t testing.TB, cfg Config) (*host.Host, error) {
	t.Helper()
	dir := t.TempDir()
	for _, built := range []map[string][]byte{cfg.Built, Build(t, cfg.Guests...)} {
		for name, wasm := range built {
			write(t, filepath.Join(dir, name), wasm)
		}
	}
	file := filepath.Join(dir, "manifest.yaml")
	write(t, file, []byte(cfg.Manifest))
	m, err := manifest.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(t), Drivers: cfg.Drivers, Log: cfg.Log,
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return h, nil
}

// Component gives the driver of a component of a new host.
func Component[T any](t testing.TB, cfg Config, name string) T {
	t.Helper()
	h, err := New(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return Of[T](t, h, name)
}

// Of gives the driver of a component.
func Of[T any](t testing.TB, h *host.Host, name string) T {
	t.Helper()
	d, err := h.Component(name)
	if err != nil {
		t.Fatal(err)
	}
	driver, ok := d.(T)
	if !ok {
		t.Fatalf("component %s: got a %T, which is not what the test wants", name, d)
	}
	return driver
}

func write(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
