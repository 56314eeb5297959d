package engine

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// Hooks are told what happens in a pool, for metrics. They are called from many goroutines and must not block. Any
// may be nil.
type Hooks struct {
	// Instance is told of each attempt to make an instance, how long it took and how it failed.
	Instance func(took time.Duration, err error)
	// Trap is told of each trap.
	Trap func(kind abi.TrapKind)
	// Waited is told how long each call waited for an instance, if it had to.
	Waited func(d time.Duration)
	// Overload is told of each call that was refused because the queue was full.
	Overload func()
	// Spent is told of each call's fuel: about the number of instructions that the guest ran. It is not told of
	// modules that run without an image.
	Spent func(fuel uint64)
}

func (h Hooks) instance(took time.Duration, err error) {
	if h.Instance != nil {
		h.Instance(took, err)
	}
}

func (h Hooks) waited(d time.Duration) {
	if h.Waited != nil {
		h.Waited(d)
	}
}

// trapKinds is the number of trap kinds.
const trapKinds = int(abi.TrapHost) + 1

// counters count since the pool was made.
type counters struct {
	calls, overloads, started, resets, fuel atomic.Uint64
	traps                                   [trapKinds]atomic.Uint64
}

// Stats is the state of a pool at one moment.
type Stats struct {
	// Live instances exist or are being made; of them Starting are being made and Idle wait for a call.
	Live, Starting, Idle int
	// Kept instances exist beside those: their holders have them until they close them.
	Kept int
	// Queued calls wait for an instance.
	Queued int
	// Calls were begun, Overloads refused, and Started instances made since the pool was made.
	Calls, Overloads, Started uint64
	// Resets counts how often an instance was brought back to the image.
	Resets uint64
	// Fuel is what the guests have used: about the number of instructions.
	Fuel uint64
	// Image tells how instances get their memory: "mapped" or "copied" from the app's image, or "" for an app without
	// one, which is started for each instance. An image is made with the first instance.
	Image string
	// Traps counts by kind.
	Traps map[abi.TrapKind]uint64
}

// Stats gives the state of the pool.
func (p *Pool) Stats() Stats {
	s := Stats{
		Calls: p.counters.calls.Load(), Overloads: p.counters.overloads.Load(), Started: p.counters.started.Load(),
		Resets: p.counters.resets.Load(), Fuel: p.counters.fuel.Load(),
		Traps: map[abi.TrapKind]uint64{},
	}
	for k := range p.counters.traps {
		if n := p.counters.traps[k].Load(); n > 0 {
			s.Traps[abi.TrapKind(k)] = n
		}
	}
	if img := p.image.Load(); img != nil {
		s.Image = img.kind()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.Live, s.Starting, s.Idle, s.Queued, s.Kept = p.live, p.starting, len(p.idle), p.waiting.Len(), p.kept
	return s
}

// spent counts a call's fuel.
func (p *Pool) spent(fuel uint64) {
	p.counters.fuel.Add(fuel)
	if p.hooks.Spent != nil {
		p.hooks.Spent(fuel)
	}
}

func (p *Pool) trapped(kind abi.TrapKind) {
	if int(kind) < trapKinds {
		p.counters.traps[kind].Add(1)
	}
	if p.hooks.Trap != nil {
		p.hooks.Trap(kind)
	}
}

// OverloadedError says that a call was refused because its app's queue is full, or that it waited for an instance as
// long as a call may take.
type OverloadedError struct {
	App string
	// RetryAfter is how long the caller should wait.
	RetryAfter time.Duration
}

// Error names the app and the settings that bound its queue.
func (e *OverloadedError) Error() string {
	return fmt.Sprintf("app %s: all instances are busy and the queue is full (spec.limits.maxInstances, spec.limits.queue); "+
		"try again after %s", e.App, e.RetryAfter)
}
