package actor

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// actor is the entry of one actor: its mailbox, and its instance while it has one. Whoever holds the turn is the only
// one to touch what is marked as the holder's. An entry without holder and instance is gone: it is in no table, and
// who still has it looks the actor up again.
type actor struct {
	id  ID
	typ *actorType

	mu         sync.Mutex
	holder     *turn // of the current turn
	first, end *waiter
	waiting    int
	gone       bool

	// The holder's.
	kept   block.Kept // nil while the actor has no instance
	gen    uint64     // of the code that kept runs
	fueled uint64     // what of kept's fuel is counted
	cache  cache
	timers map[string]uint64 // the registration that counts, by name

	// What others may read.
	busy  atomic.Bool // somebody has the turn
	live  atomic.Bool // kept is there and activated
	calls atomic.Uint64
	fuel  atomic.Uint64
	used  atomic.Int64 // when the last turn ended, or hibernation was tried, in nanoseconds since 1970

	// Of typ.idle.
	prev, next *actor
	listed     bool
}

// waiter is a call that waits for its turn.
type waiter struct {
	turn       *turn
	ready      chan error // gets nil when the turn is the waiter's
	prev, next *waiter
	queued     bool
}

// errGone says that the entry is not to be used any more.
var errGone = &Error{Kind: ErrOther, Text: "the actor went away"}

// enter waits until the turn is t's. It fails with errGone, ErrOverloaded, ErrTimeout or ErrUnavailable.
func (a *actor) enter(ctx context.Context, t *turn) error {
	a.mu.Lock()
	switch {
	case a.gone:
		a.mu.Unlock()
		return errGone
	case a.holder == nil:
		a.hold(t)
		a.mu.Unlock()
		return nil
	case a.waiting >= a.typ.Mailbox:
		a.mu.Unlock()
		a.typ.stats.overloads.Add(1)
		return errorf(ErrOverloaded, "actor %s: its mailbox is full: %d calls wait (mailbox of actor type %s); try again later",
			a.id, a.typ.Mailbox, a.typ.Type)
	}
	w := &waiter{turn: t, ready: make(chan error, 1), prev: a.end, queued: true}
	if a.end == nil {
		a.first = w
	} else {
		a.end.next = w
	}
	a.end = w
	a.waiting++
	a.mu.Unlock()
	return a.wait(ctx, w)
}

// wait is the slow part of enter.
func (a *actor) wait(ctx context.Context, w *waiter) error {
	a.typ.stats.waits.Add(1)
	a.typ.stats.pending.Add(1)
	defer a.typ.stats.pending.Add(-1)
	w.turn.chain.waits.Store(a)
	defer w.turn.chain.waits.Store(nil)
	timer := time.NewTimer(a.typ.TurnTimeout)
	defer timer.Stop()
	began := time.Now()
	select {
	case err := <-w.ready:
		return err
	case <-ctx.Done():
	case <-timer.C:
	}
	err := a.explainWait(w.turn, time.Since(began), ctx.Err())
	if !a.withdraw(w) {
		if given := <-w.ready; given != nil {
			return given
		}
		a.pass(nil) // the turn came at the same moment
	}
	return err
}

// withdraw takes a waiter out of the queue; false if it is out already.
func (a *actor) withdraw(w *waiter) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !w.queued {
		return false
	}
	a.unqueue(w)
	return true
}

func (a *actor) unqueue(w *waiter) {
	if w.prev == nil {
		a.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		a.end = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next, w.queued = nil, nil, false
	a.waiting--
}

// hold makes t the holder; the caller has the lock.
func (a *actor) hold(t *turn) {
	a.holder = t
	a.busy.Store(true)
}

// tryEnter takes the turn if nobody has it or waits for it.
func (a *actor) tryEnter(t *turn) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone || a.holder != nil || a.first != nil {
		return false
	}
	a.hold(t)
	return true
}

// pass gives the turn to the next in the queue. Without one, and without an instance, the entry is gone. When nobody
// waits and stays, if not nil, says that the instance is to be put away, the turn remains the caller's and pass is
// false.
func (a *actor) pass(stays func(*actor) bool) bool {
	a.mu.Lock()
	if w := a.first; w != nil {
		a.unqueue(w)
		a.hold(w.turn)
		a.mu.Unlock()
		w.ready <- nil
		return true
	}
	// Under the lock: who looks for idle actors after this has seen what stays has seen, or finds the actor idle.
	if a.kept != nil && stays != nil && !stays(a) {
		a.mu.Unlock()
		return false
	}
	a.holder = nil
	a.busy.Store(false)
	gone := a.kept == nil
	a.gone = gone
	a.mu.Unlock()
	if gone {
		a.typ.forget(a)
	}
	return true
}

// refuse ends the waiting of calls that come from outside of turns, with err.
func (a *actor) refuse(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for w := a.first; w != nil; {
		next := w.next
		if w.turn.parent == nil {
			a.unqueue(w)
			w.ready <- err
		}
		w = next
	}
}

// current gives the turn that the actor is in; nil without.
func (a *actor) current() *turn {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.holder
}

// length is the number of waiting calls.
func (a *actor) length() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting
}
