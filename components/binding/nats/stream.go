package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/components/internal/natsconn"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// The pauses before a message that failed is delivered again double from the first to the last.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
)

// maxAge is how long a created stream keeps a message that a consumer has not acknowledged.
const maxAge = 7 * 24 * time.Hour

// openStream finds the stream of the subject, or creates it.
func (c *conn) openStream(ctx context.Context) error {
	var err error
	if c.js, err = c.s.API.JetStream(ctx, c.nc); err != nil {
		return err
	}
	name, err := c.js.StreamNameBySubject(ctx, c.s.Subject)
	switch {
	case err == nil && c.s.Stream != "" && name != c.s.Stream:
		return component.Permanent(fmt.Errorf("stream %s takes subject %q, and not %s, which streamName says", name, c.s.Subject, c.s.Stream))
	case err == nil:
		c.stream, err = c.js.Stream(ctx, name)
		return err
	case !errors.Is(err, jetstream.ErrStreamNotFound):
		return fmt.Errorf("looking for the stream of subject %q: %w", c.s.Subject, err)
	}
	name = c.s.Stream
	if name == "" {
		name = "mrt_binding_" + natsconn.PlainName(c.name)
	}
	storage := jetstream.FileStorage
	if c.s.InMemory {
		storage = jetstream.MemoryStorage
	}
	c.stream, err = c.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: name, Subjects: []string{c.s.Subject}, Description: "binding " + c.name + " of mrt-wasm",
		Retention: jetstream.InterestPolicy, Discard: jetstream.DiscardNew, MaxAge: maxAge,
		Storage: storage, Replicas: int(c.s.Replicas),
	})
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return component.Permanent(fmt.Errorf("stream %s exists and does not take subject %q; add it to the stream's subjects, or set streamName to another one", name, c.s.Subject))
	}
	if err != nil {
		return fmt.Errorf("creating stream %s of subject %q: %w", name, c.s.Subject, err)
	}
	return nil
}

// streamReader reads a subject by a durable consumer.
type streamReader struct {
	*binding.Work
	c       *conn
	consume jetstream.ConsumeContext
}

func (c *conn) readStream(ctx context.Context, consumer string, h binding.Handler) (binding.Reader, error) {
	durable := c.s.Durable
	if durable == "" {
		durable = c.s.Queue
	}
	if durable == "" {
		durable = natsconn.PlainName(consumer) + "_" + natsconn.PlainName(c.name)
	}
	deliver, _ := c.s.deliverPolicy() // checked
	cons, err := c.stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: durable, FilterSubject: c.s.Subject, DeliverPolicy: deliver, AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: c.s.AckWait, MaxDeliver: int(c.s.MaxDeliver), Replicas: int(c.s.Replicas), MemoryStorage: c.s.InMemory,
	})
	if err != nil {
		return nil, fmt.Errorf("consumer %s of subject %q: %w", durable, c.s.Subject, err)
	}
	r := &streamReader{Work: binding.NewWork(), c: c}
	slots := make(chan struct{}, c.s.Concurrency)
	// A handler has the reader's context: ctx bounds the start only.
	r.consume, err = cons.Consume(func(msg jetstream.Msg) {
		slots <- struct{}{}
		began := r.Go(func(ctx context.Context) {
			defer func() { <-slots }()
			r.handle(ctx, msg, h)
		})
		if !began {
			<-slots
			_ = msg.Nak() // lost acknowledgements are made up for by ackWait
		}
	}, jetstream.PullMaxMessages(int(c.s.Concurrency)), jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) {
		c.log.Debug("reading from JetStream", "consumer", durable, "error", err) // it goes on by itself
	}))
	if err != nil {
		return nil, fmt.Errorf("consumer %s of subject %q: %w", durable, c.s.Subject, err)
	}
	return r, nil
}

func (r *streamReader) handle(ctx context.Context, msg jetstream.Msg, h binding.Handler) {
	ev := &binding.Event{Data: msg.Data(), ContentType: msg.Headers().Get("Content-Type"), Metadata: headers(msg.Headers())}
	ev.Metadata["subject"] = msg.Subject()
	attempt := uint64(1)
	if meta, err := msg.Metadata(); err == nil {
		attempt = meta.NumDelivered
		ev.Metadata["stream"] = meta.Stream
		ev.Metadata["sequence"] = strconv.FormatUint(meta.Sequence.Stream, 10)
		ev.Metadata["attempt"] = strconv.FormatUint(attempt, 10)
		ev.Metadata["timestamp"] = meta.Timestamp.UTC().Format(time.RFC3339Nano)
	}
	stop := r.holding(msg)
	_, err := h(ctx, ev)
	stop()
	full, overloaded := errors.AsType[*binding.OverloadedError](err)
	switch {
	case err == nil:
		err = msg.Ack()
	case ctx.Err() != nil:
		err = msg.Nak() // we stop: another reader gets it
	case overloaded:
		err = msg.NakWithDelay(max(full.After, firstPause))
	default:
		err = msg.NakWithDelay(min(firstPause<<min(attempt-1, 16), lastPause))
	}
	if err != nil {
		r.c.log.Warn("the server could not be told what became of a message; it is delivered again after ackWait", "subject", msg.Subject(), "error", err)
	}
}

// holding keeps the server from delivering a message again while it is handled.
func (r *streamReader) holding(msg jetstream.Msg) (stop func()) {
	ticker := time.NewTicker(max(r.c.s.AckWait/2, time.Millisecond))
	done := make(chan struct{})
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				_ = msg.InProgress() // if it is lost, the message is delivered twice
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }
}

// Stop asks for no more messages, handles what has arrived, and leaves the rest to the server.
func (r *streamReader) Stop(ctx context.Context) error {
	r.consume.Drain()
	select {
	case <-r.consume.Closed():
	case <-ctx.Done():
		r.consume.Stop()
	}
	return r.Work.Stop(ctx)
}
