package keyvalue

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	"github.com/mrt-wasm/mrt-wasm/components/state/memory"
	"github.com/mrt-wasm/mrt-wasm/components/state/sqlite"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// caller is an app that only calls.
type caller string

func (a caller) Name() string        { return string(a) }
func (a caller) Handles(string) bool { return false }
func (a caller) Do(context.Context, func(context.Context, abi.Guest) error) error {
	return errors.New("this app is not to be called")
}

// drivers are those that the tests run over.
var drivers = []string{"state.in-memory", "state.sqlite"}

// openState makes a block with two stores of a driver, of which app "cart" does not see the second, and one more that is
// plain: it lists nothing.
func openState(t *testing.T, driver string, metadata component.Metadata) *state.Block {
	t.Helper()
	plain := component.Spec[state.Store]{
		Type: "state.plain", Doc: "Has only the basic operations.",
		New: func(ctx context.Context, cfg component.Config) (state.Store, error) {
			s, err := memory.Spec.New(ctx, cfg)
			return struct{ state.Store }{s}, err
		},
	}
	set, err := component.NewSet("state", memory.Spec, sqlite.Spec, plain)
	if err != nil {
		t.Fatal(err)
	}
	decl := func(name, kind string, scopes ...string) component.Decl {
		m := component.Metadata{"keyPrefix": metadata["keyPrefix"]}
		if kind == "state.sqlite" {
			m["connectionString"] = filepath.Join(t.TempDir(), "state.db")
		}
		return component.Decl{Name: name, Type: kind, Where: "test", Metadata: m, Scopes: scopes}
	}
	b, err := state.New(t.Context(), state.Config{
		Drivers: set, Apps: []string{"cart", "other"},
		Decls: []component.Decl{decl("statestore", driver), decl("secret", driver, "other"), decl("plain", "state.plain")},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return b
}

// storesOf gives a block's stores as an app has them.
func storesOf(t *testing.T, b *state.Block, app string) Stores {
	t.Helper()
	s, err := b.Open(t.Context(), caller(app))
	if err != nil {
		t.Fatal(err)
	}
	stores, ok := s.(interface{ StoreHost() abistate.StoreHost }).StoreHost().(Stores)
	if !ok {
		t.Fatal("the state block gives no Stores")
	}
	return stores
}

func hostOf(t *testing.T, driver string) *Host {
	t.Helper()
	b := openState(t, driver, nil)
	return New(Config{
		Stores: storesOf(t, b, "cart"), Denied: func(name string) bool { return name == "secret" },
	})
}
