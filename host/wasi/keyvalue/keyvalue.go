// Package keyvalue implements wasi:keyvalue over the state block: store, batch and atomics in the dialects 0.2.0-draft,
// 0.2.0-draft2 and Spin's of draft2, and the calls of apps that export watcher.
//
// A bucket is a state store that the app sees; keys are the app's as mrt:state has them, so both interfaces see the same
// entries. All three dialects are offered at once: those of one name differ in the types of their functions, by which the
// engine links a component.
package keyvalue

import (
	"context"
	"fmt"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	abikv "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvalue"
	abidraft "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvaluedraft"
	abispin "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvaluespin"
)

// Stores are the state stores as one app has them.
type Stores interface {
	abistate.StoreHost
	// Find gives the name of the store that the app means by a name; "" is its default.
	Find(store string) (string, *abistate.Error)
}

// Config says what an app's buckets are.
type Config struct {
	Stores Stores
	// Denied tells that there is a store of this name, but not for this app; nil for never.
	Denied func(store string) bool
}

// Host is wasi:keyvalue of one app. It is safe for concurrent use.
type Host struct {
	cfg   Config
	pages pages
}

// defaultBucket is what guests call the store that they have without saying which.
const defaultBucket = "default"

// New makes the host's side.
func New(cfg Config) *Host { return &Host{cfg: cfg} }

// Funcs gives the functions of all dialects.
func (h *Host) Funcs() []abi.Func {
	d2, draft := draft2{h}, draft{h}
	funcs := slices.Concat(abikv.StoreFuncs(d2), abikv.BatchFuncs(d2), abikv.AtomicsFuncs(d2),
		abidraft.StoreFuncs(draft), abidraft.BatchFuncs(draft), abidraft.AtomicsFuncs(draft))
	for _, f := range abispin.BatchFuncs(spin{d2}) {
		// What does not differ is there already.
		if !slices.ContainsFunc(funcs, func(g abi.Func) bool { return g.Module == f.Module && g.Name == f.Name && g.Type == f.Type }) {
			funcs = append(funcs, f)
		}
	}
	return funcs
}

// open finds the store of an identifier. A store that is called "default" comes before the app's default.
func (h *Host) open(identifier string) (*bucket, *abikv.Error) {
	name, err := h.cfg.Stores.Find(identifier)
	if err != nil && err.Tag == abistate.ErrorStoreNotFound && identifier == defaultBucket {
		name, err = h.cfg.Stores.Find("")
	}
	switch {
	case err == nil:
		return &bucket{h: h, store: name}, nil
	case err.Tag == abistate.ErrorStoreNotFound && h.cfg.Denied != nil && h.cfg.Denied(identifier):
		return nil, &abikv.Error{Tag: abikv.ErrorAccessDenied}
	default:
		return nil, fromState(err)
	}
}

// fromState makes an error of the state block one of this interface; nil stays nil.
func fromState(err *abistate.Error) *abikv.Error {
	switch {
	case err == nil:
		return nil
	case err.Tag == abistate.ErrorStoreNotFound:
		return &abikv.Error{Tag: abikv.ErrorNoSuchStore}
	default:
		return &abikv.Error{Tag: abikv.ErrorOther, Value: err.Value}
	}
}

func other(format string, args ...any) *abikv.Error {
	return &abikv.Error{Tag: abikv.ErrorOther, Value: fmt.Sprintf(format, args...)}
}

// bucket is a store that a guest has opened. It is the same for all dialects.
type bucket struct {
	h     *Host
	store string
}

func (b *bucket) get(ctx context.Context, key string) (*abistate.Entry, *abikv.Error) {
	// A guest is to read what it has written.
	e, err := b.h.cfg.Stores.Get(ctx, b.store, key, abistate.ConsistencyStrong, nil)
	return e, fromState(err)
}

func (b *bucket) set(ctx context.Context, key string, value []byte) *abikv.Error {
	return fromState(b.h.cfg.Stores.Set(ctx, b.store, abistate.SetItem{Key: key, Value: value}))
}

func (b *bucket) delete(ctx context.Context, key string) *abikv.Error {
	return fromState(b.h.cfg.Stores.Delete(ctx, b.store, abistate.DeleteItem{Key: key}))
}

// found is one key of a bulk read; value is nil if it does not exist.
type found struct {
	key   string
	value *[]byte
}

func (b *bucket) getMany(ctx context.Context, keys []string) ([]found, *abikv.Error) {
	entries, err := b.h.cfg.Stores.BulkGet(ctx, b.store, keys, nil)
	if err != nil {
		return nil, fromState(err)
	}
	out := make([]found, len(entries))
	for i, e := range entries {
		if e.Outcome.Err != nil {
			return nil, fromState(e.Outcome.Err)
		}
		out[i] = found{key: e.Key, value: valueOf(e.Outcome.OK)}
	}
	return out, nil
}

func (b *bucket) setMany(ctx context.Context, items []abistate.SetItem) *abikv.Error {
	failed, err := b.h.cfg.Stores.BulkSet(ctx, b.store, items)
	return firstFailure(failed, err)
}

func (b *bucket) deleteMany(ctx context.Context, keys []string) *abikv.Error {
	items := make([]abistate.DeleteItem, len(keys))
	for i, key := range keys {
		items[i].Key = key
	}
	failed, err := b.h.cfg.Stores.BulkDelete(ctx, b.store, items)
	return firstFailure(failed, err)
}

func firstFailure(failed []abistate.Failure, err *abistate.Error) *abikv.Error {
	if err != nil || len(failed) == 0 {
		return fromState(err)
	}
	return other("%d keys failed, the first of them %q: %s", len(failed), failed[0].Key, failed[0].Reason.Value)
}

func valueOf(e *abistate.Entry) *[]byte {
	if e == nil {
		return nil
	}
	return &e.Value
}
