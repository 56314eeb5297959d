// Package memory is the lock store lock.in-memory: locks that end with the process.
package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

// Spec is the driver.
var Spec = component.Spec[lock.Store]{
	Type: "lock.in-memory",
	Doc: `Keeps locks in the memory of the host, for tests and for apps of one host.

Nothing survives the process, and other hosts see none of it.`,
	New: func(context.Context, component.Config) (lock.Store, error) {
		return &store{held: map[string]held{}}, nil
	},
}

// held is a lock that somebody has.
type held struct {
	owner string
	until time.Time
}

type store struct {
	mu     sync.Mutex
	held   map[string]held
	closed bool
	sweep  int // how many locks there may be before those that have ended are looked for
}

// leastSweep is the number of locks below which those that have ended stay: they cost little.
const leastSweep = 1024

// TryLock takes a lock that nobody has.
func (s *store) TryLock(ctx context.Context, resource, owner string, expiry time.Duration) (bool, error) {
	if resource == "" || owner == "" || expiry <= 0 || expiry > lock.MaxExpiry {
		return false, fmt.Errorf("%w: want a resource, an owner and an expiry of more than 0 and at most %s, found %q, %q and %s",
			lock.ErrInvalid, lock.MaxExpiry, resource, owner, expiry)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return false, err
	}
	now := time.Now()
	if h, taken := s.held[resource]; taken && now.Before(h.until) {
		return false, nil
	}
	s.held[resource] = held{owner, now.Add(expiry)}
	s.forget(now)
	return true, nil
}

// forget drops locks that have ended once there are twice as many as the last time, so that it costs little for each.
func (s *store) forget(now time.Time) {
	if len(s.held) <= max(s.sweep, leastSweep) {
		return
	}
	for resource, h := range s.held {
		if !now.Before(h.until) {
			delete(s.held, resource)
		}
	}
	s.sweep = 2 * len(s.held)
}

// Unlock gives a lock back.
func (s *store) Unlock(ctx context.Context, resource, owner string) (lock.Status, error) {
	if resource == "" || owner == "" {
		return lock.DoesNotExist, fmt.Errorf("%w: want a resource and an owner, found %q and %q", lock.ErrInvalid, resource, owner)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return lock.DoesNotExist, err
	}
	h, taken := s.held[resource]
	switch {
	case !taken || !time.Now().Before(h.until):
		return lock.DoesNotExist, nil
	case h.owner != owner:
		return lock.BelongsToOthers, nil
	default:
		delete(s.held, resource)
		return lock.Success, nil
	}
}

func (s *store) usable(ctx context.Context) error {
	if s.closed {
		return fmt.Errorf("%w: the store is closed", lock.ErrUnavailable)
	}
	return ctx.Err()
}

// Close ends the store, and all locks with it.
func (s *store) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.held = true, nil
	return nil
}
