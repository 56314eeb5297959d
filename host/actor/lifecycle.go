package actor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/schedule"
)

// awake sees to it that the actor whose turn the caller has runs the app's present code: it wakes it from
// hibernation, or makes a new instance and has it activated.
func (b *Block) awake(ctx context.Context, t *turn) error {
	a := t.actor
	if a.kept != nil && a.gen != a.typ.gen.Load() {
		b.putAway(context.WithoutCancel(ctx), a)
	}
	if a.kept != nil {
		return nil
	}
	fresh, err := b.instance(ctx, a)
	if err != nil || !fresh {
		return err
	}
	act := newTurn(ctx, a, label{kind: kindActivate})
	err = b.run(ctx, act, func(ctx context.Context, g abi.Guest) error {
		return abiactor.CallActorActivate(ctx, g, abiactor.ActorID{ActorType: a.id.Type, ID: a.id.ID})
	})
	if err == nil {
		a.typ.stats.activations.Add(1)
		a.live.Store(true)
		return nil
	}
	a.typ.stats.activationFailures.Add(1)
	if a.kept != nil {
		b.drop(ctx, a)
	}
	return err
}

// instance gives the actor an instance. It tells whether it is a new one, which is to be activated.
func (b *Block) instance(ctx context.Context, a *actor) (fresh bool, err error) {
	typ := a.typ
	keeper := b.keeper(typ.App)
	if keeper == nil {
		return false, errorf(ErrUnavailable, "actor %s: app %s is not started; try again later", a.id, typ.App)
	}
	key := a.id.savedKey(typ.App)
	entry, err := typ.store.Get(ctx, key)
	if err != nil {
		return false, storeError(a.id, "its memory cannot be read", err)
	}
	var saved saving
	if entry != nil && typ.Hibernate {
		if saved, err = readSaving(entry.Value); err != nil {
			b.log.WarnContext(ctx, "the memory of a hibernated actor is of no use; it is activated anew", "actor", a.id.String(), "error", err)
		}
	}
	if err := b.reserve(ctx, a); err != nil {
		return false, err
	}
	gen := typ.gen.Load()
	kept, woken, err := b.keep(ctx, keeper, a, saved.memory)
	if err != nil {
		typ.active.Add(-1)
		return false, err
	}
	// The record goes before the first turn runs: after a crash, memory that is older than the state must not come back.
	if entry != nil {
		if err := b.transact(ctx, typ, []Op{{Key: key, Delete: true}}); err != nil {
			kept.Close(context.WithoutCancel(ctx))
			typ.active.Add(-1)
			return false, storeError(a.id, "its saved memory cannot be taken", err)
		}
	}
	a.kept, a.gen, a.fueled = kept, gen, 0
	if !woken {
		return true, nil
	}
	typ.stats.wakes.Add(1)
	a.live.Store(true)
	b.wakeTimers(a, saved)
	return false, nil
}

func storeError(id ID, what string, err error) error {
	return &Error{Kind: ErrUnavailable, Cause: err, Text: fmt.Sprintf("actor %s: %s: %v; is the actor state store there?", id, what, err)}
}

// keep asks the app for an instance: where memory was saved, or a new one if there is none or it is of no use any more.
func (b *Block) keep(ctx context.Context, keeper block.Keeper, a *actor, memory []byte) (kept block.Kept, woken bool, err error) {
	if len(memory) > 0 {
		kept, err = b.keepWithRoom(ctx, keeper, a, memory)
		if err == nil {
			return kept, true, nil
		}
		if errors.Is(err, ErrOverloaded) || ctx.Err() != nil {
			return nil, false, guestError(a.id, "waking", err)
		}
		level := b.log.WarnContext
		if errors.Is(err, block.ErrChanged) {
			level = b.log.DebugContext
		}
		level(ctx, "the memory of a hibernated actor is of no use; it is activated anew", "actor", a.id.String(), "error", err)
	}
	if kept, err = b.keepWithRoom(ctx, keeper, a, nil); err != nil {
		return nil, false, guestError(a.id, "making its instance", err)
	}
	return kept, false, nil
}

// putAway ends the actor's instance while its caller has the turn: by hibernation, else by its deactivate. An actor that
// holds what cannot be saved stays, unless the host stops or its code is gone.
func (b *Block) putAway(ctx context.Context, a *actor) {
	stale := a.gen != a.typ.gen.Load()
	if a.typ.Hibernate && !stale {
		err := b.hibernate(ctx, a)
		if err == nil {
			return
		}
		if errors.Is(err, block.ErrHeld) && !b.closing.Load() {
			b.leaveAwake(ctx, a, err)
			return
		}
		b.log.ErrorContext(ctx, "actor cannot be hibernated; it is deactivated", "actor", a.id.String(), "error", err)
		// Half an error: the record may be there. It must not be when the actor writes state later than it.
		if err := b.transact(ctx, a.typ, []Op{{Key: a.id.savedKey(a.typ.App), Delete: true}}); err != nil {
			b.log.ErrorContext(ctx, "nor can it be deactivated safely; it is dropped", "actor", a.id.String(), "error", err)
			b.drop(ctx, a)
			return
		}
	}
	b.deactivate(ctx, a)
}

// leaveAwake lets an actor be that cannot be hibernated: it is looked at again when it has been idle for as long once
// more. Its type is warned of once.
func (b *Block) leaveAwake(ctx context.Context, a *actor, err error) {
	a.typ.idle.touch(a, time.Now().UnixNano())
	if a.typ.warned.CompareAndSwap(false, true) {
		b.log.WarnContext(ctx, "idle actor cannot be hibernated and stays in memory, as will others of its type that are like it",
			"actor", a.id.String(), "error", err)
	}
}

// hibernate writes the actor's memory and timers to the store and drops the instance.
func (b *Block) hibernate(ctx context.Context, a *actor) error {
	memory, err := a.kept.Save()
	if err != nil {
		return err
	}
	var timers []schedule.Timer[timerPayload]
	if len(a.timers) > 0 {
		timers = b.timers.Export(a.owner())
	}
	value, err := saving{at: time.Now(), timers: timers, memory: memory}.bytes()
	if err == nil {
		err = b.transact(ctx, a.typ, []Op{{Key: a.id.savedKey(a.typ.App), Value: value}})
	}
	if err != nil {
		b.timers.Set(timers...)
		return err
	}
	a.typ.stats.hibernations.Add(1)
	a.typ.stats.savedBytes.Add(uint64(len(value)))
	b.drop(ctx, a)
	return nil
}

// deactivate tells the actor that its memory is lost, keeps what it writes then, and drops the instance.
func (b *Block) deactivate(ctx context.Context, a *actor) {
	t := newTurn(ctx, a, label{kind: kindDeactivate})
	if err := b.run(ctx, t, abiactor.CallActorDeactivate); err != nil {
		b.log.ErrorContext(ctx, "the deactivation of an actor failed", "actor", a.id.String(), "error", err)
	}
	a.typ.stats.deactivations.Add(1)
	b.drop(ctx, a)
}

// drop ends the actor's instance, and with it its timers. The caller has the turn.
func (b *Block) drop(ctx context.Context, a *actor) {
	if a.kept == nil {
		return
	}
	kept := a.kept
	a.kept, a.cache, a.fueled = nil, cache{}, 0
	a.live.Store(false)
	a.typ.idle.remove(a)
	if len(a.timers) > 0 {
		b.timers.RemoveAll(a.owner())
		a.timers = nil
	}
	kept.Close(context.WithoutCancel(ctx))
	a.typ.active.Add(-1)
	b.evict.freed.Add(1)
}

// Reloaded deactivates the actors of an app whose code was replaced, on their old code: those that are idle at once,
// the others when their turn ends. The next call of each activates it in the new code.
func (b *Block) Reloaded(ctx context.Context, app string) {
	var idle []*actor
	for _, typ := range b.types {
		if typ.App != app {
			continue
		}
		typ.gen.Add(1)
		typ.each(func(a *actor) { idle = append(idle, a) })
	}
	b.putIdleAway(ctx, idle)
}
