package memory

import (
	"fmt"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
	"github.com/mrt-wasm/mrt-wasm/host/lock/locktest"
)

func opened(t *testing.T) *store {
	t.Helper()
	s, err := Spec.New(t.Context(), component.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return s.(*store)
}

func TestConformance(t *testing.T) {
	locktest.Run(t, func(t *testing.T) lock.Store { return opened(t) }, locktest.Caps{Alone: true})
}

// TestForgets: locks that nobody gives back or asks for again do not stay.
func TestForgets(t *testing.T) {
	s := opened(t)
	for i := range 100 * leastSweep {
		if got, err := s.TryLock(t.Context(), fmt.Sprint(i), "ann", time.Nanosecond); err != nil || !got {
			t.Fatalf("lock %d: got %t, %v", i, got, err)
		}
	}
	if n := len(s.held); n > 2*leastSweep {
		t.Errorf("%d locks are kept that have ended, want at most %d", n, 2*leastSweep)
	}
}
