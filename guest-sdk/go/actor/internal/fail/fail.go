// Package fail has the errors of actors, which the packages actor and client share.
package fail

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/actor/types"
)

// The reasons; package client documents them.
var (
	ErrUnknownType    = errors.New("unknown actor type")
	ErrUnknownMethod  = errors.New("unknown method")
	ErrInvalidRequest = errors.New("invalid request")
	ErrFailed         = errors.New("failed")
	ErrOverloaded     = errors.New("overloaded")
	ErrTimeout        = errors.New("timeout")
	ErrDeadlock       = errors.New("deadlock")
	ErrStackDepth     = errors.New("chain of calls is too deep")
	ErrAlreadyExists  = errors.New("already exists")
	ErrNotFound       = errors.New("not found")
	ErrNotInTurn      = errors.New("not in an actor's turn")
	ErrUnavailable    = errors.New("unavailable")
	ErrOther          = errors.New("error")
)

// Error is a reason and what the host says about it.
type Error struct {
	Reason  error
	Message string
}

// New makes an error.
func New(reason error, message string) *Error { return &Error{reason, message} }

// Error gives both.
func (e *Error) Error() string {
	if e.Message == "" {
		return e.Reason.Error()
	}
	return e.Reason.Error() + ": " + e.Message
}

// Unwrap gives the reason.
func (e *Error) Unwrap() error { return e.Reason }

// Sort gives err with the first reason that it is by errors.Is; one that has none counts as ErrFailed with its own text.
// It is nil for nil.
func Sort(err error) *Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	for tag := range types.ErrorOther {
		switch r := reason(tag); {
		case err == r: //nolint:errorlint // the bare reason needs no text; the wrapped one follows
			return New(r, "")
		case errors.Is(err, r):
			return New(r, err.Error())
		}
	}
	return New(ErrFailed, err.Error())
}

// From gives the contract's error as one of this package.
func From(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	return New(reason(e.Tag), e.Value)
}

func reason(tag types.ErrorTag) error {
	switch tag {
	case types.ErrorUnknownType:
		return ErrUnknownType
	case types.ErrorUnknownMethod:
		return ErrUnknownMethod
	case types.ErrorInvalidRequest:
		return ErrInvalidRequest
	case types.ErrorFailed:
		return ErrFailed
	case types.ErrorOverloaded:
		return ErrOverloaded
	case types.ErrorTimeout:
		return ErrTimeout
	case types.ErrorDeadlock:
		return ErrDeadlock
	case types.ErrorStackDepth:
		return ErrStackDepth
	case types.ErrorAlreadyExists:
		return ErrAlreadyExists
	case types.ErrorNotFound:
		return ErrNotFound
	case types.ErrorNotInTurn:
		return ErrNotInTurn
	case types.ErrorUnavailable:
		return ErrUnavailable
	default:
		return ErrOther
	}
}
