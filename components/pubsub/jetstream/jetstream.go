// Package jetstream is the driver pubsub.jetstream: topics in the streams of a NATS server, an external one or, without
// natsURL, the one embedded in the host.
//
// A consumer group is a durable pull consumer. On the embedded server each component has one stream, made by the
// driver, in which any text is a topic. On an external server a topic is a NATS subject: in the stream streamName, or
// in the stream that takes the subject, or in one that the driver makes for it. Streams made by the driver keep a
// message until every group has acknowledged it, for 7 days at most; a topic without any group keeps nothing.
package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/components/internal/natsconn"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// Spec is the driver.
var Spec = component.Spec[pubsub.Broker]{
	Type: "pubsub.jetstream",
	Doc: `Topics in NATS JetStream, on an external server or on the one embedded in the host.

Without natsURL the embedded server is used: it opens no port and keeps its files in the data folder. A message
that it has taken survives a crash of the process; it is not fsynced at once, so a power cut may lose the last ones.
A message that failed is delivered again after backOff, or after pauses that grow from 100 ms to 30 s.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

// The headers of a message.
const (
	contentTypeHeader = "Content-Type"
	metadataHeader    = "Mrt-Metadata" // a JSON object: keys and values of any text
)

func open(ctx context.Context, cfg component.Config) (pubsub.Broker, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	if err := s.check(cfg); err != nil {
		return nil, component.Permanent(err)
	}
	nc, err := natsconn.Dial(ctx, &s.Settings, cfg)
	if err != nil {
		return nil, err
	}
	b, err := newBroker(ctx, s, cfg, nc)
	if err != nil {
		nc.Conn.Close()
		return nil, err
	}
	return b, nil
}

func newBroker(ctx context.Context, s *settings, cfg component.Config, nc *natsconn.Conn) (*broker, error) {
	js, err := s.JetStream(ctx, nc)
	if err != nil {
		return nil, err
	}
	b := &broker{
		nc: nc, js: js, s: s, log: cfg.Log,
		targets: &targets{do: nc.Do, js: js, stream: s.Stream, known: map[string]target{}, replicas: int(s.Replicas), storage: jetstream.FileStorage},
	}
	b.running = map[*consumer]bool{}
	nc.SetReconnectHandler(func(*nats.Conn) { b.reconnected() })
	if s.InMemory {
		b.targets.storage = jetstream.MemoryStorage
	}
	if s.URL != "" {
		return b, b.checkStream(ctx)
	}
	if s.Stream == "" {
		b.targets.stream = shorten("mrt_" + escapeName(cfg.Name))
	}
	b.targets.prefix = b.targets.stream + "."
	return b, nil
}

func (b *broker) checkStream(ctx context.Context) error {
	if b.s.Stream == "" {
		return nil
	}
	_, err := b.js.Stream(ctx, b.s.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return component.Permanent(fmt.Errorf("the NATS server has no stream %s: create it, or leave streamName out to have streams found or created by topic", b.s.Stream))
	}
	return err
}

type broker struct {
	nc      *natsconn.Conn
	js      jetstream.JetStream
	s       *settings
	log     *slog.Logger
	targets *targets

	mu      sync.Mutex
	running map[*consumer]bool
}

// reconnected makes consumers look at once whether the server still has them; it would take a missing heartbeat.
func (b *broker) reconnected() {
	b.log.Info("connected to the NATS server again")
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.running {
		c.mu.Lock()
		c.pull.drain()
		c.mu.Unlock()
	}
}

var (
	_ pubsub.Broker        = (*broker)(nil)
	_ pubsub.BulkPublisher = (*broker)(nil)
	_ pubsub.Pinger        = (*broker)(nil)
)

func (b *broker) Publish(ctx context.Context, msg pubsub.Message) error {
	out, err := b.outgoing(ctx, msg)
	if err != nil {
		return err
	}
	err = b.nc.Do(ctx, func(ctx context.Context) error {
		_, err := b.js.PublishMsg(ctx, out)
		return err
	})
	return b.publishError(ctx, msg.Topic, err)
}

// BulkPublish sends all messages and then waits for all answers.
func (b *broker) BulkPublish(ctx context.Context, msgs []pubsub.Message) ([]error, error) {
	errs := make([]error, len(msgs))
	acks := make([]jetstream.PubAckFuture, len(msgs))
	for i, msg := range msgs {
		out, err := b.outgoing(ctx, msg)
		if err == nil {
			acks[i], err = b.js.PublishMsgAsync(out)
			err = b.publishError(ctx, msg.Topic, err)
		}
		errs[i] = err
	}
	timeout := time.NewTimer(b.js.Options().DefaultTimeout)
	defer timeout.Stop()
	for i, ack := range acks {
		if errs[i] != nil {
			continue
		}
		var err error
		select {
		case <-ack.Ok():
		case err = <-ack.Err():
		case <-ctx.Done():
			err = ctx.Err()
		case <-timeout.C:
			err = nats.ErrTimeout
			timeout.Reset(0) // the rest has had its time too
		}
		errs[i] = b.publishError(ctx, msgs[i].Topic, err)
	}
	return errs, nil
}

func (b *broker) outgoing(ctx context.Context, msg pubsub.Message) (*nats.Msg, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !b.nc.IsConnected() {
		return nil, fmt.Errorf("not connected to the NATS server, status %s: %w", b.nc.Status(), pubsub.ErrUnavailable)
	}
	// A wildcard is part of the subject only where the topic is escaped.
	if _, err := b.targets.subject(msg.Topic, false); err != nil {
		return nil, err
	}
	to, err := b.targets.of(ctx, msg.Topic, false)
	if err != nil {
		return nil, unavailable(err)
	}
	out := nats.NewMsg(to.subject)
	out.Data = msg.Data
	if msg.ContentType != "" {
		out.Header.Set(contentTypeHeader, msg.ContentType)
	}
	if len(msg.Metadata) > 0 {
		meta, err := json.Marshal(msg.Metadata)
		if err != nil {
			return nil, fmt.Errorf("metadata: %w: %w", pubsub.ErrInvalid, err)
		}
		out.Header.Set(metadataHeader, string(meta))
	}
	return out, nil
}

func (b *broker) publishError(ctx context.Context, topic string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return err
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("the NATS server takes messages of at most %d bytes (max_payload): %w: %w", b.nc.MaxPayload(), pubsub.ErrInvalid, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse), errors.Is(err, jetstream.ErrStreamNotFound):
		b.targets.forget(topic)
		return fmt.Errorf("no stream answers: %w: %w", pubsub.ErrUnavailable, err)
	default:
		return unavailable(err)
	}
}

// unavailable marks errors that say that the server cannot be reached or cannot take more now.
func unavailable(err error) error {
	if natsconn.Unavailable(err) && !errors.Is(err, pubsub.ErrUnavailable) {
		return fmt.Errorf("%w: %w", pubsub.ErrUnavailable, err)
	}
	return err
}

// Ping asks JetStream for the account.
func (b *broker) Ping(ctx context.Context) error {
	return unavailable(b.nc.Do(ctx, func(ctx context.Context) error {
		_, err := b.js.AccountInfo(ctx)
		return err
	}))
}

func (b *broker) Close(ctx context.Context) error {
	if err := b.nc.Close(ctx); err != nil {
		return fmt.Errorf("the last acknowledgements may be lost and their messages delivered again: %w", err)
	}
	return nil
}
