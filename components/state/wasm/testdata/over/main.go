// A state store over another one, which metadata "store" names: it hands on all calls.
package main

import (
	"errors"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/plugin"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/bulk"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/expirer"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/lister"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/querier"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/transactor"
)

type store struct{ inner state.Store }

func init() {
	s := &store{}
	plugin.Stateless()
	driver.Register(s)
	transactor.Register(s)
	lister.Register(s)
	querier.Register(s)
	bulk.Register(s)
	expirer.Register()
}

func main() {}

func (s *store) Init(metadata map[string]string) error {
	s.inner = state.Open(metadata["store"])
	_, err := s.inner.Get("probe of " + metadata["store"])
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	return err
}

func entry(e state.Entry) (*driver.Entry, error) {
	out := &driver.Entry{Value: e.Value, ETag: e.ETag}
	if text := e.Metadata["ttlExpireTime"]; text != "" {
		var err error
		if out.Expires, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (s *store) Get(r driver.GetRequest) (*driver.Entry, error) {
	e, err := s.inner.Get(r.Key, state.WithConsistency(r.Consistency))
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return entry(e)
}

func put(r *driver.SetRequest) state.Op {
	opts := []state.Option{state.WithConcurrency(r.Concurrency), state.WithConsistency(r.Consistency)}
	if r.ETag != "" {
		opts = append(opts, state.IfMatch(r.ETag))
	}
	if r.TTL != nil {
		opts = append(opts, state.WithTTL(*r.TTL))
	}
	return state.Put(r.Key, r.Value, opts...)
}

func remove(r *driver.DeleteRequest) state.Op {
	opts := []state.Option{state.WithConcurrency(r.Concurrency), state.WithConsistency(r.Consistency)}
	if r.ETag != "" {
		opts = append(opts, state.IfMatch(r.ETag))
	}
	return state.Remove(r.Key, opts...)
}

// one gives the failure of a single key of a bulk call.
func one(failed map[string]error, err error) error {
	for _, e := range failed {
		return e
	}
	return err
}

func (s *store) Set(r driver.SetRequest) error {
	return one(s.inner.BulkSet(put(&r)))
}

func (s *store) Delete(r driver.DeleteRequest) error {
	opts := []state.Option{state.WithConcurrency(r.Concurrency)}
	if r.ETag != "" {
		opts = append(opts, state.IfMatch(r.ETag))
	}
	return s.inner.Delete(r.Key, opts...)
}

func (s *store) Transact(ops []driver.Operation, _ map[string]string) error {
	list := make([]state.Op, len(ops))
	for i, op := range ops {
		if op.Set != nil {
			list[i] = put(op.Set)
		} else {
			list[i] = remove(op.Delete)
		}
	}
	return s.inner.Transact(list...)
}

func (s *store) BulkGet(keys []string, _ state.Consistency, _ map[string]string) ([]*driver.Entry, error) {
	found, err := s.inner.BulkGet(keys...)
	if err != nil {
		return nil, err
	}
	out := make([]*driver.Entry, len(found))
	for i, r := range found {
		switch {
		case errors.Is(r.Err, state.ErrNotFound):
		case r.Err != nil:
			return nil, r.Err
		default:
			if out[i], err = entry(r.Entry); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (s *store) ListKeys(prefix string, limit int, token string) (lister.Page, error) {
	page, err := s.inner.List(prefix, limit, token)
	return lister.Page(page), err
}

func (s *store) Query(prefix, query string, _ map[string]string) (querier.Page, error) {
	page, err := s.inner.Query(query, state.WithMetadata("keyPrefix", prefix))
	if err != nil {
		return querier.Page{}, err
	}
	out := querier.Page{Token: page.Token}
	for _, item := range page.Items {
		out.Items = append(out.Items, querier.Item{Key: item.Key, Value: item.Value, ETag: item.ETag})
	}
	return out, nil
}
