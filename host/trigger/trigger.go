// Package trigger is the shape of everything that starts calls into apps: the front door, subscriptions, bindings.
package trigger

import "context"

// Trigger brings events to apps from Start until Stop.
type Trigger interface {
	// Name says what it is in logs, for example "http front door" or "subscription orders-sub".
	Name() string
	// Start begins to take work and returns when it does; ctx bounds the start only.
	Start(ctx context.Context) error
	// Stop takes no new work, waits for what runs until ctx ends, and gives back what was not begun.
	Stop(ctx context.Context) error
}

// Last is a Trigger that what the others have begun may still need: it is stopped when they have stopped.
type Last interface {
	Trigger
	// StopLast is a marker; it does nothing.
	StopLast()
}
