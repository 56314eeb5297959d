// Package state reads and writes an app's key-value state.
//
//	cart := state.Open("statestore") // or state.Default
//	if err := state.SetJSON(cart, "cart-7", items); err != nil { … }
//	items, etag, err := state.GetJSON[[]Item](cart, "cart-7")
//
// Under a native build, as in go test, the same calls work on a store in memory: see ResetFake.
package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"time"
)

// Store is a state store by its component's name. It is a name, not a connection: make as many as you like.
type Store struct{ name string }

// Default is the only store there is, or the one called "statestore".
var Default = Store{}

// Open names a store. Nothing is checked before the first call.
func Open(name string) Store { return Store{name: name} }

// Name is the component's name; empty for Default.
func (s Store) Name() string { return s.name }

// Entry is a stored value.
type Entry struct {
	Value []byte
	// ETag is the version, to be given back by IfMatch; empty if the store has none.
	ETag string
	// Metadata may hold "ttlExpireTime", RFC 3339.
	Metadata map[string]string
}

// The errors of this package; test with errors.Is. The text says which store and key.
var (
	// ErrNotFound: the key does not exist or has expired.
	ErrNotFound = errors.New("not found")
	// ErrStoreNotFound: the app sees no store of this name.
	ErrStoreNotFound = errors.New("store not found")
	// ErrInvalidKey: the key is empty, too long or contains "||".
	ErrInvalidKey = errors.New("invalid key")
	// ErrETagMismatch: somebody else wrote first. Read again and repeat.
	ErrETagMismatch = errors.New("etag mismatch")
	// ErrInvalidETag: the etag is not one that the store could have given.
	ErrInvalidETag = errors.New("invalid etag")
	// ErrInvalidRequest: the request is not valid, for example a bad query.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrNotSupported: the store cannot do this.
	ErrNotSupported = errors.New("not supported")
	// ErrUnavailable: the store cannot be reached now.
	ErrUnavailable = errors.New("unavailable")
)

// Concurrency says which write wins when two meet.
type Concurrency uint8

const (
	// Unspecified compares the etag when one is given.
	Unspecified Concurrency = iota
	// FirstWrite fails unless the etag is current; without an etag it fails if the key exists.
	FirstWrite
	// LastWrite always succeeds.
	LastWrite
)

// Consistency says how fresh a read must be, or how far a write must have reached.
type Consistency uint8

const (
	// ConsistencyUnspecified leaves it to the store.
	ConsistencyUnspecified Consistency = iota
	// Eventual may be stale.
	Eventual
	// Strong is not.
	Strong
)

// Option changes one read, write or delete.
type Option func(*options)

type options struct {
	etag        *string
	concurrency Concurrency
	consistency Consistency
	ttl         *int32
	metadata    map[string]string
}

func collect(opts []Option) options {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// IfMatch writes only if the entry still has this etag.
func IfMatch(etag string) Option { return func(o *options) { o.etag = &etag } }

// IfAbsent writes only if the key does not exist.
func IfAbsent() Option { return func(o *options) { o.etag, o.concurrency = nil, FirstWrite } }

// WithConcurrency sets which write wins.
func WithConcurrency(c Concurrency) Option { return func(o *options) { o.concurrency = c } }

// WithConsistency sets how fresh a read must be, or how far a write must have reached.
func WithConsistency(c Consistency) Option { return func(o *options) { o.consistency = c } }

// WithTTL ends the entry after d, rounded up to whole seconds; 0 or less removes an earlier time to live.
func WithTTL(d time.Duration) Option {
	seconds := int32(-1)
	if d > 0 {
		seconds = int32(min((d+time.Second-1)/time.Second, 1<<31-1))
	}
	return func(o *options) { o.ttl = &seconds }
}

// WithMetadata gives the driver a setting.
func WithMetadata(key, value string) Option {
	return func(o *options) {
		if o.metadata == nil {
			o.metadata = map[string]string{}
		}
		o.metadata[key] = value
	}
}

// Get reads one key. Errors: ErrNotFound and those of the store.
func (s Store) Get(key string, opts ...Option) (Entry, error) {
	o := collect(opts)
	e, err := backendGet(s.name, key, o)
	if err != nil {
		return Entry{}, s.wrap("get", key, err)
	}
	if e == nil {
		return Entry{}, s.wrap("get", key, ErrNotFound)
	}
	return *e, nil
}

// Set writes one key. Errors: ErrETagMismatch with IfMatch or IfAbsent, and those of the store.
func (s Store) Set(key string, value []byte, opts ...Option) error {
	return s.wrap("set", key, backendSet(s.name, Put(key, value, opts...)))
}

// Delete deletes one key; a missing one is fine.
func (s Store) Delete(key string, opts ...Option) error {
	return s.wrap("delete", key, backendDelete(s.name, Remove(key, opts...)))
}

// Op is one write or delete, for Transact, BulkSet and BulkDelete.
type Op struct {
	key    string
	value  []byte
	remove bool
	options
}

// Key is the key that the operation is for.
func (o Op) Key() string { return o.key }

// Put is a write.
func Put(key string, value []byte, opts ...Option) Op {
	return Op{key: key, value: value, options: collect(opts)}
}

// PutJSON is a write of v as JSON. It panics if v cannot be written as JSON, which is a fault of the program.
func PutJSON(key string, v any, opts ...Option) Op {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("state.PutJSON %q: %v", key, err))
	}
	return Put(key, text, opts...)
}

// Remove is a delete.
func Remove(key string, opts ...Option) Op {
	return Op{key: key, remove: true, options: collect(opts)}
}

// Transact does all operations in order, or none.
func (s Store) Transact(ops ...Op) error {
	return s.wrap("transaction", "", backendTransact(s.name, ops))
}

// Result is one key's outcome of a bulk read.
type Result struct {
	Key string
	Entry
	// Err is ErrNotFound for a missing key.
	Err error
}

// BulkGet reads many keys; the results are in the order of the keys.
func (s Store) BulkGet(keys ...string) ([]Result, error) {
	res, err := backendBulkGet(s.name, keys)
	return res, s.wrap("bulk get", "", err)
}

// BulkSet does many writes, not atomically. The map has the keys that failed; it is empty if all went well.
func (s Store) BulkSet(ops ...Op) (map[string]error, error) {
	failed, err := backendBulkSet(s.name, ops)
	return failed, s.wrap("bulk set", "", err)
}

// BulkDelete does many deletes, not atomically. The map has the keys that failed.
func (s Store) BulkDelete(keys ...string) (map[string]error, error) {
	failed, err := backendBulkDelete(s.name, keys)
	return failed, s.wrap("bulk delete", "", err)
}

// Page is a page of keys in ascending byte order.
type Page struct {
	Keys []string
	// Next is the token of the next page; empty at the end.
	Next string
}

// List gives a page of at most limit (0: 100) of the app's keys that start with prefix, from token on.
func (s Store) List(prefix string, limit int, token string) (Page, error) {
	page, err := backendList(s.name, prefix, uint32(max(limit, 0)), token)
	return page, s.wrap("list", prefix, err)
}

// Keys ranges over all of the app's keys that start with prefix, page by page; it ends at the first error.
func (s Store) Keys(prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for token := ""; ; {
			page, err := s.List(prefix, 0, token)
			if err != nil {
				yield("", err)
				return
			}
			for _, k := range page.Keys {
				if !yield(k, nil) {
					return
				}
			}
			if token = page.Next; token == "" {
				return
			}
		}
	}
}

// QueryPage is a page of query results; Token is empty at the end.
type QueryPage struct {
	Items []Result
	Token string
}

// Query runs a query in Dapr's JSON form, where the store can. Of the options only WithMetadata counts.
func (s Store) Query(query string, opts ...Option) (QueryPage, error) {
	page, err := backendQuery(s.name, query, collect(opts).metadata)
	return page, s.wrap("query", "", err)
}

// GetJSON reads a key and its etag; the value is JSON.
func GetJSON[T any](s Store, key string, opts ...Option) (T, string, error) {
	var v T
	e, err := s.Get(key, opts...)
	if err != nil {
		return v, "", err
	}
	if err := json.Unmarshal(e.Value, &v); err != nil {
		return v, "", fmt.Errorf("state: key %q does not hold a %T: %w", key, v, err)
	}
	return v, e.ETag, nil
}

// SetJSON writes a key as JSON.
func SetJSON(s Store, key string, v any, opts ...Option) error {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("state: key %q: %w", key, err)
	}
	return s.Set(key, text, opts...)
}

func (s Store) wrap(op, key string, err error) error {
	if err == nil {
		return nil
	}
	name := s.name
	if name == "" {
		name = "default store"
	}
	if key == "" {
		return fmt.Errorf("state: %s in %s: %w", op, name, err)
	}
	return fmt.Errorf("state: %s %q in %s: %w", op, key, name, err)
}
