// Package locktest is the conformance suite of lock stores: every driver's tests call Run on the real store.
package locktest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

// Caps says what a driver cannot do.
type Caps struct {
	// Alone says that every opening is a store of its own: locks are not shared, and do not outlive it.
	Alone bool
}

const (
	// patience is how long anything may take that has to happen.
	patience = 60 * time.Second
	// long is the expiry of locks that must not end by themselves.
	long = time.Hour
	// grain is how exact a store's clock may be: it may count in whole milliseconds.
	grain = 10 * time.Millisecond
)

// Run runs the suite. open opens a store on each call; unless caps say otherwise, all of them share their locks. The
// suite uses resources that begin with the name of the test, and closes the stores.
func Run(t *testing.T, open func(t *testing.T) lock.Store, caps Caps) {
	for name, fn := range map[string]func(*suite, *testing.T){
		"TakeAndGiveBack": (*suite).takeAndGiveBack, "WrongOwner": (*suite).wrongOwner, "SameOwner": (*suite).sameOwner,
		"Names": (*suite).names, "ManyResources": (*suite).manyResources, "BadInput": (*suite).badInput,
		"Expiry": (*suite).expiry, "ExpiredOwner": (*suite).expiredOwner, "Expiries": (*suite).expiries, "Heirs": (*suite).heirs,
		"OneWinner": (*suite).oneWinner, "MutualExclusion": (*suite).mutualExclusion,
		"TwoConnections": (*suite).twoConnections, "Ping": (*suite).ping, "Close": (*suite).closing,
	} {
		t.Run(name, func(t *testing.T) {
			s := &suite{caps: caps, open: open, prefix: "locktest/" + strings.ToLower(name) + "/"}
			s.Store = s.connect(t)
			fn(s, t)
		})
	}
}

type suite struct {
	lock.Store
	caps   Caps
	open   func(t *testing.T) lock.Store
	prefix string
}

// connect opens a store that is closed with the test.
func (s *suite) connect(t *testing.T) lock.Store {
	t.Helper()
	c := &connection{Store: s.open(t)}
	t.Cleanup(func() {
		if err := c.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// connection is a store that is closed once.
type connection struct {
	lock.Store
	once sync.Once
	err  error
}

func (c *connection) Close(ctx context.Context) error {
	c.once.Do(func() { c.err = c.Store.Close(ctx) })
	return c.err
}

// try takes a lock and wants it to be taken, or not.
func (s *suite) try(t *testing.T, resource, owner string, expiry time.Duration, want bool) {
	t.Helper()
	got, err := s.TryLock(t.Context(), s.prefix+resource, owner, expiry)
	if err != nil || got != want {
		t.Fatalf("try-lock of %.60q by %.60q: got %t, error %v, want %t", resource, owner, got, err, want)
	}
}

// give gives a lock back and wants a status.
func (s *suite) give(t *testing.T, resource, owner string, want lock.Status) {
	t.Helper()
	got, err := s.Unlock(t.Context(), s.prefix+resource, owner)
	if err != nil || got != want {
		t.Fatalf("unlock of %.60q by %.60q: got %s, error %v, want %s", resource, owner, got, err, want)
	}
}

func (s *suite) takeAndGiveBack(t *testing.T) {
	s.give(t, "r", "ann", lock.DoesNotExist)
	for _, owner := range []string{"ann", "bob", "ann"} {
		s.try(t, "r", owner, long, true)
		s.give(t, "r", owner, lock.Success)
		s.give(t, "r", owner, lock.DoesNotExist)
	}
}

func (s *suite) wrongOwner(t *testing.T) {
	s.try(t, "r", "ann", long, true)
	for _, other := range []string{"bob", "Ann", "ann ", "an", "annn", "a%", "*"} {
		s.try(t, "r", other, long, false)
		s.give(t, "r", other, lock.BelongsToOthers)
	}
	s.give(t, "other", "ann", lock.DoesNotExist)
	s.give(t, "r", "ann", lock.Success)
	s.give(t, "r", "bob", lock.DoesNotExist)
}

// sameOwner: an owner does not get a lock twice, and does not make it longer by trying.
func (s *suite) sameOwner(t *testing.T) {
	const expiry = 300 * time.Millisecond
	began := time.Now()
	s.try(t, "short", "ann", expiry, true)
	s.eventually(t, func() bool {
		got, err := s.TryLock(t.Context(), s.prefix+"short", "ann", long)
		if err != nil {
			t.Fatalf("try-lock by the same owner: %v", err)
		}
		return got
	})
	if passed := time.Since(began); passed < expiry-grain {
		t.Errorf("the owner got the lock again after %s, before it ended after %s", passed, expiry)
	}
	s.try(t, "short", "ann", long, false)
	s.give(t, "short", "ann", lock.Success)
	s.try(t, "short", "ann", long, true)
	s.give(t, "short", "ann", lock.Success)
}

// names: resources and owners are any text, compared byte by byte.
func (s *suite) names(t *testing.T) {
	all := []string{
		"a", "A", "a ", " a", "ä", "a\u0308", "ünïcode ☃", "a||b", "a|b", "a{b}c", "{b}", "a:b", "a/b", "a%", "*", "'; DROP TABLE locks; --", `"`, `\`,
		"line\nbreak", "{appID}", strings.Repeat("x", lock.MaxName),
	}
	for i, name := range all {
		s.try(t, name, name, long, true)
		s.try(t, name, all[(i+1)%len(all)], long, false)
	}
	for i, name := range all {
		s.give(t, name, all[(i+1)%len(all)], lock.BelongsToOthers)
		s.give(t, name, name, lock.Success)
	}
}

func (s *suite) manyResources(t *testing.T) {
	const n = 200
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := worker; i < n; i += 8 {
				got, err := s.TryLock(t.Context(), s.prefix+fmt.Sprint(i), fmt.Sprint("owner", i), long)
				if err != nil || !got {
					t.Errorf("try-lock of resource %d: got %t, error %v, want true", i, got, err)
				}
			}
		})
	}
	wg.Wait()
	for i := range n {
		s.try(t, fmt.Sprint(i), "other", long, false)
	}
	for i := range n {
		s.give(t, fmt.Sprint(i), fmt.Sprint("owner", (i+1)%n), lock.BelongsToOthers)
		s.give(t, fmt.Sprint(i), fmt.Sprint("owner", i), lock.Success)
	}
}

// badInput: whatever the names are, there is an answer or an error.
func (s *suite) badInput(t *testing.T) {
	for _, name := range []string{"", "\x00", "a\x00b", "\xff", strings.Repeat("y", 1<<17)} {
		for _, pair := range [][2]string{{name, "ann"}, {"r" + name, name}} {
			got, err := s.TryLock(t.Context(), s.prefix+pair[0], pair[1], long)
			if err != nil || !got {
				continue
			}
			if status, err := s.Unlock(t.Context(), s.prefix+pair[0], pair[1]); err != nil || status != lock.Success {
				t.Errorf("unlock of %.20q by %.20q, who has it: got %s, error %v, want %s", pair[0], pair[1], status, err, lock.Success)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.TryLock(ctx, s.prefix+"ended", "ann", long); err == nil {
		t.Error("try-lock with an ended context: got no error")
	}
	if _, err := s.Unlock(ctx, s.prefix+"ended", "ann"); err == nil {
		t.Error("unlock with an ended context: got no error")
	}
}

func (s *suite) ping(t *testing.T) {
	p, ok := s.Store.(*connection).Store.(lock.Pinger)
	if !ok {
		return
	}
	if err := p.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}

// closing: a lock outlives the connection by which it was taken, and a closed store fails.
func (s *suite) closing(t *testing.T) {
	s.try(t, "r", "ann", long, true)
	first := s.Store
	if err := first.Close(t.Context()); err != nil {
		t.Fatalf("close: %v", err)
	}
	if _, err := first.TryLock(t.Context(), s.prefix+"other", "ann", long); err == nil {
		t.Error("try-lock after close: got no error")
	}
	if _, err := first.Unlock(t.Context(), s.prefix+"r", "ann"); err == nil {
		t.Error("unlock after close: got no error")
	}
	if s.caps.Alone {
		return
	}
	s.Store = s.connect(t)
	s.try(t, "r", "bob", long, false)
	s.give(t, "r", "ann", lock.Success)
}

// eventually waits for a condition.
func (s *suite) eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s", patience)
		}
	}
}
