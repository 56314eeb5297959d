// Package contract has the types of state drivers and gives them the form of the contract and back.
package contract

import (
	"errors"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/types"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

// GetRequest asks for one key.
type GetRequest struct {
	Key         string
	Consistency state.Consistency
	Metadata    map[string]string
}

// Entry is a stored value.
type Entry struct {
	Value []byte
	// ETag is the version, which every write changes; empty if the store has none.
	ETag string
	// Expires is when the entry ends; zero when it does not.
	Expires time.Time
	// Metadata are further facts; may be nil.
	Metadata map[string]string
}

// SetRequest is one write.
type SetRequest struct {
	Key   string
	Value []byte
	// ETag is the version that the entry must have; empty for none.
	ETag        string
	Concurrency state.Concurrency
	Consistency state.Consistency
	// TTL is how long the entry lives: nil leaves it to the store, 0 or less removes an earlier one. Always nil in a
	// store that is no expirer.
	TTL      *time.Duration
	Metadata map[string]string
}

// DeleteRequest is one delete. A missing key is fine unless an etag is given.
type DeleteRequest struct {
	Key string
	// ETag is the version that the entry must have; empty for none.
	ETag        string
	Concurrency state.Concurrency
	Consistency state.Consistency
	Metadata    map[string]string
}

// Operation is one step of a transaction: exactly one field is set.
type Operation struct {
	Set    *SetRequest
	Delete *DeleteRequest
}

// Error gives an error in the contract's form; nil stays nil.
func Error(err error) *types.Error {
	if err == nil {
		return nil
	}
	tag := types.ErrorOther
	for _, c := range []struct {
		is  error
		tag types.ErrorTag
	}{
		{state.ErrInvalidKey, types.ErrorInvalidKey},
		{state.ErrETagMismatch, types.ErrorETagMismatch},
		{state.ErrInvalidETag, types.ErrorInvalidETag},
		{state.ErrInvalidRequest, types.ErrorInvalidRequest},
		{state.ErrNotSupported, types.ErrorNotSupported},
		{state.ErrUnavailable, types.ErrorUnavailable},
	} {
		if errors.Is(err, c.is) {
			tag = c.tag
			break
		}
	}
	return &types.Error{Tag: tag, Value: err.Error()}
}

// expires is the name under which an entry's end stands in metadata.
const expires = "ttlExpireTime"

// FromEntry gives an entry in the contract's form; nil stays nil.
func FromEntry(e *Entry) *types.Entry {
	if e == nil {
		return nil
	}
	var out types.Entry
	Fill(&out, e)
	return &out
}

// Fill writes an entry in the contract's form into out.
func Fill(out *types.Entry, e *Entry) {
	*out = types.Entry{Value: e.Value, Metadata: pairs.From(e.Metadata)}
	if e.ETag != "" {
		out.ETag = &e.ETag
	}
	if !e.Expires.IsZero() {
		out.Metadata = append(out.Metadata, pairs.Pair{F0: expires, F1: e.Expires.UTC().Format(time.RFC3339Nano)})
	}
}

// Set gives a write of the contract.
func Set(i *types.SetItem) SetRequest {
	r := SetRequest{
		Key: i.Key, Value: i.Value, Concurrency: state.Concurrency(i.Concurrency), Consistency: state.Consistency(i.Consistency),
		Metadata: pairs.Map(i.Metadata),
	}
	if i.ETag != nil {
		r.ETag = *i.ETag
	}
	if i.TTLSeconds != nil {
		ttl := time.Duration(*i.TTLSeconds) * time.Second
		r.TTL = &ttl
	}
	return r
}

// Delete gives a delete of the contract.
func Delete(i *types.DeleteItem) DeleteRequest {
	r := DeleteRequest{
		Key: i.Key, Concurrency: state.Concurrency(i.Concurrency), Consistency: state.Consistency(i.Consistency),
		Metadata: pairs.Map(i.Metadata),
	}
	if i.ETag != nil {
		r.ETag = *i.ETag
	}
	return r
}
