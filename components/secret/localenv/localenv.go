// Package localenv is the secret store secretstores.local.env: the environment variables of the host's process.
package localenv

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/components/internal/localsecret"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// Spec is the driver.
var Spec = component.Spec[secret.Store]{
	Type: "secretstores.local.env",
	Doc: `Reads secrets from the environment variables of the host.

The secret's name is the variable's, without the prefix; its one value has the same name as its key. APP_API_TOKEN and
DAPR_* cannot be read. A variable that is not set is not found; in Dapr it is an empty value. Bulk reads give the
variables that begin with the prefix; without a prefix they are refused unless bulkWithoutPrefix is set, since they
would hand out the whole environment, or only give what allowedSecrets of the Configuration lists.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are the metadata fields: Dapr's, and bulkWithoutPrefix.
type settings struct {
	Prefix            string `metadata:"prefix" doc:"what the names of all variables begin with; secrets are named without it"`
	BulkWithoutPrefix bool   `metadata:"bulkWithoutPrefix" default:"false" doc:"let bulk reads give the whole environment when there is no prefix, as Dapr does"`
}

type store struct {
	settings
	closed atomic.Bool
}

var (
	_ secret.Store      = (*store)(nil)
	_ secret.BulkGetter = (*store)(nil)
)

var errClosed = errors.New("the store is closed")

func open(_ context.Context, cfg component.Config) (secret.Store, error) {
	s := &store{}
	if err := cfg.Decode(&s.settings); err != nil {
		return nil, err
	}
	return s, nil
}

// Get reads one variable.
func (s *store) Get(_ context.Context, name string, _ map[string]string) (secret.Values, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	variable := s.Prefix + name
	if localsecret.Reserved(variable) {
		return nil, fmt.Errorf("%w: environment variable %s is the host's own", secret.ErrForbidden, variable)
	}
	value, ok := localsecret.Getenv(variable)
	if !ok || name == "" {
		return nil, fmt.Errorf("%w: environment variable %q is not set", secret.NotFound(name), variable)
	}
	return secret.Values{name: value}, nil
}

// BulkGet reads all variables that begin with the prefix.
func (s *store) BulkGet(context.Context, map[string]string) (map[string]secret.Values, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	if s.Prefix == "" && !s.BulkWithoutPrefix {
		return nil, fmt.Errorf("%w: without a prefix a bulk read would give the whole environment of the host: "+
			"set metadata field prefix, or bulkWithoutPrefix if that is what you want", secret.ErrUnsupported)
	}
	out := map[string]secret.Values{}
	for name, value := range localsecret.WithPrefix(s.Prefix) {
		out[name] = secret.Values{name: value}
	}
	return out, nil
}

// Close ends the store.
func (s *store) Close(context.Context) error {
	s.closed.Store(true)
	return nil
}
