// Package driver makes a secret store of a wasm module, for a component of type secretstores.wasm:
//
//	type store struct{ … }
//
//	func init() { driver.Register(&store{}) }
//
// Package driver/bulk adds reading all secrets at once. Calls come one after the other (but see package plugin).
//
// Errors are those of package secret: return or wrap secret.ErrNotFound and its like, and put no secret into their text.
// Importing this package makes the module a secret store: it exports mrt:secret/driver. main does not run.
package driver

// Store is what a secret store does.
type Store interface {
	// Init gets the component's metadata, before anything else. An error ends the start of the component; one that is
	// secret.ErrUnavailable has it tried again while the component's initTimeout lasts.
	Init(metadata map[string]string) error
	// Get reads one secret, by key; secret.ErrNotFound if there is none. A store with one value a secret uses the
	// secret's name as the key.
	Get(name string, metadata map[string]string) (map[string]string, error)
}

var registered Store

// Register makes s the module's store. Call it in an init function. It panics when there is one already.
func Register(s Store) {
	if registered != nil {
		panic("driver.Register: the module has a secret store already")
	}
	registered = s
}
