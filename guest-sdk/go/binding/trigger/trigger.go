// Package trigger handles the events of input bindings, which the manifest declares.
//
//	func init() {
//		trigger.Handle("every-minute", func(e *trigger.Event) ([]byte, error) {
//			return nil, report(e.Metadata["scheduledTimeUTC"])
//		})
//	}
//
// Importing this package makes the app a handler of input bindings: it exports mrt:binding/trigger. Handlers are
// registered in init functions; main does not run.
package trigger

import (
	"encoding/json"
	"fmt"
)

// Event is one event of an input binding.
type Event struct {
	// Binding is the component's name, Route its metadata field route, or "/" and its name.
	Binding, Route string
	// ContentType may be empty.
	ContentType string
	Data        []byte
	// Metadata are the binding's own facts, for example the headers of a webhook's request.
	Metadata map[string]string
}

// Decode reads the data as JSON into v.
func (e *Event) Decode(v any) error {
	if err := json.Unmarshal(e.Data, v); err != nil {
		return fmt.Errorf("data of an event of %s is not the JSON of a %T: %w", e.Binding, v, err)
	}
	return nil
}

// Handler handles one event: a nil error acknowledges it, an error has it delivered again where the source can. The
// answer, nil for none, goes to a source that waits for one, for example as the response of a webhook.
type Handler func(*Event) (answer []byte, err error)

var (
	handlers = map[string]Handler{}
	fallback Handler
)

// Handle makes h handle the events of a route or of a binding: "/reports" is the route that one or more bindings have
// in their metadata, "every-minute" is the name of a binding. A route counts more than a name. It panics on one that
// is handled already.
func Handle(routeOrBinding string, h Handler) {
	if handlers[routeOrBinding] != nil {
		panic("trigger.Handle: " + routeOrBinding + " is handled already")
	}
	handlers[routeOrBinding] = h
}

// HandleAll makes h handle the events of every binding that has no handler of its own.
func HandleAll(h Handler) { fallback = h }

// Do passes an event to the app's handlers: what the host does, and tests of the app. An event that nobody handles is
// an error.
func Do(e *Event) ([]byte, error) {
	h := handlers[e.Route]
	if h == nil {
		h = handlers[e.Binding]
	}
	if h == nil {
		h = fallback
	}
	if h == nil {
		return nil, fmt.Errorf("no handler for binding %q, route %q: register one by trigger.Handle", e.Binding, e.Route)
	}
	return h(e)
}
