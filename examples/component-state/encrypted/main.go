// Command encrypted is a state store over any other one, for components of type state.wasm: values are encrypted with
// AES-GCM on their way to the other store, and bound to their keys, so that nobody who has that store can read, change
// or exchange them. All that the other store can do, but queries, this one can do too.
package main

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/plugin"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/bulk"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/expirer"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/lister"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/transactor"
)

func init() {
	s := &store{}
	plugin.Stateless() // what it knows it gets in Init, so calls may run side by side
	driver.Register(s)
	transactor.Register(s)
	lister.Register(s)
	bulk.Register(s)
	expirer.Register()
}

func main() {}

// store encrypts what goes to inner.
type store struct {
	inner state.Store
	aead  cipher.AEAD
}

// Init takes the metadata fields store, the name of the other store, and key, 16, 24 or 32 bytes in hexadecimal.
func (s *store) Init(metadata map[string]string) error {
	key, err := hex.DecodeString(metadata["key"])
	if err != nil {
		return fmt.Errorf("%w: metadata field key: want 16, 24 or 32 bytes in hexadecimal", state.ErrInvalidRequest)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return fmt.Errorf("%w: metadata field key: want 16, 24 or 32 bytes in hexadecimal, found %d", state.ErrInvalidRequest, len(key))
	}
	s.inner = state.Open(metadata["store"])
	s.aead, err = cipher.NewGCMWithRandomNonce(block)
	return err
}

func (s *store) seal(key string, value []byte) []byte {
	return s.aead.Seal(nil, nil, value, []byte(key))
}

// open gives an entry of the other store in clear.
func (s *store) open(key string, e state.Entry) (*driver.Entry, error) {
	value, err := s.aead.Open(nil, nil, e.Value, []byte(key))
	if err != nil {
		return nil, fmt.Errorf("the value of key %q was not encrypted with this component's key, or it was changed", key)
	}
	out := &driver.Entry{Value: value, ETag: e.ETag}
	if text := e.Metadata["ttlExpireTime"]; text != "" {
		if out.Expires, err = time.Parse(time.RFC3339, text); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Get reads one key.
func (s *store) Get(r driver.GetRequest) (*driver.Entry, error) {
	e, err := s.inner.Get(r.Key, state.WithConsistency(r.Consistency))
	if errors.Is(err, state.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.open(r.Key, e)
}

// put gives a write in the other store's form.
func (s *store) put(r *driver.SetRequest) state.Op {
	opts := conditions(r.ETag, r.Concurrency, r.Consistency)
	if r.TTL != nil {
		opts = append(opts, state.WithTTL(*r.TTL))
	}
	return state.Put(r.Key, s.seal(r.Key, r.Value), opts...)
}

func remove(r *driver.DeleteRequest) state.Op {
	return state.Remove(r.Key, conditions(r.ETag, r.Concurrency, r.Consistency)...)
}

func conditions(etag string, c state.Concurrency, consistency state.Consistency) []state.Option {
	opts := []state.Option{state.WithConcurrency(c), state.WithConsistency(consistency)}
	if etag != "" {
		opts = append(opts, state.IfMatch(etag))
	}
	return opts
}

// Set writes one key.
func (s *store) Set(r driver.SetRequest) error {
	opts := conditions(r.ETag, r.Concurrency, r.Consistency)
	if r.TTL != nil {
		opts = append(opts, state.WithTTL(*r.TTL))
	}
	return s.inner.Set(r.Key, s.seal(r.Key, r.Value), opts...)
}

// Delete deletes one key.
func (s *store) Delete(r driver.DeleteRequest) error {
	return s.inner.Delete(r.Key, conditions(r.ETag, r.Concurrency, r.Consistency)...)
}

// Transact does all operations or none.
func (s *store) Transact(ops []driver.Operation, _ map[string]string) error {
	list := make([]state.Op, len(ops))
	for i, op := range ops {
		if op.Set != nil {
			list[i] = s.put(op.Set)
		} else {
			list[i] = remove(op.Delete)
		}
	}
	return s.inner.Transact(list...)
}

// BulkGet reads many keys.
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
			if out[i], err = s.open(r.Key, r.Entry); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// ListKeys gives a page of keys, which are not encrypted.
func (s *store) ListKeys(prefix string, limit int, token string) (lister.Page, error) {
	page, err := s.inner.List(prefix, limit, token)
	return lister.Page(page), err
}
