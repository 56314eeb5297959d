//go:build !wasip1

package lock

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTryLock(t *testing.T) {
	ResetFake()
	try := func(store, resource, owner string, want bool) {
		t.Helper()
		if got, err := TryLock(store, resource, owner, time.Hour); err != nil || got != want {
			t.Errorf("try-lock of %s by %s: got %t, error %v, want %t", resource, owner, got, err, want)
		}
	}
	give := func(owner string, want error) {
		t.Helper()
		if err := Unlock("lockstore", "r", owner); !errors.Is(err, want) {
			t.Errorf("unlock by %s: got error %v, want %v", owner, err, want)
		}
	}
	give("ann", ErrNotHeld)
	try("", "r", "ann", true)
	try("lockstore", "r", "ann", false)
	try("", "r", "bob", false)
	try("", "s", "bob", true)
	try("other", "r", "bob", true)
	give("bob", ErrHeldByOther)
	give("ann", nil)
	give("ann", ErrNotHeld)
	try("", "r", "bob", true)
	UnlockFake("", "r")
	HoldFake("", "r", "eve")
	try("", "r", "bob", false)
	if got := FakeOwner("", "r"); got != "eve" {
		t.Errorf("owner: got %q, want eve", got)
	}
}

func TestExpiry(t *testing.T) {
	ResetFake()
	if got, err := TryLock("", "r", "ann", time.Microsecond); err != nil || !got {
		t.Fatalf("try-lock: got %t, error %v", got, err)
	}
	time.Sleep(2 * time.Millisecond)
	if err := Unlock("", "r", "ann"); !errors.Is(err, ErrNotHeld) {
		t.Errorf("unlock after the time: got error %v, want %v", err, ErrNotHeld)
	}
	for d, want := range map[time.Duration]uint64{-time.Hour: 0, 0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Hour: 3_600_000} {
		if got := milliseconds(d); got != want {
			t.Errorf("%s: got %d ms, want %d", d, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	ResetFake()
	try := func(resource, owner string, expiry time.Duration) error {
		_, err := TryLock("", resource, owner, expiry)
		return err
	}
	for what, err := range map[string]error{
		"no resource": try("", "ann", time.Hour), "no owner": try("r", "", time.Hour), "no time": try("r", "ann", 0), "less than no time": try("r", "ann", -1),
		"unlock of nothing": Unlock("", "", "ann"), "unlock by nobody": Unlock("", "r", ""),
	} {
		if !errors.Is(err, ErrInvalidRequest) || !strings.Contains(err.Error(), "in default store") {
			t.Errorf("%s: got error %v, want %v", what, err, ErrInvalidRequest)
		}
	}
	FailFake(ErrUnavailable)
	if err := try("r", "ann", time.Hour); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got error %v, want %v", err, ErrUnavailable)
	}
}

func TestWith(t *testing.T) {
	ResetFake()
	failed := errors.New("failed")
	for name, tc := range map[string]struct {
		before  func()
		fn      func() error
		ran     bool
		want    error
		wantNot error
	}{
		"done":        {nil, func() error { return nil }, true, nil, nil},
		"failed":      {nil, func() error { return failed }, true, failed, ErrLost},
		"taken":       {func() { HoldFake("", "r", "eve") }, nil, false, nil, nil},
		"unavailable": {func() { FailFake(ErrUnavailable) }, nil, false, ErrUnavailable, nil},
		"lost":        {nil, func() error { UnlockFake("", "r"); return nil }, true, ErrLost, nil},
		"lost to others": {nil, func() error {
			HoldFake("", "r", "eve")
			return failed
		}, true, ErrLost, ErrHeldByOther},
		"not given back": {nil, func() error { FailFake(ErrUnavailable); return nil }, true, ErrUnavailable, ErrLost},
	} {
		ResetFake()
		if tc.before != nil {
			tc.before()
		}
		ran, err := With("", "r", time.Hour, tc.fn)
		if ran != tc.ran || !errors.Is(err, tc.want) || (tc.want == nil) != (err == nil) || tc.wantNot != nil && errors.Is(err, tc.wantNot) {
			t.Errorf("%s: got %t, error %v, want %t, %v", name, ran, err, tc.ran, tc.want)
		}
	}
}

// TestWithPanic: the lock does not stay when somebody recovers.
func TestWithPanic(t *testing.T) {
	ResetFake()
	func() {
		defer func() { _ = recover() }()
		_, _ = With("", "r", time.Hour, func() error { panic("oh") })
	}()
	if got := FakeOwner("", "r"); got != "" {
		t.Errorf("after a panic %s has the lock, want nobody", got)
	}
}

func TestOwnersDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		seen[NewOwner()] = true
	}
	if len(seen) != 1000 || seen[""] {
		t.Errorf("got %d different owners of 1000", len(seen))
	}
}
