// Package contract gives errors of bindings the form of the contract.
package contract

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/binding/types"
)

// Error gives an error in the contract's form; nil stays nil.
func Error(err error) *types.Error {
	if err == nil {
		return nil
	}
	tag := types.ErrorOther
	switch {
	case errors.Is(err, binding.ErrUnknownOperation):
		tag = types.ErrorUnknownOperation
	case errors.Is(err, binding.ErrInvalidRequest):
		tag = types.ErrorInvalidRequest
	case errors.Is(err, binding.ErrNotFound):
		tag = types.ErrorNotFound
	case errors.Is(err, binding.ErrUnavailable):
		tag = types.ErrorUnavailable
	}
	return &types.Error{Tag: tag, Value: err.Error()}
}
