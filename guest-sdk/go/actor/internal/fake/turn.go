//go:build !wasip1

package fake

import (
	"maps"
	"runtime"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fail"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/value"
)

const (
	// maxDepth is how deep a chain of calls may be: the host's default.
	maxDepth = 32
	// patience is how long a call waits for its turn.
	patience = 30 * time.Second
)

// Entry is an actor, active or not. Its fields are guarded by world, actor by the turn.
type Entry struct {
	ID value.ID
	// mailbox holds one value while there is a turn. Those that wait to send are served in the order of arrival.
	mailbox chan struct{}
	// holder is the goroutine that has the turn.
	holder string
	actor  Actor
	// depth counts the turns in progress: more than one if it is entered again.
	depth int
	state map[string]item
	// changes are those of the turn in progress; nil is a removal.
	changes      map[string]*item
	timers       map[string]Timer
	timerChanges map[string]*Timer
	reminders    map[string]Reminder
	serial       int
}

// item is a value of the state.
type item struct {
	value   []byte
	expires time.Time
}

// turn is one call in a chain of calls.
type turn struct {
	entry  *Entry
	caller *turn
	depth  int
}

// run does one turn, after the activation if need be.
func (e *Entry) run(fn func(Actor) *fail.Error) *fail.Error {
	leave, failed := e.enter()
	if failed != nil {
		return failed
	}
	defer leave()
	if e.actor == nil {
		world.Lock()
		maker := world.types[e.ID.Type]
		world.Unlock()
		e.actor = maker(e)
		if failed := e.transaction(func() *fail.Error { return text(e.actor.Activate()) }); failed != nil {
			e.actor = nil
			return failed
		}
	}
	return e.transaction(func() *fail.Error { return fn(e.actor) })
}

func (e *Entry) deactivate() *fail.Error {
	leave, failed := e.enter()
	if failed != nil {
		return failed
	}
	defer leave()
	if e.actor == nil {
		return nil
	}
	defer func() {
		world.Lock()
		defer world.Unlock()
		e.forget()
	}()
	return e.transaction(func() *fail.Error { return text(e.actor.Deactivate()) })
}

// forget loses what is in memory.
func (e *Entry) forget() {
	e.actor = nil
	clear(e.timers)
}

// transaction keeps the changes of fn if it succeeds, and drops them if it fails or panics. A panic also ends the
// actor, as it does in a guest.
func (e *Entry) transaction(fn func() *fail.Error) (failed *fail.Error) {
	world.Lock()
	changes, timers := maps.Clone(e.changes), maps.Clone(e.timerChanges)
	e.depth++
	world.Unlock()
	ended := false
	defer func() {
		world.Lock()
		defer world.Unlock()
		e.depth--
		if !ended {
			e.forget()
		}
		if !ended || failed != nil {
			e.changes, e.timerChanges = changes, timers
			return
		}
		if e.depth == 0 {
			e.commit()
		}
	}()
	failed = fn()
	ended = true
	return failed
}

// commit makes the turn's changes last.
func (e *Entry) commit() {
	for k, c := range e.changes {
		if c == nil {
			delete(e.state, k)
			continue
		}
		e.state[k] = *c
	}
	for k, c := range e.timerChanges {
		if c == nil {
			delete(e.timers, k)
			continue
		}
		e.timers[k] = *c
	}
	e.changes, e.timerChanges = nil, nil
}

// enter waits for the turn, unless the chain of calls has it already. The caller calls leave at the end of the turn.
func (e *Entry) enter() (leave func(), failed *fail.Error) {
	me := goroutine()
	world.Lock()
	caller := world.turns[me]
	world.Unlock()
	next := &turn{entry: e, caller: caller, depth: 1}
	if caller != nil {
		next.depth = caller.depth + 1
	}
	nested := caller.has(e)
	switch {
	case next.depth > maxDepth:
		return nil, fail.New(fail.ErrStackDepth, "more than 32 calls: "+next.path())
	case !nested:
		if failed := e.wait(me); failed != nil {
			return nil, failed
		}
	case !isReentrant(e.ID.Type):
		return nil, fail.New(fail.ErrDeadlock, "actor "+e.ID.String()+" would wait for itself: "+next.path())
	}
	world.Lock()
	world.turns[me] = next
	world.Unlock()
	return func() {
		world.Lock()
		defer world.Unlock()
		if caller != nil {
			world.turns[me] = caller
		} else {
			delete(world.turns, me)
		}
		if !nested {
			e.holder = ""
			<-e.mailbox
		}
	}, nil
}

func isReentrant(actorType string) bool {
	world.Lock()
	defer world.Unlock()
	return world.reentrant[actorType]
}

// wait takes a place in the mailbox. Actors that would wait for each other for ever get the host's timeout at once.
func (e *Entry) wait(me string) *fail.Error {
	world.Lock()
	path := []string{e.ID.String()}
	for next := world.waiting[e.holder]; next != nil; next = world.waiting[next.holder] {
		path = append(path, next.ID.String())
		if next.holder == me {
			world.Unlock()
			return fail.New(fail.ErrTimeout, "actors wait for each other: "+strings.Join(append(path, path[0]), " waits for "))
		}
	}
	if world.turns[me] != nil {
		world.waiting[me] = e
	}
	world.Unlock()
	defer func() {
		world.Lock()
		defer world.Unlock()
		delete(world.waiting, me)
	}()
	select {
	case e.mailbox <- struct{}{}:
	case <-time.After(patience):
		return fail.New(fail.ErrTimeout, "actor "+e.ID.String()+" did not get to the call in "+patience.String())
	}
	world.Lock()
	defer world.Unlock()
	e.holder = me
	return nil
}

func (t *turn) has(e *Entry) bool {
	for ; t != nil; t = t.caller {
		if t.entry == e {
			return true
		}
	}
	return false
}

// path is the chain of calls from its beginning.
func (t *turn) path() string {
	path := t.entry.ID.String()
	for t = t.caller; t != nil; t = t.caller {
		path = t.entry.ID.String() + " calls " + path
	}
	return path
}

// goroutine names the calling goroutine: calls of actors carry no context, and chains of calls have to be known.
func goroutine() string {
	var buf [64]byte
	name := string(buf[:runtime.Stack(buf[:], false)])
	name, _, _ = strings.Cut(strings.TrimPrefix(name, "goroutine "), " ")
	return name
}

func text(err error) *fail.Error {
	if err == nil {
		return nil
	}
	return fail.New(fail.ErrFailed, err.Error())
}
