package block

import (
	"context"
	"errors"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// ErrChanged says that what an instance saved was saved by other code, or under another configuration, and is of no
// use any more.
var ErrChanged = errors.New("the app has changed since the instance was saved")

// ErrNoRoom says that no further instance can be made now: others are to be closed first.
var ErrNoRoom = errors.New("no room for a further instance")

// ErrHeld says that an instance holds what only this process has, such as open files, so that it can be neither saved nor
// marked.
var ErrHeld = errors.New("the instance holds what cannot be saved")

// Keeper is an App whose instances can be kept from call to call, each for its own purpose, for example an actor.
type Keeper interface {
	App
	// Keep makes an instance that is the caller's until it closes it: a new one as the app has started it, or one
	// that goes on where Save left another. It fails with ErrChanged, ErrNoRoom, or for what keeps the guest from
	// starting.
	Keep(ctx context.Context, saved []byte) (Kept, error)
}

// Single is a Keeper that can tell whether its instances can be entered again from inside of a call. For others they can.
type Single interface {
	Keeper
	// Single tells that an instance takes no second call while it is in one, as components do not.
	Single() bool
}

// Kept is an instance that is kept. Its methods are for one goroutine at a time, except Close of ctx and those of
// calls that come from inside a call (Do).
type Kept interface {
	// Do runs fn with the instance; its memory stays as fn leaves it. ctx gets the app's timeout on top of its own.
	// A Do with the context of a host function that the same instance has called enters it again, on the same
	// goroutine. It fails with a *abi.Trap when the guest trapped: then the instance is good for Rollback and Close
	// only.
	Do(ctx context.Context, fn func(ctx context.Context, g abi.Guest) error) error
	// Mark remembers the instance as it is now, for Rollback; the last Mark counts. It fails with ErrHeld.
	Mark() error
	// Rollback brings the instance back to Mark, whatever happened since.
	Rollback() error
	// Save gives what makes another instance go on here: the difference from how the app starts, compressed. It
	// fails with ErrHeld.
	Save() ([]byte, error)
	// Fuel is what the guest has used up so far: about the number of instructions.
	Fuel() uint64
	// Close gives the instance back. No call may be in flight.
	Close(ctx context.Context)
}

// Savable is a Kept that can tell whether it can be saved.
type Savable interface {
	Kept
	// Savable fails with what would keep the instance from being marked or saved now, for example ErrHeld.
	Savable() error
}

// Reloader is a Block that wants to know when an app's code was replaced: it closes what it keeps of the old code.
type Reloader interface {
	Block
	// Reloaded is called after the new code has taken over; the old code goes away when all of its instances are
	// closed.
	Reloaded(ctx context.Context, app string)
}
