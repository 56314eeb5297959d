package keyvalue

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	abikv "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvalue"
)

// Pauses before an update is tried again that another write was faster than.
const (
	minPause = 50 * time.Microsecond
	maxPause = 20 * time.Millisecond
)

// update replaces a key's value by what change makes of it, "0" if the key does not exist, atomically: when another
// write comes between, it begins again, until ctx ends.
func (b *bucket) update(ctx context.Context, key string, change func(text string) (string, *abikv.Error)) *abikv.Error {
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		v, err := b.version(ctx, key)
		if err != nil {
			return err
		}
		text := "0"
		if v.value != nil {
			text = string(*v.value)
		}
		next, err := change(text)
		if err != nil {
			return err
		}
		won, err := v.swap(ctx, []byte(next))
		if won || err != nil {
			return err
		}
		select {
		case <-time.After(rand.N(pause)): // not all losers at the same time
		case <-ctx.Done():
			return other("key %q: the call ended while other writes of the key were faster: %s", key, ctx.Err())
		}
	}
}

// version is a key as it was read.
type version struct {
	b     *bucket
	key   string
	value *[]byte // nil if it did not exist
	etag  *string
}

// version reads a key.
func (b *bucket) version(ctx context.Context, key string) (*version, *abikv.Error) {
	e, err := b.get(ctx, key)
	if err != nil {
		return nil, err
	}
	v := &version{b: b, key: key}
	if e == nil {
		return v, nil
	}
	if e.ETag == nil {
		return nil, other("state store %s keeps no versions (etags), so that it has no atomic operations", b.store)
	}
	v.value, v.etag = &e.Value, e.ETag
	return v, nil
}

// swap writes the key if it is still as it was read; false if it is not.
func (v *version) swap(ctx context.Context, value []byte) (bool, *abikv.Error) {
	err := v.b.h.cfg.Stores.Set(ctx, v.b.store, abistate.SetItem{
		Key: v.key, Value: value, ETag: v.etag, Concurrency: abistate.ConcurrencyFirstWrite, Consistency: abistate.ConsistencyStrong,
	})
	if err != nil && err.Tag == abistate.ErrorETagMismatch {
		return false, nil
	}
	return err == nil, fromState(err)
}

// Increment adds to a number with sign.
func (d draft2) Increment(ctx context.Context, b abikv.Bucket, key string, delta int64) (int64, *abikv.Error) {
	var sum int64
	err := of(b).update(ctx, key, func(text string) (string, *abikv.Error) {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return "", notANumber(key, text, "a decimal number from -9223372036854775808 to 9223372036854775807")
		}
		if sum = n + delta; (sum > n) != (delta > 0) && delta != 0 {
			return "", overflow(key, text)
		}
		return strconv.FormatInt(sum, 10), nil
	})
	if err != nil {
		return 0, err
	}
	return sum, nil
}

func notANumber(key, text, want string) *abikv.Error {
	return other("key %q: expected %s as its value, found %.40q; increment needs a number", key, want, text)
}

func overflow(key, text string) *abikv.Error {
	return other("key %q: the sum is beyond what a number can hold: it is %s now", key, text)
}

// cas is the resource of one compare-and-swap: the key as it was when it was made.
type cas struct{ v *version }

// CasNew reads the key that is to be swapped.
func (d draft2) CasNew(ctx context.Context, b abikv.Bucket, key string) (abikv.Cas, *abikv.Error) {
	v, err := of(b).version(ctx, key)
	if err != nil {
		return nil, err
	}
	return cas{v}, nil
}

// Current gives the value that Swap compares with; nil if the key did not exist.
func (c cas) Current(context.Context) (*[]byte, *abikv.Error) { return c.v.value, nil }

// Drop has nothing to release.
func (cas) Drop(context.Context) {}

// Swap writes the key unless it was written or deleted since the cas was made; then it fails with a cas of now.
func (d draft2) Swap(ctx context.Context, c abikv.Cas, value []byte) *abikv.CasError {
	old := c.(cas).v
	won, err := old.swap(ctx, value)
	if won {
		return nil
	}
	var now *version
	if err == nil {
		now, err = old.b.version(ctx, old.key)
	}
	if err != nil {
		return &abikv.CasError{Tag: abikv.CasErrorStoreError, StoreError: *err}
	}
	return &abikv.CasError{Tag: abikv.CasErrorCasFailed, CasFailed: cas{now}}
}
