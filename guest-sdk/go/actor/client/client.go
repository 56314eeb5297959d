// Package client calls actors of this app and of others. An actor is named by its type and its id; the first call makes
// it, and each call waits for its turn and for the turn's end.
//
//	var Deposit = client.Define[int64, int64]("Account", "deposit")
//
//	balance, err := Deposit.Invoke("alice", 100)
//	if errors.Is(err, client.ErrOverloaded) { … }
//
// What is called is a method that the app with the actor type has registered (package actor, whose Method gives a Call
// too). []byte, string and Payload are passed as they are, None is no value, and everything else is JSON.
//
// Under a native build, as in go test, calls go to the actor types that are linked in, and to those of FakeType.
package client

import (
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fail"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/value"
)

// Payload is what is passed to a method and what it gives, with its content type.
type Payload = value.Payload

// None is the value of methods that take or give none.
type None = struct{}

// The reasons of errors, of this package and of package actor; test with errors.Is. The text says what to do.
var (
	// ErrUnknownType: no app has this actor type.
	ErrUnknownType = fail.ErrUnknownType
	// ErrUnknownMethod: the actor has no such method.
	ErrUnknownMethod = fail.ErrUnknownMethod
	// ErrInvalidRequest: a name, a time or a key is not valid.
	ErrInvalidRequest = fail.ErrInvalidRequest
	// ErrFailed: the actor's method failed, and nothing that its turn wrote was kept. The text is the method's own.
	ErrFailed = fail.ErrFailed
	// ErrOverloaded: the actor's mailbox is full; trying again later may help.
	ErrOverloaded = fail.ErrOverloaded
	// ErrTimeout: the turn did not come, or did not end, in time. It may still take effect.
	ErrTimeout = fail.ErrTimeout
	// ErrDeadlock: the chain of calls comes back to an actor that takes no calls during its turn.
	ErrDeadlock = fail.ErrDeadlock
	// ErrStackDepth: the chain of calls is too deep.
	ErrStackDepth = fail.ErrStackDepth
	// ErrAlreadyExists: there is a reminder of this name.
	ErrAlreadyExists = fail.ErrAlreadyExists
	// ErrNotFound: there is no reminder of this name.
	ErrNotFound = fail.ErrNotFound
	// ErrNotInTurn: this is for an actor's turn only.
	ErrNotInTurn = fail.ErrNotInTurn
	// ErrUnavailable: the store cannot be reached, or the host is stopping; trying again may help.
	ErrUnavailable = fail.ErrUnavailable
)

// Error is a call that failed.
type Error struct {
	// Type, ID and Method say what was called.
	Type, ID, Method string
	// Reason is one of the errors of this package.
	Reason error
	// Message is the host's text, or the method's own for ErrFailed.
	Message string
}

// Error gives all of it.
func (e *Error) Error() string {
	text := "actor " + e.Type + "/" + e.ID + ": " + e.Method + ": " + e.Reason.Error()
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Reason }

// Invoke calls a method and waits for the end of its turn. An error is an *Error.
func Invoke(actorType, id, method, contentType string, data []byte) (Payload, error) {
	out, err := backendInvoke(value.ID{Type: actorType, ID: id}, method, Payload{ContentType: contentType, Data: data})
	if err != nil {
		e := &Error{Type: actorType, ID: id, Method: method, Reason: fail.ErrOther, Message: err.Error()}
		if f, ok := errors.AsType[*fail.Error](err); ok {
			e.Reason, e.Message = f.Reason, f.Message
		}
		return Payload{}, e
	}
	return out, nil
}

// Call is a method of an actor type, to be called by the id of an actor. It is a name, not a connection; make it by
// Define, or as what actor.Method gives.
type Call[In, Out any] struct {
	actorType, method string
	in                *value.Codec[In]
	out               *value.Codec[Out]
}

// Define names a method, and says what it takes and gives. Nothing is checked before the first call.
func Define[In, Out any](actorType, method string) Call[In, Out] {
	return Call[In, Out]{actorType, method, value.Of[In](), value.Of[Out]()}
}

// Type is the actor type's name.
func (c Call[In, Out]) Type() string { return c.actorType }

// Method is the method's name.
func (c Call[In, Out]) Method() string { return c.method }

// Invoke calls the method of the actor id and waits for the end of its turn. It fails with an *Error, or because in
// cannot be written as JSON or the answer is not that of an Out.
func (c Call[In, Out]) Invoke(id string, in In) (Out, error) {
	var none Out
	if c.in == nil {
		return none, errors.New("a client.Call that is called must be made by client.Define or actor.Method")
	}
	p, err := c.in.Encode(in)
	if err != nil {
		return none, fmt.Errorf("actor %s/%s: %s: input: %w", c.actorType, id, c.method, err)
	}
	p, err = Invoke(c.actorType, id, c.method, p.ContentType, p.Data)
	if err != nil {
		return none, err
	}
	out, err := c.out.Decode(p)
	if err != nil {
		return none, fmt.Errorf("actor %s/%s: %s: the answer is %w", c.actorType, id, c.method, err)
	}
	return out, nil
}
