//go:build !wasip1

package lock

import (
	"fmt"
	"sync"
	"time"
)

// fake has the locks of native builds, by store and resource.
var fake = struct {
	sync.Mutex
	held map[[2]string]fakeLock
	fail error
}{held: map[[2]string]fakeLock{}}

// fakeLock is who has a lock, and until when.
type fakeLock struct {
	owner string
	ends  time.Time
}

// HoldFake makes somebody else have a lock of a native build until UnlockFake or ResetFake. An empty store name is the
// default store.
func HoldFake(store, resource, owner string) {
	const ever = 100 * 365 * 24 * time.Hour
	fake.Lock()
	defer fake.Unlock()
	fake.held[fakeKey(store, resource)] = fakeLock{owner, time.Now().Add(ever)}
}

// UnlockFake ends a lock of a native build whoever has it, as if its time were over.
func UnlockFake(store, resource string) {
	fake.Lock()
	defer fake.Unlock()
	delete(fake.held, fakeKey(store, resource))
}

// FakeOwner tells who has a lock of a native build; "" for nobody.
func FakeOwner(store, resource string) string {
	fake.Lock()
	defer fake.Unlock()
	l, _ := fakeHolder(store, resource)
	return l.owner
}

// ResetFake ends all locks of a native build. Call it at the start of a test.
func ResetFake() {
	fake.Lock()
	defer fake.Unlock()
	clear(fake.held)
	fake.fail = nil
}

// FailFake makes every call of a native build fail with err until ResetFake, for testing how an app copes.
func FailFake(err error) {
	fake.Lock()
	defer fake.Unlock()
	fake.fail = err
}

func fakeKey(store, resource string) [2]string {
	if store == "" {
		store = "lockstore"
	}
	return [2]string{store, resource}
}

// fakeHolder gives a lock that has not ended; the caller holds the mutex.
func fakeHolder(store, resource string) (fakeLock, bool) {
	l, ok := fake.held[fakeKey(store, resource)]
	if !ok || !time.Now().Before(l.ends) {
		return fakeLock{}, false
	}
	return l, true
}

func fakeCheck(resource, owner string) error {
	switch {
	case fake.fail != nil:
		return fake.fail
	case resource == "":
		return fmt.Errorf("%w: the resource is empty", ErrInvalidRequest)
	case owner == "":
		return fmt.Errorf("%w: the owner is empty", ErrInvalidRequest)
	default:
		return nil
	}
}

func backendTryLock(store, resource, owner string, expiry time.Duration) (bool, error) {
	fake.Lock()
	defer fake.Unlock()
	if err := fakeCheck(resource, owner); err != nil {
		return false, err
	}
	ms := milliseconds(expiry)
	if ms == 0 {
		return false, fmt.Errorf("%w: the time is not positive", ErrInvalidRequest)
	}
	if _, held := fakeHolder(store, resource); held {
		return false, nil
	}
	fake.held[fakeKey(store, resource)] = fakeLock{owner, time.Now().Add(expiry)}
	return true, nil
}

func backendUnlock(store, resource, owner string) error {
	fake.Lock()
	defer fake.Unlock()
	if err := fakeCheck(resource, owner); err != nil {
		return err
	}
	l, held := fakeHolder(store, resource)
	switch {
	case !held:
		return ErrNotHeld
	case l.owner != owner:
		return ErrHeldByOther
	}
	delete(fake.held, fakeKey(store, resource))
	return nil
}
