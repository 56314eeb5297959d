// Package wasm is the secret store secretstores.wasm: a wasm module that exports mrt:secret/driver.
package wasm

import (
	"context"
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abisecret "github.com/mrt-wasm/mrt-wasm/abi/secret"
	"github.com/mrt-wasm/mrt-wasm/components/internal/wasmplugin"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// Spec is the driver.
var Spec = component.Spec[secret.Store]{
	Type: "secretstores.wasm",
	Doc: `Reads secrets by a plugin: a WebAssembly module that exports mrt:secret/driver.

It gives all of its secrets at once if the plugin exports mrt:secret/bulk-driver. All metadata but the fields below goes
to the plugin's init.`,
	Fields:  func() any { return new(wasmplugin.Settings) },
	Further: true,
	New:     func(ctx context.Context, cfg component.Config) (secret.Store, error) { return open(ctx, cfg) },
}

// store is a plugin as a secret store, bulkStore one that gives all of its secrets.
type (
	store     struct{ plugin component.Plugin }
	bulkStore struct{ *store }
)

var (
	_ secret.Store      = (*store)(nil)
	_ secret.BulkGetter = (*bulkStore)(nil)
)

func open(ctx context.Context, cfg component.Config) (secret.Store, error) {
	run, err := wasmplugin.Runner(cfg)
	if err != nil {
		return nil, err
	}
	metadata := wasmplugin.Init(cfg)
	p, err := run.Open(ctx, component.PluginConfig{
		Config: cfg, Exports: append(abisecret.DriverExports(), abisecret.BulkDriverExports()...),
		OneOf: []string{abisecret.DriverModule}, Unavailable: secret.ErrUnavailable,
		Init: func(ctx context.Context, g abi.Guest) error {
			return wasmplugin.Started(toError(abisecret.CallDriverInit(ctx, g, metadata)), secret.ErrUnavailable)
		},
	})
	if err != nil {
		return nil, err
	}
	if p.Has(abisecret.BulkDriverModule) {
		return &bulkStore{&store{p}}, nil
	}
	return &store{p}, nil
}

// Get reads one secret.
func (s *store) Get(ctx context.Context, name string, metadata map[string]string) (secret.Values, error) {
	var values wasmplugin.Pairs
	err := s.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		values, err = abisecret.CallDriverGet(ctx, g, name, wasmplugin.From(metadata))
		return err
	})
	if err = toError(err); errors.Is(err, secret.ErrNotFound) {
		return nil, secret.NotFound(name)
	}
	if err != nil {
		return nil, fmt.Errorf("secret %q: %w", name, err)
	}
	return owned(values), nil
}

// owned gives values that are the caller's.
func owned(values wasmplugin.Pairs) secret.Values {
	if out := wasmplugin.Map(values); out != nil {
		return out
	}
	return secret.Values{}
}

// Close ends the plugin.
func (s *store) Close(ctx context.Context) error { return s.plugin.Close(ctx) }

// BulkGet reads all secrets.
func (s *bulkStore) BulkGet(ctx context.Context, metadata map[string]string) (map[string]secret.Values, error) {
	out := map[string]secret.Values{}
	err := s.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		all, err := abisecret.CallBulkDriverBulkGet(ctx, g, wasmplugin.From(metadata))
		for _, one := range all {
			out[one.F0] = owned(one.F1)
		}
		return err
	})
	if err != nil {
		return nil, toError(err)
	}
	return out, nil
}

// toError gives the block's error for one of the contract; others stay as they are.
func toError(err error) error {
	e, ok := errors.AsType[*abisecret.Error](err)
	if !ok {
		return err
	}
	switch e.Tag {
	case abisecret.ErrorNotFound:
		return wasmplugin.As(secret.ErrNotFound, e.Value)
	case abisecret.ErrorForbidden:
		return wasmplugin.As(secret.ErrForbidden, e.Value)
	case abisecret.ErrorInvalidRequest:
		return wasmplugin.As(secret.ErrInvalid, e.Value)
	case abisecret.ErrorUnavailable:
		return wasmplugin.As(secret.ErrUnavailable, e.Value)
	case abisecret.ErrorUnsupported:
		return wasmplugin.As(secret.ErrUnsupported, e.Value)
	default:
		return errors.New(e.Value)
	}
}
