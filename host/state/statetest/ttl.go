package statetest

import (
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/state"
)

var ttls = []property{
	{"TTLExpires", (*suite).ttlExpires},
	{"TTLIsReported", (*suite).ttlReported},
	{"TTLIsRemoved", (*suite).ttlRemoved},
	{"TTLIsReplaced", (*suite).ttlReplaced},
	{"ExpiredKeyIsAbsent", (*suite).expiredIsAbsent},
}

func (s *suite) setTTL(t *testing.T, key, value string, ttl time.Duration) {
	t.Helper()
	if err := s.store.Set(t.Context(), state.SetRequest{Key: key, Value: []byte(value), TTL: &ttl}); err != nil {
		t.Fatalf("set %q with a time to live: %v", key, err)
	}
}

func (s *suite) ttlExpires(t *testing.T, p string) {
	s.set(t, p+"stays", "1")
	s.setTTL(t, p+"hour", "1", time.Hour)
	s.setTTL(t, p+"second", "1", time.Second)
	s.want(t, p+"second", "1")
	eventually(t, "an entry of 1 s expires", func() bool { return s.get(t, p+"second") == nil })
	s.want(t, p+"stays", "1")
	s.want(t, p+"hour", "1")
}

func (s *suite) ttlReported(t *testing.T, p string) {
	before := time.Now()
	s.setTTL(t, p+"a", "1", time.Hour)
	after := time.Now()
	// Stores may round to the second, and a server's clock reading is not ours.
	const slack = 2 * time.Second
	got := s.get(t, p+"a").Expires
	if got.Before(before.Add(time.Hour-slack)) || got.After(after.Add(time.Hour+slack)) {
		t.Errorf("expires: got %s, want an hour after %s", got, before)
	}
	s.set(t, p+"b", "1")
	if got := s.get(t, p+"b").Expires; !got.IsZero() {
		t.Errorf("expires of an entry without a time to live: got %s, want zero", got)
	}
}

func (s *suite) ttlRemoved(t *testing.T, p string) {
	for name, ttl := range map[string]*time.Duration{"zero": new(time.Duration(0)), "minus one": new(-time.Second), "none": nil} {
		key := p + name
		s.setTTL(t, key, "1", time.Hour)
		if err := s.store.Set(t.Context(), state.SetRequest{Key: key, Value: []byte("2"), TTL: ttl}); err != nil {
			t.Fatalf("%s: set: %v", name, err)
		}
		s.want(t, key, "2")
		if got := s.get(t, key).Expires; !got.IsZero() {
			t.Errorf("%s: expires after the time to live was removed: got %s, want zero", name, got)
		}
	}
}

func (s *suite) ttlReplaced(t *testing.T, p string) {
	s.setTTL(t, p+"a", "1", time.Hour)
	s.setTTL(t, p+"a", "2", time.Second)
	eventually(t, "an entry whose hour became a second expires", func() bool { return s.get(t, p+"a") == nil })
}

// expiredIsAbsent: an entry that has expired may still lie in the store; no condition may see it.
func (s *suite) expiredIsAbsent(t *testing.T, p string) {
	s.setTTL(t, p+"etag", "1", time.Second)
	tag := s.etag(t, p+"etag")
	s.setTTL(t, p+"first", "1", time.Second)
	s.setTTL(t, p+"delete", "1", time.Second)
	tagDelete := s.etag(t, p+"delete")
	s.setTTL(t, p+"last", "1", time.Second)
	// One store may be several servers, each with a clock of its own: none tells of the others.
	for _, key := range []string{"etag", "first", "delete", "last"} {
		eventually(t, "entries of 1 s expire", func() bool { return s.get(t, p+key) == nil })
	}

	err := s.store.Set(t.Context(), state.SetRequest{Key: p + "etag", Value: []byte("2"), ETag: &tag})
	wantErr(t, "set with the etag of an expired entry", err, state.ErrETagMismatch)
	err = s.store.Delete(t.Context(), state.DeleteRequest{Key: p + "delete", ETag: &tagDelete})
	wantErr(t, "delete with the etag of an expired entry", err, state.ErrETagMismatch)
	err = s.store.Set(t.Context(), state.SetRequest{Key: p + "first", Value: []byte("2"), Concurrency: state.FirstWrite})
	if err != nil {
		t.Errorf("first-write over an expired entry: %v", err)
	}
	s.want(t, p+"first", "2")
	if lister, ok := state.As[state.Lister](s.store); ok {
		page, err := lister.ListKeys(t.Context(), state.ListRequest{Prefix: p, Limit: 10})
		if err != nil || len(page.Keys) != 1 || page.Keys[0] != p+"first" {
			t.Errorf("list: got %q, error %v, want only %q", page.Keys, err, p+"first")
		}
	}
	if querier, ok := state.As[state.Querier](s.store); ok {
		page, err := querier.Query(t.Context(), state.Query{Prefix: p})
		if err != nil || len(page.Items) != 1 || page.Items[0].Key != p+"first" {
			t.Errorf("query: got %+v, error %v, want only %q", page.Items, err, p+"first")
		}
	}
}
