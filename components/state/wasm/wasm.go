// Package wasm is the state store state.wasm: a wasm module that exports mrt:state/driver. What else the store can do
// is what the module exports.
package wasm

import (
	"context"
	"errors"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	"github.com/mrt-wasm/mrt-wasm/components/internal/wasmplugin"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Spec is the driver.
var Spec = component.Spec[state.Store]{
	Type: "state.wasm",
	Doc: `Keeps state by a plugin: a WebAssembly module that exports mrt:state/driver.

Transactions, queries, listing, bulk reads and times to live are there if the plugin exports their interfaces. All
metadata but the fields below goes to the plugin's init.`,
	Fields:  func() any { return new(wasmplugin.Settings) },
	Further: true,
	New:     func(ctx context.Context, cfg component.Config) (state.Store, error) { return open(ctx, cfg) },
}

// store is a plugin as a state store.
type store struct {
	plugin  component.Plugin
	expires bool
}

var (
	_ state.Store      = (*store)(nil)
	_ state.Partial    = (*store)(nil)
	_ state.Transactor = (*store)(nil)
	_ state.BulkGetter = (*store)(nil)
	_ state.Lister     = (*store)(nil)
	_ state.Querier    = (*store)(nil)
	_ state.Expirer    = (*store)(nil)
)

func open(ctx context.Context, cfg component.Config) (*store, error) {
	run, err := wasmplugin.Runner(cfg)
	if err != nil {
		return nil, err
	}
	metadata := wasmplugin.Init(cfg)
	var exports []abi.Func
	for _, funcs := range [][]abi.Func{
		abistate.DriverExports(), abistate.TransactorExports(), abistate.BulkGetterExports(), abistate.ListerExports(),
		abistate.QuerierExports(), abistate.ExpirerExports(),
	} {
		exports = append(exports, funcs...)
	}
	p, err := run.Open(ctx, component.PluginConfig{
		Config: cfg, Exports: exports, OneOf: []string{abistate.DriverModule}, Unavailable: state.ErrUnavailable,
		Init: func(ctx context.Context, g abi.Guest) error {
			return wasmplugin.Started(toError(abistate.CallDriverInit(ctx, g, metadata)), state.ErrUnavailable)
		},
	})
	if err != nil {
		return nil, err
	}
	s := &store{plugin: p}
	if p.Has(abistate.ExpirerModule) {
		err := p.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
			s.expires, err = abistate.CallExpirerExpires(ctx, g)
			return err
		})
		if err != nil {
			return nil, errors.Join(err, p.Close(context.WithoutCancel(ctx)))
		}
	}
	return s, nil
}

// Has tells what the plugin exports.
func (s *store) Has(ability any) bool {
	switch ability.(type) {
	case *state.Transactor:
		return s.plugin.Has(abistate.TransactorModule)
	case *state.BulkGetter:
		return s.plugin.Has(abistate.BulkGetterModule)
	case *state.Lister:
		return s.plugin.Has(abistate.ListerModule)
	case *state.Querier:
		return s.plugin.Has(abistate.QuerierModule)
	case *state.Expirer:
		return s.expires
	default:
		return false
	}
}

// Get reads one key.
func (s *store) Get(ctx context.Context, req state.GetRequest) (*state.Entry, error) {
	var found *abistate.Entry
	err := s.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		found, err = abistate.CallDriverGet(ctx, g, req.Key, abistate.Consistency(req.Consistency), wasmplugin.From(req.Metadata))
		return err
	})
	if err != nil {
		return nil, toError(err)
	}
	return fromEntry(found)
}

// Set writes one key.
func (s *store) Set(ctx context.Context, req state.SetRequest) error {
	item := toSet(&req)
	err := s.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) error { return abistate.CallDriverSet(ctx, g, item) })
	return of(req.Key, req.ETag, req.Concurrency, toError(err))
}

// Delete deletes one key.
func (s *store) Delete(ctx context.Context, req state.DeleteRequest) error {
	item := toDelete(&req)
	err := s.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) error { return abistate.CallDriverDelete(ctx, g, item) })
	return of(req.Key, req.ETag, state.ConcurrencyUnspecified, toError(err))
}

// Transact does all operations or none.
func (s *store) Transact(ctx context.Context, ops []state.Operation, metadata map[string]string) error {
	list := make([]abistate.Operation, len(ops))
	for i, op := range ops {
		if op.Upsert != nil {
			list[i] = abistate.Operation{Tag: abistate.OperationUpsert, Upsert: toSet(op.Upsert)}
		} else {
			list[i] = abistate.Operation{Tag: abistate.OperationDelete, Delete: toDelete(op.Delete)}
		}
	}
	return toError(s.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		return abistate.CallTransactorTransact(ctx, g, list, wasmplugin.From(metadata))
	}))
}

// BulkGet reads many keys. The consistency and the metadata of the first request are those of all.
func (s *store) BulkGet(ctx context.Context, reqs []state.GetRequest) ([]*state.Entry, error) {
	if len(reqs) == 0 {
		return nil, nil
	}
	keys := make([]string, len(reqs))
	for i := range reqs {
		keys[i] = reqs[i].Key
	}
	var found []*abistate.Entry
	err := s.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		found, err = abistate.CallBulkGetterBulkGet(ctx, g, keys, abistate.Consistency(reqs[0].Consistency), wasmplugin.From(reqs[0].Metadata))
		return err
	})
	if err != nil {
		return nil, toError(err)
	}
	if len(found) != len(keys) {
		return nil, wasmplugin.Lied("bulk-get: want %d entries, one a key, found %d", len(keys), len(found))
	}
	out := make([]*state.Entry, len(found))
	for i, e := range found {
		if out[i], err = fromEntry(e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ListKeys gives a page of keys.
func (s *store) ListKeys(ctx context.Context, req state.ListRequest) (state.KeyPage, error) {
	var page abistate.KeyPage
	err := s.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		page, err = abistate.CallListerListKeys(ctx, g, req.Prefix, uint32(req.Limit), req.Token) //nolint:gosec // 1 to 1000
		return err
	})
	if err != nil {
		return state.KeyPage{}, toError(err)
	}
	if err := checkKeys(page.Keys, req.Prefix); err != nil {
		return state.KeyPage{}, err
	}
	out := state.KeyPage{Keys: page.Keys}
	if page.Next != nil {
		out.Next = *page.Next
	}
	if out.Next != "" && len(out.Keys) == 0 {
		return state.KeyPage{}, wasmplugin.Lied("list-keys: a page without keys has a next page")
	}
	return out, nil
}

// Query runs a query.
func (s *store) Query(ctx context.Context, q state.Query) (state.QueryPage, error) {
	text, err := queryText(q)
	if err != nil {
		return state.QueryPage{}, err
	}
	var page abistate.QueryPage
	err = s.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		page, err = abistate.CallQuerierQuery(ctx, g, q.Prefix, text, wasmplugin.From(q.Metadata))
		return err
	})
	if err != nil {
		return state.QueryPage{}, toError(err)
	}
	out := state.QueryPage{Items: make([]state.QueryItem, len(page.Items)), Token: page.Token, Metadata: wasmplugin.Map(page.Metadata)}
	keys := make([]string, len(page.Items))
	for i, item := range page.Items {
		keys[i] = item.Key
		out.Items[i] = state.QueryItem{Key: item.Key, Value: item.Value, ETag: item.ETag}
	}
	return out, checkKeys(keys, q.Prefix)
}

// Expires is a marker.
func (s *store) Expires() {}

// Close ends the plugin.
func (s *store) Close(ctx context.Context) error { return s.plugin.Close(ctx) }
