package pubsub

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Request is one message as an app publishes it.
type Request struct {
	// PubSub may be empty: the only component there is for the app, or the one called pubsub.
	PubSub, Topic string
	// ContentType is text/plain if empty.
	ContentType string
	Data        []byte
	// Metadata: ttlInSeconds, rawPayload, cloudevent.<attribute>, and the broker's own.
	Metadata map[string]string
	// Extensions are further attributes of the event; names that are no attribute's, or one of the event's own, are
	// left out. A raw message has none.
	Extensions map[string]string

	// id stays the same when a policy of the chain tries again.
	id string
	// attributes are those that the block itself adds.
	attributes map[string]string
}

// Entry is one message of a bulk.
type Entry struct {
	ID, ContentType string
	Data            []byte
	Metadata        map[string]string
}

// emulated is how many messages are published at once to a broker without bulk publishing, as in Dapr.
const emulated = 100

// Publish publishes one message on behalf of an app, "" for nobody's. It returns when the broker has taken it. Errors
// are *component.NotFoundError, ErrInvalidTopic, ErrForbidden, ErrInvalid (ErrMetadata, ErrNotCloudEvent),
// ErrUnavailable, or the broker's.
func (b *Block) Publish(ctx context.Context, app string, req Request) error {
	to, err := b.target(app, req.PubSub, req.Topic)
	if err != nil {
		return err
	}
	req.id = uuid.NewString()
	_, err = chain.Do(ctx, to.publish, to.publishFn, &req)
	return err
}

// target finds the component and checks that the app may publish to the topic.
func (b *Block) target(app, name, topic string) (*bus, error) {
	to, err := b.bus(app, name)
	if err != nil {
		return nil, err
	}
	if topic == "" {
		return nil, errEmptyTopic
	}
	return to, to.scopes.mayPublish(topic)
}

// doPublish runs inside the chain, so that the event has the trace context of the span around it.
func (u *bus) doPublish(ctx context.Context, req *Request) (struct{}, error) {
	msg, err := u.message(ctx, req)
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, u.wrapError(req.Topic, u.broker.Publish(ctx, msg))
}

// extensions gives the attributes beside those of every event.
func (req *Request) extensions() map[string]string {
	if len(req.Extensions) == 0 {
		return req.attributes
	}
	out := make(map[string]string, len(req.Extensions)+len(req.attributes))
	for name, value := range req.Extensions {
		if isExtension(name) {
			out[name] = value
		}
	}
	maps.Copy(out, req.attributes)
	return out
}

func (u *bus) wrapError(topic string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("pubsub %s: publish to topic %s: %w", u.name, topic, err)
}

// message makes the broker's message of a request.
func (u *bus) message(ctx context.Context, req *Request) (Message, error) {
	metadata := component.Metadata(req.Metadata)
	msg := Message{Topic: req.Topic, ContentType: req.ContentType, Data: req.Data, Metadata: req.Metadata}
	lives, err := ttl(metadata)
	if err != nil {
		return msg, err
	}
	raw, err := truth(metadata, "rawPayload")
	if err != nil || raw {
		return msg, err
	}
	e := envelope{id: req.id, source: u.app, pubsub: u.name, topic: req.Topic, now: time.Now(), metadata: metadata, extensions: req.extensions()}
	if e.source == "" {
		e.source = defaultSource
	}
	if lives > 0 && !u.expires {
		e.expires = e.now.Add(lives)
	}
	if t := u.block.cfg.Trace; t != nil {
		e.traceparent, e.tracestate = t.Inject(ctx)
	}
	msg.ContentType = cloudEventType
	if mediaType(req.ContentType) == cloudEventType {
		msg.Data, err = e.complete(req.Data)
	} else {
		msg.Data = e.wrap(req.ContentType, req.Data)
	}
	return msg, err
}

// bulkRequest is a bulk within the chain.
type bulkRequest struct {
	topic string
	reqs  []Request
}

// BulkPublish publishes many messages to one topic. The errors are in the order of entries, nil where it succeeded; the
// second result says that nothing was published. Metadata applies to all entries that do not have the field
// themselves.
func (b *Block) BulkPublish(ctx context.Context, app, pubsub, topic string, entries []Entry, metadata map[string]string) ([]error, error) {
	to, err := b.target(app, pubsub, topic)
	if err != nil {
		return nil, err
	}
	bulk := &bulkRequest{topic: topic, reqs: make([]Request, len(entries))}
	seen := make(map[string]bool, len(entries))
	for i, e := range entries {
		if e.ID == "" || seen[e.ID] {
			return nil, fmt.Errorf("%w: entry %d: want an entry id that is not empty and not used twice, found %q", errEntry, i, e.ID)
		}
		seen[e.ID] = true
		bulk.reqs[i] = Request{Topic: topic, ContentType: e.ContentType, Data: e.Data, Metadata: merge(metadata, e.Metadata), id: uuid.NewString()}
	}
	return chain.Do(ctx, to.bulk, to.bulkFn, bulk)
}

func merge(all, one map[string]string) map[string]string {
	if len(all) == 0 {
		return one
	}
	out := make(map[string]string, len(all)+len(one))
	maps.Copy(out, all)
	maps.Copy(out, one)
	return out
}

func (u *bus) doBulk(ctx context.Context, bulk *bulkRequest) ([]error, error) {
	errs := make([]error, len(bulk.reqs))
	msgs := make([]Message, 0, len(bulk.reqs))
	at := make([]int, 0, len(bulk.reqs))
	for i := range bulk.reqs {
		msg, err := u.message(ctx, &bulk.reqs[i])
		if err != nil {
			errs[i] = err
			continue
		}
		msgs, at = append(msgs, msg), append(at, i)
	}
	var sent []error
	if broker, ok := u.broker.(BulkPublisher); ok {
		var err error
		if sent, err = broker.BulkPublish(ctx, msgs); err != nil {
			return nil, u.wrapError(bulk.topic, err)
		}
	} else {
		sent = u.oneByOne(ctx, msgs)
	}
	for i, err := range sent {
		errs[at[i]] = u.wrapError(bulk.topic, err)
	}
	return errs, nil
}

func (u *bus) oneByOne(ctx context.Context, msgs []Message) []error {
	errs := make([]error, len(msgs))
	slots := make(chan struct{}, emulated)
	var wg sync.WaitGroup
	for i, msg := range msgs {
		slots <- struct{}{}
		wg.Go(func() {
			errs[i] = u.broker.Publish(ctx, msg)
			<-slots
		})
	}
	wg.Wait()
	return errs
}

// doLetter publishes to a dead letter topic: the message as it is, without regard to the app's scopes.
func (u *bus) doLetter(ctx context.Context, msg *Message) (struct{}, error) {
	return struct{}{}, u.wrapError(msg.Topic, u.broker.Publish(ctx, *msg))
}
