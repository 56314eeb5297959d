//go:build !wasip1

package fake

import (
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fail"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/value"
)

// Actor is an active actor.
type Actor interface {
	Activate() error
	Deactivate() error
	Invoke(method string, in value.Payload) (value.Payload, *fail.Error)
	Timer(name, callback string, data []byte) *fail.Error
	Reminder(r Reminder) *fail.Error
}

// Handler answers the calls of an actor type that is another app's.
type Handler func(id, method string, in value.Payload) (value.Payload, *fail.Error)

// Timer is a timer as it was registered. Left counts how often it is still due: -1 for no bound.
type Timer struct {
	Name, Callback       string
	Data                 []byte
	DueTime, Period, TTL string
	Left                 int
}

// Reminder is a reminder as it was registered. Left counts as in Timer.
type Reminder struct {
	Name                 string
	Data                 []byte
	DueTime, Period, TTL string
	Repeats              uint32
	Left                 int
	// Policy is package actor's.
	Policy any
	// Dropped tells that the policy is not to try again.
	Dropped bool
	// serial tells registrations of one name apart.
	serial int
}

var world = struct {
	sync.Mutex
	// types makes new actors; handlers go before them.
	types    map[string]func(*Entry) Actor
	handlers map[string]Handler
	// reentrant are the types whose actors take calls of their own chain.
	reentrant map[string]bool
	entries   map[value.ID]*Entry
	// turns has the innermost turn of each goroutine that is in one.
	turns map[string]*turn
	// waiting has what a goroutine in a turn waits for.
	waiting map[string]*Entry
}{
	types: map[string]func(*Entry) Actor{}, handlers: map[string]Handler{}, reentrant: map[string]bool{},
	entries: map[value.ID]*Entry{}, turns: map[string]*turn{}, waiting: map[string]*Entry{},
}

// Register makes an actor type known for good.
func Register(actorType string, make func(*Entry) Actor) {
	world.Lock()
	defer world.Unlock()
	world.types[actorType] = make
}

// Handle makes h answer for an actor type until Reset; nil removes it.
func Handle(actorType string, h Handler) {
	world.Lock()
	defer world.Unlock()
	if h == nil {
		delete(world.handlers, actorType)
		return
	}
	world.handlers[actorType] = h
}

// Reentrant says whether the actors of a type take calls of their own chain, until Reset.
func Reentrant(actorType string, on bool) {
	world.Lock()
	defer world.Unlock()
	world.reentrant[actorType] = on
}

// Reset forgets all actors with their state, handlers and settings.
func Reset() {
	world.Lock()
	defer world.Unlock()
	clear(world.handlers)
	clear(world.reentrant)
	clear(world.entries)
}

// Invoke calls a method.
func Invoke(id value.ID, method string, in value.Payload) (value.Payload, error) {
	in.Data = slices.Clone(in.Data)
	world.Lock()
	h := world.handlers[id.Type]
	world.Unlock()
	var out value.Payload
	var failed *fail.Error
	if h != nil {
		out, failed = h(id.ID, method, in)
	} else {
		var e *Entry
		if e, failed = entry(id); failed == nil {
			failed = e.run(func(a Actor) (err *fail.Error) {
				out, err = a.Invoke(method, in)
				return err
			})
		}
	}
	if failed != nil {
		return value.Payload{}, failed
	}
	out.Data = slices.Clone(out.Data)
	return out, nil
}

// entry finds an actor, or makes it.
func entry(id value.ID) (*Entry, *fail.Error) {
	if err := check("actor type", id.Type); err != nil {
		return nil, err
	}
	if err := check("actor id", id.ID); err != nil {
		return nil, err
	}
	world.Lock()
	defer world.Unlock()
	if e := world.entries[id]; e != nil {
		return e, nil
	}
	if world.types[id.Type] == nil {
		return nil, fail.New(fail.ErrUnknownType, "no app has actor type \""+id.Type+"\"; there are: "+
			strings.Join(slices.Sorted(maps.Keys(world.types)), ", "))
	}
	e := &Entry{
		ID: id, mailbox: make(chan struct{}, 1),
		state: map[string]item{}, timers: map[string]Timer{}, reminders: map[string]Reminder{},
	}
	world.entries[id] = e
	return e, nil
}

func check(what, name string) *fail.Error {
	switch {
	case name == "":
		return fail.New(fail.ErrInvalidRequest, "the "+what+" is empty")
	case strings.Contains(name, "||"):
		return fail.New(fail.ErrInvalidRequest, "the "+what+" \""+name+"\" has \"||\"")
	}
	return nil
}

// Self names the actor whose turn the calling goroutine is.
func Self() (value.ID, bool) {
	world.Lock()
	defer world.Unlock()
	t := world.turns[goroutine()]
	if t == nil {
		return value.ID{}, false
	}
	return t.entry.ID, true
}

// Deactivate ends an actor's memory and its timers; its state and reminders stay. It does nothing to one that is not
// active.
func Deactivate(id value.ID) error {
	e, failed := entry(id)
	if failed != nil {
		return failed
	}
	if failed := e.deactivate(); failed != nil {
		return failed
	}
	return nil
}

// FireTimer makes a timer due.
func FireTimer(id value.ID, name string) error {
	e, failed := entry(id)
	if failed != nil {
		return failed
	}
	world.Lock()
	t, ok := e.timers[name]
	if ok {
		t.Left--
		e.timers[name] = t
		if t.Left == 0 {
			delete(e.timers, name)
		}
	}
	world.Unlock()
	if !ok {
		return fail.New(fail.ErrNotFound, "actor "+id.String()+" has no timer \""+name+"\"")
	}
	failed = e.run(func(a Actor) *fail.Error { return a.Timer(t.Name, t.Callback, slices.Clone(t.Data)) })
	if failed != nil {
		return failed
	}
	return nil
}

// FireReminder makes a reminder due. It counts as done if it succeeds, or is not to be tried again.
func FireReminder(id value.ID, name string) error {
	e, failed := entry(id)
	if failed != nil {
		return failed
	}
	world.Lock()
	r, ok := e.reminders[name]
	world.Unlock()
	if !ok {
		return fail.New(fail.ErrNotFound, "actor "+id.String()+" has no reminder \""+name+"\"")
	}
	due := r
	due.Data = slices.Clone(r.Data)
	failed = e.run(func(a Actor) *fail.Error { return a.Reminder(due) })
	if failed == nil || r.Dropped {
		e.done(r)
	}
	if failed != nil {
		return failed
	}
	return nil
}
