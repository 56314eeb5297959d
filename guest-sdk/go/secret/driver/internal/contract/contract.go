// Package contract gives errors of secret stores the form of the contract.
package contract

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/secret/types"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/secret"
)

// Error gives an error in the contract's form; nil stays nil.
func Error(err error) *types.Error {
	if err == nil {
		return nil
	}
	tag := types.ErrorOther
	switch {
	case errors.Is(err, secret.ErrNotFound):
		tag = types.ErrorNotFound
	case errors.Is(err, secret.ErrForbidden):
		tag = types.ErrorForbidden
	case errors.Is(err, secret.ErrInvalidRequest):
		tag = types.ErrorInvalidRequest
	case errors.Is(err, secret.ErrUnsupported):
		tag = types.ErrorUnsupported
	case errors.Is(err, secret.ErrUnavailable):
		tag = types.ErrorUnavailable
	}
	return &types.Error{Tag: tag, Value: err.Error()}
}
