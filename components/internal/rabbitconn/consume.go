package rabbitconn

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// maxHold is how long a message is held that fails again and again. Servers close channels on which a message is neither
// acknowledged nor rejected for 15 minutes or more.
const maxHold = 10 * time.Minute

// stopTimeout is how long the server may take to answer when a consumer stops.
const stopTimeout = 5 * time.Second

// The pauses before a message that failed is handled again double from the first to the last.
const (
	firstAgain = 100 * time.Millisecond
	lastAgain  = 30 * time.Second
)

// Delivery is a message that was delivered.
type Delivery struct {
	amqp.Delivery
	// Attempt counts the times that the message was handed to a handler, this one included; where the server only says
	// that it was delivered before, it begins with 2.
	Attempt int
	// Done is for the handler, which may note here what it needs when the same delivery comes to it again.
	Done map[string]bool

	since time.Time
}

// Verdict is what becomes of a message whose handling failed.
type Verdict struct {
	// Reject gives it up: the server discards it, or sends it to the queue's dead letter exchange.
	Reject bool
	// Pause is how long to wait at least before it is handled again.
	Pause time.Duration
	// Uncounted tells that it was not the message's fault.
	Uncounted bool
}

// Reading says how to read a queue.
type Reading struct {
	// What names it in the log.
	What string
	// Declare makes the queue and all around it, if it does not exist, and gives its name.
	Declare func(ch *amqp.Channel) (queue string, err error)
	// AtOnce is how many messages are handled at once, Window how many the server has on their way to us or has not heard of.
	AtOnce, Window int
	// AckFirst acknowledges messages before they are handled: a message that fails is lost.
	AckFirst bool
	// Handle is called concurrently. Its ctx ends when the consumer is stopped and does not wait any longer.
	Handle func(ctx context.Context, d *Delivery) error
	// Failed judges; it is not asked when the consumer is being stopped.
	Failed func(d *Delivery, err error) Verdict
	Log    *slog.Logger
}

// Pause is how long to wait before a message that has failed in attempt n is handled again.
func Pause(n int) time.Duration { return min(firstAgain<<min(max(n-1, 0), 20), lastAgain) }

// Consumer reads a queue until it is stopped, over any number of connections.
type Consumer struct {
	Reading
	link *Link

	ctx    context.Context //nolint:containedctx // the handlers' context lives as long as the consumer
	cancel context.CancelFunc
	stop   <-chan struct{}    // closed by Stop
	halt   context.CancelFunc // closes it
	slots  chan struct{}      // one element for each message that is being handled
	wg     sync.WaitGroup

	mu      sync.Mutex
	s       *session // the current one
	stopped bool
	busy    int // handlers that run
}

// session is a consumer's channel.
type session struct {
	ch         *amqp.Channel
	tag        string
	deliveries <-chan amqp.Delivery
	lost       chan struct{} // closed when the channel is; then err says why
	err        error
}

// Consume starts to read; ctx bounds the start only.
func (l *Link) Consume(ctx context.Context, r Reading) (*Consumer, error) {
	c := &Consumer{Reading: r, link: l, slots: make(chan struct{}, r.AtOnce)}
	opening, cancel := bounded(ctx)
	defer cancel()
	s, err := c.open(opening)
	if err != nil {
		return nil, err
	}
	handling, cancelHandling := context.WithCancel(context.WithoutCancel(ctx))
	running, halt := context.WithCancel(handling)
	c.s, c.ctx, c.cancel, c.stop, c.halt = s, handling, cancelHandling, running.Done(), halt
	c.wg.Go(func() { c.run(running, s) })
	return c, nil
}

// open makes a channel that reads the queue.
func (c *Consumer) open(ctx context.Context) (*session, error) {
	conn, err := c.link.connection(ctx)
	if err != nil {
		return nil, err
	}
	opened := make(chan *session, 1)
	err = do(ctx, func() error {
		s, err := c.openOn(conn)
		if err != nil {
			return err
		}
		opened <- s
		if ctx.Err() != nil {
			s.end() // nobody waits for it any more; ending it twice is fine
		}
		return nil
	})
	if err != nil {
		return nil, c.link.o.redact(err)
	}
	return <-opened, nil
}

func (c *Consumer) openOn(conn *amqp.Connection) (*session, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, err
	}
	s := &session{ch: ch, tag: "mrt-" + rand.Text(), lost: make(chan struct{})}
	closes := ch.NotifyClose(make(chan *amqp.Error, 1))
	go func() {
		if err := <-closes; err != nil {
			s.err = err
		}
		close(s.lost)
	}()
	queue, err := c.Declare(ch)
	if err == nil {
		err = ch.Qos(c.Window, 0, false)
	}
	if err == nil {
		s.deliveries, err = ch.Consume(queue, s.tag, false, false, false, false, nil)
	}
	if err != nil {
		s.end()
		return nil, err
	}
	return s, nil
}

// end closes the channel: the server takes back what was not acknowledged.
func (s *session) end() { _ = s.ch.Close() }

// run reads from one session after the other; ctx ends with Stop.
func (c *Consumer) run(ctx context.Context, s *session) {
	for s != nil {
		c.read(s)
		if s = c.again(ctx, s); s != nil {
			c.Log.Info("reading goes on", "from", c.What)
		}
	}
}

// read gives messages to handlers until the session is lost or the consumer is stopped.
func (c *Consumer) read(s *session) {
	for {
		select {
		case <-c.stop:
			return
		case d, ok := <-s.deliveries:
			if !ok {
				return
			}
			// A message that waits here is within the window.
			if !c.enter(s) {
				return
			}
			c.wg.Go(func() { c.work(s, newDelivery(d)) })
		}
	}
}

// enter takes a slot; it is false when the consumer is stopped or the session is lost.
func (c *Consumer) enter(s *session) bool {
	select {
	case c.slots <- struct{}{}:
	case <-c.stop:
		return false
	case <-s.lost:
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped || s.ch.IsClosed() {
		<-c.slots
		return false
	}
	c.busy++
	return true
}

func (c *Consumer) leave() {
	c.mu.Lock()
	c.busy--
	c.mu.Unlock()
	<-c.slots
}

func newDelivery(d amqp.Delivery) *Delivery {
	out := &Delivery{Delivery: d, Attempt: 1, Done: map[string]bool{}, since: time.Now()}
	if d.Redelivered {
		out.Attempt = 2
	}
	if n, ok := d.Headers["x-delivery-count"].(int64); ok && n >= 0 && n < 1<<30 { // quorum queues count
		out.Attempt = int(n) + 1
	}
	return out
}

// work handles one message until it is settled or not ours any more. It is called within a slot.
func (c *Consumer) work(s *session, d *Delivery) {
	for {
		verdict, settled := c.attempt(s, d)
		c.leave()
		if settled {
			return
		}
		select {
		case <-time.After(verdict.Pause):
		case <-c.stop:
			return // the server gets it back with the channel's end
		case <-s.lost:
			return // it comes again
		}
		if !verdict.Uncounted {
			d.Attempt++
		}
		if time.Since(d.since) > maxHold {
			c.settled(d.Nack(false, true))
			return
		}
		if !c.enter(s) {
			return
		}
	}
}

// attempt handles a message once.
func (c *Consumer) attempt(s *session, d *Delivery) (verdict Verdict, settled bool) {
	if c.AckFirst {
		if c.settled(d.Ack(false)) {
			_ = c.Handle(c.ctx, d) // who has failed has said so
		}
		return Verdict{}, true
	}
	err := c.Handle(c.ctx, d)
	switch {
	case err == nil:
		c.settled(d.Ack(false))
		return Verdict{}, true
	case c.ctx.Err() != nil, s.ch.IsClosed():
		return Verdict{}, true
	}
	verdict = c.Failed(d, err)
	if verdict.Reject && !c.isStopped() {
		c.settled(d.Nack(false, false))
		return verdict, true
	}
	return verdict, false
}

// settled notes that the server could not be told; it is true if it was.
func (c *Consumer) settled(err error) bool {
	if err != nil && !c.isStopped() {
		c.Log.Warn("the server could not be told what became of a message, which will be delivered again", "from", c.What, "error", c.link.o.redact(err))
	}
	return err == nil
}

func (c *Consumer) isStopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

// again opens a new session after one that was lost; nil when stopped.
func (c *Consumer) again(ctx context.Context, old *session) *session {
	if c.isStopped() {
		return nil
	}
	// The server may have ended the reading only, because the queue was deleted.
	c.tell(ctx, old.ch.Close)
	var said string
	var err error = amqp.ErrClosed
	select {
	case <-old.lost:
		if old.err != nil {
			err = old.err
		}
	default:
	}
	for pause := minPause; ; pause = min(2*pause, max(c.link.o.ReconnectWait, minPause)) {
		if text := err.Error(); text != said {
			said = text
			c.Log.Warn("reading is interrupted; trying again", "from", c.What, "error", err)
		}
		select {
		case <-time.After(pause):
		case <-c.stop:
			return nil
		}
		opening, cancel := bounded(ctx)
		var s *session
		s, err = c.open(opening)
		cancel()
		if err == nil {
			return c.use(s)
		}
	}
}

// use makes s the current session; nil when stopped.
func (c *Consumer) use(s *session) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped {
		go s.end()
		return nil
	}
	c.s = s
	return s
}

// Stop takes no new messages, waits for handlers that run until ctx ends, and gives the rest back to the server. It may be
// called more than once.
func (c *Consumer) Stop(ctx context.Context) error {
	c.mu.Lock()
	if c.stopped {
		c.mu.Unlock()
		return nil
	}
	c.stopped = true
	c.halt()
	s := c.s
	c.mu.Unlock()
	defer c.cancel()
	// The server sends no more; what is on its way is not begun.
	c.tell(ctx, func() error { return s.ch.Cancel(s.tag, false) })
	done := make(chan struct{})
	go func() {
		c.wg.Wait()
		close(done)
	}()
	var late error
	select {
	case <-done:
	case <-ctx.Done():
		late = ctx.Err()
	}
	c.mu.Lock()
	busy := c.busy
	c.mu.Unlock()
	// Acknowledgements were written before: the server has them when it answers.
	c.tell(ctx, s.ch.Close)
	if late != nil && busy > 0 {
		return fmt.Errorf("%d messages of %s were still being handled and will be delivered again: %w", busy, c.What, late)
	}
	return nil
}

// tell makes a call of the server for stopTimeout at most, whatever ctx: it is how messages are given back.
func (c *Consumer) tell(ctx context.Context, call func() error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := do(ctx, call); err != nil && !errors.Is(err, amqp.ErrClosed) {
		c.Log.Debug("stopping", "from", c.What, "error", c.link.o.redact(err))
	}
}
