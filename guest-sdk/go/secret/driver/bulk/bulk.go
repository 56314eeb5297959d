// Package bulk adds reading all secrets at once to a secret store: see package driver. Importing it makes the module
// export mrt:secret/bulk-driver.
package bulk

// Getter is a store that can give all of its secrets.
type Getter interface {
	// BulkGet reads all secrets by name; each has its values by key.
	BulkGet(metadata map[string]string) (map[string]map[string]string, error)
}

var registered Getter

// Register makes g read all secrets. Call it in an init function.
func Register(g Getter) { registered = g }

// Registered gives what was registered: what the host calls, and tests of the component.
func Registered() Getter { return registered }
