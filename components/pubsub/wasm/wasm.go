// Package wasm is the broker pubsub.wasm: a wasm module that exports mrt:pubsub/driver.
package wasm

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	"github.com/mrt-wasm/mrt-wasm/components/internal/wasmplugin"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// Spec is the driver.
var Spec = component.Spec[pubsub.Broker]{
	Type: "pubsub.wasm",
	Doc: `Topics by a plugin: a WebAssembly module that exports mrt:pubsub/driver.

Each subscription has an instance of the plugin to itself, whose init is called too and which is asked for messages and
told what became of them: a broker keeps its messages elsewhere than in the plugin's memory. All metadata but the fields
below goes to init.`,
	Fields:  func() any { return new(wasmplugin.Settings) },
	Further: true,
	New:     func(ctx context.Context, cfg component.Config) (pubsub.Broker, error) { return open(ctx, cfg) },
}

// defaultInFlight is how many messages a subscription handles at a time unless it says so.
const defaultInFlight = 64

// broker is a plugin as a pubsub broker.
type broker struct {
	cfg    component.Config
	run    component.Plugins
	plugin component.Plugin
}

// bulkBroker is one whose plugin publishes many messages at once.
type bulkBroker struct{ *broker }

var (
	_ pubsub.Broker        = (*broker)(nil)
	_ pubsub.BulkPublisher = (*bulkBroker)(nil)
)

func open(ctx context.Context, cfg component.Config) (pubsub.Broker, error) {
	run, err := wasmplugin.Runner(cfg)
	if err != nil {
		return nil, err
	}
	b := &broker{cfg: cfg, run: run}
	if b.plugin, err = run.Open(ctx, b.config(nil)); err != nil {
		return nil, err
	}
	if b.plugin.Has(abipubsub.BulkPublisherModule) {
		return &bulkBroker{b}, nil
	}
	return b, nil
}

// config is what is said of an instance; then is called after init.
func (b *broker) config(then func(ctx context.Context, g abi.Guest) error) component.PluginConfig {
	metadata := wasmplugin.Init(b.cfg)
	return component.PluginConfig{
		Config: b.cfg, Exports: append(abipubsub.DriverExports(), abipubsub.BulkPublisherExports()...),
		OneOf: []string{abipubsub.DriverModule}, Unavailable: pubsub.ErrUnavailable,
		Init: func(ctx context.Context, g abi.Guest) error {
			err := toError(abipubsub.CallDriverInit(ctx, g, metadata))
			if err == nil && then != nil {
				err = then(ctx, g)
			}
			return wasmplugin.Started(err, pubsub.ErrUnavailable)
		},
	}
}

// Publish publishes one message.
func (b *broker) Publish(ctx context.Context, msg pubsub.Message) error {
	if msg.Topic == "" {
		return pubsub.ErrInvalidTopic
	}
	return toError(b.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		return abipubsub.CallDriverPublish(ctx, g, msg.Topic, msg.ContentType, msg.Data, wasmplugin.From(msg.Metadata))
	}))
}

// Subscribe starts a subscription in an instance of its own. It is made anew when that trapped.
func (b *broker) Subscribe(ctx context.Context, sub pubsub.Subscription, h pubsub.Handler) (pubsub.Consumer, error) {
	if sub.Topic == "" {
		return nil, pubsub.ErrInvalidTopic
	}
	var handle atomic.Uint32
	p, err := b.run.Open(ctx, b.config(func(ctx context.Context, g abi.Guest) error {
		n, err := abipubsub.CallDriverSubscribe(ctx, g, sub.Topic, sub.Consumer, wasmplugin.From(sub.Metadata))
		handle.Store(n)
		return toError(err)
	}))
	if err != nil {
		return nil, err
	}
	inFlight := sub.InFlight
	if inFlight <= 0 {
		inFlight = defaultInFlight
	}
	return wasmplugin.Start(wasmplugin.Source[abipubsub.Message]{
		Pull: func(ctx context.Context, limit int, wait time.Duration) (out []abipubsub.Message, err error) {
			err = p.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
				out, err = abipubsub.CallDriverPull(ctx, g, handle.Load(), uint32(limit), uint32(wait.Milliseconds())) //nolint:gosec // small
				return err
			})
			return out, toError(err)
		},
		Handle: func(ctx context.Context, m abipubsub.Message) bool {
			return h(ctx, pubsub.Message{
				Topic: m.Topic, ContentType: m.ContentType, Data: m.Data, Metadata: wasmplugin.Map(m.Metadata), Attempt: int(m.Attempt),
			}) == nil
		},
		Settle: func(ctx context.Context, m abipubsub.Message, done bool) error {
			return toError(p.Do(ctx, func(ctx context.Context, g abi.Guest) error {
				return abipubsub.CallDriverSettle(ctx, g, handle.Load(), m.ID, done)
			}))
		},
		End: func(ctx context.Context) error {
			err := p.Do(ctx, func(ctx context.Context, g abi.Guest) error {
				return abipubsub.CallDriverUnsubscribe(ctx, g, handle.Load())
			})
			return errors.Join(toError(err), p.Close(ctx))
		},
		InFlight: inFlight, Log: b.cfg.Log.With("topic", sub.Topic, "consumer", sub.Consumer),
	}), nil
}

// Close ends the plugin.
func (b *broker) Close(ctx context.Context) error { return b.plugin.Close(ctx) }

// BulkPublish publishes many messages, topic by topic.
func (b *bulkBroker) BulkPublish(ctx context.Context, msgs []pubsub.Message) ([]error, error) {
	errs := make([]error, len(msgs))
	at := map[string][]int{}
	var topics []string
	for i, m := range msgs {
		if m.Topic == "" {
			errs[i] = pubsub.ErrInvalidTopic
			continue
		}
		if at[m.Topic] == nil {
			topics = append(topics, m.Topic)
		}
		at[m.Topic] = append(at[m.Topic], i)
	}
	for _, topic := range topics {
		b.publishTo(ctx, topic, msgs, at[topic], errs)
	}
	return errs, nil
}

// publishTo publishes those of msgs that at names to a topic and puts their errors into errs.
func (b *bulkBroker) publishTo(ctx context.Context, topic string, msgs []pubsub.Message, at []int, errs []error) {
	list := make([]abipubsub.Outgoing, len(at))
	for n, i := range at {
		list[n] = abipubsub.Outgoing{ContentType: msgs[i].ContentType, Data: msgs[i].Data, Metadata: wasmplugin.From(msgs[i].Metadata)}
	}
	var outcomes []*abipubsub.Error
	err := b.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		outcomes, err = abipubsub.CallBulkPublisherBulkPublish(ctx, g, topic, list)
		return err
	})
	if err == nil && len(outcomes) != len(at) {
		err = wasmplugin.Lied("bulk-publish: want %d outcomes, one a message, found %d", len(at), len(outcomes))
	}
	for n, i := range at {
		switch {
		case err != nil:
			errs[i] = toError(err)
		case outcomes[n] != nil:
			errs[i] = toError(outcomes[n])
		}
	}
}

// toError gives the block's error for one of the contract; others stay as they are.
func toError(err error) error {
	e, ok := errors.AsType[*abipubsub.Error](err)
	if !ok {
		return err
	}
	switch e.Tag {
	case abipubsub.ErrorInvalidTopic:
		return wasmplugin.As(pubsub.ErrInvalidTopic, e.Value)
	case abipubsub.ErrorInvalidRequest:
		return wasmplugin.As(pubsub.ErrInvalid, e.Value)
	case abipubsub.ErrorUnavailable:
		return wasmplugin.As(pubsub.ErrUnavailable, e.Value)
	default:
		return errors.New(e.Value)
	}
}
