package state

import (
	"context"
	"errors"
	"maps"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Host is the block as one app calls it: the functions of mrt:state/store.
type Host struct {
	block *Block
	app   string
	// stores are those that the app has named so far. The map is replaced, never changed, so that finding a store
	// takes no lock.
	stores atomic.Pointer[map[string]*bound]
}

var _ abistate.StoreHost = (*Host)(nil)

func (h *Host) store(name string) (*bound, *abistate.Error) {
	stores := h.stores.Load()
	if stores != nil {
		if s := (*stores)[name]; s != nil {
			return s, nil
		}
	}
	s, err := h.block.bind(h.app, name)
	if err != nil {
		return nil, toError(err)
	}
	for {
		next := map[string]*bound{name: s}
		if stores != nil {
			next = maps.Clone(*stores)
			next[name] = s
		}
		if h.stores.CompareAndSwap(stores, &next) {
			return s, nil
		}
		stores = h.stores.Load()
	}
}

// Find gives the name of the component that the app means by a store's name.
func (h *Host) Find(store string) (string, *abistate.Error) {
	s, failed := h.store(store)
	if failed != nil {
		return "", failed
	}
	return s.name, nil
}

// Get reads one key.
func (h *Host) Get(ctx context.Context, store, key string, consistency abistate.Consistency, metadata abistate.Metadata) (*abistate.Entry, *abistate.Error) {
	s, failed := h.store(store)
	if failed != nil {
		return nil, failed
	}
	e, err := s.get(ctx, GetRequest{Key: key, Consistency: Consistency(consistency), Metadata: toMap(metadata)})
	if err != nil {
		return nil, toError(err)
	}
	return toEntry(e), nil
}

// Set writes one key.
func (h *Host) Set(ctx context.Context, store string, item abistate.SetItem) *abistate.Error {
	s, failed := h.store(store)
	if failed != nil {
		return failed
	}
	req := setRequest(&item)
	return toError(s.set(ctx, &req))
}

// Delete deletes one key.
func (h *Host) Delete(ctx context.Context, store string, item abistate.DeleteItem) *abistate.Error {
	s, failed := h.store(store)
	if failed != nil {
		return failed
	}
	req := deleteRequest(&item)
	return toError(s.delete(ctx, &req))
}

// BulkGet reads many keys in their order.
func (h *Host) BulkGet(ctx context.Context, store string, keys []string, metadata abistate.Metadata) ([]abistate.BulkEntry, *abistate.Error) {
	s, failed := h.store(store)
	if failed != nil {
		return nil, failed
	}
	outcomes, err := s.bulkGet(ctx, keys, toMap(metadata), 0)
	if err != nil {
		return nil, toError(err)
	}
	out := make([]abistate.BulkEntry, len(outcomes))
	for i, o := range outcomes {
		out[i] = abistate.BulkEntry{
			Key: o.key, Outcome: canon.Result[*abistate.Entry, abistate.Error]{OK: toEntry(o.entry), Err: toError(o.err)},
		}
	}
	return out, nil
}

// BulkSet writes many keys and gives those that failed.
func (h *Host) BulkSet(ctx context.Context, store string, items []abistate.SetItem) ([]abistate.Failure, *abistate.Error) {
	s, failed := h.store(store)
	if failed != nil {
		return nil, failed
	}
	reqs := make([]SetRequest, len(items))
	for i := range items {
		reqs[i] = setRequest(&items[i])
	}
	return failures(s.bulkSet(ctx, reqs), func(i int) string { return items[i].Key }), nil
}

// BulkDelete deletes many keys and gives those that failed.
func (h *Host) BulkDelete(ctx context.Context, store string, items []abistate.DeleteItem) ([]abistate.Failure, *abistate.Error) {
	s, failed := h.store(store)
	if failed != nil {
		return nil, failed
	}
	reqs := make([]DeleteRequest, len(items))
	for i := range items {
		reqs[i] = deleteRequest(&items[i])
	}
	return failures(s.bulkDelete(ctx, reqs), func(i int) string { return items[i].Key }), nil
}

// Transact does all operations or none.
func (h *Host) Transact(ctx context.Context, store string, operations []abistate.Operation, metadata abistate.Metadata) *abistate.Error {
	s, failed := h.store(store)
	if failed != nil {
		return failed
	}
	ops := make([]Operation, len(operations))
	for i := range operations {
		if o := &operations[i]; o.Tag == abistate.OperationUpsert {
			req := setRequest(&o.Upsert)
			ops[i].Upsert = &req
		} else {
			req := deleteRequest(&o.Delete)
			ops[i].Delete = &req
		}
	}
	return toError(s.transact(ctx, ops, toMap(metadata)))
}

// ListKeys gives a page of the app's keys.
func (h *Host) ListKeys(ctx context.Context, store, prefix string, limit uint32, token string) (abistate.KeyPage, *abistate.Error) {
	s, failed := h.store(store)
	if failed != nil {
		return abistate.KeyPage{}, failed
	}
	// A limit beyond int on a small machine is beyond the bound anyway.
	page, err := s.list(ctx, prefix, int(min(limit, maxLimit+1)), token)
	if err != nil {
		return abistate.KeyPage{}, toError(err)
	}
	out := abistate.KeyPage{Keys: page.Keys}
	if page.Next != "" {
		out.Next = &page.Next
	}
	return out, nil
}

// Query runs a query in Dapr's JSON form over the app's entries.
func (h *Host) Query(ctx context.Context, store, query string, metadata abistate.Metadata) (abistate.QueryPage, *abistate.Error) {
	s, failed := h.store(store)
	if failed != nil {
		return abistate.QueryPage{}, failed
	}
	page, err := s.query(ctx, query, toMap(metadata))
	if err != nil {
		return abistate.QueryPage{}, toError(err)
	}
	out := abistate.QueryPage{Items: make([]abistate.QueryItem, len(page.Items)), Token: page.Token, Metadata: toTuples(page.Metadata)}
	for i, item := range page.Items {
		out.Items[i] = abistate.QueryItem{Key: item.Key, Value: item.Value, ETag: item.ETag}
	}
	return out, nil
}

func setRequest(item *abistate.SetItem) SetRequest {
	req := SetRequest{
		Key: item.Key, Value: item.Value, ETag: item.ETag,
		Concurrency: Concurrency(item.Concurrency), Consistency: Consistency(item.Consistency), Metadata: toMap(item.Metadata),
	}
	if item.TTLSeconds != nil {
		ttl := time.Duration(*item.TTLSeconds) * time.Second
		req.TTL = &ttl
	}
	return req
}

func deleteRequest(item *abistate.DeleteItem) DeleteRequest {
	return DeleteRequest{
		Key: item.Key, ETag: item.ETag,
		Concurrency: Concurrency(item.Concurrency), Consistency: Consistency(item.Consistency), Metadata: toMap(item.Metadata),
	}
}

func failures(errs []error, key func(i int) string) []abistate.Failure {
	var out []abistate.Failure
	for i, err := range errs {
		if err != nil {
			out = append(out, abistate.Failure{Key: key(i), Reason: *toError(err)})
		}
	}
	return out
}

func toEntry(e *Entry) *abistate.Entry {
	if e == nil {
		return nil
	}
	out := &abistate.Entry{Value: e.Value, ETag: e.ETag, Metadata: toTuples(e.Metadata)}
	if at := e.expireTime(); at != "" {
		out.Metadata = append(out.Metadata, canon.Tuple2[string, string]{F0: expiresField, F1: at})
	}
	return out
}

func toMap(metadata abistate.Metadata) map[string]string {
	if len(metadata) == 0 {
		return nil
	}
	out := make(map[string]string, len(metadata))
	for _, kv := range metadata {
		out[kv.F0] = kv.F1
	}
	return out
}

func toTuples(metadata map[string]string) abistate.Metadata {
	if len(metadata) == 0 {
		return nil
	}
	out := make(abistate.Metadata, 0, len(metadata)+1)
	for k, v := range metadata {
		out = append(out, canon.Tuple2[string, string]{F0: k, F1: v})
	}
	return out
}

// toError gives an error as the contract has it; nil stays nil.
func toError(err error) *abistate.Error {
	if err == nil {
		return nil
	}
	tag := abistate.ErrorOther
	if _, ok := errors.AsType[*component.NotFoundError](err); ok {
		tag = abistate.ErrorStoreNotFound
	}
	for _, k := range []struct {
		is  error
		tag abistate.ErrorTag
	}{
		{ErrInvalidKey, abistate.ErrorInvalidKey},
		{ErrETagMismatch, abistate.ErrorETagMismatch},
		{ErrInvalidETag, abistate.ErrorInvalidETag},
		{ErrInvalid, abistate.ErrorInvalidRequest},
		{ErrNotSupported, abistate.ErrorNotSupported},
		{ErrUnavailable, abistate.ErrorUnavailable},
		{context.DeadlineExceeded, abistate.ErrorUnavailable},
	} {
		if errors.Is(err, k.is) {
			tag = k.tag
			break
		}
	}
	return &abistate.Error{Tag: tag, Value: err.Error()}
}
