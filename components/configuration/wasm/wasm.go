// Package wasm is the configuration store configuration.wasm: a wasm module that exports mrt:configuration/driver.
package wasm

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	"github.com/mrt-wasm/mrt-wasm/components/internal/wasmplugin"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// Spec is the driver.
var Spec = component.Spec[configuration.Store]{
	Type: "configuration.wasm",
	Doc: `Reads configuration by a plugin: a WebAssembly module that exports mrt:configuration/driver.

A plugin that also exports mrt:configuration/subscriber knows of changes by itself: each watch has an instance of the
plugin to itself, whose init is called too. One without is asked for its items at an interval (pollInterval). All metadata
but the fields below goes to init.`,
	Fields:  func() any { return new(settings) },
	Further: true,
	New:     func(ctx context.Context, cfg component.Config) (configuration.Store, error) { return open(ctx, cfg) },
}

// settings are the fields of the driver and the one that the block reads.
type settings struct {
	component.PluginFields
	PollInterval string `metadata:"pollInterval" doc:"how often a plugin that does not know of changes by itself is asked"`
}

// store is a plugin as a configuration store, watched one that knows of changes by itself.
type (
	store struct {
		cfg    component.Config
		run    component.Plugins
		plugin component.Plugin
	}
	watched struct{ *store }
)

var (
	_ configuration.Store      = (*store)(nil)
	_ configuration.Subscriber = (*watched)(nil)
)

func open(ctx context.Context, cfg component.Config) (configuration.Store, error) {
	run, err := wasmplugin.Runner(cfg)
	if err != nil {
		return nil, err
	}
	s := &store{cfg: cfg, run: run}
	if s.plugin, err = run.Open(ctx, s.config(nil)); err != nil {
		return nil, err
	}
	if s.plugin.Has(abiconfiguration.SubscriberModule) {
		return &watched{s}, nil
	}
	return s, nil
}

// config is what is said of an instance; then is called after init.
func (s *store) config(then func(ctx context.Context, g abi.Guest) error) component.PluginConfig {
	metadata := wasmplugin.Init(s.cfg)
	return component.PluginConfig{
		Config: s.cfg, Exports: append(abiconfiguration.DriverExports(), abiconfiguration.SubscriberExports()...),
		OneOf: []string{abiconfiguration.DriverModule}, Unavailable: configuration.ErrUnavailable,
		Init: func(ctx context.Context, g abi.Guest) error {
			err := toError(abiconfiguration.CallDriverInit(ctx, g, metadata))
			if err == nil && then != nil {
				err = then(ctx, g)
			}
			return wasmplugin.Started(err, configuration.ErrUnavailable)
		},
	}
}

// Get reads items.
func (s *store) Get(ctx context.Context, keys []string, metadata map[string]string) ([]configuration.Item, error) {
	var found []abiconfiguration.Item
	err := s.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		found, err = abiconfiguration.CallDriverGet(ctx, g, keys, wasmplugin.From(metadata))
		return err
	})
	if err != nil {
		return nil, toError(err)
	}
	var out []configuration.Item
	for _, i := range found {
		if !i.Deleted {
			out = append(out, configuration.Item{Key: i.Key, Value: i.Value, Version: i.Version, Metadata: wasmplugin.Map(i.Metadata)})
		}
	}
	return out, nil
}

// Close ends the plugin.
func (s *store) Close(ctx context.Context) error { return s.plugin.Close(ctx) }

// Subscribe watches keys in an instance of its own. When that trapped and is started again, any key may have changed.
func (s *watched) Subscribe(ctx context.Context, keys []string, metadata map[string]string, changed configuration.Changed) (func(), error) {
	w := &watch{changed: changed}
	p, err := s.run.Open(ctx, s.config(func(ctx context.Context, g abi.Guest) error {
		n, err := abiconfiguration.CallSubscriberSubscribe(ctx, g, keys, wasmplugin.From(metadata))
		w.handle.Store(n)
		w.again.Store(true)
		return toError(err)
	}))
	if err != nil {
		return nil, err
	}
	w.again.Store(false) // the caller reads the items now
	pump := wasmplugin.Start(wasmplugin.Source[[]string]{
		Pull: func(ctx context.Context, _ int, wait time.Duration) ([][]string, error) { return w.pull(ctx, p, wait) },
		Handle: func(_ context.Context, keys []string) bool {
			w.tell(keys)
			return true
		},
		Settle: func(context.Context, []string, bool) error { return nil },
		End: func(ctx context.Context) error {
			err := p.Do(ctx, func(ctx context.Context, g abi.Guest) error {
				return abiconfiguration.CallSubscriberUnsubscribe(ctx, g, w.handle.Load())
			})
			return errors.Join(toError(err), p.Close(ctx))
		},
		InFlight: 1, Log: s.cfg.Log,
	})
	return func() {
		w.stop()
		if err := pump.Stop(context.WithoutCancel(ctx)); err != nil {
			s.cfg.Log.Warn("the plugin's watch did not end cleanly", "error", err)
		}
	}, nil
}

// watch is one subscription.
type watch struct {
	handle atomic.Uint32
	// again tells that the watch was begun anew: changes may have been missed.
	again atomic.Bool

	mu      sync.Mutex
	changed configuration.Changed
	stopped bool
}

// pull gives the keys that have changed, as one list; an empty one is any.
func (w *watch) pull(ctx context.Context, p component.Plugin, wait time.Duration) ([][]string, error) {
	var items []abiconfiguration.Item
	err := p.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		items, err = abiconfiguration.CallSubscriberPull(ctx, g, w.handle.Load(), uint32(wait.Milliseconds())) //nolint:gosec // small
		return err
	})
	if err != nil {
		return nil, toError(err)
	}
	if w.again.Swap(false) {
		return [][]string{nil}, nil
	}
	if len(items) == 0 {
		return nil, nil
	}
	keys := make([]string, len(items))
	for i, item := range items {
		keys[i] = item.Key
	}
	return [][]string{keys}, nil
}

func (w *watch) tell(keys []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.changed(keys)
	}
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
}

// toError gives the block's error for one of the contract; others stay as they are.
func toError(err error) error {
	e, ok := errors.AsType[*abiconfiguration.Error](err)
	if !ok {
		return err
	}
	switch e.Tag {
	case abiconfiguration.ErrorInvalidRequest:
		return wasmplugin.As(configuration.ErrInvalid, e.Value)
	case abiconfiguration.ErrorUnsupported:
		return wasmplugin.As(configuration.ErrUnsupported, e.Value)
	case abiconfiguration.ErrorUnavailable:
		return wasmplugin.As(configuration.ErrUnavailable, e.Value)
	default:
		return errors.New(e.Value)
	}
}
