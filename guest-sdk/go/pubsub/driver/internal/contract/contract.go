// Package contract gives errors of brokers the form of the contract.
package contract

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/pubsub/types"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub"
)

// Error gives an error in the contract's form; nil stays nil.
func Error(err error) *types.Error {
	if err == nil {
		return nil
	}
	tag := types.ErrorOther
	switch {
	case errors.Is(err, pubsub.ErrInvalidTopic):
		tag = types.ErrorInvalidTopic
	case errors.Is(err, pubsub.ErrForbidden):
		tag = types.ErrorForbidden
	case errors.Is(err, pubsub.ErrInvalidRequest):
		tag = types.ErrorInvalidRequest
	case errors.Is(err, pubsub.ErrUnavailable):
		tag = types.ErrorUnavailable
	}
	return &types.Error{Tag: tag, Value: err.Error()}
}
