// Package driver makes a pubsub broker of a wasm module, for a component of type pubsub.wasm:
//
//	type broker struct{ … }
//
//	func init() { driver.Register(&broker{}) }
//
// Messages are published in one instance of the module, and each subscription has another one to itself: init is called
// in all of them, and what they have in common lies outside of the module, for example on a server. Calls of an instance
// come one after the other. Package driver/bulk adds publishing many messages at once.
//
// Errors are those of package pubsub: return or wrap pubsub.ErrInvalidTopic and its like. Importing this package makes
// the module a broker: it exports mrt:pubsub/driver. main does not run.
package driver

import "time"

// Message is a message as a broker carries it: Data is the CloudEvent's JSON, or the raw payload.
type Message struct {
	// ID names the message for Settle; unused on publishing.
	ID string
	// Attempt counts the deliveries of this message to this consumer, this one included; 0 if the broker does not know.
	Attempt     int
	Topic       string
	ContentType string
	Data        []byte
	// Metadata are settings on publishing, and what the publisher gave and the broker's facts on delivery; may be nil.
	Metadata map[string]string
}

// Broker is what a pubsub broker does.
type Broker interface {
	// Init gets the component's metadata, before anything else. An error ends the start of the component; one that is
	// pubsub.ErrUnavailable has it tried again while the component's initTimeout lasts.
	Init(metadata map[string]string) error
	// Publish returns when the broker has taken the message.
	Publish(m Message) error
	// Subscribe starts the subscription of a consumer group: subscriptions of the same consumer share the messages. An
	// instance has one. The host has it made again when the instance was lost.
	Subscribe(topic, consumer string, metadata map[string]string) (Subscription, error)
}

// Subscription is a running subscription.
type Subscription interface {
	// Pull takes at most limit messages, waiting at most wait for the first; none when there are none by then.
	Pull(limit int, wait time.Duration) ([]Message, error)
	// Settle says what became of a message: acknowledged, or to be delivered again. What is never settled, for example
	// since the host has crashed, is to be delivered again after a while.
	Settle(id string, acknowledged bool) error
	// Close ends the subscription. Messages that were not settled are delivered again.
	Close() error
}

var registered Broker

// Register makes b the module's broker. Call it in an init function. It panics when there is one already.
func Register(b Broker) {
	if registered != nil {
		panic("driver.Register: the module has a pubsub broker already")
	}
	registered = b
}
