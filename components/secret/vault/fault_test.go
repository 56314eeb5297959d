package vault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/components/internal/faulttest"
	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// TestFaults: the server goes and comes while secrets are read, also just after its start, when it is sealed and when its
// engine is not yet ready.
func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		path     string
		values   map[string]any
		metadata component.Metadata
	}{
		"v2": {"secret/data/dapr/db", map[string]any{"data": map[string]any{"password": "planted"}}, nil},
		"v1": {"kv1/dapr/db", map[string]any{"password": "planted"}, component.Metadata{"enginePath": "kv1"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := testserver.Vault(t)
			put(t, s, c.path, c.values)
			store := open(t, s, c.metadata)
			faulttest.Run(t, s, faulttest.Target{
				Write: func(ctx context.Context, _ int) error {
					got, err := store.Get(ctx, "db", nil)
					if err == nil && got["password"] != "planted" {
						return fmt.Errorf("got %d values, want the password", len(got))
					}
					return err
				},
				Unavailable: func(err error) bool { return errors.Is(err, secret.ErrUnavailable) },
				Credentials: []string{s.Token, "planted"},
			})
		})
	}
}
