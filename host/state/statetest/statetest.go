// Package statetest is the conformance suite of state drivers: every driver runs it against the real thing. It has
// one small subtest per property; what a store does not implement is not run, and does not appear.
package statetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// Caps is what the suite cannot see from a store's methods.
type Caps struct {
	// BadETag is an etag that the store could not have given, so that it says ErrInvalidETag; empty if any text may
	// be one.
	BadETag string
	// Tag stands in every key of one transaction, for stores that keep related keys together by it, such as "{t}".
	Tag string
}

// suite is one run.
type suite struct {
	store state.Store
	caps  Caps
}

// property is one subtest; keys start with its own prefix, so that properties do not disturb each other.
type property struct {
	name string
	run  func(s *suite, t *testing.T, prefix string)
}

// Run opens a store and checks every property that it can have. open must give a store that no one else uses, or one
// whose other users do not write keys that start with "statetest".
func Run(t *testing.T, open func(t *testing.T) state.Store, caps Caps) {
	t.Helper()
	s := &suite{store: open(t), caps: caps}
	props := append([]property{}, basic...)
	props = append(props, etags...)
	if _, ok := state.As[state.Expirer](s.store); ok {
		props = append(props, ttls...)
	}
	if _, ok := state.As[state.Transactor](s.store); ok {
		props = append(props, transactions...)
		if _, ok := state.As[state.Expirer](s.store); ok {
			props = append(props, property{"TransactionTTL", (*suite).transactionTTL})
		}
	}
	if _, ok := state.As[state.BulkGetter](s.store); ok {
		props = append(props, property{"BulkGetKeepsOrder", (*suite).bulkGet})
	}
	if _, ok := state.As[state.Lister](s.store); ok {
		props = append(props, lists...)
	}
	if _, ok := state.As[state.Querier](s.store); ok {
		props = append(props, queries...)
	}
	for _, p := range props {
		t.Run(p.name, func(t *testing.T) { p.run(s, t, "statetest||"+p.name+"-") })
	}
	if err := s.store.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatalf("close: %v", err)
	}
	t.Run("UseAfterCloseFails", s.useAfterClose)
}

func (s *suite) useAfterClose(t *testing.T) {
	if _, err := s.store.Get(t.Context(), state.GetRequest{Key: "statetest||closed"}); err == nil {
		t.Error("get after close: want an error, got none")
	}
	if err := s.store.Set(t.Context(), state.SetRequest{Key: "statetest||closed"}); err == nil {
		t.Error("set after close: want an error, got none")
	}
}

// The helpers below fail the test for errors that the property is not about.

func (s *suite) get(t *testing.T, key string) *state.Entry {
	t.Helper()
	e, err := s.store.Get(t.Context(), state.GetRequest{Key: key})
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return e
}

func (s *suite) set(t *testing.T, key, value string) {
	t.Helper()
	if err := s.store.Set(t.Context(), state.SetRequest{Key: key, Value: []byte(value)}); err != nil {
		t.Fatalf("set %q: %v", key, err)
	}
}

func (s *suite) delete(t *testing.T, key string) {
	t.Helper()
	if err := s.store.Delete(t.Context(), state.DeleteRequest{Key: key}); err != nil {
		t.Fatalf("delete %q: %v", key, err)
	}
}

// etag gives the etag of a key that exists.
func (s *suite) etag(t *testing.T, key string) string {
	t.Helper()
	e := s.get(t, key)
	if e == nil || e.ETag == nil || *e.ETag == "" {
		t.Fatalf("get %q: want an entry with an etag, got %+v", key, e)
	}
	return *e.ETag
}

// want checks a key's value; "" with missing true checks that there is none.
func (s *suite) want(t *testing.T, key, value string) {
	t.Helper()
	switch e := s.get(t, key); {
	case e == nil:
		t.Errorf("get %q: got nothing, want %q", key, short(value))
	case string(e.Value) != value:
		t.Errorf("get %q: got %q, want %q", key, short(string(e.Value)), short(value))
	}
}

func (s *suite) wantMissing(t *testing.T, key string) {
	t.Helper()
	if e := s.get(t, key); e != nil {
		t.Errorf("get %q: got %q, want nothing", key, short(string(e.Value)))
	}
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

// wantText checks the whole text of an error: users search for it, so all drivers say the same.
func wantText(t *testing.T, what string, got error, want string) {
	t.Helper()
	if got == nil || got.Error() != want {
		t.Errorf("%s: got error %v, want %q", what, got, want)
	}
}

func short(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return fmt.Sprintf("%s... (%d bytes)", s[:most], len(s))
}

// eventually waits for what a clock or a server brings about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	const patience = 30 * time.Second
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}
