// Package subscriber handles messages of the app's subscriptions, which the manifest declares.
//
//	func init() {
//		subscriber.Handle("/orders", func(e *subscriber.Event) error {
//			var o Order
//			if err := e.Decode(&o); err != nil {
//				return subscriber.Drop(err)
//			}
//			return store(o)
//		})
//	}
//
// Importing this package makes the app a subscriber: it exports mrt:pubsub/subscriber. Handlers are registered in
// init functions; main does not run.
package subscriber

import (
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/event"
)

// Event is one message: a CloudEvent, unwrapped.
type Event = event.Event

// Handler handles one message: nil acknowledges it, an error has it delivered again, and Drop(err) has it never
// delivered again (it goes to the dead letter topic if there is one).
type Handler func(*Event) error

var (
	routes   = map[string]Handler{}
	fallback Handler
)

// Handle makes h handle messages of a route: the path of the subscription's rule, or its default. It panics on a
// route that is handled already.
func Handle(route string, h Handler) {
	if routes[route] != nil {
		panic("subscriber.Handle: " + route + " is handled already")
	}
	routes[route] = h
}

// HandleAll makes h handle the messages of every route that has no handler of its own.
func HandleAll(h Handler) { fallback = h }

type drop struct{ cause error }

func (d *drop) Error() string { return d.cause.Error() }
func (d *drop) Unwrap() error { return d.cause }

// Drop marks an error as one that another try cannot mend.
func Drop(err error) error {
	if err == nil {
		err = errors.New("dropped by the handler")
	}
	return &drop{err}
}

// IsDrop tells whether err was made by Drop.
func IsDrop(err error) bool {
	_, ok := errors.AsType[*drop](err)
	return ok
}

// Do passes a message to the app's handlers: what the host does, and tests of the app. A message of a route that
// nobody handles is dropped.
func Do(e *Event) error {
	h := routes[e.Route]
	if h == nil {
		h = fallback
	}
	if h == nil {
		return Drop(fmt.Errorf("no handler for route %q of topic %s", e.Route, e.Topic))
	}
	return h(e)
}
