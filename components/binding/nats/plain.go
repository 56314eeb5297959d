package nats

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// plain reads a subject without JetStream.
type plain struct {
	*binding.Work
	sub  *nats.Subscription
	gone chan struct{} // closed when the subscription has given its last message
	log  *slog.Logger
}

func (c *conn) readPlain(ctx context.Context, consumer string, h binding.Handler) (binding.Reader, error) {
	group := c.s.Queue
	if group == "" {
		group = consumer
	}
	r := &plain{Work: binding.NewWork(), gone: make(chan struct{}), log: c.log}
	slots := make(chan struct{}, c.s.Concurrency)
	// The client keeps what waits for a slot in memory, in the order of the server. A handler has the reader's context:
	// ctx bounds the start only.
	sub, err := c.nc.QueueSubscribe(c.s.Subject, group, func(msg *nats.Msg) {
		slots <- struct{}{}
		began := r.Go(func(ctx context.Context) {
			defer func() { <-slots }()
			r.handle(ctx, msg, h)
		})
		if !began {
			<-slots
			c.log.Warn("a message is lost: the reader was stopped before it was handled", "subject", msg.Subject)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("subject %q, group %q: %w", c.s.Subject, group, err)
	}
	r.sub = sub
	sub.SetClosedHandler(func(string) { close(r.gone) })
	if err := c.nc.Do(ctx, c.nc.FlushWithContext); err != nil {
		_ = sub.Unsubscribe()
		return nil, c.failure(ctx, c.s.Subject, err)
	}
	return r, nil
}

func (r *plain) handle(ctx context.Context, msg *nats.Msg, h binding.Handler) {
	ev := &binding.Event{Data: msg.Data, ContentType: msg.Header.Get("Content-Type"), Metadata: headers(msg.Header)}
	ev.Metadata["subject"] = msg.Subject
	if msg.Reply != "" {
		ev.Metadata["reply"] = msg.Reply
	}
	answer, err := binding.Admitted(ctx, h, ev)
	if err != nil || msg.Reply == "" {
		return // plain NATS has no way to say that it failed; the block has logged it
	}
	if answer == nil {
		answer = []byte{}
	}
	if err := msg.Respond(answer); err != nil {
		r.log.Warn("an answer could not be sent", "subject", msg.Subject, "error", err)
	}
}

// Stop ends the subscription at the server and handles what has arrived.
func (r *plain) Stop(ctx context.Context) error {
	err := r.sub.Drain()
	if err == nil {
		select {
		case <-r.gone:
		case <-ctx.Done():
			_ = r.sub.Unsubscribe() // nothing is waited for any longer
		}
	}
	if errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrBadSubscription) {
		err = nil // stopped before
	}
	return errors.Join(err, r.Work.Stop(ctx))
}
