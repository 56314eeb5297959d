package wasm_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/lock/wasm"
	"github.com/mrt-wasm/mrt-wasm/components/state/sqlite"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
	"github.com/mrt-wasm/mrt-wasm/host/lock/locktest"
	"github.com/mrt-wasm/mrt-wasm/host/plugin/plugintest"
)

const manifest = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: locks}
spec:
  type: lock.wasm
  version: v1
  initTimeout: 60s
  metadata:
    - {name: source, value: overstate.wasm}
    - {name: imports, value: inner}
    - {name: store, value: inner}
    - {name: timeout, value: 60s}
    - {name: fail, value: "FAIL"}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: inner}
spec:
  type: state.sqlite
  version: v1
  metadata:
    - {name: connectionString, value: "FILE"}
    - {name: busyTimeout, value: 60s}
`

// config is a host of its own, with its locks in a file.
func config(t *testing.T, file, fail string) plugintest.Config {
	t.Helper()
	locks, err := component.NewSet("lock", wasm.Spec)
	if err != nil {
		t.Fatal(err)
	}
	states, err := component.NewSet("state", sqlite.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return plugintest.Config{
		Drivers:  host.Drivers{Lock: locks, State: states},
		Manifest: strings.NewReplacer("FILE", filepath.ToSlash(file), "FAIL", fail).Replace(manifest),
	}
}

// TestConformance: every store of the suite is a host of its own, and all share a file.
func TestConformance(t *testing.T) {
	built := plugintest.Build(t, "testdata/overstate")
	file := filepath.Join(t.TempDir(), "state.db")
	locktest.Run(t, func(t *testing.T) lock.Store {
		cfg := config(t, file, "")
		cfg.Built = built
		return plugintest.Component[lock.Store](t, cfg, "locks")
	}, locktest.Caps{})
}

// TestFailures: what a plugin says, and what is said of one that traps.
func TestFailures(t *testing.T) {
	cfg := config(t, filepath.Join(t.TempDir(), "state.db"), "")
	cfg.Guests = []string{"testdata/overstate"}
	s := plugintest.Component[lock.Store](t, cfg, "locks")
	if _, err := s.TryLock(t.Context(), "", "ann", time.Hour); !errors.Is(err, lock.ErrInvalid) {
		t.Errorf("no resource: got error %v, want %v", err, lock.ErrInvalid)
	}
	if _, err := s.TryLock(t.Context(), "trap", "ann", time.Hour); !errors.Is(err, lock.ErrUnknown) || !strings.Contains(err.Error(), "it trapped in") {
		t.Errorf("a trap: got error %v, want %v", err, lock.ErrUnknown)
	}
	if got, err := s.TryLock(t.Context(), "r", "ann", time.Hour); err != nil || !got {
		t.Errorf("after a trap: got %t, error %v, want true", got, err)
	}
	cfg = config(t, filepath.Join(t.TempDir(), "state.db"), "not today")
	cfg.Guests = []string{"testdata/overstate"}
	if _, err := plugintest.New(t, cfg); err == nil || !strings.Contains(err.Error(), "not today") {
		t.Errorf("a failing init: got error %v", err)
	}
}
