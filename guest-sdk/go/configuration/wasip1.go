//go:build wasip1

package configuration

import (
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/configuration/store"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/configuration/types"
)

func backendGet(name string, keys []string, metadata map[string]string) ([]Item, error) {
	list, err := store.Get(name, keys, pairs.From(metadata))
	if err != nil {
		return nil, convert(err)
	}
	out := make([]Item, len(list))
	for i, item := range list {
		out[i] = Item{Key: item.Key, Value: item.Value, Version: item.Version, Metadata: pairs.Map(item.Metadata)}
	}
	return out, nil
}

func backendSubscribe(name string, keys []string, metadata map[string]string) (string, error) {
	id, err := store.Subscribe(name, keys, pairs.From(metadata))
	return id, convert(err)
}

func backendUnsubscribe(name, id string) error { return convert(store.Unsubscribe(name, id)) }

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
	case types.ErrorStoreNotFound:
		base = ErrNotFound
	case types.ErrorSubscriptionNotFound:
		base = ErrNoSubscription
	case types.ErrorInvalidRequest:
		base = ErrInvalidRequest
	case types.ErrorUnsupported:
		base = ErrUnsupported
	case types.ErrorUnavailable:
		base = ErrUnavailable
	default:
		return errors.New(e.Value)
	}
	return fmt.Errorf("%w: %s", base, e.Value)
}
