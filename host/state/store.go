// Package state is the building block for key-value state: what a driver implements, and the semantics around it
// (key prefixes, scoping, encryption, bulk, transactions, listing) that are the same for every driver.
package state

import (
	"context"
	"time"
)

// Concurrency says which write wins when two meet.
type Concurrency uint8

// The values are those of WIT's enum concurrency.
const (
	ConcurrencyUnspecified Concurrency = iota
	FirstWrite
	LastWrite
)

// Consistency says how far a write must have reached, or how fresh a read must be.
type Consistency uint8

// The values are those of WIT's enum consistency.
const (
	ConsistencyUnspecified Consistency = iota
	Eventual
	Strong
)

// GetRequest asks for one key.
type GetRequest struct {
	Key         string
	Consistency Consistency
	Metadata    map[string]string
}

// Entry is a stored value. A store may share it between readers: it and its value are never changed.
type Entry struct {
	Value []byte
	// ETag is the version; nil if the store has none.
	ETag *string
	// Expires is when the entry ends; zero when it does not.
	Expires time.Time
	// Metadata are further facts of the reply; may be nil.
	Metadata map[string]string
}

// SetRequest is one write.
type SetRequest struct {
	Key         string
	Value       []byte
	ETag        *string
	Concurrency Concurrency
	Consistency Consistency
	// TTL is how long the entry lives: nil leaves it to the store's default, 0 or less removes an earlier one.
	TTL      *time.Duration
	Metadata map[string]string
}

// DeleteRequest is one delete.
type DeleteRequest struct {
	Key         string
	ETag        *string
	Concurrency Concurrency
	Consistency Consistency
	Metadata    map[string]string
}

// Operation is one step of a transaction: exactly one field is set.
type Operation struct {
	Upsert *SetRequest
	Delete *DeleteRequest
}

// KeyPage is a page of keys in ascending byte order.
type KeyPage struct {
	Keys []string
	// Next is the token of the next page; empty at the end.
	Next string
}

// ListRequest asks for keys that start with Prefix.
type ListRequest struct {
	Prefix string
	// Limit is 1 to 1000; the host has put in the default.
	Limit int
	// Token is a Next that the store gave, or empty. It comes from the app and is not to be trusted: see After.
	Token string
}

// Store is what every state driver implements. Keys arrive with their prefix. All methods are safe for concurrent
// use. Errors are ErrETagMismatch, ErrInvalidETag, ErrNotSupported and ErrInvalid where they apply, wrapped; anything
// else is the store's failure.
type Store interface {
	// Get reads one key; nil, nil if it does not exist or has expired.
	Get(ctx context.Context, req GetRequest) (*Entry, error)
	// Set writes one key. The store keeps no reference to req.Value.
	Set(ctx context.Context, req SetRequest) error
	// Delete deletes one key; a missing key is fine unless an etag is given and compared.
	Delete(ctx context.Context, req DeleteRequest) error
	// Close ends the store; no other method runs or follows.
	Close(ctx context.Context) error
}

// Transactor is a Store that does several operations atomically, in order.
type Transactor interface {
	Transact(ctx context.Context, ops []Operation, metadata map[string]string) error
}

// TransactionLimiter is a Transactor that takes only so many operations at a time.
type TransactionLimiter interface {
	// MaxOperations is how many; 0 is any number.
	MaxOperations() int
}

// BulkGetter is a Store that reads many keys better than one by one. Entries are in the order of the requests; a
// nil entry is a missing key.
type BulkGetter interface {
	BulkGet(ctx context.Context, reqs []GetRequest) ([]*Entry, error)
}

// Lister is a Store that lists keys by prefix.
type Lister interface {
	ListKeys(ctx context.Context, req ListRequest) (KeyPage, error)
}

// Querier is a Store that runs queries.
type Querier interface {
	Query(ctx context.Context, q Query) (QueryPage, error)
}

// Expirer is a Store that expires entries by itself. A write with a TTL to another store fails with ErrNotSupported.
type Expirer interface {
	// Expires is a marker; it does nothing.
	Expires()
}

// Pinger is a Store that can tell whether its server answers.
type Pinger interface {
	Ping(ctx context.Context) error
}

// Partial is a Store that implements interfaces of which it may have none: what it can shows only when it is open.
type Partial interface {
	// Has tells whether the store has an ability: a nil pointer to one of the interfaces of this package, for example
	// (*Transactor)(nil).
	Has(ability any) bool
}

// As gives a store's ability T, for example Transactor, and whether it has it. It is to be used in place of a type
// assertion.
func As[T any](s Store) (T, bool) {
	t, ok := s.(T)
	if p, partial := s.(Partial); ok && partial && !p.Has((*T)(nil)) {
		var none T
		return none, false
	}
	return t, ok
}
