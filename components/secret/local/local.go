// Package local is the secret store secretstores.local, the default of a host whose manifest declares none: a JSON file
// that may be missing, and the environment of the host by name.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/components/internal/localsecret"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
)

// Spec is the driver.
var Spec = component.Spec[secret.Store]{
	Type: "secretstores.local",
	Doc: `Reads secrets from secrets.json, if there is one, and else from the environment of the host.

The file is read once, when the host starts; each field of its outermost object is one secret, with one value or, if it is
an object, with several: secretstores.local.file with multiValued. A name that it does not have is looked for in the
environment: secretstores.local.env without a prefix. Bulk reads give what is in the file, never the environment.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

type settings struct {
	File string `metadata:"secretsFile" default:"secrets.json" doc:"path of the JSON file, from the folder in which the host was started; it may be missing"`
}

type store struct {
	path   string
	file   *localsecret.File // nil if it is missing
	closed atomic.Bool
}

var (
	_ secret.Store       = (*store)(nil)
	_ secret.BulkGetter  = (*store)(nil)
	_ secret.MultiValued = (*store)(nil)
)

var errClosed = errors.New("the store is closed")

func open(_ context.Context, cfg component.Config) (secret.Store, error) {
	var set settings
	if err := cfg.Decode(&set); err != nil {
		return nil, err
	}
	s := &store{path: set.File}
	file, err := localsecret.ReadFile(set.File, ":", true)
	switch {
	case err == nil:
		s.file = file
	case !errors.Is(err, fs.ErrNotExist):
		return nil, component.Permanent(err)
	}
	return s, nil
}

// Get reads one secret: the file's, else the environment's.
func (s *store) Get(_ context.Context, name string, _ map[string]string) (secret.Values, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	if s.file != nil {
		if values, ok := s.file.Get(name); ok {
			return values, nil
		}
	}
	if value, ok := localsecret.Getenv(name); ok && !localsecret.Reserved(name) {
		return secret.Values{name: value}, nil
	}
	if s.file == nil {
		return nil, fmt.Errorf("%w: there is no file %s and no environment variable of this name", secret.NotFound(name), s.path)
	}
	return nil, fmt.Errorf("%w: it is neither in %s nor an environment variable", secret.NotFound(name), s.path)
}

// BulkGet reads all secrets of the file.
func (s *store) BulkGet(context.Context, map[string]string) (map[string]secret.Values, error) {
	switch {
	case s.closed.Load():
		return nil, errClosed
	case s.file == nil:
		return map[string]secret.Values{}, nil
	default:
		return s.file.All(), nil
	}
}

// MultiValued is true: objects of the file have several values.
func (s *store) MultiValued() bool { return true }

// Close ends the store.
func (s *store) Close(context.Context) error {
	s.closed.Store(true)
	return nil
}
