package actor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// A turn is one call of an actor from outside of its current turn, with all that is nested in it by reentrancy.
//
// What a turn writes is kept in its buffer and goes to the store in one transaction when the guest has answered; only
// then does the caller get the answer, and only then do timers of the turn start. When a turn fails, nothing of that
// happens, and memory depends on the type:
//
//   - atomic: memory goes back to the turn's start, also after a trap. Where even that cannot be, or where nobody knows
//     whether the transaction was done (its time was up), the instance is dropped. A turn fails that leaves what
//     cannot be brought back, such as an open file.
//   - not atomic: after an error of the guest's own, memory stays as the guest left it, as in any process. After a trap
//     or a transaction that failed, the instance is dropped without its deactivate, so that memory never differs from
//     the state: the next call activates a new one on what is stored.
//
// A nested turn shares the buffer; when it fails, what it wrote is taken out again. Its part of memory cannot be rolled
// back alone, because the outer turn is still running in it: in an atomic actor the outer turn therefore fails too.
type turn struct {
	frame // the turn's own entry

	actor *actor
	chain *links
	own   links // the chain, if it begins here
	what  label

	guest  abi.Guest // while guest code runs
	over   atomic.Bool
	buf    buffer
	timers []timerChange
	doom   error  // why the turn fails, whatever the guest answers
	waited string // the last wait for another actor that ended in a timeout
}

// label says what a turn is for.
type label struct{ kind, name string }

// String gives for example `method "add"`.
func (l label) String() string {
	if l.name == "" {
		return l.kind
	}
	return fmt.Sprintf("%s %q", l.kind, clip(l.name))
}

// guestCall is what a turn does in the guest.
type guestCall func(ctx context.Context, g abi.Guest) error

// newTurn is a turn in ctx's chain, or the first of one.
func newTurn(ctx context.Context, a *actor, what label) *turn {
	t := &turn{actor: a, what: what}
	t.frame = frame{parent: frameOf(ctx), turn: t, depth: 1}
	if t.parent != nil {
		t.chain, t.depth = t.parent.turn.chain, t.parent.depth+1
		return t
	}
	t.chain = &t.own
	t.own.id, _ = ctx.Value(idKey{}).(string)
	return t
}

// take makes one turn, or one nested in a turn of ctx's chain: it waits for it, activates the actor if need be, calls
// the guest and commits.
func (b *Block) take(ctx context.Context, typ *actorType, id ID, what label, call guestCall) error {
	parent := frameOf(ctx)
	if parent != nil && parent.depth >= typ.MaxStackDepth {
		return errorf(ErrStackDepth, "calls of actors nest deeper than %d (maxStackDepth of actor type %s); do they call each other without end? %s",
			typ.MaxStackDepth, typ.Type, parent.path(id))
	}
	if held := parent.holds(id); held != nil {
		if !typ.Reentrancy {
			return errorf(ErrDeadlock, "the chain of calls comes back to actor %s and would wait for itself: %s; set reentrancy for actor type %s, or do not call back",
				id, parent.path(id), typ.Type)
		}
		return b.nest(ctx, parent, held.turn, what, call)
	}
	if parent == nil && b.closing.Load() {
		return errStopping(id)
	}
	t, err := b.enter(ctx, typ, id, what, true)
	if err != nil {
		return err
	}
	defer b.leave(ctx, t.actor)
	if err := b.awake(ctx, t); err != nil {
		return err
	}
	return b.run(ctx, t, call)
}

func errStopping(id ID) error {
	return errorf(ErrUnavailable, "actor %s: the host is stopping and takes no new calls; try again later", id)
}

// enter waits for a turn. Without create it fails with ErrInstanceMissing when the actor has no entry.
func (b *Block) enter(ctx context.Context, typ *actorType, id ID, what label, create bool) (*turn, error) {
	t := newTurn(ctx, nil, what)
	for {
		a := typ.find(id, create)
		if a == nil {
			return nil, errorf(ErrInstanceMissing, "actor %s is not active; call a method of it first", id)
		}
		t.actor = a
		err := a.enter(ctx, t)
		if err == nil {
			return t, nil
		}
		if !errors.Is(err, errGone) {
			return nil, err
		}
		typ.forget(a)
	}
}

// leave ends a turn: the next call has the actor. An actor that is to be put away is, if nobody waits for it.
func (b *Block) leave(ctx context.Context, a *actor) {
	if a.kept != nil {
		a.typ.idle.touch(a, time.Now().UnixNano())
	}
	for !a.pass(b.stays) {
		b.putAway(context.WithoutCancel(ctx), a)
	}
}

// stays tells whether an actor keeps its instance when nobody uses it.
func (b *Block) stays(a *actor) bool { return !b.closing.Load() && a.gen == a.typ.gen.Load() }

// run is a turn in the guest, up to its commit. The caller has the turn and the actor an instance.
func (b *Block) run(ctx context.Context, t *turn, call guestCall) (err error) {
	a := t.actor
	if a.typ.Atomic {
		if err := a.kept.Mark(); err != nil {
			if isTrap(err) {
				b.drop(ctx, a)
			}
			return errorf(ErrOther, "actor %s: its memory cannot be remembered: %v", a.id, err)
		}
	}
	returned, reached := false, false
	defer func() {
		t.over.Store(true)
		if !returned { // a panic of the host's: nobody knows how the instance is
			b.drop(ctx, a)
		}
	}()
	err = a.kept.Do(context.WithValue(ctx, frameKey{}, &t.frame), func(ctx context.Context, g abi.Guest) error {
		t.guest, reached = canon.Whole(g), true
		return call(ctx, g)
	})
	returned = true
	t.over.Store(true)
	a.calls.Add(1)
	a.meter()
	a.typ.stats.turns.Add(1)
	if err == nil {
		err = t.outcome()
	}
	if err == nil {
		return b.commit(ctx, t)
	}
	a.typ.stats.failed.Add(1)
	out := t.explain(err)
	if reached || isTrap(err) {
		b.undo(ctx, t, isFailure(err), false)
	}
	return out
}

// outcome tells why a turn fails whose guest did not: a turn in it went wrong, or the next turn of an atomic actor could
// not be undone. What is left of an actor at its end does not matter.
func (t *turn) outcome() error {
	if t.doom != nil {
		return t.doom
	}
	k, ok := t.actor.kept.(block.Savable)
	if !ok || !t.actor.typ.Atomic || t.what.kind == kindDeactivate {
		return nil
	}
	if err := k.Savable(); err != nil {
		return fmt.Errorf("a turn of an atomic actor may leave nothing that cannot be rolled back: %w", err)
	}
	return nil
}

// explain gives the block's error for a turn that failed.
func (t *turn) explain(err error) error {
	what := t.what.String()
	if t.what.kind == kindMethod {
		what = t.what.name
	}
	out := guestError(t.actor.id, what, err)
	if e, ok := errors.AsType[*Error](out); ok && t.waited != "" && errors.Is(e.Kind, ErrTimeout) && e.Text != t.waited {
		return &Error{Kind: ErrTimeout, Text: e.Text + ": " + t.waited, Cause: e}
	}
	return out
}

// meter counts the fuel that the last call has used.
func (a *actor) meter() {
	total := a.kept.Fuel()
	if total > a.fueled {
		a.fuel.Add(total - a.fueled)
		a.typ.stats.fuel.Add(total - a.fueled)
		a.fueled = total
	}
}

// commit writes what the turn has written, and starts its timers.
func (b *Block) commit(ctx context.Context, t *turn) error {
	a := t.actor
	prefix := ""
	if len(t.buf.log) > 0 {
		prefix = a.id.prefix(a.typ.App)
	}
	if ops := t.buf.ops(prefix); len(ops) > 0 {
		if err := b.transact(ctx, a.typ, ops); err != nil {
			a.typ.stats.failed.Add(1)
			unclear := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
			b.undo(ctx, t, false, unclear)
			return &Error{
				Kind: ErrUnavailable, Cause: err,
				Text: fmt.Sprintf("actor %s: %s: the state of the turn cannot be stored, so nothing of it counts: %v", a.id, t.what, err),
			}
		}
		a.cache.apply(ops, prefix, time.Now())
	}
	b.applyTimers(a, t.timers)
	return nil
}

// transact is a transaction that a caller who goes away does not stop half-way.
func (b *Block) transact(ctx context.Context, typ *actorType, ops []Op) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), typ.TurnTimeout)
	defer cancel()
	return typ.store.Transact(ctx, ops)
}

// undo brings memory in order after a failed turn. intact says that the guest ended by itself, unclear that what the
// store has is not known.
func (b *Block) undo(ctx context.Context, t *turn, intact, unclear bool) {
	a := t.actor
	switch {
	case unclear:
		b.log.ErrorContext(ctx, "actor is dropped: nobody knows whether its last turn was stored", "actor", a.id.String())
		b.drop(ctx, a)
	case a.typ.Atomic:
		a.typ.stats.rollbacks.Add(1)
		if err := a.kept.Rollback(); err != nil {
			b.log.ErrorContext(ctx, "actor is dropped: its memory cannot be rolled back", "actor", a.id.String(), "error", err)
			b.drop(ctx, a)
		}
	case !intact:
		b.drop(ctx, a)
	}
}

// nest is a turn inside of a turn of the same actor, on the same goroutine.
func (b *Block) nest(ctx context.Context, parent *frame, t *turn, what label, call guestCall) error {
	a := t.actor
	f := &frame{parent: parent, turn: t, depth: parent.depth + 1}
	state, timers := t.buf.mark(), len(t.timers)
	reached := false
	err := a.kept.Do(context.WithValue(ctx, frameKey{}, f), func(ctx context.Context, g abi.Guest) error {
		reached = true
		return call(ctx, g)
	})
	a.typ.stats.turns.Add(1)
	if err == nil {
		return nil
	}
	a.typ.stats.failed.Add(1)
	t.buf.restore(state)
	t.timers = t.timers[:timers]
	name := what.String()
	if what.kind == kindMethod {
		name = what.name
	}
	out := guestError(a.id, name, err)
	switch {
	case t.doom != nil || !reached && !isTrap(err):
	case !isFailure(err):
		t.doom = &doomError{err: err, text: fmt.Sprintf("a nested turn (%s) broke the instance: %v", what, err)}
	case a.typ.Atomic:
		t.doom = &doomError{err: err, text: fmt.Sprintf("a nested turn (%s) of this atomic actor failed: %v", what, err)}
	}
	return out
}

// doomError is why a turn fails whose guest may have answered. It hides the nested error's nature: the outer guest did
// not fail by itself.
type doomError struct {
	err  error
	text string
}

// Error says which nested turn failed.
func (e *doomError) Error() string { return e.text }
