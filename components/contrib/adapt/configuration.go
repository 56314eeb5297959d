package adapt

import (
	"context"
	"maps"
	"slices"
	"sync"

	contrib "github.com/dapr/components-contrib/configuration"
	"github.com/dapr/kit/logger"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// Configuration makes a driver of a configuration store.
func Configuration(typ string, impl func(logger.Logger) contrib.Store, aliases ...string) component.Spec[configuration.Store] {
	return spec(typ, aliases, func(ctx context.Context, cfg component.Config) (configuration.Store, error) {
		s := &configurationStore{impl: impl(log{cfg.Log}), cfg: cfg}
		return s, start(cfg, func() error {
			return s.impl.Init(context.WithoutCancel(ctx), contrib.Metadata{Base: base(cfg)})
		})
	})
}

type configurationStore struct {
	impl contrib.Store
	cfg  component.Config
}

var (
	_ configuration.Subscriber = (*configurationStore)(nil)
	_ configuration.Pinger     = (*configurationStore)(nil)
)

// Get reads items.
func (s *configurationStore) Get(ctx context.Context, keys []string, md map[string]string) ([]configuration.Item, error) {
	r, err := s.impl.Get(ctx, &contrib.GetRequest{Keys: keys, Metadata: copied(md)})
	if err != nil {
		return nil, err
	}
	var items []configuration.Item
	for key, item := range r.Items {
		if item != nil {
			items = append(items, configuration.Item{Key: key, Value: item.Value, Version: item.Version, Metadata: item.Metadata})
		}
	}
	return items, nil
}

// Subscribe watches keys. Its context is the watch's.
func (s *configurationStore) Subscribe(ctx context.Context, keys []string, md map[string]string, changed configuration.Changed) (func(), error) {
	watch, cancel := context.WithCancel(context.WithoutCancel(ctx))
	id, err := s.impl.Subscribe(watch, &contrib.SubscribeRequest{Keys: keys, Metadata: copied(md)},
		func(_ context.Context, ev *contrib.UpdateEvent) error {
			if watch.Err() == nil {
				changed(slices.Collect(maps.Keys(ev.Items)))
			}
			return nil
		})
	if err != nil {
		cancel()
		return nil, err
	}
	return sync.OnceFunc(func() {
		if err := s.impl.Unsubscribe(context.WithoutCancel(ctx), &contrib.UnsubscribeRequest{ID: id}); err != nil {
			s.cfg.Log.Warn("a watch has not ended as it should", "error", err)
		}
		cancel()
	}), nil
}

// Ping asks the server if the component can.
func (s *configurationStore) Ping(ctx context.Context) error { return ping(ctx, s.impl) }

// Close closes the component.
func (s *configurationStore) Close(context.Context) error { return s.impl.Close() }
