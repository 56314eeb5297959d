package actor

import (
	"context"
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/block"
)

// Why a call failed: every error of the block is an *Error that is one of these, by errors.Is. They are the cases of
// the contract's variant error, and two more.
var (
	ErrUnknownType    = errors.New("unknown actor type")
	ErrUnknownMethod  = errors.New("unknown method")
	ErrInvalidRequest = errors.New("invalid request")
	ErrFailed         = errors.New("the actor failed")
	ErrOverloaded     = errors.New("overloaded")
	ErrTimeout        = errors.New("timeout")
	ErrDeadlock       = errors.New("deadlock")
	ErrStackDepth     = errors.New("calls nest too deep")
	ErrAlreadyExists  = errors.New("the reminder exists")
	ErrNotFound       = errors.New("there is no such reminder")
	ErrNotInTurn      = errors.New("not in an actor's turn")
	ErrUnavailable    = errors.New("unavailable")
	ErrOther          = errors.New("internal error")
	// ErrInstanceMissing says that the actor is not active: its state and timers are reached from outside only while
	// it is. In the contract it is invalid-request.
	ErrInstanceMissing = errors.New("the actor is not active")
	// ErrReserved says that the actor type is reserved for the host. In the contract it is invalid-request.
	ErrReserved = errors.New("the actor type is reserved")
)

// Error is an error of the block.
type Error struct {
	// Kind is one of the errors of this package, for example ErrTimeout.
	Kind error
	// Text says what was expected, what was found and what to do; for ErrFailed it is the actor's own text.
	Text string
	// Cause is the error below; may be nil.
	Cause error
}

// Error gives the kind and the text.
func (e *Error) Error() string { return e.Kind.Error() + ": " + e.Text }

// Unwrap gives the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Cause}
}

func errorf(kind error, format string, args ...any) *Error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// abiTags are the contract's cases of the errors; what is not here is other.
var abiTags = map[error]abiactor.ErrorTag{
	ErrUnknownType: abiactor.ErrorUnknownType, ErrUnknownMethod: abiactor.ErrorUnknownMethod,
	ErrInvalidRequest: abiactor.ErrorInvalidRequest, ErrInstanceMissing: abiactor.ErrorInvalidRequest,
	ErrReserved: abiactor.ErrorInvalidRequest, ErrFailed: abiactor.ErrorFailed, ErrOverloaded: abiactor.ErrorOverloaded,
	ErrTimeout: abiactor.ErrorTimeout, ErrDeadlock: abiactor.ErrorDeadlock, ErrStackDepth: abiactor.ErrorStackDepth,
	ErrAlreadyExists: abiactor.ErrorAlreadyExists, ErrNotFound: abiactor.ErrorNotFound,
	ErrNotInTurn: abiactor.ErrorNotInTurn, ErrUnavailable: abiactor.ErrorUnavailable,
}

// toABI gives the contract's form of an error; nil of nil.
func toABI(err error) *abiactor.Error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		if tag, ok := abiTags[e.Kind]; ok {
			return &abiactor.Error{Tag: tag, Value: e.Text}
		}
	}
	return &abiactor.Error{Tag: abiactor.ErrorOther, Value: err.Error()}
}

// guestError gives the block's error for what a call into an actor failed with.
func guestError(id ID, what string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if f, ok := errors.AsType[*abiactor.Failure](err); ok {
		if f.Tag == abiactor.FailureUnknownMethod {
			return errorf(ErrUnknownMethod, "actor %s has no method %q%s", id, what, own(f.Value))
		}
		return &Error{Kind: ErrFailed, Text: f.Value, Cause: err}
	}
	if f, ok := errors.AsType[*canon.Failure[string]](err); ok {
		return &Error{Kind: ErrFailed, Text: fmt.Sprintf("actor %s: %s: %s", id, what, f.Value), Cause: err}
	}
	text := fmt.Sprintf("actor %s: %s: %v", id, what, err)
	trap, isTrap := errors.AsType[*abi.Trap](err)
	full, isFull := errors.AsType[*block.ErrOverloaded](err)
	switch {
	case isTrap && trap.Kind == abi.TrapTimeout, errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return &Error{Kind: ErrTimeout, Text: text, Cause: err}
	case isFull:
		return &Error{Kind: ErrOverloaded, Text: full.Error(), Cause: err}
	default:
		return &Error{Kind: ErrOther, Text: text, Cause: err}
	}
}

// own gives what the actor itself says about an unknown method.
func own(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

func isTrap(err error) bool {
	_, ok := errors.AsType[*abi.Trap](err)
	return ok
}

// isFailure tells whether err is the guest's own answer, after which its instance is good.
func isFailure(err error) bool {
	if isTrap(err) {
		return false
	}
	if _, ok := errors.AsType[*abiactor.Failure](err); ok {
		return true
	}
	_, ok := errors.AsType[*canon.Failure[string]](err)
	return ok
}
