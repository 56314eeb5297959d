package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

var (
	// ErrChanged says that what Save gave belongs to another image: the app's code, its environment or the secret of
	// its start has changed, or the start is not deterministic (PoolConfig.Boot).
	ErrChanged = errors.New("the app has changed since the instance was saved")
	// ErrNoRoom says that the system allows no further instance.
	ErrNoRoom = errors.New("no room for a further instance")
	// ErrNoImage says that an app has no image, so that its instances can be neither saved nor rolled back.
	ErrNoImage = errors.New("the app has no image")

	// ErrHeld says that a guest has handles of what only this process has, such as open files, so that its instance can
	// be neither saved nor marked.
	ErrHeld = errors.New("it holds handles")

	// errBusy is a bug of the caller.
	errBusy = errors.New("the kept instance is in use; this is a bug of the host: its holder calls it from two goroutines, " +
		"or with a context that does not come from the call that it is in")
)

// spareKept is how many instances that were kept stay in the pool, reset, beside the warm ones. A reset one is taken
// up again without mapping memory and without page faults, which cost far more than all else.
const spareKept = 16

// Kept is an instance that is its holder's until it is closed: its memory stays from call to call. It is not one of
// Limits.MaxInstances: how many there are is the holder's to bound.
//
// Its methods are for one goroutine at a time. Calls that come from inside of a call are an exception: see Do.
type Kept struct {
	pool *Pool
	inst *Instance
	// top is the innermost call that is in flight, held while another method runs, or gone once it is closed; nil
	// between calls.
	top atomic.Pointer[callContext]
	// hot is its place among those that were called last.
	hot hotPlace
	// fuel is what the instance had used before it was kept, less what others used for this one.
	fuel int64
	// mark is what Rollback goes back to; nil without one.
	mark *delta
	// stale tells that the generators are those of an earlier time.
	stale bool
}

// held and gone stand in Kept.top for what is no call.
var held, gone callContext

// Keep makes an instance that is the caller's until it closes it: as the guest was when it had started if saved is
// empty, else as it was when Save gave saved. It fails with ErrChanged for what another app or another state of its
// code saved, with ErrNoRoom, and with ErrClosed after Close of the pool.
func (p *Pool) Keep(ctx context.Context, saved []byte) (*Kept, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("app %s: the call ended before it began: %w", p.app, err)
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, fmt.Errorf("app %s is %w", p.app, ErrClosed)
	}
	p.kept++
	p.mu.Unlock()
	if err := p.keepable(); err != nil {
		p.unkeep()
		return nil, err
	}
	k, err := p.keep(ctx, saved)
	if err != nil {
		p.unkeep()
	}
	return k, err
}

// keep makes a kept instance, which the caller has counted.
func (p *Pool) keep(ctx context.Context, saved []byte) (*Kept, error) {
	if len(saved) == 0 {
		inst, err := p.makeKept(ctx)
		if err != nil {
			return nil, err
		}
		return &Kept{pool: p, inst: inst, fuel: int64(inst.spent())}, nil
	}
	d := p.deltas.get()
	defer p.deltas.put(d)
	at, err := p.read(ctx, saved, d)
	if err != nil {
		return nil, err
	}
	inst, err := p.makeKept(ctx)
	if err != nil {
		return nil, err
	}
	if err := inst.apply(d); err != nil {
		inst.close(context.WithoutCancel(ctx))
		return nil, err
	}
	inst.catchUp(at)
	return &Kept{pool: p, inst: inst, fuel: int64(inst.spent()), stale: true}, nil
}

// makeKept gives an instance that is as the image is, or as the guest is when it has started.
func (p *Pool) makeKept(ctx context.Context) (*Instance, error) {
	p.mu.Lock()
	inst := p.takeCleanLocked()
	p.mu.Unlock()
	if inst != nil {
		return inst, nil
	}
	inst, err := p.make(ctx)
	if err == nil {
		p.counters.started.Add(1)
	}
	return inst, err
}

// takeCleanLocked takes an idle instance that is as the image is, for a kept one; nil if there is none to spare.
func (p *Pool) takeCleanLocked() *Instance {
	n := len(p.idle) - 1
	if n < p.warm || !p.idle[n].unseeded {
		return nil
	}
	inst := p.idle[n]
	p.idle[n] = nil
	p.idle = p.idle[:n]
	p.live--
	return inst
}

// unkeep counts a kept instance that is gone.
func (p *Pool) unkeep() {
	p.mu.Lock()
	p.kept--
	last := p.lastLocked()
	p.mu.Unlock()
	if last {
		p.finish()
	}
}

// Do runs fn with the instance, as Pool.Do does, and leaves its memory as fn has left it. With a context that
// descends from a host function that this instance's guest has called, fn runs inside of that call, on the same
// goroutine: the guest is entered again. The instance that trapped, in whichever of its calls, gives its trap from
// then on, until Rollback.
func (k *Kept) Do(ctx context.Context, fn func(ctx context.Context, g abi.Guest) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("app %s: the call ended before it began: %w", k.pool.app, err)
	}
	cctx := &callContext{kept: k}
	outer, err := k.claim(ctx, cctx)
	if err != nil {
		return err
	}
	inst := k.inst
	cctx.inst = inst
	defer func() {
		cctx.ended.Store(true)
		k.top.Store(outer)
	}()
	if inst.trap != nil {
		return inst.trap
	}
	if outer != nil {
		defer inst.resume(inst.suspend())
	} else {
		k.pool.hot.remove(k)
		defer k.pool.hot.add(k)
		k.seed()
	}
	return k.pool.serve(ctx, cctx, fn, func(returned bool) {
		if !returned && inst.trap == nil {
			_ = inst.ended(ctx, "", &abi.Trap{Kind: abi.TrapHost, Reason: "the call's goroutine ended before the call did"})
		}
		inst.endCall()
		inst.meter()
	})
}

// refused says why top could not be claimed.
func (k *Kept) refused() error {
	if k.top.Load() == &gone {
		return fmt.Errorf("app %s: the kept instance is %w", k.pool.app, ErrClosed)
	}
	return fmt.Errorf("app %s: %w", k.pool.app, errBusy)
}

// Fuel is what the guest has used since the instance is kept: about the number of instructions. It is 0 for an app
// without an image.
func (k *Kept) Fuel() uint64 { return uint64(max(int64(k.inst.spent())-k.fuel, 0)) }

// Close gives the instance back. No call may be in flight; closing it again does nothing.
func (k *Kept) Close(ctx context.Context) {
	if !k.top.CompareAndSwap(nil, &gone) {
		if k.top.Load() != &gone {
			k.pool.log.ErrorContext(ctx, "a kept instance is closed while it runs; it stays, and so does its pool: this is a bug of the host")
		}
		return
	}
	p, inst := k.pool, k.inst
	p.hot.remove(k)
	k.forget()
	inst.ahead = 0
	p.mu.Lock()
	wanted := !p.closed && inst.image != nil && p.live < p.limits.MaxInstances && len(p.idle) < p.warm+spareKept
	if wanted {
		p.live++
	}
	p.mu.Unlock()
	switch {
	case wanted:
		p.giveBack(inst, inst.clean())
	default:
		inst.close(context.WithoutCancel(ctx))
	}
	p.unkeep()
}

// clean resets the instance and tells whether that worked.
func (i *Instance) clean() bool {
	if i.closed() || i.calling.Load() || i.trap != nil && i.trap.Kind == abi.TrapHost {
		// After a bug of the host nothing is known about the runtime's state.
		return false
	}
	if err := i.reset(); err != nil {
		i.pool.log.WarnContext(i.pool.base, "an instance could not be reset; it is dropped", "error", err)
		return false
	}
	return true
}
