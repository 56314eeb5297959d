// Package actor implements actors: objects that are named by a type and an id, live for as long as they are used, take
// one call at a time, and keep state. Each is an instance of the app of its own.
//
//	// Account is an actor type. Its fields are the actor's memory.
//	type Account struct{ balance int64 }
//
//	// Activate reads what is stored, before the first turn.
//	func (a *Account) Activate(c *actor.Context) (err error) {
//		a.balance, _, err = actor.Get[int64](c, "balance")
//		return err
//	}
//
//	// Deposit is a method: the turn's changes of the state are stored when it returns, or dropped if it fails.
//	func (a *Account) Deposit(c *actor.Context, amount int64) (int64, error) {
//		if amount <= 0 {
//			return 0, fmt.Errorf("cannot deposit %d", amount)
//		}
//		if err := actor.Set(c, "balance", a.balance+amount); err != nil {
//			return 0, err
//		}
//		a.balance += amount
//		return a.balance, nil
//	}
//
//	var (
//		accounts = actor.Register[Account]("Account")
//		Deposit  = actor.Method(accounts, "deposit", (*Account).Deposit)
//	)
//
//	// anywhere, also in methods of other actors:
//	balance, err := Deposit.Invoke("alice", 100)
//
// Importing this package makes the app one with actors: it exports mrt:actor/actor, and its manifest says which types
// it has. Types are registered by variables of packages or in init functions; main does not run. Package client, below
// this one, is for apps that only call actors.
//
// # Memory and state
//
// The fields of an actor stay from turn to turn while it is active. The host puts idle actors to sleep with their
// memory, and gives it back at the next call; it is lost when the actor is deactivated, when a method panics, and when
// the app is replaced by another version, and then a zero value is made and activated. A turn that fails leaves the
// fields as they are, unless the manifest says that the type is atomic: so change them last. State (Get, Set, Remove)
// is stored at the end of the turn in one transaction.
//
// # Values
//
// Inputs, results and stored values are JSON, with three exceptions: []byte and string are passed as they are, None is
// no value, and Payload has the bytes with their content type. Empty input is the zero value.
//
// # Failing
//
// A method's error ends the turn as failed, and its text reaches the caller (client.ErrFailed). A panic is not
// recovered: it ends the instance, with Go's stack in the log.
//
// # Testing
//
// Under a native build, as in go test, calls go to actors in the same process, with turns, transactions, timers and
// reminders: see ResetFake, FireTimer, FireReminder and Deactivate.
package actor

import (
	"maps"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/client"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fail"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/value"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/warmup"
)

// None is the value of methods that take or give none.
type None = client.None

// Payload is a value's bytes with their content type, for methods that look at it.
type Payload = client.Payload

// ID names an actor by its Type and its ID in that type.
type ID = value.ID

// Activator is an actor that readies itself for its first turn, mostly by reading its state. An error fails the call
// that wanted the actor.
type Activator interface {
	Activate(c *Context) error
}

// Deactivator is an actor that wants to know when its memory is about to be lost. It may write state.
type Deactivator interface {
	Deactivate(c *Context) error
}

// Reminded is an actor that has reminders. An error makes the host try again, as the reminder's policy says.
type Reminded interface {
	Reminder(c *Context, d Due) error
}

// Timed is an actor that has timers whose callbacks are not the names of methods.
type Timed interface {
	Timer(c *Context, t Tick) error
}

// Type is a registered actor type: actors are *T.
type Type[T any] struct{ kind *kind }

// Name is the type's name.
func (t *Type[T]) Name() string { return t.kind.name }

// Register makes *T the actors of the type name, which is what the manifest calls it. *T may have the methods of
// Activator, Deactivator, Reminded and Timed; to be sure that a signature is right, write
//
//	var _ actor.Activator = (*Account)(nil)
//
// Register panics on a name that is empty, has "||", or is registered already.
func Register[T any](name string) *Type[T] {
	if name == "" || strings.Contains(name, "||") {
		panic("actor.Register: the type's name " + name + ` must not be empty and must not contain "||"`)
	}
	if kinds[name] != nil {
		panic("actor.Register: type " + name + " is registered already")
	}
	k := &kind{name: name, zero: func() any { return new(T) }, methods: map[string]method{}}
	kinds[name] = k
	backendRegister(k)
	return &Type[T]{k}
}

// Method makes f the method name of the type's actors, and gives what calls it. In methods that take or give nothing,
// In or Out is None. It panics if the type has the method already.
//
// Where f calls the method itself, of another actor, Go finds a cycle between the variable and f: use client.Define and
// Handle then.
func Method[T, In, Out any](t *Type[T], name string, f func(*T, *Context, In) (Out, error)) client.Call[In, Out] {
	call := client.Define[In, Out](t.kind.name, name)
	Handle(t, call, f)
	return call
}

// Handle is Method for a call that is defined already, for example in a package that the callers import. It panics if
// the call is for another type.
//
//	var Walk = client.Define[int, int]("Node", "walk")
//
//	func init() { actor.Handle(nodes, Walk, (*Node).Walk) }
func Handle[T, In, Out any](t *Type[T], call client.Call[In, Out], f func(*T, *Context, In) (Out, error)) {
	name := call.Method()
	switch {
	case call.Type() != t.kind.name:
		panic("actor.Handle: the call " + name + " is for type " + call.Type() + ", not for " + t.kind.name)
	case name == "":
		panic("actor.Handle: a method of " + t.kind.name + " has no name")
	case t.kind.methods[name] != nil:
		panic("actor.Handle: type " + t.kind.name + " has method " + name + " already")
	}
	in, out := value.Of[In](), value.Of[Out]()
	t.kind.methods[name] = func(self any, c *Context, p Payload) (Payload, *fail.Error) {
		v, err := in.Decode(p)
		if err != nil {
			return Payload{}, fail.New(fail.ErrFailed, "input of method "+name+" is "+err.Error())
		}
		res, err := f(self.(*T), c, v)
		if err != nil {
			return Payload{}, fail.New(fail.ErrFailed, err.Error())
		}
		if p, err = out.Encode(res); err != nil {
			return Payload{}, fail.New(fail.ErrFailed, "result of method "+name+": "+err.Error())
		}
		return p, nil
	}
	warmup.Register(func() {
		in.Warm()
		out.Warm()
	})
}

// kinds has the registered types; it does not change after start.
var kinds = map[string]*kind{}

// kind is an actor type without its Go type.
type kind struct {
	name    string
	zero    func() any
	methods map[string]method
}

// method is one turn's call of a method of self.
type method func(self any, c *Context, in Payload) (Payload, *fail.Error)

// instance is one active actor.
type instance struct {
	kind *kind
	self any
	c    *Context
}

// Activate readies a new actor.
func (i *instance) Activate() error {
	if a, ok := i.self.(Activator); ok {
		return a.Activate(i.c)
	}
	return nil
}

// Deactivate ends it.
func (i *instance) Deactivate() error {
	if d, ok := i.self.(Deactivator); ok {
		return d.Deactivate(i.c)
	}
	return nil
}

// Invoke calls a method.
func (i *instance) Invoke(name string, in Payload) (Payload, *fail.Error) {
	m := i.kind.methods[name]
	if m == nil {
		return Payload{}, i.unknown("no method \"" + name + "\"")
	}
	return m(i.self, i.c, in)
}

// Timer calls the method that callback names, or the actor's Timer.
func (i *instance) Timer(name, callback string, data []byte) *fail.Error {
	if m := i.kind.methods[callback]; m != nil {
		_, err := m(i.self, i.c, Payload{Data: data})
		return err
	}
	t, ok := i.self.(Timed)
	if !ok {
		return i.unknown("no method \"" + callback + "\", the callback of timer \"" + name + "\", and no Timer (actor.Timed)")
	}
	if err := t.Timer(i.c, Tick{Name: name, Callback: callback, Data: data}); err != nil {
		return fail.New(fail.ErrFailed, err.Error())
	}
	return nil
}

// Reminder calls the actor's Reminder.
func (i *instance) Reminder(d Due) *fail.Error {
	r, ok := i.self.(Reminded)
	if !ok {
		return i.unknown("no Reminder (actor.Reminded), which reminder \"" + d.Name + "\" needs")
	}
	if err := r.Reminder(i.c, d); err != nil {
		return fail.New(fail.ErrFailed, err.Error())
	}
	return nil
}

// unknown says what the type lacks, and which methods it has.
func (i *instance) unknown(what string) *fail.Error {
	has := "none"
	if len(i.kind.methods) > 0 {
		has = strings.Join(slices.Sorted(maps.Keys(i.kind.methods)), ", ")
	}
	return fail.New(fail.ErrUnknownMethod, "actor type "+i.kind.name+" has "+what+"; its methods: "+has)
}
