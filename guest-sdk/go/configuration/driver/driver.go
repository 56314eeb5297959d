// Package driver makes a configuration store of a wasm module, for a component of type configuration.wasm:
//
//	type store struct{ … }
//
//	func init() { driver.Register(&store{}) }
//
// Package driver/watch adds knowing of changes; without it the host asks for the items at an interval (metadata field
// pollInterval). Calls come one after the other (but see package plugin).
//
// Errors are those of package configuration: return or wrap configuration.ErrInvalidRequest and its like. Importing this
// package makes the module a configuration store: it exports mrt:configuration/driver. main does not run.
package driver

import "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/configitem"

// Item is one value.
type Item = configitem.Item

// Store is what a configuration store does.
type Store interface {
	// Init gets the component's metadata, before anything else. An error ends the start of the component; one that is
	// configuration.ErrUnavailable has it tried again while the component's initTimeout lasts.
	Init(metadata map[string]string) error
	// Get reads items, in any order; no keys means all. Keys that do not exist are left out.
	Get(keys []string, metadata map[string]string) ([]Item, error)
}

var registered Store

// Register makes s the module's store. Call it in an init function. It panics when there is one already.
func Register(s Store) {
	if registered != nil {
		panic("driver.Register: the module has a configuration store already")
	}
	registered = s
}
