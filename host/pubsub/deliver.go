package pubsub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// How a message waits for a place in the app's queue before it is given back to the broker.
const (
	maxWaits = 10
	minWait  = 10 * time.Millisecond
	maxWait  = time.Second
)

// subscriber is a subscription of one app: it takes messages from the broker to the app.
type subscriber struct {
	*subscription
	app block.App
	bus *bus
	log *slog.Logger

	handlePoint, bulkPoint *chain.Point
	// The functions are made once: a method value would be allocated for each call.
	handleFn func(context.Context, *event) (abipubsub.Outcome, error)
	bulkFn   func(context.Context, []*event) ([]abipubsub.Outcome, error)

	bulk     *collector // nil without bulk
	consumer Consumer
	stopping chan struct{}
	stopOnce sync.Once
}

// receive is the broker's Handler: nil acknowledges, an error gives the message back.
func (t *subscriber) receive(ctx context.Context, msg Message) error {
	e, err := t.unwrap(msg)
	if err != nil {
		// Delivering it again does not make it an event.
		return t.drop(ctx, &event{msg: msg}, err)
	}
	if !e.expires.IsZero() && time.Now().After(e.expires) {
		return t.drop(ctx, e, errExpired)
	}
	path, ok, err := t.routes.find(e, t.raw)
	if err != nil || !ok {
		return t.drop(ctx, e, errors.Join(errNoRoute, err))
	}
	e.abi.Route = path
	var out abipubsub.Outcome
	if t.bulk != nil {
		out, err = t.bulk.add(ctx, e)
	} else {
		out, err = t.call(ctx, e)
	}
	return t.settle(ctx, e, out, err)
}

var (
	errExpired = errors.New("its time to live is over")
	errNoRoute = errors.New("no routing rule matches and there is no default route")
)

func (t *subscriber) unwrap(msg Message) (*event, error) {
	if t.raw {
		return synthesise(msg, t.bus.name, t.decl.Topic), nil
	}
	return unwrap(msg, t.bus.name, t.decl.Topic)
}

// call hands one event to the app.
func (t *subscriber) call(ctx context.Context, e *event) (out abipubsub.Outcome, err error) {
	err = t.admitted(ctx, func() error {
		out, err = chain.Do(t.traced(ctx, e), t.handlePoint, t.handleFn, e)
		return err
	})
	return out, err
}

// traced goes on with the publisher's trace; an event without one begins its own.
func (t *subscriber) traced(ctx context.Context, e *event) context.Context {
	if t.handlePoint.Guarded() {
		ctx = chain.WithStopping(ctx, t.stopping)
	}
	if tr := t.bus.block.cfg.Trace; tr != nil {
		return tr.Extract(ctx, e.traceparent, e.tracestate)
	}
	return ctx
}

// admitted repeats a call while the app's queue is full: holding the message slows the broker down, and giving it back
// at once would only bring it back sooner or, with some brokers, much later.
func (t *subscriber) admitted(ctx context.Context, call func() error) error {
	for n := 0; ; n++ {
		err := call()
		full, ok := errors.AsType[*block.ErrOverloaded](err)
		if !ok || n == maxWaits {
			return err
		}
		select {
		case <-time.After(min(max(full.RetryAfter, minWait), maxWait)):
		case <-t.stopping:
			return err
		case <-ctx.Done():
			return err
		}
	}
}

// retryError is an app's answer "retry"; it is an error so that policies of the chain can try again.
type retryError struct{ reason string }

// Error gives the app's text.
func (e *retryError) Error() string { return "the app asks to deliver it again: " + e.reason }

// handle runs inside the chain.
func (t *subscriber) handle(ctx context.Context, e *event) (out abipubsub.Outcome, err error) {
	err = t.app.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		out, err = t.give(ctx, g, e.abi)
		return err
	})
	if err == nil && out.Tag == abipubsub.OutcomeRetry {
		err = &retryError{out.Value}
	}
	return out, err
}

// give calls the guest by the interface that it has; the contract's own comes first.
func (t *subscriber) give(ctx context.Context, g abi.Guest, e abipubsub.Event) (abipubsub.Outcome, error) {
	if len(t.receivers) > 0 && !g.Has(abipubsub.SubscriberModule+"#handle") {
		if r := t.receiver(t.app); r != nil {
			return r.Handle(ctx, g, e)
		}
	}
	return abipubsub.CallSubscriberHandle(ctx, g, e)
}

// handleBulk runs inside the chain. Outcomes that the app left out are retries.
func (t *subscriber) handleBulk(ctx context.Context, batch []*event) (outs []abipubsub.Outcome, err error) {
	events := make([]abipubsub.Event, len(batch))
	for i, e := range batch {
		events[i] = e.abi
	}
	err = t.app.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		outs, err = abipubsub.CallBulkSubscriberHandle(ctx, g, events)
		return err
	})
	return outs, err
}

// settle makes the broker's answer of what came of an event.
func (t *subscriber) settle(ctx context.Context, e *event, out abipubsub.Outcome, err error) error {
	if err == nil && out.Tag == abipubsub.OutcomeRetry {
		err = &retryError{out.Value}
	}
	switch {
	case err == nil && out.Tag == abipubsub.OutcomeDrop:
		return t.drop(ctx, e, fmt.Errorf("the app drops it: %s", out.Value))
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return err // we stop: another consumer gets it
	}
	if _, full := errors.AsType[*block.ErrOverloaded](err); full {
		return err
	}
	if t.decl.DeadLetterTopic != "" && (e.msg.Attempt == 0 || e.msg.Attempt > t.retries) {
		return t.drop(ctx, e, err)
	}
	t.log.Warn("a message failed and will be delivered again", "id", e.abi.ID, "attempt", e.msg.Attempt, "error", err)
	return err
}

// drop sends a message to the dead letter topic, if there is one, and acknowledges it.
func (t *subscriber) drop(ctx context.Context, e *event, reason error) error {
	log := t.log.With("id", e.abi.ID, "attempt", e.msg.Attempt, "reason", reason)
	if t.decl.DeadLetterTopic == "" {
		log.WarnContext(t.traced(ctx, e), "a message is dropped")
		return nil
	}
	letter := &Message{
		Topic: t.decl.DeadLetterTopic, ContentType: e.msg.ContentType, Data: e.withoutExpiration(), Metadata: e.msg.Metadata,
	}
	if _, err := chain.Do(t.traced(ctx, e), t.bus.publish, t.bus.letterFn, letter); err != nil {
		log.Error("a message cannot go to the dead letter topic and will be delivered again", "deadLetterTopic", letter.Topic, "error", err)
		return err
	}
	log.WarnContext(t.traced(ctx, e), "a message goes to the dead letter topic", "deadLetterTopic", letter.Topic)
	return nil
}
