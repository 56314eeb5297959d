// Package plugin is what a component that is a wasm module says of itself, whatever it is a component of. What it does
// is registered with its block's driver package, for example state/driver.
package plugin

var stateless bool

// Stateless says that no call depends on what another left in memory: calls may then run side by side, in several
// instances, and each of them gets an init of its own. Call it in an init function. Without it all calls go to one
// instance, one after the other.
func Stateless() { stateless = true }

// IsStateless tells whether Stateless was called: what the host asks, and tests.
func IsStateless() bool { return stateless }
