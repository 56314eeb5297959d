// Package localfile is the secret store secretstores.local.file: a JSON file.
package localfile

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
	Type: "secretstores.local.file",
	Doc: `Reads secrets from a JSON file, once, when the host starts.

A nested value is a secret by the path to it: {"db": {"password": "x"}} has the secret "db:password", with one value whose
key is the same. With multiValued each field of the outermost object is one secret, and what it has in it are its
values: the secret "db" with the key "password". Elements of lists are called 0, 1 and so on.`,
	Fields: func() any { return new(settings) },
	New:    open,
}

// settings are Dapr's metadata fields.
type settings struct {
	File        string `metadata:"secretsFile,required" doc:"path of the JSON file, from the folder in which the host was started"`
	Separator   string `metadata:"nestedSeparator" default:":" doc:"what joins the parts of a path"`
	MultiValued bool   `metadata:"multiValued" default:"false" doc:"secrets have several values"`
}

type store struct {
	file   *localsecret.File
	multi  bool
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
	file, err := localsecret.ReadFile(set.File, set.Separator, set.MultiValued)
	if err != nil {
		return nil, component.Permanent(fmt.Errorf("metadata field secretsFile: %w", err))
	}
	return &store{file: file, multi: set.MultiValued}, nil
}

// Get reads one secret.
func (s *store) Get(_ context.Context, name string, _ map[string]string) (secret.Values, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	values, ok := s.file.Get(name)
	if !ok {
		return nil, secret.NotFound(name)
	}
	return values, nil
}

// BulkGet reads all secrets.
func (s *store) BulkGet(context.Context, map[string]string) (map[string]secret.Values, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	return s.file.All(), nil
}

// MultiValued is as the component says.
func (s *store) MultiValued() bool { return s.multi }

// Close ends the store.
func (s *store) Close(context.Context) error {
	s.closed.Store(true)
	return nil
}
