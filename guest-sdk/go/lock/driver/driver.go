// Package driver makes a lock store of a wasm module, for a component of type lock.wasm:
//
//	type store struct{ … }
//
//	func init() { driver.Register(&store{}) }
//
// Calls come one after the other (but see package plugin).
//
// Errors are those of package lock: return or wrap lock.ErrInvalidRequest, lock.ErrUnavailable and, of Unlock,
// lock.ErrNotHeld and lock.ErrHeldByOther. Importing this package makes the module a lock store: it exports
// mrt:lock/driver. main does not run.
package driver

import "time"

// Store is what a lock store does.
type Store interface {
	// Init gets the component's metadata, before anything else. An error ends the start of the component; one that is
	// lock.ErrUnavailable has it tried again while the component's initTimeout lasts.
	Init(metadata map[string]string) error
	// TryLock takes the lock of a resource for an owner, if nobody has it, and tells whether it did. An owner who has it
	// already does not get it again. The lock ends by itself when expiry, which is more than 0, is over.
	TryLock(resource, owner string, expiry time.Duration) (bool, error)
	// Unlock gives a lock back; lock.ErrNotHeld if nobody has it, lock.ErrHeldByOther if it is not the owner's.
	Unlock(resource, owner string) error
}

var registered Store

// Register makes s the module's store. Call it in an init function. It panics when there is one already.
func Register(s Store) {
	if registered != nil {
		panic("driver.Register: the module has a lock store already")
	}
	registered = s
}
