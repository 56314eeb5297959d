// Package secret is the building block for secrets: what a driver implements, who may read what, and how the
// secretKeyRefs of a manifest get their values.
package secret

import (
	"context"
	"fmt"
	"unicode/utf8"
)

// Kind is the first part of the type names of secret stores, as Dapr has them: "secretstores.local.env".
const Kind = "secretstores"

// Values are those of one secret, by key. Stores with one value a secret use the secret's name as the key.
type Values = map[string]string

// Store is what every secret store implements. All methods are safe for concurrent use. Errors are ErrNotFound,
// ErrForbidden, ErrInvalid, ErrUnsupported and ErrUnavailable where they apply, wrapped; anything else is the store's
// failure. No error has a secret's value or the store's own credentials in it.
type Store interface {
	// Get reads one secret. ErrNotFound if there is none of this name, or none in the version that metadata asks for.
	// The values are the caller's.
	Get(ctx context.Context, name string, metadata map[string]string) (Values, error)
	// Close ends the store; no other method runs or follows.
	Close(ctx context.Context) error
}

// BulkGetter is a Store that can give all of its secrets, by name.
type BulkGetter interface {
	BulkGet(ctx context.Context, metadata map[string]string) (map[string]Values, error)
}

// MultiValued is a Store whose secrets may have several keys; false if this one's have one each.
type MultiValued interface {
	MultiValued() bool
}

// Pinger is a Store that can tell whether its server answers and takes requests.
type Pinger interface {
	Ping(ctx context.Context) error
}

// The errors that a driver gives, wrapped with what it knows.
var (
	// ErrNotFound: the store has no such secret.
	ErrNotFound error = &kind{text: "not found", permanent: true}
	// ErrForbidden: the app, or the host itself, may not read the secret.
	ErrForbidden error = &kind{text: "forbidden", permanent: true}
	// ErrInvalid: the name or the metadata of the request is not valid.
	ErrInvalid error = &kind{text: "invalid request", permanent: true}
	// ErrUnsupported: the store cannot do this.
	ErrUnsupported error = &kind{text: "not supported", permanent: true}
	// ErrUnavailable: the store cannot be reached now, or is sealed.
	ErrUnavailable error = &kind{text: "unavailable"}
)

// kind is a class of errors. A retry policy asks Permanent, so that it does not repeat what cannot succeed.
type kind struct {
	text      string
	permanent bool
	// of is the class that this one is a part of; nil for none.
	of error
}

// Error gives the class's name.
func (k *kind) Error() string { return k.text }

// Permanent tells that the same request will fail again.
func (k *kind) Permanent() bool { return k.permanent }

// Unwrap gives the wider class.
func (k *kind) Unwrap() error { return k.of }

// NotFound is ErrNotFound for a secret.
func NotFound(name string) error { return fmt.Errorf("secret %q: %w", name, ErrNotFound) }

// maxName is the length of a name in bytes: more than any store takes.
const maxName = 1024

// checkName looks at a name that an app gives.
func checkName(name string) error {
	shown := name
	if len(shown) > 60 {
		shown = shown[:60] + "..."
	}
	switch {
	case name == "":
		return fmt.Errorf("%w: the secret's name is empty", ErrInvalid)
	case len(name) > maxName:
		return fmt.Errorf("%w: secret %q: want a name of at most %d bytes, found %d", ErrInvalid, shown, maxName, len(name))
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: secret %q: the name is not UTF-8", ErrInvalid, shown)
	}
	for _, r := range name {
		if r < ' ' || r == 0x7f {
			return fmt.Errorf("%w: secret %q: the name has control characters", ErrInvalid, shown)
		}
	}
	return nil
}
