package pubsub

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/trigger"
)

// Triggers gives one trigger for each subscription and each app that gets its messages.
func (b *Block) Triggers(context.Context) ([]trigger.Trigger, error) {
	var out []trigger.Trigger
	var errs []error
	taken := map[[3]string]string{} // where each app has subscribed to each topic
	for _, s := range b.subs {
		found := false
		for _, name := range b.cfg.Apps {
			app := b.apps[name]
			if app == nil || !s.scoped(name) || !s.handledBy(app) {
				continue
			}
			t, err := b.trigger(s, app)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			found = true
			if t == nil {
				continue
			}
			key := [3]string{name, t.bus.name, s.decl.Topic}
			if where, dup := taken[key]; dup {
				errs = append(errs, fmt.Errorf("%s: subscription %s: app %s is subscribed to topic %s of %s already, at %s; use one subscription with several rules",
					s.decl.Where, s.decl.Name, name, s.decl.Topic, t.bus.name, where))
				continue
			}
			taken[key] = s.decl.Where
			out = append(out, t)
		}
		if !found && len(s.decl.Scopes) == 0 {
			errs = append(errs, fmt.Errorf("%s: subscription %s: no app exports %s", s.decl.Where, s.decl.Name, s.wants()))
		}
	}
	return out, errors.Join(errs...)
}

// trigger gives nil for a subscription that has no part in this app.
func (b *Block) trigger(s *subscription, app block.App) (*subscriber, error) {
	bus, err := b.bus(app.Name(), s.decl.PubSub)
	if _, missing := errors.AsType[*component.NotFoundError](err); missing && len(s.decl.Scopes) == 0 {
		return nil, nil // the component is scoped to other apps
	}
	if errors.Is(err, ErrUnavailable) {
		b.log.Warn("subscription is off: its component did not start", "subscription", s.decl.Name, "app", app.Name(), "error", err)
		return nil, nil
	}
	if err == nil {
		err = bus.scopes.maySubscribe(s.decl.Topic)
	}
	if errors.Is(err, ErrForbidden) {
		b.log.Warn("subscription is off", "subscription", s.decl.Name, "app", app.Name(), "at", s.decl.Where, "error", err)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: subscription %s: %w", s.decl.Where, s.decl.Name, err)
	}
	op := chain.Op{Direction: chain.Inbound, Block: "pubsub", Name: "handle", Target: bus.name, Type: bus.typ, App: app.Name()}
	t := &subscriber{
		subscription: s, app: app, bus: bus, handlePoint: b.cfg.Chain.Point(op),
		log: b.log.With("subscription", s.decl.Name, "app", app.Name(), "topic", s.decl.Topic),
	}
	op.Name = "bulk-handle"
	t.bulkPoint = b.cfg.Chain.Point(op)
	t.handleFn, t.bulkFn = t.handle, t.handleBulk
	return t, nil
}

var _ trigger.Trigger = (*subscriber)(nil)

// Name says which subscription it is.
func (t *subscriber) Name() string { return "subscription " + t.decl.Name + " of app " + t.app.Name() }

// Start subscribes.
func (t *subscriber) Start(ctx context.Context) error {
	t.stopping = make(chan struct{})
	t.stopOnce = sync.Once{}
	sub := Subscription{Topic: t.decl.Topic, Consumer: t.bus.consumer, Metadata: t.decl.Metadata}
	if t.inBulk(t.app) {
		t.bulk = newCollector(t)
		// The next call fills while one runs.
		sub.InFlight = bulkCallsAtOnce * t.decl.Bulk.MaxMessages
	}
	c, err := t.bus.broker.Subscribe(ctx, sub, t.receive)
	if err != nil {
		return fmt.Errorf("%s: subscription %s: pubsub %s: topic %s: %w", t.decl.Where, t.decl.Name, t.bus.name, t.decl.Topic, err)
	}
	t.consumer = c
	if stopping := t.stopping; t.bulk != nil {
		go func() { //nolint:contextcheck // a batch has the context of its consumer
			<-stopping
			t.bulk.flush() // what waits for more is not kept waiting
		}()
	}
	return nil
}

// Stop takes no new messages, waits for the handlers that run until ctx ends, and gives the rest back.
func (t *subscriber) Stop(ctx context.Context) error {
	if t.consumer == nil {
		return nil
	}
	t.stopOnce.Do(func() { close(t.stopping) })
	return t.consumer.Stop(ctx)
}
