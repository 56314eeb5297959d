// Package kafka is the driver pubsub.kafka: topics of Apache Kafka and of what speaks its protocol. Messages, keys and
// consumer groups are those of Dapr, so that both can share topics and groups.
//
// The offset of a message is committed after it was handled. The messages of a partition are handled in their order,
// unless an app takes them in bulk. A message that failed is handled again in place, after pauses that begin with
// consumeRetryInterval, and holds up its partition meanwhile: routing it to a dead letter topic ends that.
package kafka

import (
	"context"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/components/internal/kafkaconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// Spec is the driver.
var Spec = component.Spec[pubsub.Broker]{
	Type: "pubsub.kafka",
	Doc: `Topics of Apache Kafka. Each record has the message as its value and the metadata as its headers.

Metadata partitionKey is the record's key and keeps messages with the same key in order; partitionNumber names the
partition itself. Delivered messages have __key, __offset, __partition, __timestamp and __topic. A topic that does not
exist is made as the servers make topics when asked for one (auto.create.topics.enable).

A new consumer group gets what is published from then on, or, with initialOffset: oldest, all that the topic still
has. A message that failed is handled again after a short pause; those behind it in its partition wait.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

// settings are the metadata fields.
type settings struct {
	kafkaconn.Settings

	ConsumerID string `metadata:"consumerID" doc:"consumer group, without consumerGroup; default the app's name"`
	Retry      bool   `metadata:"consumeRetryEnabled" default:"true" doc:"handle a message that failed again until it succeeds; false leaves it out"`
}

func open(ctx context.Context, cfg component.Config) (pubsub.Broker, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, component.Permanent(err)
	}
	client, err := kafkaconn.Open(ctx, &s.Settings, cfg.Log)
	if err != nil {
		return nil, err
	}
	return &broker{s: s, client: client}, nil
}

type broker struct {
	s      *settings
	client *kafkaconn.Client
}

var (
	_ pubsub.Broker        = (*broker)(nil)
	_ pubsub.BulkPublisher = (*broker)(nil)
	_ pubsub.Pinger        = (*broker)(nil)
)

func (b *broker) Publish(ctx context.Context, msg pubsub.Message) error {
	_, err := b.client.Publish(ctx, outgoing(msg))
	return failure(err)
}

// BulkPublish sends all messages in few requests.
func (b *broker) BulkPublish(ctx context.Context, msgs []pubsub.Message) ([]error, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]kafkaconn.Message, len(msgs))
	for i, msg := range msgs {
		out[i] = outgoing(msg)
	}
	_, errs := b.client.PublishAll(ctx, out)
	for i, err := range errs {
		errs[i] = failure(err)
	}
	return errs, nil
}

func outgoing(msg pubsub.Message) kafkaconn.Message {
	out := kafkaconn.Message{Topic: msg.Topic, ContentType: msg.ContentType, Data: msg.Data, Metadata: msg.Metadata}
	if out.Data == nil {
		out.Data = []byte{} // an empty message, and not a tombstone
	}
	return out
}

func (b *broker) Subscribe(ctx context.Context, sub pubsub.Subscription, h pubsub.Handler) (pubsub.Consumer, error) {
	c, err := b.client.Consume(ctx, kafkaconn.Reading{
		Group: sub.Consumer, Topics: []string{sub.Topic}, Metadata: sub.Metadata, InFlight: sub.InFlight, Retry: b.s.Retry,
		Handle: func(ctx context.Context, d kafkaconn.Delivery) error {
			return h(ctx, pubsub.Message{Topic: d.Topic, ContentType: d.ContentType, Data: d.Data, Metadata: d.Metadata, Attempt: d.Attempt})
		},
	})
	if err != nil {
		return nil, failure(err)
	}
	return c, nil
}

// Ping asks a server.
func (b *broker) Ping(ctx context.Context) error { return failure(b.client.Ping(ctx)) }

func (b *broker) Close(context.Context) error {
	b.client.Close()
	return nil
}

// failure makes the block's error of one of the connection's.
func failure(err error) error {
	switch kafkaconn.KindOf(err) {
	case kafkaconn.Unavailable:
		return fmt.Errorf("%w: %w", pubsub.ErrUnavailable, err)
	case kafkaconn.BadTopic:
		return fmt.Errorf("%w: %w", pubsub.ErrInvalidTopic, err)
	case kafkaconn.BadRequest:
		return fmt.Errorf("%w: %w", pubsub.ErrInvalid, err)
	default:
		return err
	}
}
