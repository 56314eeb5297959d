package binding

import (
	"errors"

	abibinding "github.com/mrt-wasm/mrt-wasm/abi/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// errNotOutput: the binding is there, but it is not one that can be called.
var errNotOutput = errors.New("it cannot be called")

// wireError gives err in WIT's form.
func wireError(err error) *abibinding.Error {
	if err == nil {
		return nil
	}
	tag := abibinding.ErrorOther
	_, missing := errors.AsType[*component.NotFoundError](err)
	_, unknown := errors.AsType[*UnknownOperationError](err)
	switch {
	case missing, errors.Is(err, errNotOutput):
		tag = abibinding.ErrorBindingNotFound
	case unknown:
		tag = abibinding.ErrorUnknownOperation
	case errors.Is(err, ErrInvalid):
		tag = abibinding.ErrorInvalidRequest
	case errors.Is(err, ErrNotFound):
		tag = abibinding.ErrorNotFound
	case errors.Is(err, ErrUnavailable):
		tag = abibinding.ErrorUnavailable
	}
	return &abibinding.Error{Tag: tag, Value: err.Error()}
}
