// Package configuration is the building block for values that change while apps run: what a configuration store
// implements, and the subscriptions that bring changes to apps.
package configuration

import (
	"context"
	"errors"
)

// Item is one value.
type Item struct {
	Key, Value string
	// Version is the store's version of the value; empty if it has none.
	Version string
	// Metadata are the store's facts about the item; may be nil.
	Metadata map[string]string
	// Deleted says that the key is gone; Value is empty. In changes that an app gets only, never from a store.
	Deleted bool
}

// Store is what every configuration driver implements. All methods are safe for concurrent use.
type Store interface {
	// Get reads items, in any order; no keys means all. Keys that do not exist are left out.
	Get(ctx context.Context, keys []string, metadata map[string]string) ([]Item, error)
	// Close ends the store; all watches are stopped before.
	Close(ctx context.Context) error
}

// Changed is told that keys may have changed; none means that any may have, for example after the driver was cut off
// from its server. It returns at once and may be called concurrently, also by mistake: whoever is told reads the
// keys and compares.
type Changed func(keys []string)

// Subscriber is a Store that knows of changes by itself. One without is asked for its items at an interval
// (metadata field pollInterval).
type Subscriber interface {
	// Subscribe watches keys, or all when there are none. When it returns, no later change is missed: what cannot
	// be seen while the server is away is told by a call without keys when it is back. ctx bounds the start only.
	// stop ends the watch and may be called more than once; changed is not called any more after it has returned.
	Subscribe(ctx context.Context, keys []string, metadata map[string]string, changed Changed) (stop func(), err error)
}

// Setter is a Store that the host can write to. Apps cannot: it is for operators.
type Setter interface {
	// Set writes a value under a new version.
	Set(ctx context.Context, key, value string, metadata map[string]string) error
	// Delete deletes keys; those that do not exist are no error.
	Delete(ctx context.Context, keys []string, metadata map[string]string) error
}

// Pinger is a Store that can tell whether its server answers.
type Pinger interface {
	Ping(ctx context.Context) error
}

// The errors that a driver gives, wrapped with what it knows.
var (
	// ErrInvalid: a key or a setting is not valid.
	ErrInvalid = errors.New("invalid request")
	// ErrUnsupported: the store cannot do this.
	ErrUnsupported = errors.New("not supported")
	// ErrUnavailable: the store cannot be reached now.
	ErrUnavailable = errors.New("unavailable")
)
