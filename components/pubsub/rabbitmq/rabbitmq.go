// Package rabbitmq is the driver pubsub.rabbitmq: a topic is an exchange, and a consumer group has a queue
// <group>-<topic> bound to it. Exchanges, queues and messages are those of Dapr, so both can share a server.
//
// A message is published when the server has confirmed that it has it. One that failed is held here and handed to the
// handler again after pauses that grow from 100 ms to 30 s: the server itself would bring it back at once, and does not
// count. A topic without any queue keeps nothing.
package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/components/internal/rabbitconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// Spec is the driver.
var Spec = component.Spec[pubsub.Broker]{
	Type: "pubsub.rabbitmq",
	Doc: `Topics in RabbitMQ: an exchange for each topic, a queue for each consumer group of it.

Set deletedWhenUnused: false, or messages are lost when no consumer is connected for a moment. Publishing always waits for
the server's confirmation. Metadata of a message: routingKey, priority, ttlInSeconds, contentType, messageID, correlationID,
type; of a subscription: queueName, routingKey (several separated by commas), queueType (classic or quorum), maxPriority,
singleActiveConsumer, maxLen, maxLenBytes.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

func open(ctx context.Context, cfg component.Config) (pubsub.Broker, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	options, err := s.options(cfg, log)
	if err = errors.Join(s.check(), err); err != nil {
		return nil, component.Permanent(err)
	}
	b := &broker{s: s, log: log}
	if b.out, err = rabbitconn.Open(ctx, options); err != nil {
		return nil, err
	}
	// The server reads nothing more from connections that publish when it is short of memory or disk: acknowledgements go
	// another way.
	b.in = rabbitconn.New(ctx, options)
	b.pub = rabbitconn.NewPublisher(b.out)
	if s.DeleteWhenUnused == nil {
		log.Warn("messages are lost when a topic has no consumer for a moment: set metadata deletedWhenUnused to false to keep them, or to true if this is right")
	}
	return b, nil
}

type broker struct {
	s       *settings
	log     *slog.Logger
	out, in *rabbitconn.Link
	pub     *rabbitconn.Publisher
}

var (
	_ pubsub.Broker        = (*broker)(nil)
	_ pubsub.BulkPublisher = (*broker)(nil)
	_ pubsub.Expirer       = (*broker)(nil)
	_ pubsub.Pinger        = (*broker)(nil)
)

// Expires marks that the server drops messages after ttlInSeconds.
func (*broker) Expires() {}

func (b *broker) Publish(ctx context.Context, msg pubsub.Message) error {
	out, err := b.outgoing(msg)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return failure(ctx, b.pub.Publish(ctx, out))
}

// BulkPublish sends all messages and then waits for all confirmations.
func (b *broker) BulkPublish(ctx context.Context, msgs []pubsub.Message) ([]error, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	errs := make([]error, len(msgs))
	outs, at := make([]rabbitconn.Outgoing, 0, len(msgs)), make([]int, 0, len(msgs))
	for i, msg := range msgs {
		out, err := b.outgoing(msg)
		if errs[i] = err; err == nil {
			outs, at = append(outs, out), append(at, i)
		}
	}
	for i, err := range b.pub.PublishAll(ctx, outs) {
		errs[at[i]] = failure(ctx, err)
	}
	return errs, nil
}

// failure says what kind of error it is.
func failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case rabbitconn.Unreachable(err):
		return fmt.Errorf("%w: %w", pubsub.ErrUnavailable, err)
	default:
		return err
	}
}

func (b *broker) Subscribe(ctx context.Context, sub pubsub.Subscription, h pubsub.Handler) (pubsub.Consumer, error) {
	if err := checkTopic(sub.Topic); err != nil {
		return nil, err
	}
	q, err := b.s.newQueue(sub)
	if err != nil {
		return nil, err
	}
	log := b.log.With("topic", sub.Topic)
	atOnce, window := b.s.flow(sub.InFlight)
	c, err := b.in.Consume(ctx, rabbitconn.Reading{
		What: "queue " + q.name, Log: log, AtOnce: atOnce, Window: window, AckFirst: b.s.AutoAck,
		Declare: func(ch *amqp.Channel) (string, error) { return b.s.declare(ch, q) },
		Handle: func(ctx context.Context, d *rabbitconn.Delivery) error {
			err := h(ctx, b.message(sub.Topic, d))
			if err != nil && b.s.AutoAck {
				log.Warn("a message failed and is lost: it was acknowledged before, by metadata autoAck", "error", err)
			}
			return err
		},
		Failed: func(d *rabbitconn.Delivery, err error) rabbitconn.Verdict { return b.failed(log, d, err) },
	})
	if err != nil {
		return nil, failure(ctx, err)
	}
	return c, nil
}

// overloaded is an error that says that there is no place for a message now.
type overloaded interface {
	error
	Overloaded() time.Duration
}

// failed says what becomes of a message that failed.
func (b *broker) failed(log *slog.Logger, d *rabbitconn.Delivery, err error) rabbitconn.Verdict {
	if full, ok := errors.AsType[overloaded](err); ok {
		return rabbitconn.Verdict{Pause: max(full.Overloaded(), rabbitconn.Pause(1)), Uncounted: true}
	}
	if b.last(d) {
		fate := "is discarded, if the queue has no dead letter exchange by a policy of the server"
		if b.s.DeadLetter {
			fate = "goes to the dead letter queue"
		}
		log.Warn("a message failed and "+fate, "attempt", d.Attempt, "error", err)
		return rabbitconn.Verdict{Reject: true}
	}
	return rabbitconn.Verdict{Pause: rabbitconn.Pause(d.Attempt)}
}

// Ping makes a round trip to the server.
func (b *broker) Ping(ctx context.Context) error { return failure(ctx, b.out.Ping(ctx)) }

func (b *broker) Close(ctx context.Context) error {
	b.in.Close(ctx)
	b.out.Close(ctx)
	return nil
}
