package config

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	abiconfig "github.com/mrt-wasm/mrt-wasm/abi/wasi/config"
	"github.com/mrt-wasm/mrt-wasm/components/configuration/sqlite"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// caller is an app that only calls.
type caller string

func (a caller) Name() string        { return string(a) }
func (a caller) Handles(string) bool { return false }
func (a caller) Do(context.Context, func(context.Context, abi.Guest) error) error {
	return fmt.Errorf("app %s is not to be called", a)
}

// store gives the configuration block over SQLite as an app has it.
func store(t *testing.T, items ...configuration.Item) abiconfiguration.StoreHost {
	t.Helper()
	set, err := component.NewSet("configuration", sqlite.Spec)
	if err != nil {
		t.Fatal(err)
	}
	b, err := configuration.New(t.Context(), configuration.Config{
		Drivers: set, Apps: []string{"cart"}, Env: component.Env{DataDir: t.TempDir()},
		Decls: []component.Decl{{
			Name: "configstore", Type: sqlite.Spec.Type, Where: "test",
			Metadata: component.Metadata{"connectionString": filepath.Join(t.TempDir(), "config.db")},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := b.Set(t.Context(), "", "configstore", items); err != nil {
		t.Fatal(err)
	}
	s, err := b.Open(t.Context(), caller("cart"))
	if err != nil {
		t.Fatal(err)
	}
	host, ok := s.(abiconfiguration.StoreHost)
	if !ok {
		t.Fatal("the configuration block's session is no StoreHost")
	}
	return host
}

// failing is a store that fails.
type failing struct {
	abiconfiguration.StoreHost
	tag abiconfiguration.ErrorTag
}

func (f failing) Get(context.Context, string, []string, abiconfiguration.Metadata) ([]abiconfiguration.Item, *abiconfiguration.Error) {
	return nil, &abiconfiguration.Error{Tag: f.tag, Value: "broken"}
}

func TestGet(t *testing.T) {
	items := store(t, configuration.Item{Key: "colour", Value: "blue"}, configuration.Item{Key: "empty", Value: ""})
	env := map[string]string{"colour": "shadowed", "LEVEL": "high"}
	tests := []struct {
		name string
		cfg  Config
		key  string
		want string // "-" for none
	}{
		{"of the store", Config{Store: items, Env: env}, "colour", "blue"},
		{"empty", Config{Store: items, Env: env}, "empty", ""},
		{"of the environment", Config{Store: items, Env: env}, "LEVEL", "high"},
		{"none", Config{Store: items, Env: env}, "size", "-"},
		{"no key", Config{Store: items, Env: env}, "", "-"},
		{"without a store", Config{Env: env}, "colour", "shadowed"},
		{"without anything", Config{}, "colour", "-"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := New(tt.cfg).Get(t.Context(), tt.key)
			text := "-"
			if got != nil {
				text = *got
			}
			if err != nil || text != tt.want {
				t.Errorf("got %s, %v; want %s", text, err, tt.want)
			}
		})
	}
}

func TestGetAll(t *testing.T) {
	items := store(t, configuration.Item{Key: "colour", Value: "blue"}, configuration.Item{Key: "b", Value: "2"})
	got, err := New(Config{Store: items, Env: map[string]string{"colour": "shadowed", "A": "1"}}).GetAll(t.Context())
	if want := "[{A 1} {b 2} {colour blue}]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("got %v, %v; want %s", got, err, want)
	}
}

func TestErrors(t *testing.T) {
	tests := map[abiconfiguration.ErrorTag]abiconfig.ErrorTag{
		abiconfiguration.ErrorUnavailable: abiconfig.ErrorIO, abiconfiguration.ErrorOther: abiconfig.ErrorUpstream,
		abiconfiguration.ErrorStoreNotFound: abiconfig.ErrorUpstream,
	}
	for tag, want := range tests {
		h := New(Config{Store: failing{tag: tag}, Env: map[string]string{"k": "v"}})
		if _, err := h.Get(t.Context(), "k"); err == nil || err.Tag != want || err.Value != "broken" {
			t.Errorf("%s: got %v; want %s", tag, err, want)
		}
		if _, err := h.GetAll(t.Context()); err == nil || err.Tag != want {
			t.Errorf("%s: got %v; want %s", tag, err, want)
		}
	}
}

func TestVersions(t *testing.T) {
	seen := map[string]int{}
	for _, f := range New(Config{}).Funcs() {
		seen[f.Module]++
	}
	for _, module := range []string{"wasi:config/store@0.2.0-draft", "wasi:config/store@0.2.0-draft-2024-09-27", "wasi:config/store@0.2.0-rc.1"} {
		if seen[module] != 2 {
			t.Errorf("%s has %d functions; want get and get-all", module, seen[module])
		}
	}
}
