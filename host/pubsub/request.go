package pubsub

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// The extension attributes by which a request says where replies go and which they belong to.
const (
	replyToAttr = "mrtreplyto"
	replyIDAttr = "mrtreplyid"
)

// inboxPrefix begins the topics on which hosts take replies. Replying to a request needs no publishing scope, so that
// nothing but such a topic may stand in a request.
const inboxPrefix = "mrt-replies-"

// Replies bounds how many replies one request waits for.
const Replies = 10_000

// inboxes are the topics on which replies to the apps' requests arrive, one for each app and component.
type inboxes struct {
	mu   sync.Mutex
	id   string // of this host; guarded by mu
	open map[[2]string]*inbox
}

// inbox is one such topic.
type inbox struct {
	topic string

	// opening is apart from mu, which handlers want: a consumer that is stopped waits for them.
	opening  sync.Mutex
	consumer Consumer // nil until it is subscribed to; guarded by opening

	mu      sync.Mutex
	waiting map[string]*replies // by the request's id; guarded by mu
}

// replies are those of one request.
type replies struct {
	want int

	mu   sync.Mutex
	got  []abipubsub.Event // guarded by mu
	seen map[string]bool   // by the event's id: a broker may deliver twice; guarded by mu
	done chan struct{}     // closed when there are enough
}

// RequestReply publishes a message and gives the replies to it: as soon as there are want of them, or those that came
// until timeout, which may be none; timeout 0 is as long as ctx lasts. Errors are those of Publish.
func (b *Block) RequestReply(ctx context.Context, app string, req Request, want int, timeout time.Duration) ([]abipubsub.Event, error) {
	to, err := b.target(app, req.PubSub, req.Topic)
	if err != nil {
		return nil, err
	}
	if raw, err := truth(req.Metadata, "rawPayload"); raw || err != nil {
		return nil, errors.Join(err, fmt.Errorf("%w: rawPayload: a request needs the CloudEvent around it, which says where replies go", ErrMetadata))
	}
	in, err := b.inbox(ctx, to)
	if err != nil {
		return nil, err
	}
	req.id = uuid.NewString()
	req.attributes = map[string]string{replyToAttr: in.topic, replyIDAttr: req.id}
	want = min(max(want, 1), Replies)
	r := &replies{want: want, seen: map[string]bool{}, done: make(chan struct{})}
	in.expect(req.id, r)
	defer in.expect(req.id, nil)
	if _, err := chain.Do(ctx, to.publish, to.publishFn, &req); err != nil {
		return nil, err
	}
	var end <-chan time.Time
	if timeout > 0 {
		t := time.NewTimer(timeout)
		defer t.Stop()
		end = t.C
	}
	select {
	case <-r.done:
	case <-end:
	case <-ctx.Done():
		return nil, fmt.Errorf("pubsub %s: request on topic %s: the call ended before there were %d replies: %w", to.name, req.Topic, want, ctx.Err())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got, nil
}

// Reply publishes the answer to an event that came as a request. It does nothing if the event is none.
func (b *Block) Reply(ctx context.Context, app string, request abipubsub.Event, req Request) error {
	topic, id := extension(request, replyToAttr), extension(request, replyIDAttr)
	if topic == "" || id == "" {
		return nil
	}
	if !strings.HasPrefix(topic, inboxPrefix) {
		return fmt.Errorf("%w: attribute %s: want a topic that begins with %s, found %q", ErrForbidden, replyToAttr, inboxPrefix, topic)
	}
	to, err := b.bus(app, request.Pubsub)
	if err != nil {
		return err
	}
	req.Topic, req.id, req.attributes = topic, uuid.NewString(), map[string]string{replyIDAttr: id}
	_, err = chain.Do(ctx, to.publish, to.publishFn, &req)
	return err
}

func extension(e abipubsub.Event, name string) string {
	for _, kv := range e.Extensions {
		if kv.F0 == name {
			return kv.F1
		}
	}
	return ""
}

// inbox gives the app's inbox at a component, subscribed to.
func (b *Block) inbox(ctx context.Context, to *bus) (*inbox, error) {
	in, err := b.inboxes.of(to, b.cfg.Env.DataDir)
	if err != nil {
		return nil, err
	}
	in.opening.Lock()
	defer in.opening.Unlock()
	if in.consumer != nil {
		return in, nil
	}
	c, err := to.broker.Subscribe(ctx, Subscription{Topic: in.topic, Consumer: in.topic}, func(_ context.Context, msg Message) error {
		in.take(to.name, msg)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("pubsub %s: topic %s, on which replies arrive: %w", to.name, in.topic, err)
	}
	in.consumer = c
	return in, nil
}

// of gives the inbox of a bus. Its topic stays the same when the host starts again, so that brokers which keep
// subscriptions keep one.
func (i *inboxes) of(to *bus, dataDir string) (*inbox, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	key := [2]string{to.app, to.name}
	if in := i.open[key]; in != nil {
		return in, nil
	}
	if i.id == "" {
		id, err := hostID(dataDir)
		if err != nil {
			return nil, err
		}
		i.id = id
	}
	if i.open == nil {
		i.open = map[[2]string]*inbox{}
	}
	in := &inbox{topic: inboxPrefix + i.id + "-" + to.app, waiting: map[string]*replies{}}
	i.open[key] = in
	return in, nil
}

// hostID gives what tells this host's topics from those of others; it is kept in the data folder.
func hostID(dataDir string) (string, error) {
	id := strings.ReplaceAll(uuid.NewString(), "-", "")
	if dataDir == "" {
		return id, nil
	}
	path := filepath.Join(dataDir, "pubsub-inbox")
	if kept, err := os.ReadFile(path); err == nil && uuid.Validate(string(kept)) == nil {
		return string(kept), nil
	}
	if err := os.WriteFile(path, []byte(id), 0o600); err != nil {
		return "", fmt.Errorf("the name of the topic for replies cannot be kept: %w", err)
	}
	return id, nil
}

// expect has replies to a request given to r; nil forgets it.
func (in *inbox) expect(id string, r *replies) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if r == nil {
		delete(in.waiting, id)
		return
	}
	in.waiting[id] = r
}

// take gives a message to the request that it replies to. One that nobody waits for is no error: it came too late.
func (in *inbox) take(pubsub string, msg Message) {
	e, err := unwrap(msg, pubsub, in.topic)
	if err != nil {
		return
	}
	in.mu.Lock()
	r := in.waiting[extension(e.abi, replyIDAttr)]
	in.mu.Unlock()
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen[e.abi.ID] || len(r.got) >= r.want {
		return
	}
	r.seen[e.abi.ID] = true
	if r.got = append(r.got, e.abi); len(r.got) == r.want {
		close(r.done)
	}
}

// close ends all subscriptions.
func (i *inboxes) close(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	var errs []error
	for _, in := range i.open {
		in.opening.Lock()
		if in.consumer != nil {
			errs = append(errs, in.consumer.Stop(ctx))
		}
		in.opening.Unlock()
	}
	i.open = nil
	return errors.Join(errs...)
}

// Receiver is another interface by which apps take messages, one at a time: that of a standard.
type Receiver struct {
	// Interface is what the app exports.
	Interface string
	// Handle gives one event to the app's guest.
	Handle func(ctx context.Context, g abi.Guest, e abipubsub.Event) (abipubsub.Outcome, error)
}
