// Package rabbitmq is the driver bindings.rabbitmq: a queue of a RabbitMQ server, for talking to programs that know
// nothing of topics and CloudEvents. Topics on RabbitMQ are pubsub.rabbitmq.
//
// A message is published when the server has confirmed that it is in the queue. One whose handling failed is held here and
// handled again after pauses that grow from 100 ms to 30 s.
package rabbitmq

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/components/internal/rabbitconn"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Spec is the driver.
var Spec = component.Spec[binding.Binding]{
	Type: "bindings.rabbitmq",
	Doc: `A queue of a RabbitMQ server, read and written.

Operation create publishes a message, persistent, with the request's metadata as headers. Of the metadata ttlInSeconds,
priority, contentType, messageID, correlationID and type are settings too. As an input, each app of this host that reads
the binding gets every message; other hosts and programs share them.`,
	Fields: func() any { return &settings{} },
	New:    open,
}

func open(ctx context.Context, cfg component.Config) (binding.Binding, error) {
	s := &settings{}
	if err := cfg.Decode(s); err != nil {
		return nil, err
	}
	q := &queue{s: s, log: cfg.Log}
	if q.log == nil {
		q.log = slog.New(slog.DiscardHandler)
	}
	options := s.options(cfg, q.log)
	if err := errors.Join(s.check(), options.Check()); err != nil {
		return nil, component.Permanent(err)
	}
	var err error
	if q.out, err = rabbitconn.Open(ctx, options); err != nil {
		return nil, err
	}
	q.in, q.pub = q.out, rabbitconn.NewPublisher(q.out)
	if !s.Exclusive {
		// The server reads nothing more from connections that publish when it is short of memory or disk:
		// acknowledgements go another way. An exclusive queue has only one connection.
		q.in = rabbitconn.New(ctx, options)
	}
	if err := q.out.Do(ctx, s.declare); err != nil {
		_ = q.Close(ctx)
		if !rabbitconn.Unreachable(err) && ctx.Err() == nil {
			err = component.Permanent(err)
		}
		return nil, err
	}
	return q, nil
}

// queue is the binding.
type queue struct {
	s       *settings
	log     *slog.Logger
	out, in *rabbitconn.Link
	pub     *rabbitconn.Publisher

	mu  sync.Mutex
	src *source // nil while nobody reads
}

var (
	_ binding.Binding = (*queue)(nil)
	_ binding.Output  = (*queue)(nil)
	_ binding.Input   = (*queue)(nil)
	_ binding.Pinger  = (*queue)(nil)
)

// Operations lists what Invoke takes.
func (q *queue) Operations() []string { return []string{"create"} }

func (q *queue) Invoke(ctx context.Context, req *binding.Request) (*binding.Reply, error) {
	if req.Operation != "create" {
		return nil, &binding.UnknownOperationError{Operation: req.Operation, Have: q.Operations()}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, err := q.outgoing(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", binding.ErrInvalid, err)
	}
	return nil, failure(ctx, q.pub.Publish(ctx, out))
}

// outgoing makes what is published of a request.
func (q *queue) outgoing(req *binding.Request) (rabbitconn.Outgoing, error) {
	meta := component.Metadata(req.Metadata)
	text := func(name, other string) string {
		if v, _ := meta.Get(name); v != "" {
			return v
		}
		return other
	}
	out := rabbitconn.Outgoing{
		Key: q.s.Queue, Name: q.s.Queue, Declare: q.s.declare, Mandatory: true,
		Publishing: amqp.Publishing{
			Body: req.Data, ContentType: text("contentType", q.s.ContentType), DeliveryMode: amqp.Persistent, Headers: amqp.Table{},
			MessageId: text("messageID", rand.Text()), CorrelationId: text("correlationID", ""), Type: text("type", ""),
		},
	}
	for name, value := range req.Metadata {
		if name == "CC" || name == "BCC" {
			return out, fmt.Errorf("metadata %s: a header of this name means something else to RabbitMQ", name)
		}
		out.Headers[name] = value
	}
	if v := text("priority", ""); v != "" {
		n, err := strconv.ParseUint(v, 10, 8)
		if err != nil {
			return out, fmt.Errorf("metadata priority: want 0 to 255, found %q", v)
		}
		out.Priority = uint8(n)
	}
	if v := text("ttlInSeconds", text("ttl", "")); v != "" {
		lives, err := time.ParseDuration(v)
		if n, intErr := strconv.ParseInt(v, 10, 64); intErr == nil && n > 0 && n <= int64(maxTTL/time.Second) {
			lives, err = time.Duration(n)*time.Second, nil
		}
		if err != nil || lives <= 0 || lives > maxTTL {
			return out, fmt.Errorf("metadata ttlInSeconds: want 1 to %d, found %q", int64(maxTTL/time.Second), v)
		}
		out.Expiration = strconv.FormatInt(max(lives.Milliseconds(), 1), 10)
	}
	return out, out.Check()
}

// failure says what kind of error it is.
func failure(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case rabbitconn.Unreachable(err):
		return fmt.Errorf("%w: %w", binding.ErrUnavailable, err)
	default:
		return err
	}
}

// Ping makes a round trip to the server.
func (q *queue) Ping(ctx context.Context) error { return failure(ctx, q.out.Ping(ctx)) }

func (q *queue) Close(ctx context.Context) error {
	q.in.Close(ctx)
	q.out.Close(ctx)
	return nil
}

// plainName tells whether the server takes a name as it is: it leaves out line breaks.
func plainName(s string) bool {
	return len(s) <= rabbitconn.MaxShort && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
