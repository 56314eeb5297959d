// Package bulk adds reads of many keys at once to a state store: see package driver. Importing it makes the module
// export mrt:state/bulk-getter. Without it the host reads one key after the other.
package bulk

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver"
)

// Getter is a store that reads many keys better than one by one.
type Getter interface {
	// BulkGet gives the entries in the order of the keys; nil for one that does not exist.
	BulkGet(keys []string, consistency state.Consistency, metadata map[string]string) ([]*driver.Entry, error)
}

var registered Getter

// Register makes g read many keys. Call it in an init function.
func Register(g Getter) { registered = g }

// Registered gives what was registered: what the host calls, and tests of the component.
func Registered() Getter { return registered }
