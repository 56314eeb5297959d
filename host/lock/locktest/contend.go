package locktest

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

// expiry: a lock is held until its time is over, and is free then.
func (s *suite) expiry(t *testing.T) {
	const expiry = 400 * time.Millisecond
	began := time.Now()
	s.try(t, "r", "ann", expiry, true)
	s.eventually(t, func() bool {
		got, err := s.TryLock(t.Context(), s.prefix+"r", "bob", long)
		if err != nil {
			t.Fatalf("try-lock: %v", err)
		}
		return got
	})
	if passed := time.Since(began); passed < expiry-grain {
		t.Errorf("somebody else got the lock after %s, before it ended after %s", passed, expiry)
	}
	s.try(t, "r", "ann", long, false)
	s.give(t, "r", "ann", lock.BelongsToOthers)
	s.give(t, "r", "bob", lock.Success)
}

// expiredOwner: who comes too late to give a lock back is told so, and nobody else loses it.
func (s *suite) expiredOwner(t *testing.T) {
	const expiry = 50 * time.Millisecond
	s.try(t, "r", "ann", expiry, true)
	time.Sleep(expiry)
	s.eventually(t, func() bool {
		status, err := s.Unlock(t.Context(), s.prefix+"r", "bob") // who never had it, and so learns only whether anybody has
		if err != nil {
			t.Fatalf("unlock: %v", err)
		}
		return status == lock.DoesNotExist
	})
	s.give(t, "r", "ann", lock.DoesNotExist)
	s.try(t, "r", "bob", long, true)
	s.give(t, "r", "ann", lock.BelongsToOthers)
	s.give(t, "r", "bob", lock.Success)
}

// expiries: the shortest and the longest.
func (s *suite) expiries(t *testing.T) {
	s.try(t, "long", "ann", lock.MaxExpiry, true)
	s.try(t, "long", "bob", long, false)
	s.give(t, "long", "ann", lock.Success)
	for i := range 20 {
		s.try(t, "short", fmt.Sprint(i), time.Millisecond, true)
		s.eventually(t, func() bool {
			status, err := s.Unlock(t.Context(), s.prefix+"short", "bob")
			return err == nil && status == lock.DoesNotExist
		})
	}
}

// heirs: nobody gives the lock back, and each has it for its time: so many of them fit into the time that has passed.
func (s *suite) heirs(t *testing.T) {
	const (
		expiry = 30 * time.Millisecond
		want   = 12
	)
	var winners atomic.Int64
	began := time.Now()
	var wg sync.WaitGroup
	for worker := range 6 {
		store := s.Store
		if !s.caps.Alone && worker%2 == 1 {
			store = s.connect(t)
		}
		wg.Go(func() {
			for i := 0; winners.Load() < want && time.Since(began) < patience; i++ {
				got, err := store.TryLock(t.Context(), s.prefix+"r", fmt.Sprint(worker, "-", i), expiry)
				if err != nil {
					t.Errorf("try-lock: %v", err)
					return
				}
				if got {
					winners.Add(1)
				}
			}
		})
	}
	wg.Wait()
	passed := time.Since(began)
	n := winners.Load()
	if n < want {
		t.Errorf("within %s %d had the lock one after the other, each for %s; want %d", passed, n, expiry, want)
	}
	if most := 1 + int64(passed/(expiry-grain)); n > most {
		t.Errorf("within %s %d had the lock one after the other, each for %s; want %d at the most", passed, n, expiry, most)
	}
}

// oneWinner: of many who ask at the same moment exactly one gets the lock.
func (s *suite) oneWinner(t *testing.T) {
	stores := s.some(t)
	for round := range 20 {
		var winners atomic.Int64
		begin := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				<-begin
				got, err := stores[i%len(stores)].TryLock(t.Context(), s.prefix+fmt.Sprint(round), fmt.Sprint(i), long)
				if err != nil {
					t.Errorf("try-lock: %v", err)
				}
				if got {
					winners.Add(1)
				}
			})
		}
		close(begin)
		wg.Wait()
		if n := winners.Load(); n != 1 {
			t.Errorf("round %d: %d have the lock, want exactly one", round, n)
		}
	}
}

// mutualExclusion: many goroutines take turns, and there is never a second one.
func (s *suite) mutualExclusion(t *testing.T) {
	const workers, turns = 12, 15
	stores := s.some(t)
	var inside atomic.Int64
	var count atomic.Int64 // read and written in two steps: without the lock some would get lost
	var wg sync.WaitGroup
	for worker := range workers {
		store := stores[worker%len(stores)]
		wg.Go(func() {
			for turn := 0; turn < turns; {
				owner := fmt.Sprint(worker, "-", turn)
				got, err := store.TryLock(t.Context(), s.prefix+"r", owner, long)
				if err != nil {
					t.Errorf("try-lock: %v", err)
					return
				}
				if !got {
					time.Sleep(time.Millisecond)
					continue
				}
				if n := inside.Add(1); n != 1 {
					t.Errorf("%d have the lock, want one", n)
				}
				before := count.Load()
				runtime.Gosched()
				count.Store(before + 1)
				inside.Add(-1)
				turn++
				if status, err := store.Unlock(t.Context(), s.prefix+"r", owner); err != nil || status != lock.Success {
					t.Errorf("unlock by the owner: got %s, error %v, want %s", status, err, lock.Success)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := count.Load(); !t.Failed() && n != workers*turns {
		t.Errorf("counted %d under the lock, want %d", n, workers*turns)
	}
}

// some gives two connections, or one where they would share nothing.
func (s *suite) some(t *testing.T) []lock.Store {
	t.Helper()
	if s.caps.Alone {
		return []lock.Store{s.Store}
	}
	return []lock.Store{s.Store, s.connect(t)}
}

// twoConnections: a lock is the owner's, by whatever connection it comes.
func (s *suite) twoConnections(t *testing.T) {
	if s.caps.Alone {
		return
	}
	here, there := s.Store, s.connect(t)
	s.try(t, "r", "ann", long, true)
	s.Store = there
	s.try(t, "r", "ann", long, false)
	s.try(t, "r", "bob", long, false)
	s.give(t, "r", "bob", lock.BelongsToOthers)
	s.give(t, "r", "ann", lock.Success)
	s.try(t, "r", "bob", long, true)
	s.Store = here
	s.give(t, "r", "ann", lock.BelongsToOthers)
	s.give(t, "r", "bob", lock.Success)
}
