package adapt

import (
	"cmp"
	"context"
	"errors"
	"strconv"
	"sync"

	contrib "github.com/dapr/components-contrib/pubsub"
	"github.com/dapr/kit/logger"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// PubSub makes a driver of a message broker.
func PubSub(typ string, impl func(logger.Logger) contrib.PubSub, aliases ...string) component.Spec[pubsub.Broker] {
	return spec(typ, aliases, func(ctx context.Context, cfg component.Config) (pubsub.Broker, error) {
		b := &broker{make: impl, cfg: cfg, consumers: map[string]contrib.PubSub{}}
		publisher, err := b.open(ctx, "")
		b.publisher = publisher
		return b, err
	})
}

// broker has one component to publish and one for each consumer group: Dapr's take the group from their metadata.
type broker struct {
	make      func(logger.Logger) contrib.PubSub
	cfg       component.Config
	publisher contrib.PubSub

	mu        sync.Mutex
	consumers map[string]contrib.PubSub
}

var (
	_ pubsub.BulkPublisher = (*broker)(nil)
	_ pubsub.Pinger        = (*broker)(nil)
)

func (b *broker) open(ctx context.Context, consumer string) (contrib.PubSub, error) {
	md := base(b.cfg)
	md.Properties[contrib.RuntimeConsumerIDKey] = cmp.Or(consumer, md.Properties[contrib.RuntimeConsumerIDKey], b.cfg.App, "mrt-wasm")
	p := b.make(log{b.cfg.Log})
	return p, start(b.cfg, func() error { return p.Init(context.WithoutCancel(ctx), contrib.Metadata{Base: md}) })
}

func (b *broker) group(ctx context.Context, consumer string) (contrib.PubSub, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.consumers[consumer]; p != nil {
		return p, nil
	}
	p, err := b.open(ctx, consumer)
	if err != nil {
		return nil, err
	}
	b.consumers[consumer] = p
	return p, nil
}

// Publish publishes one message.
func (b *broker) Publish(ctx context.Context, msg pubsub.Message) error {
	return b.publisher.Publish(ctx, &contrib.PublishRequest{
		Data: msg.Data, PubsubName: b.cfg.Name, Topic: msg.Topic, Metadata: copied(msg.Metadata), ContentType: text(msg.ContentType),
	})
}

// BulkPublish publishes many messages: at once for each topic where the component can, else one by one.
func (b *broker) BulkPublish(ctx context.Context, msgs []pubsub.Message) ([]error, error) {
	errs := make([]error, len(msgs))
	bulk, ok := b.publisher.(contrib.BulkPublisher)
	if !ok {
		for i, msg := range msgs {
			errs[i] = b.Publish(ctx, msg)
		}
		return errs, nil
	}
	topics := map[string][]int{}
	for i, msg := range msgs {
		topics[msg.Topic] = append(topics[msg.Topic], i)
	}
	for topic, at := range topics {
		b.bulk(ctx, bulk, topic, msgs, at, errs)
	}
	return errs, nil
}

func (b *broker) bulk(ctx context.Context, bulk contrib.BulkPublisher, topic string, msgs []pubsub.Message, at []int, errs []error) {
	req := &contrib.BulkPublishRequest{PubsubName: b.cfg.Name, Topic: topic, Metadata: map[string]string{}}
	for _, i := range at {
		req.Entries = append(req.Entries, contrib.BulkMessageEntry{
			EntryId: strconv.Itoa(i), Event: msgs[i].Data, ContentType: msgs[i].ContentType, Metadata: copied(msgs[i].Metadata),
		})
	}
	r, err := bulk.BulkPublish(ctx, req)
	if err != nil && len(r.FailedEntries) == 0 {
		for _, i := range at {
			errs[i] = err
		}
	}
	for _, failed := range r.FailedEntries {
		if i, e := strconv.Atoi(failed.EntryId); e == nil && i < len(errs) {
			errs[i] = err
			if failed.Error != nil {
				errs[i] = failed.Error
			}
		}
	}
}

// Subscribe starts a subscription.
func (b *broker) Subscribe(ctx context.Context, sub pubsub.Subscription, h pubsub.Handler) (pubsub.Consumer, error) {
	p, err := b.group(ctx, sub.Consumer)
	if err != nil {
		return nil, err
	}
	c := &consumer{}
	if sub.InFlight > 0 {
		c.slots = make(chan struct{}, sub.InFlight)
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	//nolint:contextcheck // ctx bounds the start, c.ctx the subscription
	err = p.Subscribe(c.ctx, contrib.SubscribeRequest{Topic: sub.Topic, Metadata: copied(sub.Metadata)},
		func(ctx context.Context, msg *contrib.NewMessage) error { return c.handle(ctx, msg, h) })
	if err != nil {
		c.cancel()
		return nil, err
	}
	return c, nil
}

// Ping asks the server if the component can.
func (b *broker) Ping(ctx context.Context) error { return ping(ctx, b.publisher) }

// Close closes all components.
func (b *broker) Close(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	errs := []error{b.publisher.Close()}
	for _, p := range b.consumers {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

// consumer is a running subscription.
type consumer struct {
	ctx    context.Context //nolint:containedctx // the subscription lives as long as the consumer
	cancel context.CancelFunc
	slots  chan struct{} // as many as may run at once; nil for any number

	mu      sync.Mutex
	stopped bool
	running sync.WaitGroup
}

var errStopped = errors.New("the subscription is being stopped")

func (c *consumer) handle(ctx context.Context, msg *contrib.NewMessage, h pubsub.Handler) error {
	c.mu.Lock()
	if c.stopped {
		c.mu.Unlock()
		return errStopped // the broker keeps the message
	}
	c.running.Add(1)
	c.mu.Unlock()
	defer c.running.Done()
	if c.slots != nil {
		select {
		case c.slots <- struct{}{}:
			defer func() { <-c.slots }()
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	return h(ctx, pubsub.Message{Topic: msg.Topic, Data: msg.Data, ContentType: value(msg.ContentType), Metadata: msg.Metadata})
}

// Stop takes no new messages and waits for those that are being handled.
func (c *consumer) Stop(ctx context.Context) error {
	c.mu.Lock()
	c.stopped = true
	c.mu.Unlock()
	err := await(ctx, &c.running)
	c.cancel()
	return err
}
