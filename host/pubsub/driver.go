// Package pubsub is the building block for topics: what a broker implements, and the semantics around it
// (CloudEvents, routing, dead letters, bulk, scopes) that are the same for every broker.
package pubsub

import (
	"context"
	"errors"
)

// Message is one message as a broker carries it: Data is the CloudEvent's JSON, or the raw payload.
type Message struct {
	Topic string
	// ContentType of Data: application/cloudevents+json, or the payload's own for raw messages.
	ContentType string
	// Data is not changed by anybody; a broker that keeps it after Publish has returned makes a copy.
	Data []byte
	// Metadata are settings on publishing, what the publisher gave and the broker's facts on delivery; may be nil.
	Metadata map[string]string
	// Attempt counts the deliveries of this message to this consumer, this one included; 0 if the broker does not
	// know. Unused on publishing.
	Attempt int
}

// Subscription asks for the messages of one topic on behalf of one consumer.
type Subscription struct {
	Topic string
	// Consumer is the consumer group: the component's consumerID, else the app's name. Consumers of the same
	// name share the messages.
	Consumer string
	// Metadata is the subscription's own.
	Metadata map[string]string
	// InFlight is how many messages are handled at once; 0 leaves it to the component. With 1, messages come in the
	// order of the broker, but for those that are delivered again.
	InFlight int
}

// Handler takes one message. A nil error acknowledges it; an error gives it back to the broker for redelivery. It
// may be called concurrently. Its ctx ends when the consumer is stopped and does not wait any longer.
type Handler func(ctx context.Context, msg Message) error

// Broker is what every pubsub driver implements. All methods are safe for concurrent use.
type Broker interface {
	// Publish returns when the broker has taken the message.
	Publish(ctx context.Context, msg Message) error
	// Subscribe starts a subscription and returns; ctx bounds the start only. The driver reconnects by itself.
	Subscribe(ctx context.Context, sub Subscription, h Handler) (Consumer, error)
	// Close ends the broker; all consumers are stopped before.
	Close(ctx context.Context) error
}

// Consumer is a running subscription.
type Consumer interface {
	// Stop takes no new messages, waits for handlers that run until ctx ends, and gives the rest back to the broker.
	Stop(ctx context.Context) error
}

// BulkPublisher is a Broker that publishes many messages better than one by one. Errors are in the order of msgs;
// nil where it succeeded. A second result that is not nil means that nothing was published.
type BulkPublisher interface {
	BulkPublish(ctx context.Context, msgs []Message) ([]error, error)
}

// Expirer is a Broker that drops messages by itself after metadata ttlInSeconds.
type Expirer interface {
	// Expires is a marker; it does nothing.
	Expires()
}

// Pinger is a Broker that can tell whether its server answers.
type Pinger interface {
	Ping(ctx context.Context) error
}

// The errors that a driver gives, wrapped with what it knows.
var (
	// ErrInvalidTopic: the topic is not valid for this broker.
	ErrInvalidTopic = errors.New("invalid topic")
	// ErrInvalid: the request is not valid.
	ErrInvalid = errors.New("invalid request")
	// ErrUnavailable: the broker cannot be reached now.
	ErrUnavailable = errors.New("unavailable")
)
