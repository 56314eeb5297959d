// Package driver makes a state store of a wasm module, for a component of type state.wasm:
//
//	type store struct{ … }
//
//	func init() { driver.Register(&store{}) }
//
// What else the store can do it says by importing further packages, each with a Register of its own: transactor, lister,
// querier, bulk and expirer. The host calls init first, in each instance; keys arrive with their prefix, and a store
// keeps them as they are. Calls come one after the other (but see package plugin).
//
// Errors are those of package state: return or wrap state.ErrETagMismatch and its like, and callers get the same as from
// a store that is built in. Importing this package makes the module a state store: it exports mrt:state/driver. main
// does not run.
package driver

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/internal/contract"
)

// GetRequest asks for one key.
type GetRequest = contract.GetRequest

// Entry is a stored value.
type Entry = contract.Entry

// SetRequest is one write.
type SetRequest = contract.SetRequest

// DeleteRequest is one delete. A missing key is fine unless an etag is given.
type DeleteRequest = contract.DeleteRequest

// Operation is one step of a transaction: exactly one field is set.
type Operation = contract.Operation

// Store is what a state store does.
type Store interface {
	// Init gets the component's metadata, before anything else. An error ends the start of the component; one that is
	// state.ErrUnavailable has it tried again while the component's initTimeout lasts.
	Init(metadata map[string]string) error
	// Get reads one key; nil, nil if it does not exist or has expired.
	Get(r GetRequest) (*Entry, error)
	// Set writes one key. With an etag that is not the current one, or as first-write of a key that exists without an
	// etag, it is state.ErrETagMismatch; a last-write ignores the etag.
	Set(r SetRequest) error
	// Delete deletes one key.
	Delete(r DeleteRequest) error
}

var registered Store

// Register makes s the module's store. Call it in an init function. It panics when there is one already.
func Register(s Store) {
	if registered != nil {
		panic("driver.Register: the module has a state store already")
	}
	registered = s
}

// PageToken makes the token of the page after lastKey, for a lister; After reads it again.
func PageToken(lastKey string) string { return base64.RawURLEncoding.EncodeToString([]byte(lastKey)) }

// After gives the key after which a page starts; empty for the first page. It is state.ErrInvalidRequest for a token that
// PageToken did not make for this prefix: tokens come from apps.
func After(prefix, token string) (string, error) {
	if token == "" {
		return "", nil
	}
	key, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || !strings.HasPrefix(string(key), prefix) {
		return "", fmt.Errorf("%w: page token %q is not one that listing this prefix gave; start without a token", state.ErrInvalidRequest, token)
	}
	return string(key), nil
}
