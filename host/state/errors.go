package state

import "fmt"

// The errors that a driver gives, wrapped with what it knows.
var (
	// ErrETagMismatch: the etag is not the current one, or the key exists and first-write was asked.
	ErrETagMismatch error = &kind{text: "etag mismatch", permanent: true}
	// ErrInvalidETag: the etag is not one that this store could have given.
	ErrInvalidETag error = &kind{text: "invalid etag", permanent: true}
	// ErrInvalidKey: the key is empty, too long or contains the separator.
	ErrInvalidKey error = &kind{text: "invalid key", permanent: true}
	// ErrInvalid: the request is not valid for any store.
	ErrInvalid error = &kind{text: "invalid request", permanent: true}
	// ErrNotSupported: the store cannot do this.
	ErrNotSupported error = &kind{text: "not supported", permanent: true}
	// ErrUnavailable: the store cannot be reached now.
	ErrUnavailable error = &kind{text: "unavailable"}
)

// kind is a class of errors. A retry policy asks Permanent, so that it does not repeat what cannot succeed.
type kind struct {
	text      string
	permanent bool
}

// Error gives the class's name.
func (k *kind) Error() string { return k.text }

// Permanent tells that the same request will fail again.
func (k *kind) Permanent() bool { return k.permanent }

// Mismatch is ErrETagMismatch for a key.
func Mismatch(key string) error { return fmt.Errorf("key %q: %w", key, ErrETagMismatch) }

// Exists is ErrETagMismatch for a key that a first-write found.
func Exists(key string) error {
	return fmt.Errorf("key %q: %w: it exists and the write is first-write without an etag", key, ErrETagMismatch)
}

// TooManyOperationsError says that a transaction has more operations than the store takes. It is ErrInvalid.
type TooManyOperationsError struct{ Count, Max int }

// Error gives both numbers.
func (e *TooManyOperationsError) Error() string {
	return fmt.Sprintf("the transaction contains %d operations, which is more than what the state store supports: %d", e.Count, e.Max)
}

// Unwrap gives the class.
func (e *TooManyOperationsError) Unwrap() error { return ErrInvalid }
