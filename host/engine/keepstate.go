package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// Mark remembers the instance as it is now, for Rollback. The last Mark counts. It fails with ErrNoImage for an app
// without an image, and with ErrHeld.
func (k *Kept) Mark() error {
	if err := k.hold(); err != nil {
		return err
	}
	defer k.top.Store(nil)
	if err := k.sound(); err != nil {
		return err
	}
	if k.mark == nil {
		k.mark = k.pool.deltas.get()
	}
	if err := k.inst.diff(k.mark); err != nil {
		k.forget()
		return fmt.Errorf("app %s: mark an instance: %w", k.pool.app, err)
	}
	return nil
}

// Rollback brings the instance back to Mark, whatever happened since. Only random number generators go on.
func (k *Kept) Rollback() error {
	if err := k.hold(); err != nil {
		return err
	}
	defer k.top.Store(nil)
	p := k.pool
	switch {
	case k.inst.image == nil:
		return fmt.Errorf("app %s: an instance cannot be rolled back: %w", p.app, ErrNoImage)
	case k.mark == nil:
		return fmt.Errorf("app %s: an instance that was not marked cannot be rolled back; this is a bug of the host", p.app)
	}
	p.hot.remove(k)
	if !k.inst.clean() {
		if err := k.replace(); err != nil {
			return fmt.Errorf("app %s: roll an instance back: %w", p.app, err)
		}
	}
	k.stale = true
	return k.inst.apply(k.mark)
}

// replace puts a new instance in the place of one of which nothing is known.
func (k *Kept) replace() error {
	fresh, err := k.pool.clone(k.pool.base, k.inst.image)
	if err != nil {
		return err
	}
	old := k.inst
	fresh.ahead = old.ahead
	k.fuel -= int64(old.spent())
	k.inst = fresh
	old.close(k.pool.base)
	return nil
}

// Save gives what makes another instance, of this or of a later process, go on where this one is: its difference from
// the image, compressed. It fails with ErrNoImage for an app without an image, and with ErrHeld.
func (k *Kept) Save() ([]byte, error) {
	if err := k.hold(); err != nil {
		return nil, err
	}
	defer k.top.Store(nil)
	if err := k.sound(); err != nil {
		return nil, err
	}
	p := k.pool
	d := p.deltas.get()
	defer p.deltas.put(d)
	if err := k.inst.diff(d); err != nil {
		return nil, fmt.Errorf("app %s: save an instance: %w", p.app, err)
	}
	record, held := encodeRecord(k.inst.image, d, k.inst.now(), p.shared)
	if held != nil {
		return nil, fmt.Errorf("app %s: save an instance: %w", p.app, heldError(held))
	}
	return record, nil
}

// Savable fails with what would keep the instance from being marked now, at little cost.
func (k *Kept) Savable() error {
	if err := k.hold(); err != nil {
		return err
	}
	defer k.top.Store(nil)
	if err := k.sound(); err != nil {
		return err
	}
	if held := k.inst.held(); held != nil {
		return fmt.Errorf("app %s: %w", k.pool.app, heldError(held))
	}
	return nil
}

// heldError is an ErrHeld that names what is held.
func heldError(held canon.Held) error {
	return fmt.Errorf("%w of what only this process has: %s; have the guest drop them (close its files, sockets, streams and requests) "+
		"before its call ends", ErrHeld, held)
}

// hold keeps calls off while a method that is none runs.
func (k *Kept) hold() error {
	if !k.top.CompareAndSwap(nil, &held) {
		return k.refused()
	}
	return nil
}

// sound refuses an instance that has no state worth remembering.
func (k *Kept) sound() error {
	switch {
	case k.inst.image == nil:
		return fmt.Errorf("app %s: an instance can be neither saved nor marked: %w", k.pool.app, ErrNoImage)
	case k.inst.trap != nil:
		return fmt.Errorf("app %s: an instance that has trapped can be neither saved nor marked; roll it back: %w", k.pool.app, k.inst.trap)
	}
	return nil
}

// forget gives up the mark.
func (k *Kept) forget() {
	if k.mark != nil {
		k.pool.deltas.put(k.mark)
		k.mark = nil
	}
}

// seed gives the guest's generators states that no other instance has, nor this one has had. Where a guest has put
// something else in the place of a generator, that stays.
func (k *Kept) seed() {
	if i := k.inst; i.unseeded || k.stale {
		i.unseeded, i.cooled, k.stale = false, false, false
		reseedFound(i.mem.buf, i.image.generators)
	}
}

// read decodes what Save gave for the pool's image.
func (p *Pool) read(ctx context.Context, saved []byte, d *delta) (moment, error) {
	if p.module.rewritten == nil {
		return moment{}, fmt.Errorf("app %s: wake an instance: %w", p.app, errors.Join(ErrChanged, ErrNoImage))
	}
	img, err := p.ensureImage(ctx)
	if err != nil {
		return moment{}, fmt.Errorf("app %s: the guest did not start: %w", p.app, err)
	}
	at, err := decodeRecord(saved, p.frame(img), d)
	if err != nil {
		return moment{}, fmt.Errorf("app %s: wake an instance: %w", p.app, err)
	}
	return at, nil
}

// frame gives what a saved instance has to fit into.
func (p *Pool) frame(img *image) frame {
	components := 1
	if prog := p.module.program; prog != nil {
		components = max(1, prog.plan.Components)
	}
	return frame{img: img, limit: p.limits.Memory, objects: p.shared, components: components}
}
