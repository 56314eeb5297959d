package jetstream

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"golang.org/x/time/rate"

	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// Pauses before a message that failed is delivered again without backOff, and before a lost consumer is made again.
const (
	minPause = 100 * time.Millisecond
	maxPause = 30 * time.Second
	// defaultPending is the server's default of maxAckPending.
	defaultPending = 1000
	// heartbeat is the default: a subscription that misses two is made again.
	heartbeat = 5 * time.Second
)

// consumer is one running subscription: a reader takes a message only when a handler is free for it, so that no
// message waits here while its ackWait runs.
type consumer struct {
	b      *broker
	sub    pubsub.Subscription
	handle pubsub.Handler
	limit  *rate.Limiter // bytes per second; nil without a limit
	acks   bool

	ctx    context.Context //nolint:containedctx // the handlers' context lives as long as the consumer
	cancel context.CancelFunc
	stop   chan struct{} // closed by Stop
	slots  chan struct{} // one element for each message that is handled
	batch  int           // messages asked for at once
	wg     sync.WaitGroup

	mu      sync.Mutex
	pull    *pull // the current one
	held    map[*nats.Msg]bool
	stopped bool
}

func (b *broker) Subscribe(ctx context.Context, sub pubsub.Subscription, h pubsub.Handler) (pubsub.Consumer, error) {
	c := &consumer{b: b, sub: sub, handle: h, acks: b.s.Ack != "none", stop: make(chan struct{}), held: map[*nats.Msg]bool{}, batch: 1}
	inFlight := 1
	if b.s.Concurrent == "parallel" {
		// The server gives no more than this, so a batch never waits for a handler.
		inFlight = defaultPending
		if b.s.MaxPending > 0 {
			inFlight = int(b.s.MaxPending)
		}
		c.batch = min(inFlight, 64)
	}
	if sub.InFlight > 0 {
		inFlight, c.batch = sub.InFlight, 1
	}
	if b.s.Ack == "all" {
		inFlight, c.batch = 1, 1 // one acknowledgement covers all before it
	}
	c.slots = make(chan struct{}, inFlight)
	if bits := b.s.RateLimit; bits > 0 {
		c.limit = rate.NewLimiter(rate.Limit(float64(bits)/8), int(max(bits/8, 1)))
	}
	p, err := c.open(ctx)
	if err != nil {
		return nil, err
	}
	c.pull = p
	b.mu.Lock()
	b.running[c] = true
	b.mu.Unlock()
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.wg.Go(func() { c.read(c.ctx, p) })
	go c.keep()
	return c, nil
}

// open makes the durable consumer at the server, if it does not exist, and pulls from it.
func (c *consumer) open(ctx context.Context) (*pull, error) {
	b := c.b
	to, err := b.targets.of(ctx, c.sub.Topic, true)
	if err != nil {
		return nil, err
	}
	group := c.sub.Consumer
	if b.s.Durable != "" {
		group = b.s.Durable
	} else if b.s.Queue != "" {
		group = b.s.Queue
	}
	name := durable(group, c.sub.Topic)
	_, err = b.js.CreateOrUpdateConsumer(ctx, to.stream, b.s.consumer(name, to.subject))
	if err != nil {
		// Some settings cannot be changed once the consumer exists; it goes on as it is.
		if _, getErr := b.js.Consumer(ctx, to.stream, name); getErr != nil {
			b.targets.forget(c.sub.Topic)
			return nil, fmt.Errorf("consumer %s of stream %s: %w", name, to.stream, unavailable(err))
		}
		b.log.Warn("the consumer exists with settings that cannot be changed to the component's; it keeps its own",
			"stream", to.stream, "consumer", name, "error", err)
	}
	beat := heartbeat
	if b.s.Heartbeat > 0 {
		beat = b.s.Heartbeat
	}
	return newPull(b.nc.Conn, b.s.Subjects(), to.stream, name, c.batch, beat)
}

// read gives messages to handlers until Stop.
func (c *consumer) read(ctx context.Context, p *pull) {
	for p != nil {
		select {
		case c.slots <- struct{}{}:
		case <-c.stop:
			c.giveBack(p)
			return
		}
		msg, err := p.next()
		if err != nil {
			<-c.slots
			p = c.reopen(ctx, p, err)
			continue
		}
		if c.isStopped() {
			c.settle(msg, errStopped)
			c.giveBack(p)
			return
		}
		c.mu.Lock()
		c.held[msg] = true
		c.mu.Unlock()
		c.wg.Go(func() { c.work(msg) })
	}
}

var errStopped = errors.New("the consumer is stopped")

func (c *consumer) isStopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// giveBack returns what the server has sent and no handler has got.
func (c *consumer) giveBack(p *pull) {
	for {
		msg, err := p.next()
		if err != nil {
			return
		}
		c.settle(msg, errStopped)
	}
}

// reopen pulls from the consumer again after err; nil when stopped.
func (c *consumer) reopen(ctx context.Context, p *pull, err error) *pull {
	p.end()
	for pause := minPause; !c.isStopped(); pause = min(2*pause, 5*time.Second) {
		c.b.log.Warn("subscription is interrupted; subscribing again", "topic", c.sub.Topic, "error", err)
		select {
		case <-time.After(pause):
		case <-c.stop:
			return nil
		}
		opening, cancel := context.WithTimeout(ctx, 10*time.Second)
		var again *pull
		again, err = c.open(opening)
		cancel()
		if err == nil {
			return c.use(again)
		}
	}
	return nil
}

// use makes p the current pull; nil when stopped.
func (c *consumer) use(p *pull) *pull {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		p.end()
		return nil
	}
	c.pull = p
	return p
}

func (c *consumer) work(msg *nats.Msg) {
	defer func() { <-c.slots }()
	err := c.wait(len(msg.Data))
	if err == nil {
		err = c.handle(c.ctx, c.message(msg))
	}
	c.mu.Lock()
	held := c.held[msg]
	delete(c.held, msg)
	c.mu.Unlock()
	if held {
		c.settle(msg, err)
	}
}

// wait keeps to the rate limit.
func (c *consumer) wait(n int) error {
	if c.limit == nil {
		return nil
	}
	return c.limit.WaitN(c.ctx, min(n, c.limit.Burst()))
}

// settle tells the server what became of a message. A failure to tell is no loss: ackWait ends.
func (c *consumer) settle(msg *nats.Msg, err error) {
	if !c.acks {
		return
	}
	switch {
	case err == nil:
		err = msg.Ack()
	case c.isStopped():
		err = msg.Nak()
	default:
		err = msg.NakWithDelay(c.pause(msg))
	}
	if err != nil && !errors.Is(err, nats.ErrConnectionClosed) {
		c.b.log.Warn("a message is not settled and will be delivered again", "topic", c.sub.Topic, "error", err)
	}
}

func (c *consumer) pause(msg *nats.Msg) time.Duration {
	n := max(attempt(msg)-1, 0)
	if steps := c.b.s.backOff; len(steps) > 0 {
		return steps[min(n, len(steps)-1)]
	}
	return min(minPause<<min(n, 20), maxPause)
}

func attempt(msg *nats.Msg) int {
	meta, err := msg.Metadata()
	if err != nil {
		return 0
	}
	return int(min(meta.NumDelivered, 1<<30))
}

func (c *consumer) message(msg *nats.Msg) pubsub.Message {
	out := pubsub.Message{Topic: c.b.targets.topic(msg.Subject), Data: msg.Data, Attempt: attempt(msg)}
	for key, values := range msg.Header {
		switch {
		case len(values) == 0 || strings.HasPrefix(key, "Nats-"):
		case strings.EqualFold(key, contentTypeHeader):
			out.ContentType = values[0]
		case key == metadataHeader:
		default:
			out.Metadata = put(out.Metadata, key, values[0])
		}
	}
	var meta map[string]string
	if text := msg.Header.Get(metadataHeader); text != "" && json.Unmarshal([]byte(text), &meta) == nil {
		for k, v := range meta {
			out.Metadata = put(out.Metadata, k, v)
		}
	}
	return out
}

func put(m map[string]string, k, v string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[k] = v
	return m
}

// keep tells the server that handlers still run, well before ackWait ends.
func (c *consumer) keep() {
	if !c.acks {
		return
	}
	every := c.b.s.AckWait
	for _, d := range c.b.s.backOff {
		every = min(every, d) // with backOff its pauses take the place of ackWait
	}
	tick := time.NewTicker(max(every/3, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			return
		}
		c.mu.Lock()
		held := make([]*nats.Msg, 0, len(c.held))
		for msg := range c.held {
			held = append(held, msg)
		}
		c.mu.Unlock()
		for _, msg := range held {
			// A message settled meanwhile refuses; without a connection there is nobody to tell.
			_ = msg.InProgress()
		}
	}
}

func (c *consumer) Stop(ctx context.Context) error {
	c.mu.Lock()
	if c.stopped {
		c.mu.Unlock()
		return nil
	}
	c.stopped = true
	close(c.stop)
	c.pull.drain()
	c.mu.Unlock()
	c.b.mu.Lock()
	delete(c.b.running, c)
	c.b.mu.Unlock()
	defer c.cancel()

	done := make(chan struct{})
	go func() {
		c.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	c.mu.Lock()
	held := c.held
	c.held = map[*nats.Msg]bool{}
	c.mu.Unlock()
	for msg := range held {
		c.settle(msg, errStopped)
	}
	if len(held) == 0 {
		return nil
	}
	return fmt.Errorf("%d messages of topic %s were still being handled and will be delivered again: %w", len(held), c.sub.Topic, ctx.Err())
}
