// Package config implements wasi:config/store, under all the versions that go by its one shape: the items of the app's
// configuration store come first, then the variables that the manifest gives the app in spec.env.
package config

import (
	"context"
	"maps"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	abiconfig "github.com/mrt-wasm/mrt-wasm/abi/wasi/config"
)

// Modules are the interface's names: one shape has gone by three versions.
func Modules() []string {
	return []string{abiconfig.StoreModule, "wasi:config/store@0.2.0-draft-2024-09-27", "wasi:config/store@0.2.0-rc.1"}
}

// Config says where an app's values come from.
type Config struct {
	// Store is the configuration block as the app calls it, of which its default store is read; nil for none.
	Store abiconfiguration.StoreHost
	// Env has the values that the store has not.
	Env map[string]string
}

// Host is wasi:config of one app. It is safe for concurrent use.
type Host struct{ cfg Config }

var _ abiconfig.StoreHost = (*Host)(nil)

// New makes the host's side.
func New(cfg Config) *Host { return &Host{cfg: cfg} }

// Funcs gives the functions under all versions.
func (h *Host) Funcs() []abi.Func {
	var out []abi.Func
	for _, module := range Modules() {
		for _, f := range abiconfig.StoreFuncs(h) {
			f.Module = module
			out = append(out, f)
		}
	}
	return out
}

// Get gives the value of a key, nil if there is none.
func (h *Host) Get(ctx context.Context, key string) (*string, *abiconfig.Error) {
	items, err := h.items(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		if item.Key == key {
			return &item.Value, nil
		}
	}
	if value, ok := h.cfg.Env[key]; ok {
		return &value, nil
	}
	return nil, nil
}

// GetAll gives all values, by their keys in ascending order.
func (h *Host) GetAll(ctx context.Context) ([]canon.Tuple2[string, string], *abiconfig.Error) {
	items, err := h.items(ctx)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(h.cfg.Env)
	if all == nil {
		all = map[string]string{}
	}
	for _, item := range items {
		all[item.Key] = item.Value
	}
	out := make([]canon.Tuple2[string, string], 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		out = append(out, canon.Tuple2[string, string]{F0: key, F1: all[key]})
	}
	return out, nil
}

// items reads keys of the store, all when there are none. A key that no store can have does not exist.
func (h *Host) items(ctx context.Context, keys ...string) ([]abiconfiguration.Item, *abiconfig.Error) {
	if h.cfg.Store == nil {
		return nil, nil
	}
	items, err := h.cfg.Store.Get(ctx, "", keys, nil)
	switch {
	case err == nil:
		return items, nil
	case err.Tag == abiconfiguration.ErrorInvalidRequest:
		return nil, nil
	case err.Tag == abiconfiguration.ErrorUnavailable:
		return nil, &abiconfig.Error{Tag: abiconfig.ErrorIO, Value: err.Value}
	default:
		return nil, &abiconfig.Error{Tag: abiconfig.ErrorUpstream, Value: err.Value}
	}
}
