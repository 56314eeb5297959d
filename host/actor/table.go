package actor

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// shards is a power of two.
const shards = 64

// actorType is one type: its settings and its active actors.
type actorType struct {
	Settings
	store Store
	table [shards]shard
	seed  maphash.Seed
	// idle has the actors with an instance, in the order of their last use.
	idle recent
	// gen counts reloads of the app's code.
	gen atomic.Uint64
	// active counts the instances of the type, those that are being made included.
	active atomic.Int64
	stats  counters
	// warned tells that it was said that an actor cannot be hibernated.
	warned atomic.Bool
	// Calls from outside, timers and reminders pass here; those of apps have points of their own.
	outside, timers, reminders *chain.Point
}

type shard struct {
	mu     sync.Mutex
	actors map[string]*actor
}

func newType(s Settings, store Store, c *chain.Chain) *actorType {
	t := &actorType{
		Settings: s, store: store, seed: maphash.MakeSeed(), outside: invokePoint(c, s.Type, ""),
		timers:    c.Point(chain.Op{Direction: chain.Inbound, Block: "actor", Name: kindTimer, Target: s.Type, App: s.App}),
		reminders: c.Point(chain.Op{Direction: chain.Inbound, Block: "actor", Name: kindReminder, Target: s.Type, App: s.App}),
	}
	for i := range t.table {
		t.table[i].actors = map[string]*actor{}
	}
	return t
}

// invokePoint is where the calls of an app pass; caller is "" for calls from outside.
func invokePoint(c *chain.Chain, typ, caller string) *chain.Point {
	return c.Point(chain.Op{Direction: chain.Invoke, Block: "actor", Name: "invoke", Target: typ, App: caller})
}

func (t *actorType) shard(id string) *shard {
	return &t.table[maphash.String(t.seed, id)&(shards-1)]
}

// find gives the actor, and makes its entry if there is none and it is to be made.
func (t *actorType) find(id ID, create bool) *actor {
	s := t.shard(id.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.actors[id.ID]
	if a == nil && create {
		a = &actor{id: id, typ: t}
		s.actors[id.ID] = a
	}
	return a
}

// forget takes the entry away if it is still this one.
func (t *actorType) forget(a *actor) {
	s := t.shard(a.id.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.actors[a.id.ID] == a {
		delete(s.actors, a.id.ID)
	}
}

// each calls f with every entry; no lock is held during f.
func (t *actorType) each(f func(*actor)) {
	var batch []*actor
	for i := range t.table {
		s := &t.table[i]
		batch = batch[:0]
		s.mu.Lock()
		for _, a := range s.actors {
			batch = append(batch, a)
		}
		s.mu.Unlock()
		for _, a := range batch {
			f(a)
		}
	}
}

// recent is a list of actors, the longest unused first.
type recent struct {
	mu         sync.Mutex
	head, tail *actor
	n          int
}

// touch puts the actor at the end.
func (r *recent) touch(a *actor, now int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	a.used.Store(now)
	if r.tail == a {
		return
	}
	r.unlink(a)
	a.prev, a.listed = r.tail, true
	if r.tail == nil {
		r.head = a
	} else {
		r.tail.next = a
	}
	r.tail = a
	r.n++
}

// remove takes the actor off the list if it is on it.
func (r *recent) remove(a *actor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unlink(a)
}

func (r *recent) unlink(a *actor) {
	if !a.listed {
		return
	}
	if a.prev == nil {
		r.head = a.next
	} else {
		a.prev.next = a.next
	}
	if a.next == nil {
		r.tail = a.prev
	} else {
		a.next.prev = a.prev
	}
	a.prev, a.next, a.listed = nil, nil, false
	r.n--
}

// oldest gives up to n actors that were not used since the time given, the longest unused first. They stay listed;
// those that are busy are left out.
func (r *recent) oldest(n int, before int64) []*actor {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*actor
	for a := r.head; a != nil && len(out) < n && a.used.Load() <= before; a = a.next {
		if !a.busy.Load() {
			out = append(out, a)
		}
	}
	return out
}

// smallest gives up to n of the actors, those with the smallest ids, in their order.
func smallest(actors []*actor, n int) []*actor {
	slices.SortFunc(actors, func(x, y *actor) int { return strings.Compare(x.id.ID, y.id.ID) })
	return actors[:min(n, len(actors))]
}
