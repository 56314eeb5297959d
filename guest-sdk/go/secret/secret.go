// Package secret reads secrets from the stores that the manifest declares, as its scopes allow.
//
//	password, err := secret.Value("vault", "db", "password")
//	all, err := secret.Get("vault", "db") // all["user"], all["password"]
//
// An empty store name means the only store there is, or the one called "secretstore", which every host has whose
// manifest declares none: secrets.json and the environment. Under a native build, as in go test, the same calls read what
// SetFake has put there.
package secret

import (
	"errors"
	"fmt"
)

// The errors of this package; test with errors.Is. The text says which store and secret.
var (
	// ErrNotFound: the store has no such secret, or the secret no such key.
	ErrNotFound = errors.New("not found")
	// ErrStoreNotFound: the app sees no store of this name.
	ErrStoreNotFound = errors.New("store not found")
	// ErrForbidden: the app may not read this secret.
	ErrForbidden = errors.New("forbidden")
	// ErrInvalidRequest: the name is not valid, or an option is not.
	ErrInvalidRequest = errors.New("invalid request")
	// ErrUnsupported: the store cannot do this.
	ErrUnsupported = errors.New("not supported")
	// ErrUnavailable: the store cannot be reached now, or is sealed.
	ErrUnavailable = errors.New("unavailable")
)

// Option changes one read.
type Option func(map[string]string)

// WithVersion asks for a version of the secret, in stores that keep several.
func WithVersion(id string) Option { return WithMetadata("version_id", id) }

// WithMetadata sets a field that the store understands.
func WithMetadata(key, value string) Option {
	return func(m map[string]string) { m[key] = value }
}

func collect(opts []Option) map[string]string {
	if len(opts) == 0 {
		return nil
	}
	m := map[string]string{}
	for _, o := range opts {
		o(m)
	}
	return m
}

// Get reads the values of one secret by key. A store with one value a secret has the secret's name as the key.
func Get(store, name string, opts ...Option) (map[string]string, error) {
	values, err := backendGet(store, name, collect(opts))
	if err != nil {
		return nil, fmt.Errorf("secret: get %q in %s: %w", name, shown(store), err)
	}
	return values, nil
}

// Value reads one value of a secret. An empty key is the secret's name.
func Value(store, name, key string, opts ...Option) (string, error) {
	values, err := Get(store, name, opts...)
	if err != nil {
		return "", err
	}
	if key == "" {
		key = name
	}
	value, ok := values[key]
	if !ok {
		return "", fmt.Errorf("secret: get %q in %s: it has no key %q: %w", name, shown(store), key, ErrNotFound)
	}
	return value, nil
}

// Bulk reads all secrets that the app may read, by name and key.
func Bulk(store string, opts ...Option) (map[string]map[string]string, error) {
	all, err := backendBulk(store, collect(opts))
	if err != nil {
		return nil, fmt.Errorf("secret: bulk get in %s: %w", shown(store), err)
	}
	return all, nil
}

func shown(store string) string {
	if store == "" {
		return "the default store"
	}
	return store
}
