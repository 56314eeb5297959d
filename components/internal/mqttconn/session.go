package mqttconn

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// The pauses before a message that failed is handled again double from the first to the last.
const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = 30 * time.Second
)

// maxWaiting is how many messages of qos 0, whose flow nothing else bounds, wait for a handler.
const maxWaiting = 1000

// session is what the server keeps for a consumer group and subscription: while this process consumes from it, the
// consumers of the group share it here. MQTT cannot give a single message back to the server, so one that failed is held,
// not acknowledged, and handled again; when the last consumer stops, the connection ends, and the server sends all that is
// not acknowledged to whoever connects next.
type session struct {
	c      *Client
	id     string
	filter string
	log    *slog.Logger
	link   *link // set before opened is closed, unless err is

	opened chan struct{}
	err    error         // why it could not be opened; read after opened
	ended  chan struct{} // closed when it is over

	// guarded by the client's mu
	users   int // consumers, and those that are about to be
	closing bool

	mu        sync.Mutex
	over      bool
	consumers []*Consumer
	next      int // whose turn it is
	ready     []*delivery
	waiting   map[*delivery]*time.Timer
	dropped   int
	// held are the messages that the server wants to have acknowledged, by packet identifier.
	held map[uint16]*delivery
	// attempt counts connections, up is the last one that succeeded.
	attempt, up int
}

// progress is where a delivery stands.
type progress int

const (
	isReady progress = iota // waits for a handler
	isRunning
	isWaiting // failed, waits for its pause
	isParked  // failed too often, is left to the next connection
	isDone    // handled, but the server could not be told
)

// delivery is a message that has arrived and is not done with.
type delivery struct {
	in       *incoming
	at       progress
	owner    *Consumer // whose handler has it; nil without
	count    int       // deliveries to handlers
	failures int
	attempt  int // the connection by which it came last
}

// to moves a delivery on, away from its handler.
func (d *delivery) to(next progress) {
	if d.owner != nil {
		delete(d.owner.owned, d)
	}
	d.at, d.owner = next, nil
}

// connect makes a connection for the session; the link calls it.
func (s *session) connect(ctx context.Context) (wire, error) {
	s.mu.Lock()
	for id, d := range s.held {
		if d.attempt < s.up { // the server has not sent it again
			delete(s.held, id)
		}
	}
	s.attempt++
	attempt, first := s.attempt, s.up == 0
	s.mu.Unlock()

	keep := !s.c.cfg.Settings.CleanSession
	w, present, err := s.c.connect(ctx, hello{clientID: s.id, keep: keep, receive: func(in *incoming) { s.receive(attempt, in) }})
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.up = attempt
	if !present {
		s.forget()
	}
	s.mu.Unlock()
	if !present && !first && keep {
		s.log.Warn("the MQTT server has forgotten the session: messages that waited there are lost")
	}
	if present && !first && !shared(s.filter) {
		return w, nil // subscribing again would bring all retained messages again
	}
	// Servers that keep sessions may have forgotten shared subscriptions, as Mosquitto 2.0.11 does.
	bounded, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	if err := w.subscribe(bounded, s.filter, byte(s.c.cfg.Settings.QoS)); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// forget lets go of what the server does not know any more: it is handled all the same. The caller holds mu.
func (s *session) forget() {
	for _, d := range s.held {
		if d.at == isParked {
			s.restart(d)
		}
	}
	s.held = map[uint16]*delivery{}
	s.dispatch()
}

// restart begins anew with a message that had failed too often. The caller holds mu.
func (s *session) restart(d *delivery) {
	d.at, d.failures = isReady, 0
	s.ready = append(s.ready, d)
}

// receive takes what arrives.
func (s *session) receive(attempt int, in *incoming) {
	s.mu.Lock()
	if s.over || attempt != s.attempt { // the server sends it again
		s.mu.Unlock()
		return
	}
	if d := s.held[in.id]; in.qos > 0 && in.dup && d != nil && d.same(in) {
		d.in, d.attempt = in, attempt
		if d.at == isParked {
			s.restart(d)
		}
		done := d.at == isDone
		if done {
			delete(s.held, in.id)
		}
		s.dispatch()
		s.mu.Unlock()
		if done {
			in.ack()
		}
		return
	}
	defer s.mu.Unlock()
	if in.qos == 0 && len(s.ready) >= maxWaiting {
		if s.dropped == 0 {
			s.log.Warn("messages of qos 0 arrive faster than they are handled; some are dropped")
		}
		s.dropped++
		return
	}
	d := &delivery{in: in, attempt: attempt}
	if in.qos > 0 {
		s.held[in.id] = d
	}
	s.ready = append(s.ready, d)
	s.dispatch()
}

// same tells whether a message that the server sends again is this one: a session's identifiers are used again only after
// an acknowledgement, but a server may have lost its latest state.
func (d *delivery) same(in *incoming) bool {
	return d.in.Topic == in.Topic && bytes.Equal(d.in.Data, in.Data)
}

// dispatch begins handlers while there are messages and consumers that take them. The caller holds mu.
func (s *session) dispatch() {
	for len(s.ready) > 0 && !s.over {
		c := s.free()
		if c == nil {
			return
		}
		d := s.ready[0]
		s.ready = s.ready[1:]
		if len(s.ready) == 0 && s.dropped > 0 {
			s.log.Warn("messages of qos 0 were dropped", "number", s.dropped)
			s.dropped = 0
		}
		d.at, d.owner = isRunning, c
		c.owned[d] = true
		d.count++
		c.running++
		msg := d.in.Message
		msg.Attempt = d.count
		go c.work(d, &msg)
	}
}

// free gives a consumer that takes a message, each in its turn.
func (s *session) free() *Consumer {
	for i := range s.consumers {
		c := s.consumers[(s.next+i)%len(s.consumers)]
		if c.running < c.limit {
			s.next = (s.next + i + 1) % len(s.consumers)
			return c
		}
	}
	return nil
}

// done acknowledges a message that c has handled. The caller holds mu, which is free meanwhile.
func (s *session) done(d *delivery) {
	d.to(isDone)
	in := d.in
	s.mu.Unlock()
	told := in.ack()
	s.mu.Lock()
	if told && d.in == in && s.held[in.id] == d {
		delete(s.held, in.id)
	}
}

// failed has a message handled again after a pause. The caller holds mu.
func (s *session) failed(c *Consumer, d *delivery) {
	d.failures++
	switch {
	case c.stopped:
		s.giveBack(d)
	case c.maxRetries >= 0 && d.failures > c.maxRetries:
		d.to(isParked)
		s.log.Error("a message failed too often; the MQTT server delivers it again with the next connection", "topic", d.in.Topic, "failures", d.failures)
	default:
		d.to(isWaiting)
		pause := min(firstRetry<<min(d.failures-1, 16), lastRetry)
		s.waiting[d] = time.AfterFunc(pause, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if _, ours := s.waiting[d]; ours {
				delete(s.waiting, d)
				s.giveBack(d)
			}
		})
	}
}

// giveBack lets the next free consumer have a message. The caller holds mu.
func (s *session) giveBack(d *delivery) {
	d.to(isReady)
	s.ready = slices.Insert(s.ready, 0, d)
	s.dispatch()
}

// end takes leave of the server, which keeps what is not acknowledged, or with unsubscribe nothing more of the topic.
func (s *session) end(ctx context.Context, unsubscribe bool) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		<-s.ended
		return
	}
	s.over = true
	for _, t := range s.waiting {
		t.Stop()
	}
	s.ready, s.held = nil, map[uint16]*delivery{}
	clear(s.waiting)
	s.mu.Unlock()
	defer close(s.ended)
	if s.link == nil {
		return
	}
	if unsubscribe {
		s.link.leave = func(w wire) {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
			defer cancel()
			if err := w.unsubscribe(ctx, s.filter); err != nil {
				s.log.Warn("the MQTT server goes on to collect messages of a subscription that was to end", "error", err)
			}
		}
	}
	s.link.stop()
}

// abandon ends the session of consumers that were not stopped.
func (s *session) abandon(ctx context.Context) {
	<-s.opened
	s.mu.Lock()
	for _, c := range s.consumers {
		c.cancel()
	}
	s.mu.Unlock()
	s.end(ctx, false)
}
