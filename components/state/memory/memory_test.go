package memory

import (
	"strconv"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/state/statetest"
)

func TestConformance(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store {
		s, err := Spec.New(t.Context(), component.Config{Name: "statestore", Type: Spec.Type})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		return s
	}, statetest.Caps{})
}

// TestExpiredRecordsAreDropped: a store that only hid expired records would grow for ever.
func TestExpiredRecordsAreDropped(t *testing.T) {
	s, err := open(component.Config{})
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Now()
	s.now = func() time.Time { return clock }
	ttl := time.Second
	set := func(key string, ttl *time.Duration) {
		t.Helper()
		if err := s.Set(t.Context(), state.SetRequest{Key: key, TTL: ttl}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		set(strconv.Itoa(i), &ttl)
		set(strconv.Itoa(i), &ttl) // the first record of the key must not stay in the heap
	}
	set("stays", nil)
	if got := len(s.expiry); got != 100 {
		t.Errorf("records that expire: got %d, want 100", got)
	}
	clock = clock.Add(2 * time.Second)
	set("another", nil)
	if got := len(s.records); got != 2 {
		t.Errorf("records after all have expired: got %d, want 2", got)
	}
	if got := len(s.expiry); got != 0 {
		t.Errorf("records that expire after all have: got %d, want 0", got)
	}
}

func BenchmarkGet(b *testing.B) { statetest.BenchmarkGet(b, opened(b)) }

func BenchmarkSet(b *testing.B) { statetest.BenchmarkSet(b, opened(b)) }

func opened(b *testing.B) state.Store {
	s, err := open(component.Config{})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func TestGetAllocatesNothing(t *testing.T) {
	s, err := open(component.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Set(t.Context(), state.SetRequest{Key: "k", Value: []byte("v")}); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(100, func() {
		if _, err := s.Get(t.Context(), state.GetRequest{Key: "k"}); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("allocations of get: got %v, want 0", got)
	}
}
