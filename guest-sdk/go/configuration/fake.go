//go:build !wasip1

package configuration

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The native build's store: one for each name, in memory.
var fake struct {
	sync.Mutex
	stores  map[string]map[string]Item
	subs    map[string]FakeSubscription
	version int
	fail    error
}

// FakeSubscription is a subscription that a native build has made.
type FakeSubscription struct {
	ID, Store string
	// Keys are sorted; none means all.
	Keys []string
}

// SetFake sets a value of a store of the native build under the next version.
func SetFake(store, key, value string) {
	fake.Lock()
	defer fake.Unlock()
	if fake.stores == nil {
		fake.stores = map[string]map[string]Item{}
	}
	if fake.stores[store] == nil {
		fake.stores[store] = map[string]Item{}
	}
	fake.version++
	fake.stores[store][key] = Item{Key: key, Value: value, Version: strconv.Itoa(fake.version)}
}

// DeleteFake deletes a key of a store of the native build.
func DeleteFake(store, key string) {
	fake.Lock()
	defer fake.Unlock()
	delete(fake.stores[store], key)
}

// FakeSubscriptions gives the subscriptions of the native build, in the order of their ids. Changes are not delivered:
// a test gives them to the app's handler by handler.Do.
func FakeSubscriptions() []FakeSubscription {
	fake.Lock()
	defer fake.Unlock()
	var out []FakeSubscription
	for _, id := range slices.Sorted(maps.Keys(fake.subs)) {
		out = append(out, fake.subs[id])
	}
	return out
}

// ResetFake forgets all values and subscriptions. Call it at the start of a test.
func ResetFake() {
	fake.Lock()
	defer fake.Unlock()
	fake.stores, fake.subs, fake.version, fake.fail = nil, nil, 0, nil
}

// FailFake makes every call of a native build fail with err until ResetFake.
func FailFake(err error) {
	fake.Lock()
	defer fake.Unlock()
	fake.fail = err
}

func checkFake(keys []string) error {
	if slices.Contains(keys, "") {
		return fmt.Errorf("%w: a key is empty", ErrInvalidRequest)
	}
	return fake.fail
}

func backendGet(store string, keys []string, _ map[string]string) ([]Item, error) {
	fake.Lock()
	defer fake.Unlock()
	if err := checkFake(keys); err != nil {
		return nil, err
	}
	var out []Item
	for _, k := range slices.Sorted(maps.Keys(fake.stores[store])) {
		if len(keys) == 0 || slices.Contains(keys, k) {
			out = append(out, fake.stores[store][k])
		}
	}
	return out, nil
}

func backendSubscribe(store string, keys []string, _ map[string]string) (string, error) {
	fake.Lock()
	defer fake.Unlock()
	if err := checkFake(keys); err != nil {
		return "", err
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(keys)))
	id := "fake-" + store + "-" + strings.Join(sorted, "-")
	if fake.subs == nil {
		fake.subs = map[string]FakeSubscription{}
	}
	fake.subs[id] = FakeSubscription{ID: id, Store: store, Keys: sorted}
	return id, nil
}

func backendUnsubscribe(_, id string) error {
	fake.Lock()
	defer fake.Unlock()
	if fake.fail != nil {
		return fake.fail
	}
	if _, ok := fake.subs[id]; !ok {
		return fmt.Errorf("%w: %q", ErrNoSubscription, id)
	}
	delete(fake.subs, id)
	return nil
}
