package mqttconn

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// defaultInFlight is how many messages of a subscription are handled at once when nothing is said: as many as a server
// sends by itself before the first is acknowledged.
const defaultInFlight = 20

// Subscription asks for messages on behalf of a consumer group.
type Subscription struct {
	// Filter is a topic, which may have wildcards and begin with $share/<group>/.
	Filter string
	// Consumer names the group: those of the same name share the messages.
	Consumer string
	// InFlight is how many messages are handled at once; 0 is a default.
	InFlight int
	// MaxRetries is how often a message that failed is handled again before it is left to the next connection; less than
	// 0 is without end.
	MaxRetries int
	// Unsubscribe has the server forget the subscription when the last consumer stops.
	Unsubscribe bool
}

// Unsubscribes tells whether a subscription's metadata have unsubscribeOnClose, which Dapr reads so.
func Unsubscribes(metadata map[string]string) bool {
	text, _ := component.Metadata(metadata).Get("unsubscribeOnClose")
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "y", "yes", "true", "t", "on", "1":
		return true
	default:
		return false
	}
}

// Handler takes one message. nil acknowledges it. It may be called concurrently; ctx ends when the consumer is stopped and
// does not wait any longer.
type Handler func(ctx context.Context, m *Message) error

// Consumer is a running subscription.
type Consumer struct {
	s           *session
	handle      Handler
	limit       int
	maxRetries  int
	unsubscribe bool
	ctx         context.Context //nolint:containedctx // the handlers' context lives as long as the consumer
	cancel      context.CancelFunc
	idle        chan struct{} // closed when it is stopped and nothing runs

	// guarded by the session's mu
	running int // handlers
	owned   map[*delivery]bool
	stopped bool
}

// takenOverHint is for servers that do not say so; Mosquitto is one of them.
const takenOverHint = "if it goes on, another process consumes by the same session: give each replica a clientID of its own"

// Subscribe starts a consumer; ctx bounds the start only.
func (c *Client) Subscribe(ctx context.Context, sub Subscription, h Handler) (*Consumer, error) {
	filter, err := c.filter(sub)
	if err != nil {
		return nil, err
	}
	id := sessionID(c.cfg.Settings.ClientID, sub.Consumer, filter)
	for {
		s, created, err := c.session(ctx, id, filter)
		if err != nil {
			return nil, err
		}
		if s == nil {
			continue // one of the same name has just ended
		}
		consumer := s.add(ctx, sub, h)
		if created {
			s.link, s.err = newLink(ctx, s.log, takenOverHint, s.connect)
			close(s.opened)
		}
		select {
		case <-s.opened:
			err = s.err
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			consumer.remove()
			c.leave(ctx, s, false)
			return nil, err
		}
		return consumer, nil
	}
}

// filter gives what is subscribed to at the server: several replicas share their subscriptions.
func (c *Client) filter(sub Subscription) (string, error) {
	if err := CheckFilter(sub.Filter); err != nil {
		return "", err
	}
	if why := badText(sub.Consumer); why != "" || sub.Consumer == "" {
		return "", fmt.Errorf("%w: want a name of a consumer group; %.100q %s", ErrInvalid, sub.Consumer, why)
	}
	if c.cfg.Settings.ClientID == "" || shared(sub.Filter) {
		return sub.Filter, nil
	}
	if strings.ContainsAny(sub.Consumer, "/+#") {
		return "", fmt.Errorf("%w: want a name of a consumer group without /, + and #, since with clientID it names a shared subscription; found %.100q", ErrInvalid, sub.Consumer)
	}
	return "$share/" + sub.Consumer + "/" + sub.Filter, nil
}

// session finds the session, or creates it for the caller to open. nil if it had to wait for one that ended.
func (c *Client) session(ctx context.Context, id, filter string) (s *session, created bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, false, errStopped
	}
	s = c.sessions[id]
	if s == nil {
		s = &session{
			c: c, id: id, filter: filter, log: c.log.With("topic", filter, "client", id), users: 1,
			opened: make(chan struct{}), ended: make(chan struct{}), held: map[uint16]*delivery{}, waiting: map[*delivery]*time.Timer{},
		}
		c.sessions[id] = s
		return s, true, nil
	}
	if !s.closing {
		s.users++
		return s, false, nil
	}
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-s.ended:
		return nil, false, nil
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

// leave is what every user of a session does in the end; the last one ends it.
func (c *Client) leave(ctx context.Context, s *session, unsubscribe bool) {
	c.mu.Lock()
	s.users--
	last := s.users == 0
	s.closing = s.closing || last
	c.mu.Unlock()
	if !last {
		return
	}
	s.end(ctx, unsubscribe)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions[s.id] == s {
		delete(c.sessions, s.id)
	}
}

// add makes a consumer that takes messages at once: the server may send them before it is subscribed to.
func (s *session) add(ctx context.Context, sub Subscription, h Handler) *Consumer {
	c := &Consumer{
		s: s, handle: h, limit: sub.InFlight, maxRetries: sub.MaxRetries, unsubscribe: sub.Unsubscribe, idle: make(chan struct{}), owned: map[*delivery]bool{},
	}
	if c.limit <= 0 {
		c.limit = defaultInFlight
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consumers = append(s.consumers, c)
	s.dispatch()
	return c
}

// work handles one message.
func (c *Consumer) work(d *delivery, m *Message) {
	err := c.handle(c.ctx, m)
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !c.owned[d] || s.over: // it was given back meanwhile
	case err == nil:
		s.done(d)
	default:
		s.failed(c, d)
	}
	c.running--
	if c.stopped && c.running == 0 {
		close(c.idle)
	}
	s.dispatch()
}

// remove has the consumer take no more messages; false if it was removed before.
func (c *Consumer) remove() bool {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if c.stopped {
		return false
	}
	c.stopped = true
	c.s.consumers = slices.DeleteFunc(c.s.consumers, func(other *Consumer) bool { return other == c })
	if c.running == 0 {
		close(c.idle)
	}
	return true
}

// Stop takes no new messages, waits for handlers that run until ctx ends, and gives the rest to the other consumers of the
// group, or back to the server.
func (c *Consumer) Stop(ctx context.Context) error {
	if !c.remove() {
		return nil
	}
	var late error
	running := 0
	select {
	case <-c.idle:
	case <-ctx.Done():
		late = ctx.Err()
		running = c.takeBack()
	}
	c.cancel()
	c.s.c.leave(ctx, c.s, c.unsubscribe)
	if running > 0 {
		return fmt.Errorf("%d messages of %q were still being handled and will be delivered again: %w", running, c.s.filter, late)
	}
	return nil
}

// takeBack gives away what handlers still run on, whose answers are then too late, and tells how much it is.
func (c *Consumer) takeBack() int {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	n := len(c.owned)
	for d := range c.owned {
		c.s.giveBack(d)
	}
	return n
}
