// Package memory is the state store state.in-memory: a map in the host's process. It has everything a store can have
// and keeps nothing when the process ends. It does not share entries with other hosts.
package memory

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Spec is the driver.
var Spec = component.Spec[state.Store]{
	Type: "state.in-memory",
	Doc: `Keeps state in the memory of the host; it is gone when the host stops.

For tests and for caches. Etags, transactions, time to live, listing and queries all work.`,
	Fields: func() any { return new(settings) },
	New:    func(_ context.Context, cfg component.Config) (state.Store, error) { return open(cfg) },
}

// settings has no fields: Dapr's in-memory store has none.
type settings struct{}

// store keeps its records in one map. Records are never changed once they are in it, so a reader may hold one.
type store struct {
	mu      sync.RWMutex
	records map[string]*record
	expiry  expiryHeap
	// version is the last etag; it never repeats, so a key that is deleted and made again has a new one.
	version uint64
	// keysGen counts the changes of the set of keys; it dates sorted.
	keysGen uint64
	closed  bool

	sorted atomic.Pointer[sortedKeys]
	now    func() time.Time
}

// record is one entry; heapIndex alone changes, under mu.
type record struct {
	entry     state.Entry
	etag      string
	key       string
	expires   int64 // Unix nanoseconds; 0 for never
	heapIndex int
}

// sortedKeys are all keys in ascending order as they were at generation gen.
type sortedKeys struct {
	gen  uint64
	keys []string
}

var (
	_ state.Store      = (*store)(nil)
	_ state.Transactor = (*store)(nil)
	_ state.BulkGetter = (*store)(nil)
	_ state.Lister     = (*store)(nil)
	_ state.Querier    = (*store)(nil)
	_ state.Expirer    = (*store)(nil)
	_ state.Pinger     = (*store)(nil)
)

func open(cfg component.Config) (*store, error) {
	if err := cfg.Decode(new(settings)); err != nil {
		return nil, err
	}
	return &store{records: map[string]*record{}, now: time.Now}, nil
}

// errClosed says that the store was used after Close.
var errClosed = fmt.Errorf("%w: the store is closed", state.ErrUnavailable)

// Get reads one key. It allocates nothing.
func (s *store) Get(ctx context.Context, req state.GetRequest) (*state.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	r := s.records[req.Key]
	closed := s.closed
	s.mu.RUnlock()
	if closed {
		return nil, errClosed
	}
	if r == nil || r.expires != 0 && r.expires <= s.now().UnixNano() {
		return nil, nil
	}
	return &r.entry, nil
}

// BulkGet reads many keys at one moment.
func (s *store) BulkGet(ctx context.Context, reqs []state.GetRequest) ([]*state.Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]*state.Entry, len(reqs))
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	now := s.now()
	for i, req := range reqs {
		if r := s.liveLocked(req.Key, now); r != nil {
			out[i] = &r.entry
		}
	}
	return out, nil
}

// Set writes one key.
func (s *store) Set(ctx context.Context, req state.SetRequest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	value := slices.Clone(req.Value)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	now := s.now()
	s.sweepLocked(now)
	return s.setLocked(&req, value, now)
}

// Delete deletes one key.
func (s *store) Delete(ctx context.Context, req state.DeleteRequest) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	now := s.now()
	s.sweepLocked(now)
	return s.deleteLocked(&req, now)
}

// Transact does all operations under one lock; when one fails, those before it are undone.
func (s *store) Transact(ctx context.Context, ops []state.Operation, _ map[string]string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	values := make([][]byte, len(ops))
	for i, op := range ops {
		if op.Upsert != nil {
			values[i] = slices.Clone(op.Upsert.Value)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	now := s.now()
	s.sweepLocked(now)
	type undo struct {
		key string
		old *record
	}
	undos := make([]undo, 0, len(ops))
	for i, op := range ops {
		var err error
		switch {
		case op.Upsert != nil:
			key := op.Upsert.Key
			undos = append(undos, undo{key, s.records[key]})
			err = s.setLocked(op.Upsert, values[i], now)
		case op.Delete != nil:
			key := op.Delete.Key
			undos = append(undos, undo{key, s.records[key]})
			err = s.deleteLocked(op.Delete, now)
		default:
			err = fmt.Errorf("%w: operation %d is neither upsert nor delete", state.ErrInvalid, i)
		}
		if err != nil {
			for _, u := range slices.Backward(undos) {
				s.putLocked(u.key, u.old)
			}
			return err
		}
	}
	return nil
}

// ListKeys gives a page of keys. All keys are sorted once after the set of keys has changed, not per page.
func (s *store) ListKeys(ctx context.Context, req state.ListRequest) (state.KeyPage, error) {
	after, err := req.After()
	if err != nil {
		return state.KeyPage{}, err
	}
	if err := ctx.Err(); err != nil {
		return state.KeyPage{}, err
	}
	keys := s.sortedKeys()
	start := sort.Search(len(keys), func(i int) bool { return keys[i] >= req.Prefix && (after == "" || keys[i] > after) })
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return state.KeyPage{}, errClosed
	}
	now := s.now()
	var page state.KeyPage
	for _, key := range keys[start:] {
		if !strings.HasPrefix(key, req.Prefix) {
			break
		}
		if s.liveLocked(key, now) == nil {
			continue
		}
		if len(page.Keys) == req.Limit {
			page.Next = state.PageToken(page.Keys[len(page.Keys)-1])
			break
		}
		page.Keys = append(page.Keys, key)
	}
	return page, nil
}

// Query evaluates the query over all entries with its prefix.
func (s *store) Query(ctx context.Context, q state.Query) (state.QueryPage, error) {
	if err := ctx.Err(); err != nil {
		return state.QueryPage{}, err
	}
	entries, err := s.snapshot(q.Prefix)
	if err != nil {
		return state.QueryPage{}, err
	}
	return state.RunQuery(entries, q)
}

// Expires marks that entries expire by themselves.
func (s *store) Expires() {}

// Ping fails only after Close.
func (s *store) Ping(context.Context) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return errClosed
	}
	return nil
}

// Close drops all entries.
func (s *store) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("state.in-memory is closed already")
	}
	s.closed, s.records, s.expiry = true, nil, nil
	s.sorted.Store(nil)
	return nil
}

// liveLocked gives the record of a key that has not expired. The caller holds mu, for reading at least.
func (s *store) liveLocked(key string, now time.Time) *record {
	r := s.records[key]
	if r == nil || r.expires != 0 && r.expires <= now.UnixNano() {
		return nil
	}
	return r
}

func (s *store) setLocked(req *state.SetRequest, value []byte, now time.Time) error {
	switch cond, etag := req.Condition(); cond {
	case state.IfAbsent:
		if s.liveLocked(req.Key, now) != nil {
			return state.Exists(req.Key)
		}
	case state.IfMatch:
		if r := s.liveLocked(req.Key, now); r == nil || r.etag != etag {
			return state.Mismatch(req.Key)
		}
	default:
	}
	s.version++
	r := &record{key: req.Key, etag: strconv.FormatUint(s.version, 10), heapIndex: noIndex}
	r.entry = state.Entry{Value: value, ETag: &r.etag}
	if req.TTL != nil && *req.TTL > 0 {
		r.entry.Expires = now.Add(*req.TTL)
		r.expires = r.entry.Expires.UnixNano()
	}
	s.putLocked(req.Key, r)
	return nil
}

func (s *store) deleteLocked(req *state.DeleteRequest, now time.Time) error {
	if cond, etag := req.Condition(); cond == state.IfMatch {
		if r := s.liveLocked(req.Key, now); r == nil || r.etag != etag {
			return state.Mismatch(req.Key)
		}
	}
	s.putLocked(req.Key, nil)
	return nil
}

// putLocked makes r, or nothing if it is nil, the record of key and keeps expiry and keysGen in step.
func (s *store) putLocked(key string, r *record) {
	old := s.records[key]
	if old != nil {
		s.expiry.drop(old)
	}
	if r == nil {
		delete(s.records, key)
	} else {
		s.records[key] = r
		if r.expires != 0 {
			s.expiry.add(r)
		}
	}
	if (old == nil) != (r == nil) {
		s.keysGen++
	}
}

// sweepLocked drops what has expired. Every write does it, so no goroutine is needed; each record is dropped once.
func (s *store) sweepLocked(now time.Time) {
	for len(s.expiry) > 0 && s.expiry[0].expires <= now.UnixNano() {
		s.putLocked(s.expiry[0].key, nil)
	}
}

func (s *store) sortedKeys() []string {
	s.mu.RLock()
	gen := s.keysGen
	if c := s.sorted.Load(); c != nil && c.gen == gen {
		s.mu.RUnlock()
		return c.keys
	}
	keys := make([]string, 0, len(s.records))
	for key := range s.records {
		keys = append(keys, key)
	}
	s.mu.RUnlock()
	slices.Sort(keys)
	s.sorted.Store(&sortedKeys{gen: gen, keys: keys})
	return keys
}

func (s *store) snapshot(prefix string) (iter.Seq2[state.QueryItem, error], error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, errClosed
	}
	now := s.now()
	var items []state.QueryItem
	for key := range s.records {
		if strings.HasPrefix(key, prefix) {
			if r := s.liveLocked(key, now); r != nil {
				items = append(items, state.QueryItem{Key: key, Value: r.entry.Value, ETag: r.entry.ETag})
			}
		}
	}
	return func(yield func(state.QueryItem, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}, nil
}
