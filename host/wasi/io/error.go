package io

import (
	"context"
	"errors"

	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
)

// Error is the resource wasi:io/error.error: a Go error that the guest holds.
type Error struct{ err error }

// NewError makes the resource of err, which other packages get back by Cause.
func NewError(err error) *Error {
	if err == nil {
		err = errors.New("unknown error")
	}
	return &Error{err: err}
}

// ToDebugString gives the error's text.
func (e *Error) ToDebugString(context.Context) string { return e.err.Error() }

// Drop does nothing.
func (*Error) Drop(context.Context) {}

// Cause gives the Go error that e was made of, nil if e is not of this package.
func Cause(e abiio.Error) error {
	if e, ok := e.(*Error); ok {
		return e.err
	}
	return nil
}

// Failed is the stream error last-operation-failed with err.
func Failed(err error) *abiio.StreamError {
	return &abiio.StreamError{Tag: abiio.StreamErrorLastOperationFailed, Value: NewError(err)}
}

// Closed is the stream error closed.
func Closed() *abiio.StreamError { return &abiio.StreamError{Tag: abiio.StreamErrorClosed} }
