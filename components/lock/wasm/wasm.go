// Package wasm is the lock store lock.wasm: a wasm module that exports mrt:lock/driver.
package wasm

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abilock "github.com/mrt-wasm/mrt-wasm/abi/lock"
	"github.com/mrt-wasm/mrt-wasm/components/internal/wasmplugin"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

// Spec is the driver.
var Spec = component.Spec[lock.Store]{
	Type: "lock.wasm",
	Doc: `Keeps locks by a plugin: a WebAssembly module that exports mrt:lock/driver.

All metadata but the fields below goes to the plugin's init. Resources come with the prefix of the app that asks.`,
	Fields:  func() any { return new(wasmplugin.Settings) },
	Further: true,
	New:     func(ctx context.Context, cfg component.Config) (lock.Store, error) { return open(ctx, cfg) },
}

// store is a plugin as a lock store.
type store struct{ plugin component.Plugin }

var _ lock.Store = (*store)(nil)

func open(ctx context.Context, cfg component.Config) (lock.Store, error) {
	run, err := wasmplugin.Runner(cfg)
	if err != nil {
		return nil, err
	}
	metadata := wasmplugin.Init(cfg)
	p, err := run.Open(ctx, component.PluginConfig{
		Config: cfg, Exports: abilock.DriverExports(),
		OneOf: []string{abilock.DriverModule}, Unavailable: lock.ErrUnavailable,
		Init: func(ctx context.Context, g abi.Guest) error {
			return wasmplugin.Started(toError(abilock.CallDriverInit(ctx, g, metadata)), lock.ErrUnavailable)
		},
	})
	if err != nil {
		return nil, err
	}
	return &store{p}, nil
}

// TryLock takes a lock.
func (s *store) TryLock(ctx context.Context, resource, owner string, expiry time.Duration) (got bool, err error) {
	err = s.do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		got, err = abilock.CallDriverTryLock(ctx, g, resource, owner, uint64(expiry.Milliseconds())) //nolint:gosec // more than 0
		return err
	})
	return got && err == nil, err
}

// Unlock gives a lock back.
func (s *store) Unlock(ctx context.Context, resource, owner string) (lock.Status, error) {
	var status abilock.UnlockStatus
	err := s.do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		status, err = abilock.CallDriverUnlock(ctx, g, resource, owner)
		return err
	})
	return lock.Status(status), err
}

// do calls the plugin. When that ended in the middle of the call, it is not known what it had done.
func (s *store) do(ctx context.Context, call func(context.Context, abi.Guest) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	called := false
	err := s.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		called = true
		return call(ctx, g)
	})
	if err = toError(err); called && errors.Is(err, lock.ErrUnavailable) && !errors.Is(err, lock.ErrUnknown) {
		return fmt.Errorf("%w: %w", lock.ErrUnknown, err)
	}
	return err
}

// Close ends the plugin.
func (s *store) Close(ctx context.Context) error { return s.plugin.Close(ctx) }

// toError gives the block's error for one of the contract; others stay as they are.
func toError(err error) error {
	e, ok := errors.AsType[*abilock.Error](err)
	if !ok {
		return err
	}
	switch e.Tag {
	case abilock.ErrorInvalidRequest:
		return wasmplugin.As(lock.ErrInvalid, e.Value)
	case abilock.ErrorUnavailable:
		return wasmplugin.As(lock.ErrUnavailable, e.Value)
	default:
		return errors.New(e.Value)
	}
}
