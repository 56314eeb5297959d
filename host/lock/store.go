// Package lock is the building block for distributed locks: what a lock store implements, whose resources are whose, and
// Dapr's HTTP API for it.
package lock

import (
	"context"
	"time"
)

// Status is what became of a lock that was to be given back, numbered as in Dapr.
type Status uint8

// The statuses. Dapr's fourth, an internal error, is an error here.
const (
	// Success: the owner had it, and nobody has it now.
	Success Status = iota
	// DoesNotExist: nobody has it.
	DoesNotExist
	// BelongsToOthers: somebody else has it, and keeps it.
	BelongsToOthers
)

// String gives Dapr's name.
func (s Status) String() string {
	switch s {
	case Success:
		return "SUCCESS"
	case DoesNotExist:
		return "LOCK_DOES_NOT_EXIST"
	case BelongsToOthers:
		return "LOCK_BELONGS_TO_OTHERS"
	default:
		return "INTERNAL_ERROR"
	}
}

// Store is what every lock driver implements. All methods are safe for concurrent use. Errors are ErrInvalid,
// ErrUnavailable and ErrUnknown where they apply, wrapped; anything else is the store's failure.
type Store interface {
	// TryLock takes the lock of a resource for an owner, if nobody has it, and tells whether it did. It does not wait. Of
	// all calls at once, by whatever connection or process, one at the most succeeds; a call of the owner who has the
	// lock already does not. The lock ends by itself when expiry, which is in whole milliseconds and more than 0, is over,
	// counted from a moment of the call.
	//
	// It never tells false of a lock that this very call has taken: a driver that tries again, after an attempt whose
	// answer was lost, gives ErrUnknown instead.
	TryLock(ctx context.Context, resource, owner string, expiry time.Duration) (bool, error)
	// Unlock gives a lock back if it is the owner's.
	Unlock(ctx context.Context, resource, owner string) (Status, error)
	// Close ends the store; no other method runs or follows. Locks stay until their time is over.
	Close(ctx context.Context) error
}

// Pinger is a Store that can tell whether its server answers.
type Pinger interface {
	Ping(ctx context.Context) error
}

// The errors that a driver gives, wrapped with what it knows.
var (
	// ErrInvalid: the resource, the owner or the expiry is not valid.
	ErrInvalid error = &kind{text: "invalid request", permanent: true}
	// ErrUnavailable: the store cannot be reached now.
	ErrUnavailable error = &kind{text: "unavailable"}
	// ErrUnknown is the part of ErrUnavailable where the request may have been carried out: its answer was lost.
	ErrUnknown error = &kind{text: "no answer, so that it is not known whether it was done", of: ErrUnavailable}
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
