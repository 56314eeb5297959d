// Package adapt makes drivers of this host from Dapr's components (components-contrib): one file a kind.
//
// What the host does once for all drivers (prefixes, scopes, encryption, CloudEvents) it does for these too. What a
// component of Dapr can do is found as daprd finds it: by its type and by its features.
package adapt

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dapr/components-contrib/health"
	"github.com/dapr/components-contrib/metadata"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// spec is the driver of a component of Dapr.
func spec[T any](typ string, aliases []string, open func(context.Context, component.Config) (T, error)) component.Spec[T] {
	fields := Fields(typ)
	return component.Spec[T]{
		Type: typ, Aliases: aliases, Documented: fields, Further: true,
		Doc: fmt.Sprintf("Dapr's own component %s.\n\nIts metadata are those of https://docs.dapr.io/reference/components-reference/", typ),
		New: func(ctx context.Context, cfg component.Config) (T, error) {
			if err := cfg.Require(fields); err != nil {
				var none T
				return none, err
			}
			return open(ctx, cfg)
		},
	}
}

// base is a component's metadata in Dapr's form.
func base(cfg component.Config) metadata.Base {
	return metadata.Base{Name: cfg.Name, Properties: copied(cfg.Metadata)}
}

// start initializes a component. Code that panics on metadata which it does not expect ends neither the host nor the start
// of other components.
func start(cfg component.Config, init func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = component.Permanent(fmt.Errorf("%s panicked on its metadata: %v", cfg.Type, r))
		}
	}()
	return init()
}

// ping asks a component that can be asked.
func ping(ctx context.Context, impl any) error {
	p, ok := impl.(health.Pinger)
	if !ok {
		return nil
	}
	return p.Ping(ctx)
}

// has tells whether a list of features has one, without case as daprd does.
func has[F ~string](features []F, want F) bool {
	return slices.ContainsFunc(features, func(f F) bool { return strings.EqualFold(string(f), string(want)) })
}

// text gives a pointer to a text that is not empty.
func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// value gives the text that a pointer points to; empty for nil.
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// copied gives a map that the component may change; never nil, since components write into it.
func copied(md map[string]string) map[string]string {
	out := make(map[string]string, len(md))
	maps.Copy(out, md)
	return out
}
