// Package driver has what the two directions of a binding have in common that a wasm module implements, for a component
// of type bindings.wasm. Package driver/output makes the module one that can be called, package driver/input one that
// brings events; a module may be both.
//
// Errors are those of package binding: return or wrap binding.ErrInvalidRequest and its like.
package driver

// Request is one call of an operation.
type Request struct {
	Operation string
	Data      []byte
	// Metadata are settings of this call; may be nil.
	Metadata map[string]string
}

// Reply is what an operation gives. A nil *Reply has nothing to tell.
type Reply struct {
	// Data is nil if the operation gives none.
	Data []byte
	// ContentType may be empty.
	ContentType string
	Metadata    map[string]string
}

// Event is one event.
type Event struct {
	// ID names the event for Settle.
	ID          string
	Data        []byte
	ContentType string
	Metadata    map[string]string
}

// Starter is what both directions have.
type Starter interface {
	// Init gets the component's metadata, before anything else. An error ends the start of the component; one that is
	// binding.ErrUnavailable has it tried again while the component's initTimeout lasts.
	Init(metadata map[string]string) error
}
