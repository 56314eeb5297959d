//go:build !wasip1

package state

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// fake is the store that native builds use: one map a store name, with etags, expiry and transactions.
var fake = struct {
	sync.Mutex
	stores map[string]map[string]fakeEntry
	etag   int
	fail   error
}{stores: map[string]map[string]fakeEntry{}}

type fakeEntry struct {
	value   []byte
	etag    string
	expires time.Time
}

// ResetFake empties all stores of a native build. Call it at the start of a test.
func ResetFake() {
	fake.Lock()
	defer fake.Unlock()
	clear(fake.stores)
	fake.fail = nil
}

// FailFake makes every call of a native build fail with err until ResetFake, for testing how an app copes.
func FailFake(err error) {
	fake.Lock()
	defer fake.Unlock()
	fake.fail = err
}

// with runs fn on a store of the fake, under its lock.
func with(store string, fn func(map[string]fakeEntry) error) error {
	fake.Lock()
	defer fake.Unlock()
	if fake.fail != nil {
		return fake.fail
	}
	if store == "" {
		store = "statestore"
	}
	m := fake.stores[store]
	if m == nil {
		m = map[string]fakeEntry{}
		fake.stores[store] = m
	}
	for k, e := range m {
		if !e.expires.IsZero() && !time.Now().Before(e.expires) {
			delete(m, k)
		}
	}
	return fn(m)
}

func checkKey(key string) error {
	if key == "" || strings.Contains(key, "||") {
		return ErrInvalidKey
	}
	return nil
}

func apply(m map[string]fakeEntry, op Op) error {
	if err := checkKey(op.key); err != nil {
		return err
	}
	old, exists := m[op.key]
	if op.concurrency != LastWrite {
		switch {
		case op.etag != nil && *op.etag != old.etag,
			op.etag == nil && op.concurrency == FirstWrite && exists && !op.remove:
			return ErrETagMismatch
		}
	}
	if op.remove {
		delete(m, op.key)
		return nil
	}
	fake.etag++
	e := fakeEntry{value: slices.Clone(op.value), etag: strconv.Itoa(fake.etag)}
	if op.ttl != nil && *op.ttl > 0 {
		e.expires = time.Now().Add(time.Duration(*op.ttl) * time.Second)
	}
	m[op.key] = e
	return nil
}

func (e fakeEntry) entry() *Entry {
	out := &Entry{Value: slices.Clone(e.value), ETag: e.etag}
	if !e.expires.IsZero() {
		out.Metadata = map[string]string{"ttlExpireTime": e.expires.UTC().Format(time.RFC3339)}
	}
	return out
}

func backendGet(store, key string, _ options) (out *Entry, err error) {
	err = with(store, func(m map[string]fakeEntry) error {
		if e, ok := m[key]; ok {
			out = e.entry()
		}
		return checkKey(key)
	})
	return out, err
}

func backendSet(store string, op Op) error {
	return with(store, func(m map[string]fakeEntry) error { return apply(m, op) })
}

func backendDelete(store string, op Op) error { return backendSet(store, op) }

func backendTransact(store string, ops []Op) error {
	return with(store, func(m map[string]fakeEntry) error {
		before := maps.Clone(m)
		for _, op := range ops {
			if err := apply(m, op); err != nil {
				clear(m)
				maps.Copy(m, before)
				return err
			}
		}
		return nil
	})
}

func backendBulkGet(store string, keys []string) ([]Result, error) {
	out := make([]Result, len(keys))
	err := with(store, func(m map[string]fakeEntry) error {
		for i, k := range keys {
			out[i] = Result{Key: k, Err: ErrNotFound}
			if e, ok := m[k]; ok {
				out[i] = Result{Key: k, Entry: *e.entry()}
			}
		}
		return nil
	})
	return out, err
}

func backendBulkSet(store string, ops []Op) (map[string]error, error) {
	failed := map[string]error{}
	err := with(store, func(m map[string]fakeEntry) error {
		for _, op := range ops {
			if err := apply(m, op); err != nil {
				failed[op.key] = err
			}
		}
		return nil
	})
	return failed, err
}

func backendBulkDelete(store string, keys []string) (map[string]error, error) {
	ops := make([]Op, len(keys))
	for i, k := range keys {
		ops[i] = Remove(k)
	}
	return backendBulkSet(store, ops)
}

func backendList(store, prefix string, limit uint32, token string) (page Page, err error) {
	if limit == 0 {
		limit = 100
	}
	err = with(store, func(m map[string]fakeEntry) error {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !strings.HasPrefix(k, prefix) || token != "" && k <= token {
				continue
			}
			if len(page.Keys) == int(limit) {
				page.Next = page.Keys[limit-1]
				break
			}
			page.Keys = append(page.Keys, k)
		}
		return nil
	})
	return page, err
}

func backendQuery(string, string, map[string]string) (QueryPage, error) {
	return QueryPage{}, ErrNotSupported
}
