// Package output makes a wasm module a binding that can be called: it exports mrt:binding/output-driver.
//
//	func init() { output.Register(&webhook{}) }
//
// Calls come one after the other (but see package plugin). main does not run.
package output

import "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/driver"

// Output is what an output binding does.
type Output interface {
	driver.Starter
	// Operations lists what Invoke takes; always the same. Other operations do not reach Invoke.
	Operations() []string
	// Invoke calls an operation.
	Invoke(r driver.Request) (*driver.Reply, error)
}

var registered Output

// Register makes o the module's output binding. Call it in an init function. It panics when there is one already.
func Register(o Output) {
	if registered != nil {
		panic("output.Register: the module has an output binding already")
	}
	registered = o
}
