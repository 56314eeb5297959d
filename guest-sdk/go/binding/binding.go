// Package binding calls output bindings. Package trigger, below this one, handles the events of input bindings.
//
//	reply, err := binding.Invoke("files", "create", data, map[string]string{"fileName": "a.txt"})
package binding

import (
	"encoding/json"
	"errors"
	"fmt"
)

// The errors of this package; test with errors.Is. The text says what was wrong.
var (
	// ErrBindingNotFound: the app sees no output binding of this name.
	ErrBindingNotFound = errors.New("binding not found")
	// ErrUnknownOperation: the binding has no such operation; the text says which it has.
	ErrUnknownOperation = errors.New("unknown operation")
	// ErrInvalidRequest: the data or the metadata is not what the operation needs.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrNotFound: what the operation asks for does not exist.
	ErrNotFound = errors.New("not found")
	// ErrUnavailable: the system cannot be reached now; trying again may help.
	ErrUnavailable = errors.New("unavailable")
)

// Reply is what an operation gives.
type Reply struct {
	// Data is nil if the operation gives none.
	Data []byte
	// ContentType may be empty.
	ContentType string
	Metadata    map[string]string
}

// Decode reads the data as JSON into v.
func (r *Reply) Decode(v any) error {
	if err := json.Unmarshal(r.Data, v); err != nil {
		return fmt.Errorf("the reply is not the JSON of a %T: %w", v, err)
	}
	return nil
}

// Invoke calls an operation of a binding, for example "create". The reply is never nil without an error; metadata may
// be nil.
func Invoke(binding, operation string, data []byte, metadata map[string]string) (*Reply, error) {
	reply, err := backendInvoke(binding, operation, data, metadata)
	if err != nil {
		return nil, wrap(err, binding, operation)
	}
	return reply, nil
}

// InvokeJSON calls an operation with v as JSON.
func InvokeJSON(binding, operation string, v any, metadata map[string]string) (*Reply, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, wrap(err, binding, operation)
	}
	return Invoke(binding, operation, data, metadata)
}

// Operations lists the operations that a binding has.
func Operations(binding string) ([]string, error) {
	ops, err := backendOperations(binding)
	if err != nil {
		return nil, wrap(err, binding, "operations")
	}
	return ops, nil
}

// hostError is an error of the host: its text says all, base is for errors.Is.
type hostError struct {
	base error
	text string
}

func (e *hostError) Error() string { return e.text }
func (e *hostError) Unwrap() error { return e.base }

// wrap says what failed, unless the host has said so.
func wrap(err error, binding, operation string) error {
	if _, said := errors.AsType[*hostError](err); said {
		return err
	}
	return fmt.Errorf("binding %s: %s: %w", binding, operation, err)
}
