//go:build wasip1

package state

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/store"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/types"
)

// convert gives a contract error as an error of this package.
func convert(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	var base error
	switch e.Tag {
	case types.ErrorStoreNotFound:
		base = ErrStoreNotFound
	case types.ErrorInvalidKey:
		base = ErrInvalidKey
	case types.ErrorETagMismatch:
		base = ErrETagMismatch
	case types.ErrorInvalidETag:
		base = ErrInvalidETag
	case types.ErrorInvalidRequest:
		base = ErrInvalidRequest
	case types.ErrorNotSupported:
		base = ErrNotSupported
	case types.ErrorUnavailable:
		base = ErrUnavailable
	default:
		return errors.New(e.Value)
	}
	if text, ok := strings.CutPrefix(e.Value, base.Error()+": "); ok {
		return fmt.Errorf("%w: %s", base, text) // the kind of error stands there once
	}
	return fmt.Errorf("%w: %s", base, e.Value)
}

func fromEntry(e *types.Entry) *Entry {
	if e == nil {
		return nil
	}
	out := &Entry{Value: e.Value, Metadata: pairs.Map(e.Metadata)}
	if e.ETag != nil {
		out.ETag = *e.ETag
	}
	return out
}

func toSet(op Op) types.SetItem {
	return types.SetItem{
		Key: op.key, Value: op.value, ETag: op.etag, Concurrency: types.Concurrency(op.concurrency),
		Consistency: types.Consistency(op.consistency), TTLSeconds: op.ttl, Metadata: pairs.From(op.metadata),
	}
}

func toDelete(op Op) types.DeleteItem {
	return types.DeleteItem{
		Key: op.key, ETag: op.etag, Concurrency: types.Concurrency(op.concurrency),
		Consistency: types.Consistency(op.consistency), Metadata: pairs.From(op.metadata),
	}
}

func backendGet(name, key string, o options) (*Entry, error) {
	e, err := store.Get(name, key, types.Consistency(o.consistency), pairs.From(o.metadata))
	if err != nil {
		return nil, convert(err)
	}
	return fromEntry(e), nil
}

func backendSet(name string, op Op) error { return convert(store.Set(name, toSet(op))) }

func backendDelete(name string, op Op) error { return convert(store.Delete(name, toDelete(op))) }

func backendTransact(name string, ops []Op) error {
	list := make([]types.Operation, len(ops))
	for i, op := range ops {
		if op.remove {
			list[i] = types.Operation{Tag: types.OperationDelete, Delete: toDelete(op)}
		} else {
			list[i] = types.Operation{Tag: types.OperationUpsert, Upsert: toSet(op)}
		}
	}
	return convert(store.Transact(name, list, nil))
}

func backendBulkGet(name string, keys []string) ([]Result, error) {
	entries, err := store.BulkGet(name, keys, nil)
	if err != nil {
		return nil, convert(err)
	}
	out := make([]Result, len(entries))
	for i, e := range entries {
		out[i].Key = e.Key
		switch {
		case e.Outcome.Err != nil:
			out[i].Err = convert(e.Outcome.Err)
		case e.Outcome.OK == nil:
			out[i].Err = ErrNotFound
		default:
			out[i].Entry = *fromEntry(e.Outcome.OK)
		}
	}
	return out, nil
}

func failures(list []types.Failure, err error) (map[string]error, error) {
	if err != nil {
		return nil, convert(err)
	}
	out := make(map[string]error, len(list))
	for i := range list {
		out[list[i].Key] = convert(&list[i].Reason)
	}
	return out, nil
}

func backendBulkSet(name string, ops []Op) (map[string]error, error) {
	items := make([]types.SetItem, len(ops))
	for i, op := range ops {
		items[i] = toSet(op)
	}
	return failures(store.BulkSet(name, items))
}

func backendBulkDelete(name string, keys []string) (map[string]error, error) {
	items := make([]types.DeleteItem, len(keys))
	for i, k := range keys {
		items[i] = types.DeleteItem{Key: k}
	}
	return failures(store.BulkDelete(name, items))
}

func backendList(name, prefix string, limit uint32, token string) (Page, error) {
	page, err := store.ListKeys(name, prefix, limit, token)
	if err != nil {
		return Page{}, convert(err)
	}
	out := Page{Keys: page.Keys}
	if page.Next != nil {
		out.Next = *page.Next
	}
	return out, nil
}

func backendQuery(name, query string, metadata map[string]string) (QueryPage, error) {
	page, err := store.Query(name, query, pairs.From(metadata))
	if err != nil {
		return QueryPage{}, convert(err)
	}
	out := QueryPage{Token: page.Token, Items: make([]Result, len(page.Items))}
	for i, item := range page.Items {
		out.Items[i] = Result{Key: item.Key, Entry: Entry{Value: item.Value}}
		if item.ETag != nil {
			out.Items[i].ETag = *item.ETag
		}
	}
	return out, nil
}
