// Package transactor adds transactions to a state store: see package driver. Importing it makes the module export
// mrt:state/transactor.
package transactor

import "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver"

// Transactor is a store that does several operations atomically.
type Transactor interface {
	// Transact does all operations in order, or none. Each condition is about what the operations before it made.
	Transact(ops []driver.Operation, metadata map[string]string) error
}

var registered Transactor

// Register makes t do the module's transactions. Call it in an init function.
func Register(t Transactor) { registered = t }

// Registered gives what was registered: what the host calls, and tests of the component.
func Registered() Transactor { return registered }
