// Package configuration reads values that change while apps run. Package handler, below this one, handles changes.
//
//	greeting, err := configuration.Value("", "greeting", "Hello")
//
// An empty store name means the only store that the app sees, or the one called "configstore".
package configuration

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/configitem"
)

// The errors of this package; test with errors.Is. The text says what was wrong.
var (
	// ErrNotFound: the app sees no configuration store of this name.
	ErrNotFound = errors.New("configuration store not found")
	// ErrNoSubscription: there is no subscription of this id.
	ErrNoSubscription = errors.New("subscription not found")
	// ErrInvalidRequest: a key is not valid, or the app has no handler for changes.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrUnsupported: the store cannot do this.
	ErrUnsupported = errors.New("not supported")
	// ErrUnavailable: the store cannot be reached now.
	ErrUnavailable = errors.New("unavailable")
)

// Item is one value.
type Item = configitem.Item

// Scalar are the types that Value reads: string, bool, int, int64, float64 and time.Duration.
type Scalar = configitem.Scalar

// Get reads items by key; no keys means all. Keys that do not exist are left out.
func Get(store string, keys ...string) (map[string]Item, error) { return GetWith(store, nil, keys...) }

// GetWith is Get with settings for the store.
func GetWith(store string, metadata map[string]string, keys ...string) (map[string]Item, error) {
	items, err := backendGet(store, keys, metadata)
	if err != nil {
		return nil, wrap("get", store, keys, err)
	}
	out := make(map[string]Item, len(items))
	for _, item := range items {
		out[item.Key] = item
	}
	return out, nil
}

// Value reads one value as a T; fallback if the key does not exist. With an error, because the store cannot be read or
// the value is no T, it gives fallback too, so that a caller may go on with it.
func Value[T Scalar](store, key string, fallback T) (T, error) {
	items, err := Get(store, key)
	if err != nil {
		return fallback, err
	}
	item, ok := items[key]
	if !ok {
		return fallback, nil
	}
	v, err := configitem.Parse[T](item.Value)
	if err != nil {
		return fallback, wrap("value", store, []string{key}, err)
	}
	return v, nil
}

// Subscribe has changes of keys, or of all when there are none, brought to the app's handler (package handler), and
// gives the subscription's id. The present values come first. The subscription lives on when the instance goes away,
// and over a restart of the host; subscribing again to the same keys gives the same id and does nothing else.
func Subscribe(store string, keys ...string) (id string, err error) {
	return SubscribeWith(store, nil, keys...)
}

// SubscribeWith is Subscribe with settings for the store.
func SubscribeWith(store string, metadata map[string]string, keys ...string) (id string, err error) {
	id, err = backendSubscribe(store, keys, metadata)
	return id, wrap("subscribe", store, keys, err)
}

// Unsubscribe ends a subscription.
func Unsubscribe(store, id string) error {
	return wrap("unsubscribe", store, []string{id}, backendUnsubscribe(store, id))
}

func wrap(what, store string, names []string, err error) error {
	if err == nil {
		return nil
	}
	if store == "" {
		store = "default store"
	}
	return fmt.Errorf("configuration: %s %s of %s: %w", what, strings.Join(names, ", "), store, err)
}
