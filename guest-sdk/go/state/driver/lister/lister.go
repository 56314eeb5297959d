// Package lister adds the listing of keys to a state store: see package driver. Importing it makes the module export
// mrt:state/lister.
package lister

// Page is a page of keys in ascending byte order.
type Page struct {
	Keys []string
	// Next is the token of the next page; empty at the end. See driver.PageToken.
	Next string
}

// Lister is a store that lists keys.
type Lister interface {
	// ListKeys gives at most limit (1 to 1000) keys that start with prefix, from token on, which is a Next that it gave,
	// or empty. See driver.After.
	ListKeys(prefix string, limit int, token string) (Page, error)
}

var registered Lister

// Register makes l list the module's keys. Call it in an init function.
func Register(l Lister) { registered = l }

// Registered gives what was registered: what the host calls, and tests of the component.
func Registered() Lister { return registered }
