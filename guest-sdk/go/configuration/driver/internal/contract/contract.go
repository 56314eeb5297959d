// Package contract gives items and errors of configuration stores the form of the contract.
package contract

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/configuration"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/configitem"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/configuration/types"
)

// Error gives an error in the contract's form; nil stays nil.
func Error(err error) *types.Error {
	if err == nil {
		return nil
	}
	tag := types.ErrorOther
	switch {
	case errors.Is(err, configuration.ErrInvalidRequest):
		tag = types.ErrorInvalidRequest
	case errors.Is(err, configuration.ErrUnsupported):
		tag = types.ErrorUnsupported
	case errors.Is(err, configuration.ErrUnavailable):
		tag = types.ErrorUnavailable
	}
	return &types.Error{Tag: tag, Value: err.Error()}
}

// Items gives items in the contract's form.
func Items(items []configitem.Item) []types.Item {
	out := make([]types.Item, len(items))
	for i, item := range items {
		out[i] = types.Item{
			Key: item.Key, Value: item.Value, Version: item.Version, Metadata: pairs.From(item.Metadata), Deleted: item.Deleted,
		}
	}
	return out
}
