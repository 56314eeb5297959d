// Package expirer adds times to live to a state store: see package driver. Importing it makes the module export
// mrt:state/expirer. Without it a write with a time to live fails before it reaches the store.
package expirer

var registered func() bool

// Register says that the store's entries can expire: Set gets a TTL and Get gives Expires. Call it in an init function.
func Register() { RegisterFunc(func() bool { return true }) }

// RegisterFunc has expires asked once, after Init: a store over another one has what that has.
func RegisterFunc(expires func() bool) { registered = expires }

// Expires tells whether entries can expire: what the host asks, and tests of the component.
func Expires() bool { return registered != nil && registered() }
