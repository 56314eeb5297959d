// Package bulk adds publishing many messages at once to a broker: see package driver. Importing it makes the module
// export mrt:pubsub/bulk-publisher.
package bulk

import "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/driver"

// Publisher is a broker that publishes many messages better than one by one.
type Publisher interface {
	// BulkPublish publishes messages of one topic. The errors are in their order, nil for one that the broker has taken;
	// an error of the call says that nothing was published.
	BulkPublish(topic string, msgs []driver.Message) ([]error, error)
}

var registered Publisher

// Register makes p publish many messages. Call it in an init function.
func Register(p Publisher) { registered = p }

// Registered gives what was registered: what the host calls, and tests of the component.
func Registered() Publisher { return registered }
