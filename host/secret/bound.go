package secret

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// bound is a store as one app sees it: what its scope lets through, every call through the chain. Points and function
// values are made once.
type bound struct {
	name   string
	scopes scopes

	points struct{ get, bulk *chain.Point }
	getFn  func(context.Context, request) (Values, error)
	bulkFn func(context.Context, map[string]string) (map[string]Values, error) // nil if the store has no bulk
}

// request is the argument of Get as one value.
type request struct {
	name     string
	metadata map[string]string
}

// newBound binds a store to an app; label is the app's name in the chain.
func newBound(o *component.Opened[Store], label string, scopes scopes, ch *chain.Chain) *bound {
	s := &bound{name: o.Decl.Name, scopes: scopes}
	point := func(name string) *chain.Point {
		return ch.Point(chain.Op{Direction: chain.Outbound, Block: "secret", Name: name, Target: o.Decl.Name, Type: o.Type, App: label})
	}
	s.points.get, s.points.bulk = point("get"), point("bulk-get")
	s.getFn = func(ctx context.Context, r request) (Values, error) { return o.Driver.Get(ctx, r.name, r.metadata) }
	if b, ok := o.Driver.(BulkGetter); ok {
		s.bulkFn = b.BulkGet
	}
	return s
}

// get reads one secret.
func (s *bound) get(ctx context.Context, name string, metadata map[string]string) (Values, error) {
	if err := checkName(name); err != nil {
		return nil, s.wrap(err)
	}
	if err := s.scopes.check(name); err != nil {
		return nil, err
	}
	values, err := chain.Do(ctx, s.points.get, s.getFn, request{name, metadata})
	return values, s.wrap(err)
}

// bulk reads all secrets that the scope lets through. Where the scope lists them, a store that cannot give all of its
// secrets is asked for each.
func (s *bound) bulk(ctx context.Context, metadata map[string]string) (map[string]Values, error) {
	err := ErrUnsupported
	if s.bulkFn != nil {
		var all map[string]Values
		all, err = chain.Do(ctx, s.points.bulk, s.bulkFn, metadata)
		if err == nil {
			maps.DeleteFunc(all, func(name string, _ Values) bool { return s.scopes.check(name) != nil })
			return all, nil
		}
	}
	names, ok := s.scopes.listed()
	if !errors.Is(err, ErrUnsupported) || !ok {
		return nil, s.wrap(err)
	}
	out := map[string]Values{}
	for _, name := range names {
		values, err := s.get(ctx, name, metadata)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return nil, err
		default:
			out[name] = values
		}
	}
	return out, nil
}

// wrap says which store failed.
func (s *bound) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("secret store %s: %w", s.name, err)
}
