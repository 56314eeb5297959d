package keyvalue

import (
	"context"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	abikv "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvalue"
	abispin "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvaluespin"
)

// draft2 is wasi:keyvalue@0.2.0-draft2.
type draft2 struct{ h *Host }

var (
	_ abikv.StoreHost   = draft2{}
	_ abikv.BatchHost   = draft2{}
	_ abikv.AtomicsHost = draft2{}
	_ abispin.BatchHost = spin{}
)

// Open opens the store of an identifier.
func (d draft2) Open(_ context.Context, identifier string) (abikv.Bucket, *abikv.Error) {
	b, err := d.h.open(identifier)
	if err != nil {
		return nil, err
	}
	return bucket2{b}, nil
}

// bucket2 is the resource bucket of draft2.
type bucket2 struct{ b *bucket }

// Get gives the value of a key, nil if there is none.
func (b bucket2) Get(ctx context.Context, key string) (*[]byte, *abikv.Error) {
	e, err := b.b.get(ctx, key)
	return valueOf(e), err
}

// Set sets the value of a key.
func (b bucket2) Set(ctx context.Context, key string, value []byte) *abikv.Error {
	return b.b.set(ctx, key, value)
}

// Delete deletes a key.
func (b bucket2) Delete(ctx context.Context, key string) *abikv.Error { return b.b.delete(ctx, key) }

// Exists tells whether there is a key.
func (b bucket2) Exists(ctx context.Context, key string) (bool, *abikv.Error) {
	e, err := b.b.get(ctx, key)
	return e != nil, err
}

// ListKeys gives a page of keys; the cursor is the store's own.
func (b bucket2) ListKeys(ctx context.Context, cursor *string) (abikv.KeyResponse, *abikv.Error) {
	token := ""
	if cursor != nil {
		token = *cursor
	}
	page, err := b.b.list(ctx, token)
	return abikv.KeyResponse{Keys: page.Keys, Cursor: page.Next}, err
}

// Drop has nothing to release.
func (bucket2) Drop(context.Context) {}

// GetMany reads many keys; nil stands for one that does not exist.
func (d draft2) GetMany(ctx context.Context, b abikv.Bucket, keys []string) ([]*canon.Tuple2[string, []byte], *abikv.Error) {
	entries, err := of(b).getMany(ctx, keys)
	return present(entries), err
}

// present gives what exists in the form that 0.2.0-draft and draft2 have in common.
func present(entries []found) []*canon.Tuple2[string, []byte] {
	out := make([]*canon.Tuple2[string, []byte], len(entries))
	for i, e := range entries {
		if e.value != nil {
			out[i] = &canon.Tuple2[string, []byte]{F0: e.key, F1: *e.value}
		}
	}
	return out
}

// SetMany sets many keys, not atomically.
func (d draft2) SetMany(ctx context.Context, b abikv.Bucket, keyValues []canon.Tuple2[string, []byte]) *abikv.Error {
	return of(b).setMany(ctx, items(keyValues))
}

func items(keyValues []canon.Tuple2[string, []byte]) []abistate.SetItem {
	out := make([]abistate.SetItem, len(keyValues))
	for i, kv := range keyValues {
		out[i] = abistate.SetItem{Key: kv.F0, Value: kv.F1}
	}
	return out
}

// DeleteMany deletes many keys, not atomically.
func (d draft2) DeleteMany(ctx context.Context, b abikv.Bucket, keys []string) *abikv.Error {
	return of(b).deleteMany(ctx, keys)
}

// of gives what a guest's bucket is: there are no others than those of Open.
func of(b abikv.Bucket) *bucket { return b.(bucket2).b }

// spin is Spin's dialect: what a batch reads differs.
type spin struct{ draft2 }

// GetMany reads many keys; each has its key, also when there is no value.
func (s spin) GetMany(ctx context.Context, b abispin.Bucket, keys []string) ([]canon.Tuple2[string, *[]byte], *abispin.Error) {
	entries, err := of(b).getMany(ctx, keys)
	if err != nil {
		return nil, err
	}
	out := make([]canon.Tuple2[string, *[]byte], len(entries))
	for i, e := range entries {
		out[i] = canon.Tuple2[string, *[]byte]{F0: e.key, F1: e.value}
	}
	return out, nil
}
