package engine

import (
	"container/list"
	"context"
	"fmt"
	"time"
)

// retryAfter is what callers are told to wait when an app is overloaded.
const retryAfter = time.Second

// waiter is a call that waits for an instance.
type waiter struct {
	// ready gets one value, and only after the waiter is taken off the list.
	ready chan handOver
	place *list.Element
}

// handOver is an instance or the reason why there is none.
type handOver struct {
	inst *Instance
	err  error
}

// take gives an idle instance, or waits for one in order of arrival.
func (p *Pool) take(ctx context.Context) (*Instance, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("app %s: the call ended before it began: %w", p.app, err)
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, fmt.Errorf("app %s is %w", p.app, ErrClosed)
	}
	if n := len(p.idle); n > 0 {
		inst := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return inst, nil
	}
	// Calls for which an instance can still be made do not count as queued.
	free := p.limits.MaxInstances - (p.live - p.starting)
	if p.waiting.Len() >= p.limits.Queue+free {
		p.mu.Unlock()
		p.counters.overloads.Add(1)
		if p.hooks.Overload != nil {
			p.hooks.Overload()
		}
		return nil, &OverloadedError{App: p.app, RetryAfter: retryAfter}
	}
	w := &waiter{ready: make(chan handOver, 1)}
	w.place = p.waiting.PushBack(w)
	p.growLocked()
	p.mu.Unlock()
	return p.wait(ctx, w)
}

func (p *Pool) wait(ctx context.Context, w *waiter) (*Instance, error) {
	start := time.Now()
	var timeout <-chan time.Time
	if p.limits.Timeout > 0 {
		t := time.NewTimer(p.limits.Timeout)
		defer t.Stop()
		timeout = t.C
	}
	var err error
	select {
	case h := <-w.ready:
		p.hooks.waited(time.Since(start))
		return h.inst, h.err
	case <-ctx.Done():
		err = fmt.Errorf("app %s: the call ended while it waited for a free instance: %w", p.app, ctx.Err())
	case <-timeout:
		p.counters.overloads.Add(1)
		err = &OverloadedError{App: p.app, RetryAfter: retryAfter}
	}
	p.mu.Lock()
	waiting := w.place != nil
	if waiting {
		p.waiting.Remove(w.place)
		w.place = nil
	}
	last := p.lastLocked()
	p.mu.Unlock()
	if last {
		p.finish()
	}
	if !waiting {
		// It was served in the same moment.
		if h := <-w.ready; h.inst != nil {
			p.giveBack(h.inst, true)
		}
	}
	return nil, err
}

// popLocked takes the first waiter off the list, nil if nobody waits.
func (p *Pool) popLocked() *waiter {
	front := p.waiting.Front()
	if front == nil {
		return nil
	}
	w, _ := p.waiting.Remove(front).(*waiter)
	w.place = nil
	return w
}

// failLocked answers all who wait.
func (p *Pool) failLocked(err error) {
	for w := p.popLocked(); w != nil; w = p.popLocked() {
		w.ready <- handOver{err: err}
	}
}

// growLocked starts to make instances for those who wait.
func (p *Pool) growLocked() {
	for p.starting < p.maxStarting && p.live < p.limits.MaxInstances && p.starting < p.waiting.Len() {
		p.growOneLocked()
	}
}

// growOneLocked starts to make an instance. It goes to whoever is first in line when it is ready: a caller that goes
// away does not end it.
func (p *Pool) growOneLocked() {
	p.live++
	p.starting++
	go func() {
		if err := p.start(p.base); err != nil {
			p.log.Error("an instance could not be made", "error", err)
		}
	}()
}

// refillLocked makes an instance ahead of the next call where each call needs a new one that takes long to make.
func (p *Pool) refillLocked() {
	if p.closed || p.policy != Reset || !p.module.isGraph() && !p.noImage.Load() {
		return
	}
	if p.live < p.limits.MaxInstances && len(p.idle)+p.starting < max(p.warm, 1) {
		p.growOneLocked()
	}
}

// start makes one instance, for which the caller has counted live and starting up.
func (p *Pool) start(ctx context.Context) error {
	inst, err := p.make(ctx)
	p.mu.Lock()
	p.starting--
	if err == nil {
		p.counters.started.Add(1)
		p.mu.Unlock()
		p.giveBack(inst, true)
		return nil
	}
	p.live--
	if p.live == 0 {
		// Nobody is left who could serve those who wait.
		p.failLocked(err)
	}
	last := p.lastLocked()
	p.mu.Unlock()
	if last {
		p.finish()
	}
	return err
}

// giveBack hands an instance to the next call or makes it idle; one that is not usable any more is closed.
func (p *Pool) giveBack(inst *Instance, usable bool) {
	inst.endCall()
	p.mu.Lock()
	w := (*waiter)(nil)
	if usable {
		w = p.popLocked()
	}
	switch {
	case w != nil:
		w.ready <- handOver{inst: inst}
	case usable && !p.closed:
		inst.idleSince = time.Now()
		p.idle = append(p.idle, inst)
		p.trimLaterLocked()
	default:
		usable = false
		p.live--
		p.growLocked()
		p.refillLocked()
	}
	if w != nil {
		p.growLocked()
	}
	last := p.lastLocked()
	p.mu.Unlock()
	if w == nil && !usable {
		inst.close(p.base)
	}
	if last {
		p.finish()
	}
}

// trimLaterLocked sees to it that idle instances over the warm ones are closed when they have been idle too long.
func (p *Pool) trimLaterLocked() {
	if p.trimmer != nil || len(p.idle) <= p.warm {
		return
	}
	next := p.idle[0].idleSince.Add(p.idleTimeout)
	for _, inst := range p.idle[:len(p.idle)-p.warm] {
		if p.coolable(inst) {
			if at := inst.idleSince.Add(p.idleTimeout / coolShare); at.Before(next) {
				next = at
			}
			break
		}
	}
	p.trimmer = time.AfterFunc(time.Until(next), p.trim)
}

// coolShare is the part of the idle timeout, as a divisor, after which an idle instance gives its memory back.
const coolShare = 8

// coolable tells whether an idle instance has memory that can be given back: one that holds no state.
func (p *Pool) coolable(inst *Instance) bool {
	return inst.unseeded && !inst.cooled && inst.mem.slots != nil
}

// coolIdle gives back the memory of the instances that have been idle for a while. It looks for one at a time, so that
// calls do not wait for all of them.
func (p *Pool) coolIdle() {
	for {
		p.mu.Lock()
		var next *Instance
		for _, inst := range p.idle[:max(len(p.idle)-p.warm, 0)] {
			if p.coolable(inst) && time.Since(inst.idleSince) >= p.idleTimeout/coolShare {
				next = inst
				break
			}
		}
		if next != nil {
			next.cool()
		}
		p.mu.Unlock()
		if next == nil {
			return
		}
	}
}

// trim closes the instances that have been idle too long. The longest idle is first.
func (p *Pool) trim() {
	p.coolIdle()
	p.mu.Lock()
	p.trimmer = nil
	n := 0
	for n < len(p.idle)-p.warm && time.Since(p.idle[n].idleSince) >= p.idleTimeout {
		n++
	}
	old := append([]*Instance(nil), p.idle[:n]...)
	p.idle = append(p.idle[:0], p.idle[n:]...)
	clear(p.idle[len(p.idle) : len(p.idle)+n])
	p.live -= n
	if !p.closed {
		p.trimLaterLocked()
	}
	p.mu.Unlock()
	for _, inst := range old {
		inst.close(p.base)
	}
}
