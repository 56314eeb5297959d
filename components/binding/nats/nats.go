// Package nats is the driver bindings.nats: messages of a NATS subject, plain or by JetStream, for talking to programs
// that know nothing of topics and CloudEvents. Topics on NATS are pubsub.jetstream.
package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/components/internal/natsconn"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type: "bindings.nats",
	Doc: `Messages of a NATS subject, on an external server or, without natsURL, on the one embedded in the host.

Operations: create publishes, and request waits for a reply. The request's metadata: subject takes the place of the
component's; what begins with a capital letter is a header. As an input, the answer of the handler goes to a sender
that asked for a reply. Plain NATS keeps nothing: a message is lost that nobody reads, or whose handler failed. With
jetstream: true messages are kept until they are handled, and delivered again after a failure; there is no other type for
JetStream.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

func open(ctx context.Context, cfg component.Config) (binding.Binding, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		return nil, component.Permanent(err)
	}
	c := &conn{s: s, name: cfg.Name, log: natsconn.Log(cfg)}
	var err error
	if c.nc, err = natsconn.Dial(ctx, &s.Settings, cfg); err != nil {
		return nil, err
	}
	if s.JetStream {
		if err := c.openStream(ctx); err != nil {
			c.nc.Conn.Close()
			return nil, err
		}
	}
	return c, nil
}

type conn struct {
	s    *settings
	name string
	log  *slog.Logger
	nc   *natsconn.Conn
	// js and stream are nil without JetStream.
	js     jetstream.JetStream
	stream jetstream.Stream
}

var (
	_ binding.Binding = (*conn)(nil)
	_ binding.Output  = (*conn)(nil)
	_ binding.Input   = (*conn)(nil)
	_ binding.Pinger  = (*conn)(nil)
)

// Operations lists what Invoke takes.
func (c *conn) Operations() []string { return []string{"create", "request"} }

func (c *conn) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	if req.Operation != "create" && req.Operation != "request" {
		return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: c.Operations()}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	msg, err := c.outgoing(req)
	if err != nil {
		return nil, err
	}
	if !c.nc.IsConnected() {
		return nil, fmt.Errorf("%w: not connected to the NATS server, status %s", binding.ErrUnavailable, c.nc.Status())
	}
	var reply *binding.Reply
	switch {
	case req.Operation == "request":
		reply, err = c.request(ctx, msg)
	case c.js != nil:
		reply, err = c.store(ctx, msg)
	default:
		err = c.publish(ctx, msg)
	}
	return reply, c.failure(ctx, msg.Subject, err)
}

func (c *conn) outgoing(req *binding.Request) (*nats.Msg, error) {
	subject := req.Metadata["subject"]
	if subject == "" {
		subject = c.s.Subject
	}
	if why := badSubject(subject, false); why != "" {
		return nil, fmt.Errorf("%w: subject %q: want one to publish to, which %s; give metadata subject", binding.ErrInvalid, subject, why)
	}
	msg := nats.NewMsg(subject)
	msg.Data = req.Data
	for name, value := range req.Metadata {
		trace := name == "traceparent" || name == "tracestate"
		if name == "" || !trace && (name[0] < 'A' || name[0] > 'Z') {
			continue
		}
		if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == ':' || r > 0x7e }) || strings.ContainsAny(value, "\r\n") {
			return nil, fmt.Errorf("%w: metadata %q is not valid as a header", binding.ErrInvalid, name)
		}
		msg.Header[name] = []string{value}
	}
	return msg, nil
}

// publish returns when the server has the message.
func (c *conn) publish(ctx context.Context, msg *nats.Msg) error {
	if err := c.nc.PublishMsg(msg); err != nil {
		return err
	}
	return c.nc.Do(ctx, c.nc.FlushWithContext)
}

func (c *conn) store(ctx context.Context, msg *nats.Msg) (*binding.Reply, error) {
	var ack *jetstream.PubAck
	err := c.nc.Do(ctx, func(ctx context.Context) (err error) {
		ack, err = c.js.PublishMsg(ctx, msg)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &binding.Reply{Metadata: map[string]string{"stream": ack.Stream, "sequence": strconv.FormatUint(ack.Sequence, 10)}}, nil
}

func (c *conn) request(ctx context.Context, msg *nats.Msg) (*binding.Reply, error) {
	// Who answers is a program that may take its time.
	most := 30 * time.Second
	if end, ok := ctx.Deadline(); ok {
		most = time.Until(end) + time.Second // ctx itself is the end
	}
	var answer *nats.Msg
	err := c.nc.Within(ctx, most, func(ctx context.Context) (err error) {
		answer, err = c.nc.RequestMsgWithContext(ctx, msg)
		return err
	})
	if err != nil {
		return nil, err
	}
	reply := &binding.Reply{Data: answer.Data, ContentType: answer.Header.Get("Content-Type"), Metadata: headers(answer.Header)}
	if reply.Data == nil {
		reply.Data = []byte{}
	}
	return reply, nil
}

func headers(h nats.Header) map[string]string {
	out := make(map[string]string, len(h)+4)
	for name, values := range h {
		out[name] = strings.Join(values, ", ")
	}
	return out
}

// failure says what kind of error it is.
func (c *conn) failure(ctx context.Context, subject string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, nats.ErrMaxPayload):
		return fmt.Errorf("%w: the NATS server takes messages of at most %d bytes (max_payload)", binding.ErrInvalid, c.nc.MaxPayload())
	case errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w: nobody answers on subject %q", binding.ErrUnavailable, subject)
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		return fmt.Errorf("%w: no stream takes subject %q", binding.ErrUnavailable, subject)
	}
	if natsconn.Unavailable(err) {
		return fmt.Errorf("%w: %w", binding.ErrUnavailable, err)
	}
	return err
}

// Ping makes a round trip to the server.
func (c *conn) Ping(ctx context.Context) error {
	if err := c.nc.Do(ctx, c.nc.FlushWithContext); err != nil {
		return fmt.Errorf("%w: %w", binding.ErrUnavailable, err)
	}
	return nil
}

func (c *conn) Close(ctx context.Context) error {
	if err := c.nc.Close(ctx); err != nil {
		return fmt.Errorf("the last acknowledgements may be lost and their messages delivered again: %w", err)
	}
	return nil
}

// Read begins to read for one app.
func (c *conn) Read(ctx context.Context, consumer string, h binding.Handler) (binding.Reader, error) {
	if c.js != nil {
		return c.readStream(ctx, consumer, h)
	}
	return c.readPlain(ctx, consumer, h)
}
