package lock_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	abilock "github.com/mrt-wasm/mrt-wasm/abi/lock"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

func (f *fixture) try(t *testing.T, app, store, resource, owner string, want bool) {
	t.Helper()
	got, err := f.hosts[app].TryLock(t.Context(), store, resource, owner, uint64(time.Hour.Milliseconds()))
	if err != nil || got != want {
		t.Errorf("try-lock of %s in %q by %s of app %s: got %t, error %v, want %t", resource, store, owner, app, got, err, want)
	}
}

func (f *fixture) give(t *testing.T, app, store, resource, owner string, want abilock.UnlockStatus) {
	t.Helper()
	got, err := f.hosts[app].Unlock(t.Context(), store, resource, owner)
	if err != nil || got != want {
		t.Errorf("unlock of %s in %q by %s of app %s: got %s, error %v, want %s", resource, store, owner, app, got, err, want)
	}
}

// TestLocks: what an app sees.
func TestLocks(t *testing.T) {
	f := started(t, nil, declared("lockstore", nil))
	f.try(t, "one", "", "r", "ann", true)
	f.try(t, "one", "lockstore", "r", "ann", false)
	f.try(t, "one", "", "r", "bob", false)
	f.try(t, "two", "", "r", "bob", true) // another app's resource
	f.give(t, "one", "", "r", "bob", abilock.UnlockStatusLockBelongsToOthers)
	f.give(t, "one", "", "s", "ann", abilock.UnlockStatusLockDoesNotExist)
	f.give(t, "one", "", "r", "ann", abilock.UnlockStatusSuccess)
	f.give(t, "one", "", "r", "ann", abilock.UnlockStatusLockDoesNotExist)
	f.give(t, "two", "", "r", "bob", abilock.UnlockStatusSuccess)
}

// TestResourceNames: Dapr's layout, by every strategy.
func TestResourceNames(t *testing.T) {
	f := started(t, nil,
		declared("unset", nil), declared("appid", component.Metadata{"keyPrefix": "appid"}), declared("byname", component.Metadata{"KEYPREFIX": "Name"}),
		declared("none", component.Metadata{"keyPrefix": "none"}), declared("literal", component.Metadata{"keyPrefix": "Shop"}),
		declared("namespace", component.Metadata{"keyPrefix": "namespace"}))
	for i := range f.stores {
		f.stores[i].calls()
	}
	for _, tc := range []struct{ app, store, want string }{
		{"one", "unset", "lock||one||r"},
		{"one", "appid", "lock||one||r"},
		{"two", "appid", "lock||two||r"},
		{"", "appid", "lock||r"},
		{"one", "byname", "lock||byname||r"},
		{"one", "none", "lock||r"},
		{"one", "literal", "lock||shop||r"},
		{"", "literal", "lock||shop||r"},
		{"one", "namespace", "lock||namespace||r"}, // no strategy of locks, so a text as any
	} {
		if _, err := f.TryLock(t.Context(), tc.app, tc.store, "r", "ann", 1500*time.Millisecond); err != nil {
			t.Errorf("%+v: try-lock: %v", tc, err)
		}
		if _, err := f.Unlock(t.Context(), tc.app, tc.store, "r", "ann"); err != nil {
			t.Errorf("%+v: unlock: %v", tc, err)
		}
		if got, want := f.stores[tc.store].calls(), []string{"try-lock " + tc.want + " ann 1.5s", "unlock " + tc.want + " ann"}; !slices.Equal(got, want) {
			t.Errorf("%+v: the store was asked %q, want %q", tc, got, want)
		}
	}
}

// TestPlugin: a component's plugin uses locks under names as it gives them, and only where it is granted.
func TestPlugin(t *testing.T) {
	granted := declared("granted", nil)
	granted.Grants = []string{"plug"}
	f := started(t, nil, granted, declared("other", nil))
	plug := component.PluginApp("plug")
	f.try(t, plug, "", "lock||one||r", "ann", true)
	if got := f.stores["granted"].calls(); !slices.Equal(got, []string{"try-lock lock||one||r ann 1h0m0s"}) {
		t.Errorf("the store was asked %q", got)
	}
	if _, err := f.hosts[plug].TryLock(t.Context(), "other", "r", "ann", 1); err == nil || err.Tag != abilock.ErrorStoreNotFound {
		t.Errorf("a store that is not granted: got error %v", err)
	}
}

func TestErrors(t *testing.T) {
	f := started(t, nil, declared("lockstore", nil), declared("second", nil, "two"))
	try := func(store, resource, owner string, ms uint64) *abilock.Error {
		_, err := f.hosts["one"].TryLock(t.Context(), store, resource, owner, ms)
		return err
	}
	unlock := func(store, resource, owner string) *abilock.Error {
		_, err := f.hosts["one"].Unlock(t.Context(), store, resource, owner)
		return err
	}
	long := strings.Repeat("x", lock.MaxName+1)
	for _, tc := range []struct {
		name string
		err  *abilock.Error
		tag  abilock.ErrorTag
		text string
	}{
		{"unknown store", try("nope", "r", "ann", 1), abilock.ErrorStoreNotFound, `"nope" is not found for app one: it sees lockstore`},
		{"another app's store", unlock("second", "r", "ann"), abilock.ErrorStoreNotFound, `"second" is not found for app one`},
		{"no time", try("", "r", "ann", 0), abilock.ErrorInvalidRequest, "ExpiryInSeconds is not positive"},
		{"too long", try("", "r", "ann", uint64(lock.MaxExpiry.Milliseconds())+1), abilock.ErrorInvalidRequest, "or less"},
		{"much too long", try("", "r", "ann", math.MaxUint64), abilock.ErrorInvalidRequest, "or less"},
		{"no resource", try("", "", "ann", 1), abilock.ErrorInvalidRequest, "ResourceId is empty in lock store"},
		{"no owner", unlock("", "r", ""), abilock.ErrorInvalidRequest, "LockOwner is empty in lock store"},
		{"long resource", try("", long, "ann", 1), abilock.ErrorInvalidRequest, "has 4097 bytes, want 4096 or fewer"},
		{"long owner", unlock("", "r", long), abilock.ErrorInvalidRequest, "has 4097 bytes, want 4096 or fewer"},
		{"not UTF-8", try("", "\xff", "ann", 1), abilock.ErrorInvalidRequest, "is not valid UTF-8"},
		{"separator", try("", "a||b", "ann", 1), abilock.ErrorInvalidRequest, "input key/keyPrefix 'a||b' can't contain '||'"},
		{"separator of unlock", unlock("", "||", "ann"), abilock.ErrorInvalidRequest, "can't contain"},
	} {
		if tc.err == nil || tc.err.Tag != tc.tag || !strings.Contains(tc.err.Value, tc.text) {
			t.Errorf("%s: got %v, want %s with %q", tc.name, tc.err, tc.tag, tc.text)
		}
	}
	if got := f.stores["lockstore"].calls(); len(got) != 0 {
		t.Errorf("the store was asked %q, want nothing", got)
	}
	f.stores["lockstore"].failing(errDown, false)
	for name, err := range map[string]*abilock.Error{"try-lock": try("", "r", "ann", 1), "unlock": unlock("", "r", "ann")} {
		if err == nil || err.Tag != abilock.ErrorUnavailable || !strings.Contains(err.Value, "lock store lockstore: unavailable: the cable is out") {
			t.Errorf("%s without a store: got %v, want unavailable", name, err)
		}
	}
	if err := f.Ready(t.Context()); !errors.Is(err, lock.ErrUnavailable) || !strings.Contains(err.Error(), "lock store lockstore") {
		t.Errorf("ready: got %v", err)
	}
	f.stores["lockstore"].failing(errors.New("odd"), false)
	if err := try("", "r", "ann", 1); err == nil || err.Tag != abilock.ErrorOther {
		t.Errorf("another failure: got %v, want other", err)
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	f.stores["lockstore"].failing(nil, false)
	if _, err := f.hosts["one"].TryLock(ctx, "", "r", "ann", 1); err == nil || err.Tag != abilock.ErrorUnavailable {
		t.Errorf("after the deadline: got %v, want unavailable", err)
	}
	if err := f.Ready(t.Context()); err != nil {
		t.Errorf("ready: got %v", err)
	}
}

// again is a policy that makes each call three times, until it succeeds.
type again struct {
	mu  sync.Mutex
	ops []chain.Op
}

func (a *again) Bind(op chain.Op) chain.Guard {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ops = append(a.ops, op)
	return func(ctx context.Context, next func(context.Context) error) error {
		var err error
		for range 3 {
			err = next(ctx)
			var p interface{ Permanent() bool }
			if err == nil || errors.As(err, &p) && p.Permanent() {
				return err
			}
		}
		return err
	}
}

// TestRetries: a policy repeats what failed. A lock that the first attempt took without an answer is not said to be
// somebody else's.
func TestRetries(t *testing.T) {
	policy := &again{}
	f := started(t, chain.New(nil, []chain.Policy{policy}), declared("lockstore", nil))
	s := f.stores["lockstore"]
	f.try(t, "one", "", "r", "ann", true)
	s.calls()

	s.failing(errDown, false)
	if got, err := f.TryLock(t.Context(), "one", "", "down", "ann", time.Hour); got || !errors.Is(err, lock.ErrUnavailable) || errors.Is(err, lock.ErrUnknown) {
		t.Errorf("down: got %t, error %v", got, err)
	}
	if n := len(s.calls()); n != 3 {
		t.Errorf("down: got %d attempts, want 3", n)
	}
	s.failing(errLost, true)
	if got, err := f.TryLock(t.Context(), "one", "", "lost", "ann", time.Hour); got || !errors.Is(err, lock.ErrUnknown) {
		t.Errorf("lost answer: got %t, error %v, want %v", got, err, lock.ErrUnknown)
	}
	s.calls()
	s.losing()
	if got, err := f.TryLock(t.Context(), "one", "", "lost again", "ann", time.Hour); got || !errors.Is(err, lock.ErrUnknown) ||
		!strings.Contains(err.Error(), "an attempt got no answer, and now the lock is taken") {
		t.Errorf("lost answer, then taken: got %t, error %v, want %v", got, err, lock.ErrUnknown)
	}
	if status, err := f.Unlock(t.Context(), "one", "", "lost again", "ann"); err != nil || status != lock.Success {
		t.Errorf("unlock after it: got %s, error %v, want %s", status, err, lock.Success)
	}
	f.try(t, "one", "", "r", "bob", false)

	policy.mu.Lock()
	defer policy.mu.Unlock()
	want := []chain.Op{
		{Direction: chain.Outbound, Block: "lock", Name: "try-lock", Target: "lockstore", Type: "lock.watched", App: "one"},
		{Direction: chain.Outbound, Block: "lock", Name: "unlock", Target: "lockstore", Type: "lock.watched", App: "one"},
	}
	if !slices.Equal(policy.ops, want) {
		t.Errorf("the chain has %+v, want %+v", policy.ops, want)
	}
}

func TestNewFails(t *testing.T) {
	for _, tc := range []struct {
		name string
		decl component.Decl
		want string
	}{
		{"prefix", declared("a", component.Metadata{"keyPrefix": "x||y"}), "manifest.yaml:1: component a: metadata field keyPrefix: want appid, name, none or a text without ||, found \"x||y\""},
		{"type", component.Decl{Name: "a", Type: "lock.nope", Where: "manifest.yaml:1"}, "manifest.yaml:1: component a: this binary has no driver lock.nope; it has lock.watched"},
		{"start", declared("a", component.Metadata{"fail": "no key"}), "no key"},
	} {
		cfg, _ := prepare(t, tc.decl)
		if _, err := lock.New(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got error %v, want %q", tc.name, err, tc.want)
		}
	}
}

// TestIgnoreErrors: a component that did not start is unavailable, and does not keep the host from being ready.
func TestIgnoreErrors(t *testing.T) {
	gone := declared("gone", component.Metadata{"fail": "no key"})
	gone.IgnoreErrors = true
	f := started(t, nil, gone)
	if _, err := f.hosts["one"].TryLock(t.Context(), "gone", "r", "ann", 1); err == nil || err.Tag != abilock.ErrorUnavailable || !strings.Contains(err.Value, "did not start") {
		t.Errorf("try-lock: got error %v, want unavailable", err)
	}
	if err := f.Ready(t.Context()); err != nil {
		t.Errorf("ready: got %v", err)
	}
}

// TestDescribe: a component with a tag of apps is open once for each, and listed once.
func TestDescribe(t *testing.T) {
	f := started(t, nil, declared("lockstore", nil), declared("each", component.Metadata{"redisHost": "{appID}"}))
	got := fmt.Sprint(f.Describe(t.Context()))
	const want = "map[components:[map[capabilities:[] name:lockstore type:lock.watched version:v1] map[capabilities:[] name:each type:lock.watched version:v1]]]"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestManyCallers: programs outside may use any number of names, and each has resources of its own.
func TestManyCallers(t *testing.T) {
	f := started(t, nil, declared("lockstore", nil))
	for i := range 50 {
		if got, err := f.TryLock(t.Context(), fmt.Sprint("program", i), "", "r", "ann", time.Hour); err != nil || !got {
			t.Errorf("program %d: got %t, error %v, want true", i, got, err)
		}
	}
}
