// Package lock takes and gives back distributed locks: of all who ask for a resource one has it.
//
//	ran, err := lock.With("", "nightly-report", time.Minute, func() error { … })
//
//	owner := lock.NewOwner()
//	got, err := lock.TryLock("lockstore", "order-7", owner, 30*time.Second)
//	…
//	err = lock.Unlock("lockstore", "order-7", owner)
//
// An empty store name means the only store that the app sees, or the one called "lockstore", which every app has whose
// manifest declares none. A lock ends by itself when its time is over, whatever its owner is doing then, and cannot be
// prolonged: choose a time that the work is sure to end within, and have what it writes checked (an etag, a transaction)
// where two at once would do harm.
//
// Under a native build, as in go test, the same calls work on locks in memory: see ResetFake.
package lock

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// The errors of this package; test with errors.Is. The text says what was wrong.
var (
	// ErrStoreNotFound: the app sees no lock store of this name.
	ErrStoreNotFound = errors.New("lock store not found")
	// ErrNotHeld: nobody has the lock: it was never taken, was given back, or its time is over.
	ErrNotHeld = errors.New("nobody has the lock")
	// ErrHeldByOther: somebody else has the lock, and keeps it.
	ErrHeldByOther = errors.New("somebody else has the lock")
	// ErrLost: the lock ended before the work under it did.
	ErrLost = errors.New("the lock's time was over before the work was done")
	// ErrInvalidRequest: the resource, the owner or the time is missing or not valid.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrUnavailable: the store cannot be reached now, or did not answer. Then a lock may have been taken all the same.
	ErrUnavailable = errors.New("unavailable")
)

// NewOwner gives a random owner. Each attempt to lock should have one of its own.
func NewOwner() string { return rand.Text() }

// TryLock takes the lock of a resource for an owner, if nobody has it, and tells whether it did. It does not wait. An
// owner who has the lock already does not get it again. expiry, rounded up to whole milliseconds, is when the lock ends by
// itself.
func TryLock(store, resource, owner string, expiry time.Duration) (bool, error) {
	got, err := backendTryLock(store, resource, owner, expiry)
	return got, wrap("try-lock", resource, store, err)
}

// Unlock gives a lock back. ErrNotHeld and ErrHeldByOther say that the owner does not have it, or no longer.
func Unlock(store, resource, owner string) error {
	return wrap("unlock", resource, store, backendUnlock(store, resource, owner))
}

// With runs fn under the lock of a resource and gives the lock back afterwards, also after a panic that somebody recovers.
// It tells whether fn ran: if somebody else has the lock it does not, and that is no error. The error is fn's; ErrLost is
// added if fn took longer than expiry, so that somebody else may have run at the same time.
func With(store, resource string, expiry time.Duration, fn func() error) (ran bool, err error) {
	owner := NewOwner()
	got, err := TryLock(store, resource, owner, expiry)
	if errors.Is(err, ErrUnavailable) {
		// It may have been taken without an answer. If this fails too, it ends by itself.
		_ = Unlock(store, resource, owner)
	}
	if err != nil || !got {
		return false, err
	}
	defer func() {
		back := Unlock(store, resource, owner)
		if errors.Is(back, ErrNotHeld) || errors.Is(back, ErrHeldByOther) {
			back = wrap("with", resource, store, fmt.Errorf("%w (%s)", ErrLost, expiry))
		}
		err = errors.Join(err, back)
	}()
	return true, fn()
}

func wrap(what, resource, store string, err error) error {
	if err == nil {
		return nil
	}
	if store == "" {
		store = "default store"
	}
	return fmt.Errorf("lock: %s %q in %s: %w", what, resource, store, err)
}

// milliseconds rounds up.
func milliseconds(d time.Duration) uint64 {
	ms := d / time.Millisecond
	if d%time.Millisecond > 0 {
		ms++
	}
	return uint64(max(ms, 0))
}
