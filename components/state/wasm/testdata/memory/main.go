// A state store in the memory of the plugin: it can all that a store can, but queries. Keys that end in "trap" make it
// panic, and those that end in "spin" make it compute for ever.
package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/log"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/bulk"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/expirer"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/lister"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/transactor"
)

type store struct {
	entries map[string]*driver.Entry
	version uint64
}

func init() {
	s := &store{entries: map[string]*driver.Entry{}}
	driver.Register(s)
	transactor.Register(s)
	lister.Register(s)
	bulk.Register(s)
	expirer.Register()
}

func main() {}

// Init takes the metadata "fail", which is an error to give, and "seed", a key to begin with.
func (s *store) Init(metadata map[string]string) error {
	switch metadata["fail"] {
	case "":
	case "trap":
		panic("asked to trap at init")
	case "unavailable":
		return fmt.Errorf("%w: asked to fail", state.ErrUnavailable)
	default:
		return fmt.Errorf("%w: %s", state.ErrInvalidRequest, metadata["fail"])
	}
	log.Info("init", "fields", len(metadata))
	if key := metadata["seed"]; key != "" {
		s.put(key, &driver.Entry{Value: []byte(fmt.Sprint(metadata))})
	}
	return nil
}

func (s *store) find(key string) *driver.Entry {
	e := s.entries[key]
	if e != nil && !e.Expires.IsZero() && !time.Now().Before(e.Expires) {
		delete(s.entries, key)
		return nil
	}
	return e
}

func (s *store) put(key string, e *driver.Entry) {
	s.version++
	e.ETag = strconv.FormatUint(s.version, 10)
	s.entries[key] = e
}

func (s *store) Get(r driver.GetRequest) (*driver.Entry, error) {
	if strings.HasSuffix(r.Key, "trap") {
		panic("asked to trap")
	}
	for strings.HasSuffix(r.Key, "spin") {
		s.version++
	}
	return s.find(r.Key), nil
}

func (s *store) check(key, etag string, c state.Concurrency) error {
	e := s.find(key)
	switch {
	case c == state.LastWrite:
		return nil
	case etag != "" && (e == nil || e.ETag != etag), etag == "" && c == state.FirstWrite && e != nil:
		return fmt.Errorf("key %q: %w", key, state.ErrETagMismatch)
	}
	return nil
}

func (s *store) Set(r driver.SetRequest) error {
	if err := s.check(r.Key, r.ETag, r.Concurrency); err != nil {
		return err
	}
	e := &driver.Entry{Value: r.Value}
	if r.TTL != nil && *r.TTL > 0 {
		e.Expires = time.Now().Add(*r.TTL)
	}
	s.put(r.Key, e)
	return nil
}

func (s *store) Delete(r driver.DeleteRequest) error {
	if err := s.check(r.Key, r.ETag, r.Concurrency); err != nil {
		return err
	}
	delete(s.entries, r.Key)
	return nil
}

func (s *store) Transact(ops []driver.Operation, _ map[string]string) error {
	before := map[string]*driver.Entry{}
	for _, op := range ops {
		var key string
		var do func() error
		if op.Set != nil {
			key, do = op.Set.Key, func() error { return s.Set(*op.Set) }
		} else {
			key, do = op.Delete.Key, func() error { return s.Delete(*op.Delete) }
		}
		if _, seen := before[key]; !seen {
			before[key] = s.find(key)
		}
		if err := do(); err != nil {
			for key, e := range before {
				if e == nil {
					delete(s.entries, key)
				} else {
					s.entries[key] = e
				}
			}
			return err
		}
	}
	return nil
}

func (s *store) BulkGet(keys []string, c state.Consistency, metadata map[string]string) ([]*driver.Entry, error) {
	out := make([]*driver.Entry, len(keys))
	for i, key := range keys {
		out[i] = s.find(key)
	}
	return out, nil
}

func (s *store) ListKeys(prefix string, limit int, token string) (lister.Page, error) {
	after, err := driver.After(prefix, token)
	if err != nil {
		return lister.Page{}, err
	}
	var keys []string
	for key := range s.entries {
		if strings.HasPrefix(key, prefix) && key > after && s.find(key) != nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	if len(keys) <= limit {
		return lister.Page{Keys: keys}, nil
	}
	return lister.Page{Keys: keys[:limit], Next: driver.PageToken(keys[limit-1])}, nil
}
