package actor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	"github.com/mrt-wasm/mrt-wasm/host/actor"
	"github.com/mrt-wasm/mrt-wasm/host/actor/actortest"
)

// TestHibernationFails falls back to deactivate when the memory cannot be stored, and to less when not even what may be
// there of the record can be taken back: it must not be older than the state.
func TestHibernationFails(t *testing.T) {
	for _, tt := range []struct {
		name    string
		refused func(op actor.Op) bool
		words   int
	}{
		{"write", func(op actor.Op) bool { return !op.Delete }, 1},
		{"write and delete", func(actor.Op) bool { return true }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := &actortest.Store{}
			store.Before = func(ops []actor.Op) error {
				if strings.Contains(ops[0].Key, "hibernated") && tt.refused(ops[0]) {
					return errors.New("too large")
				}
				return nil
			}
			app, b := newFake(t, store, actor.Settings{Type: "T", Hibernate: true})
			app.methods["deactivate"] = func(c *fakeCall) (string, error) { c.set("last", "words"); return "", nil }
			mustInvoke(t, b, actor.ID{Type: "T", ID: "a"}, "echo", "")
			if got := b.PutAway(t.Context(), 1); got != 1 {
				t.Errorf("put away: %d, want 1", got)
			}
			if got := store.Keys("app||T||a||last"); len(got) != tt.words {
				t.Errorf("what deactivate wrote: %v, want %d", got, tt.words)
			}
		})
	}
}

// TestWakeNeedsTheRecordGone has a store that does not let the record go: no turn may run on it.
func TestWakeNeedsTheRecordGone(t *testing.T) {
	store := &actortest.Store{}
	var refuse atomic.Bool
	store.Before = func(ops []actor.Op) error {
		if ops[0].Delete && refuse.Load() {
			return errors.New("read-only")
		}
		return nil
	}
	_, b := newFake(t, store, actor.Settings{Type: "T", Hibernate: true})
	id := actor.ID{Type: "T", ID: "a"}
	mustInvoke(t, b, id, "set", "f=1")
	b.PutAway(t.Context(), 1)
	refuse.Store(true)
	_, err := invoke(t, b, id, "field", "f")
	wantErr(t, err, actor.ErrUnavailable, "read-only")
	if n := b.Entries(); n != 0 {
		t.Errorf("entries: %d, want 0", n)
	}
	refuse.Store(false)
	if got := mustInvoke(t, b, id, "field", "f"); got != "1" {
		t.Errorf("field: %q, want 1", got)
	}
}

// TestUnclearCommit drops an atomic actor too when nobody knows whether its turn was stored: here it was.
func TestUnclearCommit(t *testing.T) {
	inner := &actortest.Store{}
	store := &lateStore{Store: inner}
	app, b := newFakeOn(t, store, actor.Settings{Type: "T", Atomic: true})
	app.methods["activate"] = func(c *fakeCall) (string, error) { c.g.fields["k"] = c.get("k"); return "", nil }
	id := actor.ID{Type: "T", ID: "a"}
	mustInvoke(t, b, id, "set", "k=old")
	store.late.Store(true)
	_, err := invoke(t, b, id, "set", "k=new")
	wantErr(t, err, actor.ErrUnavailable)
	store.late.Store(false)
	state, memory := mustInvoke(t, b, id, "get", "k"), mustInvoke(t, b, id, "field", "k")
	if state != "new" || memory != state {
		t.Errorf("state %q, memory %q: want both new", state, memory)
	}
}

// lateStore does what it is asked for and says that the time was up.
type lateStore struct {
	actor.Store
	late atomic.Bool
}

func (s *lateStore) Transact(ctx context.Context, ops []actor.Op) error {
	err := s.Store.Transact(ctx, ops)
	if s.late.Load() {
		err = errors.Join(err, fmt.Errorf("commit: %w", context.DeadlineExceeded))
	}
	return err
}

// TestLateCaller checks that a call whose time is up before it begins does not cost the actor its memory.
func TestLateCaller(t *testing.T) {
	_, b := newFake(t, &actortest.Store{})
	id := actor.ID{Type: "T", ID: "a"}
	mustInvoke(t, b, id, "set", "f=1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Invoke(ctx, id, "echo", actor.Payload{})
	wantErr(t, err, actor.ErrTimeout)
	if got := mustInvoke(t, b, id, "field", "f"); got != "1" {
		t.Errorf("field: %q, want 1", got)
	}
}

// TestTurnOfAnotherInstance calls the functions for turns from an instance that is not the actor's, in its chain: that
// is what an app's other handlers are when the actor calls them.
func TestTurnOfAnotherInstance(t *testing.T) {
	app, b := newFake(t, &actortest.Store{})
	s, err := b.Open(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	var self abi.Func
	for _, f := range s.Funcs() {
		if f.Module == abiactor.ContextModule && f.Name == "self" {
			self = f
		}
	}
	app.methods["self"] = func(c *fakeCall) (string, error) {
		other := &fakeGuest{mem: make([]byte, 1<<10)}
		self.Call(c.ctx, other, []uint64{64})
		self.Call(c.ctx, c.g, []uint64{4096})
		return fmt.Sprint(other.mem[64], c.g.mem[4096]), nil
	}
	if got := mustInvoke(t, b, actor.ID{Type: "T", ID: "a"}, "self", ""); got != "0 1" {
		t.Errorf("whose turn it is, by another instance and the actor's own: %s, want 0 1", got)
	}
}
