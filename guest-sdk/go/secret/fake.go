//go:build !wasip1

package secret

import (
	"maps"
	"sync"
)

// fake is what native builds read: values by store and secret.
var fake = struct {
	sync.Mutex
	stores map[string]map[string]map[string]string
	fail   error
}{stores: map[string]map[string]map[string]string{}}

// SetFake puts a secret into a store of a native build, which it makes if need be. An empty store name is the default
// store.
func SetFake(store, name string, values map[string]string) {
	fake.Lock()
	defer fake.Unlock()
	key := fakeName(store)
	if fake.stores[key] == nil {
		fake.stores[key] = map[string]map[string]string{}
	}
	fake.stores[key][name] = maps.Clone(values)
}

// ResetFake takes all stores of a native build away. Call it at the start of a test.
func ResetFake() {
	fake.Lock()
	defer fake.Unlock()
	clear(fake.stores)
	fake.fail = nil
}

// FailFake makes every call of a native build fail with err until ResetFake, for testing how an app copes.
func FailFake(err error) {
	fake.Lock()
	defer fake.Unlock()
	fake.fail = err
}

func fakeName(store string) string {
	if store == "" {
		return "secretstore"
	}
	return store
}

// fakeStore gives a store's secrets; the caller holds the lock.
func fakeStore(store string) (map[string]map[string]string, error) {
	if fake.fail != nil {
		return nil, fake.fail
	}
	secrets, ok := fake.stores[fakeName(store)]
	if !ok {
		return nil, ErrStoreNotFound
	}
	return secrets, nil
}

func backendGet(store, name string, _ map[string]string) (map[string]string, error) {
	fake.Lock()
	defer fake.Unlock()
	secrets, err := fakeStore(store)
	if err != nil {
		return nil, err
	}
	values, ok := secrets[name]
	switch {
	case name == "":
		return nil, ErrInvalidRequest
	case !ok:
		return nil, ErrNotFound
	default:
		return maps.Clone(values), nil
	}
}

func backendBulk(store string, _ map[string]string) (map[string]map[string]string, error) {
	fake.Lock()
	defer fake.Unlock()
	secrets, err := fakeStore(store)
	if err != nil {
		return nil, err
	}
	out := make(map[string]map[string]string, len(secrets))
	for name, values := range secrets {
		out[name] = maps.Clone(values)
	}
	return out, nil
}
