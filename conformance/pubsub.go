package conformance

import (
	"cmp"
	"context"
	"errors"
	"sync"

	contrib "github.com/dapr/components-contrib/pubsub"

	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// broker is a pubsub driver as Dapr's PubSub.
type broker struct {
	opener   opener
	consumer string
	broker   pubsub.Broker
	// stop ends the subscriptions that still run.
	stop    context.CancelFunc
	stopped context.Context //nolint:containedctx // the life of the subscriptions, as Dapr's own components keep it
	running sync.WaitGroup
}

// bulkBroker is a broker with a bulk publish of its own.
type bulkBroker struct{ *broker }

var (
	_ contrib.PubSub        = (*broker)(nil)
	_ contrib.BulkPublisher = bulkBroker{}
)

func newBroker(o opener) *broker {
	b := &broker{opener: o}
	b.stopped, b.stop = context.WithCancel(context.Background())
	return b
}

// Init opens the driver.
func (b *broker) Init(ctx context.Context, md contrib.Metadata) (err error) {
	b.consumer = cmp.Or(md.Properties[contrib.RuntimeConsumerIDKey], "conformance")
	b.broker, err = start(ctx, b.opener, b.opener.drivers.PubSub, md.Properties)
	return err
}

// Features are none: the suite does not ask.
func (b *broker) Features() []contrib.Feature { return nil }

// Ping asks the driver.
func (b *broker) Ping(ctx context.Context) error { return ping(ctx, b.broker) }

// Publish publishes one message.
func (b *broker) Publish(ctx context.Context, req *contrib.PublishRequest) error {
	msg := pubsub.Message{Topic: req.Topic, Data: req.Data, Metadata: req.Metadata}
	if req.ContentType != nil {
		msg.ContentType = *req.ContentType
	}
	return b.broker.Publish(ctx, msg)
}

// Subscribe subscribes until ctx ends. Messages are handled one after the other, for the suite looks at their order.
func (b *broker) Subscribe(ctx context.Context, req contrib.SubscribeRequest, h contrib.Handler) error {
	consumer, err := b.broker.Subscribe(ctx, pubsub.Subscription{
		Topic: req.Topic, Consumer: b.consumer, Metadata: req.Metadata, InFlight: 1,
	}, func(ctx context.Context, msg pubsub.Message) error {
		return h(ctx, &contrib.NewMessage{Data: msg.Data, Topic: msg.Topic, Metadata: msg.Metadata, ContentType: &msg.ContentType})
	})
	if err != nil {
		return err
	}
	b.running.Go(func() {
		select {
		case <-ctx.Done():
		case <-b.stopped.Done():
		}
		_ = consumer.Stop(context.WithoutCancel(ctx)) // the suite sees by the messages whether it did
	})
	return nil
}

// BulkPublish publishes many messages.
func (b bulkBroker) BulkPublish(ctx context.Context, req *contrib.BulkPublishRequest) (contrib.BulkPublishResponse, error) {
	bulk, ok := b.broker.broker.(pubsub.BulkPublisher)
	if !ok {
		return contrib.BulkPublishResponse{}, errors.New("the driver has no bulk publish")
	}
	msgs := make([]pubsub.Message, len(req.Entries))
	for i, e := range req.Entries {
		msgs[i] = pubsub.Message{Topic: req.Topic, ContentType: e.ContentType, Data: e.Event, Metadata: e.Metadata}
	}
	failed, err := bulk.BulkPublish(ctx, msgs)
	if err != nil {
		return contrib.NewBulkPublishResponse(req.Entries, err), err
	}
	var out contrib.BulkPublishResponse
	for i, err := range failed {
		if err != nil {
			out.FailedEntries = append(out.FailedEntries, contrib.BulkPublishResponseFailedEntry{EntryId: req.Entries[i].EntryId, Error: err})
		}
	}
	if len(out.FailedEntries) > 0 {
		return out, errors.Join(failed...)
	}
	return out, nil
}

// Close stops the subscriptions and closes the driver.
func (b *broker) Close() error {
	b.stop()
	b.running.Wait()
	if b.broker == nil {
		return nil
	}
	return b.opener.end(b.broker)
}
