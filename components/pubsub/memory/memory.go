// Package memory is the driver pubsub.in-memory: topics in this process, for development and tests. Nothing
// survives the process.
//
// A consumer group exists from its first subscription until the broker is closed: messages published meanwhile wait
// for it, also while it has no consumer. A topic without any group keeps nothing.
package memory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// Spec is the driver.
var Spec = component.Spec[pubsub.Broker]{
	Type: "pubsub.in-memory",
	Doc: `Topics in the memory of this process.

Messages are delivered again after an error with pauses that grow from 100 ms to 30 s. A group that is full (65,536
messages or 256 MiB) makes publishers wait; without consumers it drops its oldest message.`,
	New: open,
}

// The limits of a consumer group, and how messages are handled and delivered again.
const (
	maxQueued      = 1 << 16
	maxQueuedBytes = 256 << 20
	defaultHandled = 64
	minPause       = 100 * time.Millisecond
	maxPause       = 30 * time.Second
	// maxParked is how many idle workers a consumer keeps: a new goroutine has to grow its stack again.
	maxParked = 2
)

func open(_ context.Context, cfg component.Config) (pubsub.Broker, error) {
	return &broker{
		log: cfg.Log, maxQueued: maxQueued, maxBytes: maxQueuedBytes,
		topics: map[string][]*group{}, done: make(chan struct{}),
	}, nil
}

type broker struct {
	log                 *slog.Logger
	maxQueued, maxBytes int
	done                chan struct{} // closed by Close

	mu     sync.Mutex // guards all below, groups and consumers
	topics map[string][]*group
	closed bool
}

var (
	_ pubsub.Broker = (*broker)(nil)
	_ pubsub.Pinger = (*broker)(nil)
)

var errClosed = fmt.Errorf("the broker is closed: %w", pubsub.ErrUnavailable)

// Ping always succeeds.
func (b *broker) Ping(context.Context) error { return nil }

func (b *broker) Publish(ctx context.Context, msg pubsub.Message) error {
	if msg.Topic == "" {
		return fmt.Errorf("topic is empty: %w", pubsub.ErrInvalidTopic)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errClosed
	}
	groups := slices.Clone(b.topics[msg.Topic])
	if len(groups) == 0 {
		return nil
	}
	msg.Data, msg.Metadata = bytes.Clone(msg.Data), maps.Clone(msg.Metadata)
	for _, g := range groups {
		if err := g.roomLocked(ctx, len(msg.Data)); err != nil {
			return err
		}
		g.pushLocked(&item{msg: msg})
	}
	return nil
}

func (b *broker) Subscribe(ctx context.Context, sub pubsub.Subscription, h pubsub.Handler) (pubsub.Consumer, error) {
	if sub.Topic == "" {
		return nil, fmt.Errorf("topic is empty: %w", pubsub.ErrInvalidTopic)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, errClosed
	}
	g := b.groupLocked(sub.Topic, sub.Consumer)
	c := &consumer{g: g, handle: h, max: sub.InFlight, held: map[*item]bool{}, idle: make(chan struct{}), wake: sync.NewCond(&b.mu)}
	if c.max <= 0 {
		c.max = defaultHandled
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	g.consumers = append(g.consumers, c)
	g.dispatchLocked()
	return c, nil
}

func (b *broker) groupLocked(topic, name string) *group {
	for _, g := range b.topics[topic] {
		if g.name == name {
			return g
		}
	}
	g := &group{b: b, topic: topic, name: name, room: make(chan struct{})}
	b.topics[topic] = append(b.topics[topic], g)
	return g
}

func (b *broker) Close(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errors.New("the broker is closed already")
	}
	b.closed = true
	close(b.done)
	for _, groups := range b.topics {
		for _, g := range groups {
			for _, c := range g.consumers {
				c.wake.Broadcast()
			}
		}
	}
	return nil
}

// item is one message for one group.
type item struct {
	msg      pubsub.Message
	attempts int
}

// group is a consumer group of a topic.
type group struct {
	b           *broker
	topic, name string
	queue       []*item
	// count and bytes are of all that is not acknowledged: queued, handled and waiting to be delivered again.
	count, bytes int
	consumers    []*consumer
	next         int           // the consumer that is asked first
	room         chan struct{} // closed and replaced when a message leaves
}

// roomLocked waits until the group takes a message of size bytes; it gives up the lock meanwhile.
func (g *group) roomLocked(ctx context.Context, size int) error {
	b := g.b
	for g.count > 0 && (g.count >= b.maxQueued || g.bytes+size > b.maxBytes) {
		if len(g.consumers) == 0 && len(g.queue) > 0 {
			b.log.Warn("consumer group is full and has no consumer: its oldest message is dropped", "topic", g.topic, "group", g.name)
			g.leaveLocked(g.popLocked())
			continue
		}
		room := g.room
		b.mu.Unlock()
		var err error
		select {
		case <-room:
		case <-b.done:
			err = errClosed
		case <-ctx.Done():
			err = fmt.Errorf("consumer group %s of topic %s is full and its consumers do not keep up: %w: %w",
				g.name, g.topic, pubsub.ErrUnavailable, ctx.Err())
		}
		b.mu.Lock()
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *group) pushLocked(it *item) {
	g.count++
	g.bytes += len(it.msg.Data)
	g.queue = append(g.queue, it)
	g.dispatchLocked()
}

func (g *group) popLocked() *item {
	it := g.queue[0]
	g.queue[0] = nil
	g.queue = g.queue[1:]
	return it
}

// leaveLocked forgets a message that is acknowledged or dropped.
func (g *group) leaveLocked(it *item) {
	g.count--
	g.bytes -= len(it.msg.Data)
	close(g.room)
	g.room = make(chan struct{})
}

// backLocked puts messages at the front of the queue.
func (g *group) backLocked(items ...*item) {
	g.queue = append(slices.Clone(items), g.queue...)
	g.dispatchLocked()
}

// againLocked delivers a message again after a pause.
func (g *group) againLocked(it *item) {
	pause := min(minPause<<min(it.attempts-1, 20), maxPause)
	time.AfterFunc(pause, func() {
		g.b.mu.Lock()
		defer g.b.mu.Unlock()
		if !g.b.closed {
			g.backLocked(it)
		}
	})
}

// dispatchLocked starts workers for queued messages, one consumer after the other.
func (g *group) dispatchLocked() {
	for waiting, tried := len(g.queue), 0; waiting > 0 && tried < len(g.consumers); {
		c := g.consumers[g.next%len(g.consumers)]
		g.next++
		switch {
		case c.parked > 0:
			c.parked--
			c.wake.Signal()
		case c.workers < c.max:
			c.workers++
			go c.work()
		default:
			tried++
			continue
		}
		tried = 0
		waiting--
	}
}

// consumer is one running subscription.
type consumer struct {
	g      *group
	handle pubsub.Handler
	max    int
	ctx    context.Context //nolint:containedctx // the handlers' context lives as long as the consumer
	cancel context.CancelFunc

	// Guarded by the broker's mu.
	workers int            // goroutines of work, the parked ones included
	parked  int            // those that wait for wake
	wake    *sync.Cond     // on the broker's mu
	held    map[*item]bool // what handlers run on
	stopped bool
	idle    chan struct{} // closed when stopped and no worker is left
}

// work handles messages until none is left; it counts among c.workers already.
func (c *consumer) work() {
	g := c.g
	g.b.mu.Lock()
	defer g.b.mu.Unlock()
	for !c.stopped && !g.b.closed {
		if len(g.queue) == 0 {
			if c.parked >= maxParked {
				break
			}
			c.parked++
			c.wake.Wait()
			continue
		}
		it := g.popLocked()
		it.attempts++
		c.held[it] = true
		msg := it.msg
		msg.Attempt = it.attempts
		g.b.mu.Unlock()
		err := c.handle(c.ctx, msg)
		g.b.mu.Lock()
		if !c.held[it] { // Stop has given it back
			continue
		}
		delete(c.held, it)
		switch {
		case err == nil:
			g.leaveLocked(it)
		case c.stopped:
			g.backLocked(it)
		default:
			g.againLocked(it)
		}
	}
	c.workers--
	if c.stopped && c.workers == 0 {
		close(c.idle)
	}
}

func (c *consumer) Stop(ctx context.Context) error {
	g := c.g
	g.b.mu.Lock()
	if c.stopped {
		g.b.mu.Unlock()
		return nil
	}
	c.stopped = true
	c.wake.Broadcast()
	g.consumers = slices.DeleteFunc(g.consumers, func(o *consumer) bool { return o == c })
	if c.workers == 0 {
		close(c.idle)
	}
	g.dispatchLocked()
	g.b.mu.Unlock()

	defer c.cancel()
	select {
	case <-c.idle:
		return nil
	case <-ctx.Done():
	}
	g.b.mu.Lock()
	defer g.b.mu.Unlock()
	given := slices.Collect(maps.Keys(c.held))
	clear(c.held)
	g.backLocked(given...)
	if len(given) == 0 {
		return nil
	}
	return fmt.Errorf("%d messages of topic %s were still being handled and will be delivered again: %w", len(given), g.topic, ctx.Err())
}
