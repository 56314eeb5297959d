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
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

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
	nc, err := connect(ctx, s, cfg)
	if err != nil {
		return nil, err
	}
	b, err := newBroker(ctx, s, cfg, nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return b, nil
}

func connect(ctx context.Context, s *settings, cfg component.Config) (*nats.Conn, error) {
	opts, err := s.options()
	if err != nil {
		return nil, component.Permanent(err)
	}
	where := s.URL
	if s.URL == "" {
		if cfg.Embedded == nil {
			return nil, component.Permanent(errors.New("metadata field natsURL is missing and this host has no embedded NATS server"))
		}
		server, err := cfg.Embedded.NATS(ctx)
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.InProcessServer(server))
		where = "the embedded server"
	}
	log := cfg.Log
	timeout := nats.DefaultTimeout
	if end, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(end), time.Millisecond)
	}
	opts = append(opts, nats.Timeout(timeout),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("connection to the NATS server is lost; connecting again", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("NATS", "error", err) }))
	nc, err := nats.Connect(s.URL, opts...)
	_, unreadable := errors.AsType[*url.Error](err)
	switch {
	case err == nil:
		return nc, nil
	case unreadable: // the error quotes the URL, which may have a password
		return nil, component.Permanent(errors.New("metadata field natsURL: want nats://host:port, several separated by commas; what is there cannot be read as URLs"))
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired):
		return nil, component.Permanent(fmt.Errorf("NATS server %s refuses the credentials; check token, or jwt and seedKey: %w", hide(where), err))
	default:
		return nil, fmt.Errorf("NATS server %s does not answer; check natsURL and that the server runs: %w", hide(where), err)
	}
}

// hide leaves out the user information of URLs.
func hide(urls string) string {
	parts := strings.Split(urls, ",")
	for i, u := range parts {
		if scheme, rest, ok := strings.Cut(u, "://"); ok {
			parts[i] = scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
		}
	}
	return strings.Join(parts, ",")
}

func newBroker(ctx context.Context, s *settings, cfg component.Config, nc *nats.Conn) (*broker, error) {
	var js jetstream.JetStream
	var err error
	switch {
	case s.Domain != "":
		js, err = jetstream.NewWithDomain(nc, s.Domain)
	case s.Prefix != "":
		js, err = jetstream.NewWithAPIPrefix(nc, s.Prefix)
	default:
		js, err = jetstream.New(nc)
	}
	if err != nil {
		return nil, component.Permanent(err)
	}
	if _, err := js.AccountInfo(ctx); err != nil {
		return nil, fmt.Errorf("the NATS server does not answer to JetStream; check that it is enabled (nats-server -js): %w", err)
	}
	b := &broker{
		nc: nc, js: js, s: s, log: cfg.Log,
		targets: &targets{js: js, stream: s.Stream, known: map[string]target{}, replicas: int(s.Replicas), storage: jetstream.FileStorage},
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
	nc      *nats.Conn
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
	_, err = b.js.PublishMsg(ctx, out)
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
		return nil, err
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
	for _, target := range []error{
		nats.ErrTimeout, nats.ErrNoResponders, nats.ErrConnectionClosed, nats.ErrConnectionReconnecting, nats.ErrReconnectBufExceeded,
		nats.ErrDisconnected, nats.ErrNoServers, nats.ErrStaleConnection, jetstream.ErrJetStreamNotEnabled,
		jetstream.ErrNoStreamResponse, context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return fmt.Errorf("%w: %w", pubsub.ErrUnavailable, err)
		}
	}
	if api, ok := errors.AsType[jetstream.JetStreamError](err); ok && api.APIError() != nil && api.APIError().Code == 503 {
		return fmt.Errorf("%w: %w", pubsub.ErrUnavailable, err)
	}
	return err
}

// Ping asks JetStream for the account.
func (b *broker) Ping(ctx context.Context) error {
	_, err := b.js.AccountInfo(ctx)
	if err != nil {
		return unavailable(err)
	}
	return nil
}

func (b *broker) Close(ctx context.Context) error {
	defer b.nc.Close()
	if !b.nc.IsConnected() {
		return nil
	}
	// Acknowledgements are on their way.
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := b.nc.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("the last acknowledgements may be lost and their messages delivered again: %w", err)
	}
	return nil
}
