//go:build wasip1

package secret

import (
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/secret/store"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/secret/types"
)

// convert gives a contract error as an error of this package.
func convert(err error) error {
	e, ok := errors.AsType[*types.Error](err)
	if !ok {
		return err
	}
	var base error
	switch e.Tag {
	case types.ErrorStoreNotFound:
		base = ErrStoreNotFound
	case types.ErrorNotFound:
		base = ErrNotFound
	case types.ErrorForbidden:
		base = ErrForbidden
	case types.ErrorInvalidRequest:
		base = ErrInvalidRequest
	case types.ErrorUnavailable:
		base = ErrUnavailable
	case types.ErrorUnsupported:
		base = ErrUnsupported
	default:
		return errors.New(e.Value)
	}
	return fmt.Errorf("%w: %s", base, e.Value)
}

func backendGet(name, secret string, metadata map[string]string) (map[string]string, error) {
	values, err := store.Get(name, secret, pairs.From(metadata))
	if err != nil {
		return nil, convert(err)
	}
	return toMap(values), nil
}

func backendBulk(name string, metadata map[string]string) (map[string]map[string]string, error) {
	all, err := store.BulkGet(name, pairs.From(metadata))
	if err != nil {
		return nil, convert(err)
	}
	out := make(map[string]map[string]string, len(all))
	for _, s := range all {
		out[s.F0] = toMap(s.F1)
	}
	return out, nil
}

// toMap is never nil: a secret may have no values.
func toMap(values types.Values) map[string]string {
	if m := pairs.Map(values); m != nil {
		return m
	}
	return map[string]string{}
}
