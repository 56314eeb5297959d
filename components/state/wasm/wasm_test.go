package wasm_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/state/memory"
	"github.com/mrt-wasm/mrt-wasm/components/state/wasm"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/plugin/plugintest"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
)

// doc is a component of the manifest.
func doc(name, typ string, metadata ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "---\napiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: %s}\nspec:\n  type: %s\n  version: v1\n  initTimeout: 60s\n  metadata:\n", name, typ)
	for i := 0; i < len(metadata); i += 2 {
		fmt.Fprintf(&b, "    - {name: %s, value: %q}\n", metadata[i], metadata[i+1])
	}
	return b.String()
}

func config(t *testing.T, guests []string, docs ...string) plugintest.Config {
	t.Helper()
	set, err := component.NewSet("state", wasm.Spec, memory.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return plugintest.Config{Drivers: host.Drivers{State: set}, Guests: guests, Manifest: strings.Join(docs, "")}
}

func TestConformance(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store {
		return plugintest.Component[state.Store](t, config(t, []string{"testdata/memory"}, doc("s", "state.wasm", "source", "memory.wasm")), "s")
	}, statetest.Caps{})
}

// TestConformanceOverAnother runs the suite on a plugin that hands on all calls to a store that is granted to it.
func TestConformanceOverAnother(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store {
		cfg := config(t, []string{"testdata/over"},
			doc("s", "state.wasm", "source", "over.wasm", "imports", "inner", "store", "inner"), doc("inner", "state.in-memory"))
		return plugintest.Component[state.Store](t, cfg, "s")
	}, statetest.Caps{})
}

// rust has a component in Rust as store.wasm; how it is built is beside it.
func rust(t *testing.T, docs ...string) plugintest.Config {
	t.Helper()
	wasm, err := os.ReadFile("testdata/rust/store.wasm")
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(t, nil, docs...)
	cfg.Built = map[string][]byte{"store.wasm": wasm}
	return cfg
}

// TestConformanceOfComponent runs the suite on a component of the Component Model.
func TestConformanceOfComponent(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store {
		return plugintest.Component[state.Store](t, rust(t, doc("s", "state.wasm", "source", "store.wasm")), "s")
	}, statetest.Caps{})
}

// TestComponent is what the suite does not do: metadata, output, and errors at the start.
func TestComponent(t *testing.T) {
	var out strings.Builder
	cfg := rust(t, doc("s", "state.wasm", "source", "store.wasm", "seed", "began"))
	cfg.Log = slog.New(slog.NewTextHandler(&out, nil))
	s := plugintest.Component[state.Store](t, cfg, "s")
	if e, err := s.Get(t.Context(), state.GetRequest{Key: "began"}); err != nil || e == nil || string(e.Value) != "seeded" {
		t.Errorf("got %v and error %v, want what init wrote", e, err)
	}
	for _, want := range []string{`msg="init with 1 fields"`, `msg=init `} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("want the line %q, got\n%s", want, out.String())
		}
	}
	_, err := plugintest.New(t, rust(t, doc("s", "state.wasm", "source", "store.wasm", "fail", "no")))
	if want := "init: invalid request: no"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v\nwant %q", err, want)
	}
}

func get(t *testing.T, s state.Store, key string) error {
	t.Helper()
	_, err := s.Get(t.Context(), state.GetRequest{Key: key})
	return err
}

// TestTrap: the call that traps and those after it fail clearly, and the plugin is started again with its metadata.
func TestTrap(t *testing.T) {
	cfg := config(t, []string{"testdata/memory"}, doc("s", "state.wasm", "source", "memory.wasm", "seed", "began", "timeout", "500ms"))
	trapAndRestart(t, cfg, "panic: asked to trap", "map[seed:began]")
}

func TestComponentTraps(t *testing.T) {
	cfg := rust(t, doc("s", "state.wasm", "source", "store.wasm", "seed", "began", "timeout", "500ms"))
	trapAndRestart(t, cfg, "thread '<unnamed>' (1) panicked at src/lib.rs:104:9: asked to trap", "seeded")
}

// trapAndRestart has a plugin trap in the two ways that it has. reason is what it says of the first, seeded what its init
// writes for the key "began".
func trapAndRestart(t *testing.T, cfg plugintest.Config, reason, seeded string) {
	t.Helper()
	s := plugintest.Component[state.Store](t, cfg, "s")
	for _, tt := range []struct{ key, want string }{
		{"trap", "it trapped in mrt:state/driver@0.1.0#get: " + reason},
		{"spin", "it trapped in mrt:state/driver@0.1.0#get: did not end within 500ms (metadata field timeout)"},
	} {
		if err := s.Set(t.Context(), state.SetRequest{Key: "a", Value: []byte("1")}); err != nil {
			t.Fatalf("set: %v", err)
		}
		err := get(t, s, tt.key)
		wantDown(t, err, tt.want)
		deadline := time.Now().Add(time.Minute)
		for err = get(t, s, "a"); err != nil; err = get(t, s, "a") {
			wantDown(t, err, tt.want)
			if time.Now().After(deadline) {
				t.Fatalf("the plugin is not started again: %v", err)
			}
			time.Sleep(time.Millisecond)
		}
		if e, err := s.Get(t.Context(), state.GetRequest{Key: "a"}); e != nil || err != nil {
			t.Errorf("after the restart: got %v and error %v, want a store that is empty", e, err)
		}
		if e, err := s.Get(t.Context(), state.GetRequest{Key: "began"}); err != nil || e == nil || string(e.Value) != seeded {
			t.Errorf("after the restart: got %v and error %v, want what init wrote", e, err)
		}
	}
}

func wantDown(t *testing.T, err error, want string) {
	t.Helper()
	if !errors.Is(err, state.ErrUnavailable) || !strings.Contains(err.Error(), "the plugin of component s is down: "+want) ||
		!strings.Contains(err.Error(), "it is started again in ") {
		t.Errorf("got error %v\nwant unavailable with %q", err, want)
	}
}

// TestCallerGoesAway: a caller's deadline does not cost the plugin its state.
func TestCallerGoesAway(t *testing.T) {
	s := plugintest.Component[state.Store](t, config(t, []string{"testdata/memory"}, doc("s", "state.wasm", "source", "memory.wasm")), "s")
	if err := s.Set(t.Context(), state.SetRequest{Key: "a", Value: []byte("1")}); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Microsecond)
		_, _ = s.Get(ctx, state.GetRequest{Key: "a"})
		cancel()
	}
	if e, err := s.Get(t.Context(), state.GetRequest{Key: "a"}); err != nil || e == nil || string(e.Value) != "1" {
		t.Errorf("got %v and error %v, want what was written", e, err)
	}
}

func TestStartErrors(t *testing.T) {
	built := plugintest.Build(t, "testdata/memory", "testdata/over")
	inner := doc("inner", "state.in-memory")
	for _, tt := range []struct {
		name string
		docs []string
		want string
	}{
		{"no source", []string{doc("s", "state.wasm", "x", "y")}, "metadata field source is missing"},
		{"no file", []string{doc("s", "state.wasm", "source", "none.wasm")}, "none.wasm does not exist"},
		{"no wasm", []string{doc("s", "state.wasm", "source", "manifest.yaml")}, "is not a wasm file"},
		{"init refuses", []string{doc("s", "state.wasm", "source", "memory.wasm", "fail", "field url is missing")}, "init: invalid request: field url is missing"},
		{"memory", []string{doc("s", "state.wasm", "source", "memory.wasm", "memory", "1Mi")}, "over its limit of 1Mi; raise metadata field memory"},
		{"bad memory", []string{doc("s", "state.wasm", "source", "memory.wasm", "memory", "lots")}, `metadata field memory: want a size such as 64Mi`},
		{"bad timeout", []string{doc("s", "state.wasm", "source", "memory.wasm", "timeout", "-1s")}, "metadata field timeout: want a duration over 0"},
		{"not granted", []string{doc("s", "state.wasm", "source", "over.wasm", "store", "inner"), inner}, "imports mrt:state/store@0.1.0, and no component of kind state is granted to it"},
		{"unknown grant", []string{doc("s", "state.wasm", "source", "over.wasm", "imports", "ghost")}, "metadata field imports: there is no component ghost"},
		{"another's name", []string{doc("s", "state.wasm", "source", "over.wasm", "imports", "inner", "store", "other"), inner, doc("other", "state.in-memory")}, `state component "other" is not found for app component/s: it sees inner`},
		{"circle", []string{doc("a", "state.wasm", "source", "over.wasm", "imports", "b"), doc("b", "state.wasm", "source", "over.wasm", "imports", "a")}, "in a circle, so none can start first: a -> b -> a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(t, nil, tt.docs...)
			cfg.Built = built
			_, err := plugintest.New(t, cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v\nwant %q", err, tt.want)
			}
		})
	}
}
