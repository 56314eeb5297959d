// Package binding is the building block for systems outside: output bindings, which apps call, and input bindings,
// which start apps by events. It has what a driver implements, and the semantics around it (operations, direction,
// routes, trace) that are the same for every driver.
//
// As in Dapr, every app that may see an input binding and handles events reads it for itself: each of several apps
// gets every event, while hosts that run the same app share the events of sources that have consumer groups.
package binding

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// MaxData bounds the data of a reply, in bytes: an app takes no more.
const MaxData = abi.MaxBytes

// Binding is what every driver implements, beside Output, Input or both. All methods are safe for concurrent use.
type Binding interface {
	// Close ends the binding; all readers are stopped before.
	Close(ctx context.Context) error
}

// Output is a Binding that can be called.
type Output interface {
	// Operations lists what Invoke takes; always the same.
	Operations() []string
	// Invoke calls an operation. A nil reply means that there is nothing to tell. The errors are those of this
	// package, wrapped with what the driver knows; one that has an HTTP status may say so by a method HTTPStatus, for policies that look at it.
	Invoke(ctx context.Context, req *Request) (*Reply, error)
}

// Request is one call of an operation.
type Request struct {
	Operation string
	// Data is not changed by anybody; a driver that keeps it after Invoke makes a copy. May be nil.
	Data []byte
	// JSON tells that Data is a JSON value as the HTTP API got it: a text stands in quotes.
	JSON bool
	// Metadata are settings of this call, and the trace context under traceparent and tracestate; may be nil.
	Metadata map[string]string
}

// Reply is what an operation gives.
type Reply struct {
	// Data is nil if the operation gives none.
	Data []byte
	// ContentType may be empty.
	ContentType string
	Metadata    map[string]string
}

// Input is a Binding that brings events.
type Input interface {
	// Read begins to read on behalf of a consumer, which is the app's name, and returns; ctx bounds the start only.
	// Readers of different consumers get every event each. The driver reconnects by itself.
	Read(ctx context.Context, consumer string, h Handler) (Reader, error)
}

// Event is one event of an input binding.
type Event struct {
	// Data is not changed by anybody.
	Data []byte
	// ContentType may be empty.
	ContentType string
	// Metadata are facts about the event, and the trace context of its sender under traceparent and tracestate.
	Metadata map[string]string
}

// Handler takes one event. A nil error acknowledges it, and the answer, nil if there is none, goes to a source that
// waits for it. After an error the event is to be delivered again where the source can; an *OverloadedError says when.
// It may be called concurrently.
type Handler func(ctx context.Context, ev *Event) (answer []byte, err error)

// Reader is an input binding that is being read.
type Reader interface {
	// Stop takes no new events, waits for handlers that run until ctx ends, and gives the rest back to the source.
	Stop(ctx context.Context) error
}

// Server is an Input whose events are requests to the host's front door.
type Server interface {
	Input
	http.Handler
	// Path is the path of the front door that the binding serves: exactly this one.
	Path() string
}

// Pinger is a Binding that can tell whether its system answers.
type Pinger interface {
	Ping(ctx context.Context) error
}

// permanent is an error that trying again cannot mend, which policies see by its method.
type permanent string

// Error is the text.
func (p permanent) Error() string { return string(p) }

// Permanent is true.
func (permanent) Permanent() bool { return true }

// The errors that a driver gives, wrapped with what it knows.
var (
	// ErrInvalid: the data or the metadata is not what the operation needs. It is never tried again.
	ErrInvalid error = permanent("invalid request")
	// ErrNotFound: what the operation asks for does not exist. It is never tried again.
	ErrNotFound error = permanent("not found")
	// ErrUnavailable: the system cannot be reached now.
	ErrUnavailable = errors.New("unavailable")
)

// UnknownOperationError says that a binding has no such operation.
type UnknownOperationError struct {
	// Binding is the component's name; empty if it is not known.
	Binding, Operation string
	// Have are the operations that there are.
	Have []string
}

// Error says which operations there are.
func (e *UnknownOperationError) Error() string {
	who := "the binding"
	if e.Binding != "" {
		who = "binding " + e.Binding
	}
	return fmt.Sprintf("%s has no operation %q; it has %s", who, e.Operation, join(e.Have))
}

// OverloadedError says that the app has no place for an event now.
type OverloadedError struct {
	// After is when to try again.
	After time.Duration
	Err   error
}

// Error gives the cause's text.
func (e *OverloadedError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *OverloadedError) Unwrap() error { return e.Err }
