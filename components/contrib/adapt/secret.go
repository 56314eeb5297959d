package adapt

import (
	"context"

	contrib "github.com/dapr/components-contrib/secretstores"
	"github.com/dapr/kit/logger"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// Secret makes a driver of a secret store.
func Secret(typ string, impl func(logger.Logger) contrib.SecretStore, aliases ...string) component.Spec[secret.Store] {
	return spec(typ, aliases, func(ctx context.Context, cfg component.Config) (secret.Store, error) {
		s := &secretStore{impl: impl(log{cfg.Log})}
		// The start's context ends with the start, and some components keep it.
		return s, start(cfg, func() error {
			return s.impl.Init(context.WithoutCancel(ctx), contrib.Metadata{Base: base(cfg)})
		})
	})
}

type secretStore struct {
	impl contrib.SecretStore
}

var (
	_ secret.BulkGetter  = (*secretStore)(nil)
	_ secret.MultiValued = (*secretStore)(nil)
	_ secret.Pinger      = (*secretStore)(nil)
)

// Get reads one secret.
func (s *secretStore) Get(ctx context.Context, name string, md map[string]string) (secret.Values, error) {
	r, err := s.impl.GetSecret(ctx, contrib.GetSecretRequest{Name: name, Metadata: copied(md)})
	if err != nil {
		return nil, err
	}
	if len(r.Data) == 0 {
		return nil, secret.NotFound(name)
	}
	return r.Data, nil
}

// BulkGet reads all secrets.
func (s *secretStore) BulkGet(ctx context.Context, md map[string]string) (map[string]secret.Values, error) {
	r, err := s.impl.BulkGetSecret(ctx, contrib.BulkGetSecretRequest{Metadata: copied(md)})
	return r.Data, err
}

// MultiValued tells whether secrets may have several keys.
func (s *secretStore) MultiValued() bool {
	return has(s.impl.Features(), contrib.FeatureMultipleKeyValuesPerSecret)
}

// Ping asks the server if the component can.
func (s *secretStore) Ping(ctx context.Context) error { return ping(ctx, s.impl) }

// Close closes the component.
func (s *secretStore) Close(context.Context) error { return s.impl.Close() }
