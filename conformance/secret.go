package conformance

import (
	"context"

	contrib "github.com/dapr/components-contrib/secretstores"

	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// secretStore is a secret driver as Dapr's SecretStore.
type secretStore struct {
	opener opener
	store  secret.Store
}

var _ contrib.SecretStore = (*secretStore)(nil)

// Init opens the driver.
func (s *secretStore) Init(ctx context.Context, md contrib.Metadata) (err error) {
	s.store, err = start(ctx, s.opener, s.opener.drivers.Secret, md.Properties)
	return err
}

// Features tells whether secrets have several keys.
func (s *secretStore) Features() []contrib.Feature {
	if m, ok := s.store.(secret.MultiValued); ok && m.MultiValued() {
		return []contrib.Feature{contrib.FeatureMultipleKeyValuesPerSecret}
	}
	return nil
}

// Ping asks the driver.
func (s *secretStore) Ping(ctx context.Context) error { return ping(ctx, s.store) }

// GetSecret reads one secret.
func (s *secretStore) GetSecret(ctx context.Context, req contrib.GetSecretRequest) (contrib.GetSecretResponse, error) {
	values, err := s.store.Get(ctx, req.Name, req.Metadata)
	return contrib.GetSecretResponse{Data: values}, err
}

// BulkGetSecret reads all secrets.
func (s *secretStore) BulkGetSecret(ctx context.Context, req contrib.BulkGetSecretRequest) (contrib.BulkGetSecretResponse, error) {
	bulk, ok := s.store.(secret.BulkGetter)
	if !ok {
		return contrib.BulkGetSecretResponse{}, secret.ErrUnsupported
	}
	all, err := bulk.BulkGet(ctx, req.Metadata)
	return contrib.BulkGetSecretResponse{Data: all}, err
}

// Close closes the driver.
func (s *secretStore) Close() error { return s.opener.end(s.store) }
