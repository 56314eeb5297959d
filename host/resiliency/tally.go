package resiliency

import (
	"container/list"
	"sync"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

type tallyKey struct{ policy, app, target, flow string }

// tally counts what a policy did.
type tally struct {
	calls, activations atomic.Uint64
	breaker            atomic.Pointer[breaker]
}

// tally gives the counts of a policy for a kind of call; nil if there is no policy.
func (p *Policy) tally(op chain.Op, policy string) *tally {
	if policy == "" {
		return nil
	}
	key := tallyKey{policy: policy, app: op.App, target: targetOf(op), flow: "outbound"}
	if op.Direction == chain.Inbound {
		key.flow = "inbound"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.tallies[key]
	if t == nil {
		t = &tally{}
		p.tallies[key] = t
	}
	return t
}

// Count is what one policy did for one kind of call.
type Count struct {
	Policy, App, Target, Flow string
	// Calls passed the policy; for Activations of them it did something: a retry, an end by timeout, a refusal.
	Calls, Activations uint64
	// State is "closed", "half-open" or "open" for a circuit breaker, else empty.
	State string
}

// Counts gives what the policies did, for metrics.
func (p *Policy) Counts() []Count {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Count, 0, len(p.tallies))
	for k, t := range p.tallies {
		c := Count{
			Policy: k.policy, App: k.app, Target: k.target, Flow: k.flow,
			Calls: t.calls.Load(), Activations: t.activations.Load(),
		}
		if b := t.breaker.Load(); b != nil {
			c.State = b.cb.State().String()
		}
		out = append(out, c)
	}
	return out
}

// cache keeps the circuit breakers that were used last.
type cache struct {
	max int

	mu   sync.Mutex
	byID map[string]*list.Element // guarded by mu
	used list.List                // of *cached, the last used first; guarded by mu
}

type cached struct {
	id string
	b  *breaker
}

func newCache(most int) *cache { return &cache{max: most, byID: map[string]*list.Element{}} }

func (c *cache) get(id string, make func() *breaker) *breaker {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byID[id]; e != nil {
		c.used.MoveToFront(e)
		return e.Value.(*cached).b
	}
	e := c.used.PushFront(&cached{id: id, b: make()})
	c.byID[id] = e
	if len(c.byID) > c.max {
		last := c.used.Back()
		delete(c.byID, c.used.Remove(last).(*cached).id)
	}
	return e.Value.(*cached).b
}
