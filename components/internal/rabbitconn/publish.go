package rabbitconn

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Outgoing is a message to publish.
type Outgoing struct {
	Exchange, Key string
	// Declare makes what Name stands for, an exchange or a queue, if it does not exist; once for each connection.
	Name    string
	Declare func(ch *amqp.Channel) error
	// Mandatory wants that there is a queue for the message; it needs a MessageId that no other message has.
	Mandatory bool
	amqp.Publishing
}

// MaxShort is the length of the protocol's short texts, such as names, in bytes.
const MaxShort = 255

// maxDeclared bounds what is remembered of what was declared.
const maxDeclared = 10_000

// Publisher publishes so that a message without error is the server's: in each queue that it goes to, and on the disk
// where queue and message are to survive (publisher confirms). Messages of many callers are on their way at once.
type Publisher struct {
	link *Link
	// turn is taken by one element: for what follows, and so that callers can stop waiting for it.
	turn     chan struct{}
	ch       *pubChannel
	declared map[string]bool // on conn
	conn     *amqp.Connection
}

// NewPublisher publishes on a Link; it ends with it.
func NewPublisher(l *Link) *Publisher { return &Publisher{link: l, turn: make(chan struct{}, 1)} }

// Publish returns when the server has the message. It tries a second time when the first may have been in vain; then a
// message may be there twice.
func (p *Publisher) Publish(ctx context.Context, out Outgoing) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	err := p.once(ctx, out)
	if again(err) {
		err = p.last(ctx, out)
	}
	return p.link.o.redact(err)
}

// again tells whether to try a second time: the fault may have been another message's, on the same channel.
func again(err error) bool { return errors.Is(err, errLost) || errors.Is(err, errNowhere) }

// last is once; a refusal of the server is now known to be that of this message.
func (p *Publisher) last(ctx context.Context, out Outgoing) error {
	err := p.once(ctx, out)
	reply, ok := errors.AsType[*amqp.Error](err)
	if ok && errors.Is(err, errLost) && (reply.Code == amqp.PreconditionFailed || reply.Code == amqp.AccessRefused) {
		return reply
	}
	return err
}

// PublishAll publishes many messages; the errors are in their order.
func (p *Publisher) PublishAll(ctx context.Context, outs []Outgoing) []error {
	bound, cancel := bounded(ctx)
	defer cancel()
	errs, waits := make([]error, len(outs)), make([]*sent, len(outs))
	for i, out := range outs {
		waits[i], errs[i] = p.send(bound, out)
	}
	for i, s := range waits {
		if s != nil {
			errs[i] = s.wait(bound)
		}
		if again(errs[i]) {
			p.forget(bound, outs[i].Name)
			errs[i] = p.last(bound, outs[i])
		}
		errs[i] = p.link.o.redact(errs[i])
	}
	return errs
}

func (p *Publisher) once(ctx context.Context, out Outgoing) error {
	s, err := p.send(ctx, out)
	if err == nil {
		err = s.wait(ctx)
	}
	if err != nil {
		p.forget(ctx, out.Name)
	}
	return err
}

// lock takes the turn.
func (p *Publisher) lock(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Publisher) unlock() { <-p.turn }

// forget makes the next message declare again: somebody may have deleted what it goes to.
func (p *Publisher) forget(ctx context.Context, name string) {
	if p.lock(ctx) == nil {
		delete(p.declared, name)
		p.unlock()
	}
}

// send writes a message.
func (p *Publisher) send(ctx context.Context, out Outgoing) (*sent, error) {
	if err := p.lock(ctx); err != nil {
		return nil, err
	}
	defer p.unlock()
	conn, err := p.link.connection(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.link.taking(); err != nil {
		return nil, err
	}
	if err := p.declare(ctx, conn, out); err != nil {
		return nil, err
	}
	if err := p.open(ctx, conn); err != nil {
		return nil, err
	}
	confirm, err := p.ch.PublishWithDeferredConfirmWithContext(ctx, out.Exchange, out.Key, out.Mandatory, false, out.Publishing)
	if err != nil {
		if p.ch.IsClosed() {
			err = &lostError{err}
		}
		return nil, err
	}
	s := &sent{ch: p.ch, confirm: confirm}
	if out.Mandatory {
		s.id = out.MessageId
	}
	return s, nil
}

// declare makes what a message goes to, on a channel of its own: a failure ends the channel.
func (p *Publisher) declare(ctx context.Context, conn *amqp.Connection, out Outgoing) error {
	if p.conn != conn || len(p.declared) >= maxDeclared {
		p.conn, p.declared = conn, map[string]bool{}
	}
	if p.declared[out.Name] {
		return nil
	}
	if err := p.link.on(ctx, conn, out.Declare); err != nil {
		return err
	}
	p.declared[out.Name] = true
	return nil
}

// open makes a channel whose messages are confirmed, if there is none on the connection.
func (p *Publisher) open(ctx context.Context, conn *amqp.Connection) error {
	if p.ch != nil && p.ch.conn == conn && !p.ch.IsClosed() {
		return nil
	}
	var ch *amqp.Channel
	err := do(ctx, func() error {
		c, err := conn.Channel()
		if err != nil {
			return err
		}
		if err := c.Confirm(false); err != nil {
			return err
		}
		ch = c
		return nil
	})
	if err != nil {
		return err
	}
	p.ch = &pubChannel{Channel: ch, conn: conn, gone: make(chan struct{}), asks: make(chan ask)}
	go p.ch.watch(ch.NotifyClose(make(chan *amqp.Error, 1)), ch.NotifyReturn(make(chan amqp.Return)))
	return nil
}

// pubChannel is a channel on which messages are confirmed.
type pubChannel struct {
	*amqp.Channel
	conn *amqp.Connection
	asks chan ask
	gone chan struct{} // closed when the channel is; then err says why
	err  error         // nil when it was closed by us
}

// ask is the question whether the server has given a message back.
type ask struct {
	id     string
	answer chan bool
}

// watch receives what the server says about the channel. A message that is given back is so before it is confirmed, and
// the client library waits until it is received here: who asks after the confirmation gets the right answer.
func (c *pubChannel) watch(closes chan *amqp.Error, returns chan amqp.Return) {
	defer close(c.gone)
	back := map[string]bool{}
	for {
		select {
		case r, ok := <-returns:
			if !ok {
				returns = nil
				continue
			}
			if len(back) >= maxDeclared {
				clear(back) // nobody has asked
			}
			back[r.MessageId] = true
		case a := <-c.asks:
			a.answer <- back[a.id]
			delete(back, a.id)
		case err := <-closes:
			if err != nil {
				c.err = err
			}
			return
		}
	}
}

// sent is a message on its way.
type sent struct {
	ch      *pubChannel
	confirm *amqp.DeferredConfirmation
	id      string // of a mandatory message
}

// wait waits for the server's confirmation.
func (s *sent) wait(ctx context.Context) error {
	ok, err := s.confirm.WaitContext(ctx)
	switch {
	case err != nil:
		return err
	case !ok && s.ch.IsClosed():
		<-s.ch.gone
		return &lostError{s.ch.err}
	case !ok:
		return errRefused
	case s.id == "":
		return nil
	}
	a := ask{s.id, make(chan bool, 1)}
	select {
	case s.ch.asks <- a:
		if <-a.answer {
			return errNowhere
		}
		return nil
	case <-s.ch.gone:
		return nil // it was confirmed; whether it came back is not known any more
	}
}

// lostError is errLost with its cause.
type lostError struct{ err error }

// Error gives both texts.
func (e *lostError) Error() string {
	if e.err == nil {
		return errLost.Error()
	}
	return errLost.Error() + ": " + e.err.Error()
}

// Unwrap is errLost and the cause.
func (e *lostError) Unwrap() []error {
	if e.err == nil {
		return []error{errLost}
	}
	return []error{errLost, e.err}
}

// Check tells whether the protocol can carry the message: texts of these are 255 bytes at most.
func (out *Outgoing) Check() error {
	short := map[string]string{
		"exchange": out.Exchange, "routing key": out.Key, "content type": out.ContentType, "message id": out.MessageId,
		"correlation id": out.CorrelationId, "type": out.Type, "time to live": out.Expiration,
	}
	for name := range out.Headers {
		short["name of header "+strconv.Quote(name[:min(len(name), 20)])] = name
	}
	for what, text := range short {
		if len(text) > MaxShort {
			return fmt.Errorf("%s: want %d bytes at most, found %d", what, MaxShort, len(text))
		}
	}
	return nil
}
