//go:build wasip1

package binding

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/binding/output"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/binding/types"
)

func backendInvoke(binding, operation string, data []byte, metadata map[string]string) (*Reply, error) {
	got, err := output.Invoke(binding, operation, data, pairs.From(metadata))
	if err != nil {
		return nil, convert(err)
	}
	reply := &Reply{ContentType: got.ContentType, Metadata: pairs.Map(got.Metadata)}
	if got.Data != nil {
		// Empty is not the same as none.
		reply.Data = append([]byte{}, *got.Data...)
	}
	return reply, nil
}

func backendOperations(binding string) ([]string, error) {
	ops, err := output.Operations(binding)
	return ops, convert(err)
}

func convert(err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	var base error
	switch e.Tag {
	case types.ErrorBindingNotFound:
		base = ErrBindingNotFound
	case types.ErrorUnknownOperation:
		base = ErrUnknownOperation
	case types.ErrorInvalidRequest:
		base = ErrInvalidRequest
	case types.ErrorNotFound:
		base = ErrNotFound
	case types.ErrorUnavailable:
		base = ErrUnavailable
	}
	return &hostError{base, e.Value}
}
