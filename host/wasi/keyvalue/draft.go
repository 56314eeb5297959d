package keyvalue

import (
	"context"
	"strconv"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abikv "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvalue"
	abidraft "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvaluedraft"
)

// draft is wasi:keyvalue@0.2.0-draft.
type draft struct{ h *Host }

var (
	_ abidraft.StoreHost   = draft{}
	_ abidraft.BatchHost   = draft{}
	_ abidraft.AtomicsHost = draft{}
)

// toDraft gives the dialect's form of an error; nil stays nil.
func toDraft(err *abikv.Error) *abidraft.Error {
	if err == nil {
		return nil
	}
	return &abidraft.Error{Tag: abidraft.ErrorTag(err.Tag), Value: err.Value}
}

// Open opens the store of an identifier.
func (d draft) Open(_ context.Context, identifier string) (abidraft.Bucket, *abidraft.Error) {
	b, err := d.h.open(identifier)
	if err != nil {
		return nil, toDraft(err)
	}
	return bucket1{b}, nil
}

// bucket1 is the resource bucket of 0.2.0-draft.
type bucket1 struct{ b *bucket }

// Get gives the value of a key, nil if there is none.
func (b bucket1) Get(ctx context.Context, key string) (*[]byte, *abidraft.Error) {
	e, err := b.b.get(ctx, key)
	return valueOf(e), toDraft(err)
}

// Set sets the value of a key.
func (b bucket1) Set(ctx context.Context, key string, value []byte) *abidraft.Error {
	return toDraft(b.b.set(ctx, key, value))
}

// Delete deletes a key.
func (b bucket1) Delete(ctx context.Context, key string) *abidraft.Error {
	return toDraft(b.b.delete(ctx, key))
}

// Exists tells whether there is a key.
func (b bucket1) Exists(ctx context.Context, key string) (bool, *abidraft.Error) {
	e, err := b.b.get(ctx, key)
	return e != nil, toDraft(err)
}

// ListKeys gives a page of keys; the cursor counts the keys before it.
func (b bucket1) ListKeys(ctx context.Context, cursor *uint64) (abidraft.KeyResponse, *abidraft.Error) {
	var at uint64
	if cursor != nil {
		at = *cursor
	}
	page, next, err := b.b.listAt(ctx, at)
	return abidraft.KeyResponse{Keys: page, Cursor: next}, toDraft(err)
}

// Drop has nothing to release.
func (bucket1) Drop(context.Context) {}

// GetMany reads many keys; nil stands for one that does not exist.
func (d draft) GetMany(ctx context.Context, b abidraft.Bucket, keys []string) ([]*canon.Tuple2[string, []byte], *abidraft.Error) {
	entries, err := of1(b).getMany(ctx, keys)
	return present(entries), toDraft(err)
}

// SetMany sets many keys, not atomically.
func (d draft) SetMany(ctx context.Context, b abidraft.Bucket, keyValues []canon.Tuple2[string, []byte]) *abidraft.Error {
	return toDraft(of1(b).setMany(ctx, items(keyValues)))
}

// DeleteMany deletes many keys, not atomically.
func (d draft) DeleteMany(ctx context.Context, b abidraft.Bucket, keys []string) *abidraft.Error {
	return toDraft(of1(b).deleteMany(ctx, keys))
}

// Increment adds to a number without sign.
func (d draft) Increment(ctx context.Context, b abidraft.Bucket, key string, delta uint64) (uint64, *abidraft.Error) {
	var sum uint64
	err := of1(b).update(ctx, key, func(text string) (string, *abikv.Error) {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			return "", notANumber(key, text, "a decimal number from 0 to 18446744073709551615")
		}
		if sum = n + delta; sum < n {
			return "", overflow(key, text)
		}
		return strconv.FormatUint(sum, 10), nil
	})
	return sum, toDraft(err)
}

func of1(b abidraft.Bucket) *bucket { return b.(bucket1).b }
