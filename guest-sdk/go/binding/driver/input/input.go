// Package input makes a wasm module a binding that brings events: it exports mrt:binding/input-driver.
//
//	func init() { input.Register(&feed{}) }
//
// Each app that handles the events has an instance of the module to itself. Its init gets the app's name as the metadata
// field "consumer", and it is asked for events and told what became of them, one call after the other. A module that is
// an output binding too has one Init: that of its output. main does not run.
package input

import (
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/driver"
)

// Input is what an input binding does.
type Input interface {
	driver.Starter
	// Pull takes at most limit events, waiting at most wait for the first; none when there are none by then.
	Pull(limit int, wait time.Duration) ([]driver.Event, error)
	// Settle says what became of an event: handled, or to be brought again.
	Settle(id string, handled bool) error
}

var registered Input

// Register makes i the module's input binding. Call it in an init function. It panics when there is one already.
func Register(i Input) {
	if registered != nil {
		panic("input.Register: the module has an input binding already")
	}
	registered = i
}
