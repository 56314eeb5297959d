package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/components/internal/rabbitconn"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// source reads the queue for all readers: the server gives a message to one of those who read a queue, and here each
// consumer is to get it. A message is acknowledged when all have handled it.
type source struct {
	q *queue
	c *rabbitconn.Consumer

	mu      sync.Mutex
	readers map[string][]*reader // by consumer; those of one consumer take turns
}

// reader is one that reads.
type reader struct {
	*binding.Work
	q        *queue
	src      *source
	consumer string
	handle   binding.Handler
}

// Read begins to read for one app.
func (q *queue) Read(ctx context.Context, consumer string, h binding.Handler) (binding.Reader, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := &reader{Work: binding.NewWork(), q: q, src: q.src, consumer: consumer, handle: h}
	if r.src != nil {
		r.src.add(r)
		return r, nil
	}
	r.src = &source{q: q, readers: map[string][]*reader{}}
	r.src.add(r)
	c, err := q.in.Consume(ctx, rabbitconn.Reading{
		What: "queue " + q.s.Queue, Log: q.log, AtOnce: int(q.s.Concurrency), Window: q.s.window(),
		Declare: func(ch *amqp.Channel) (string, error) { return q.s.Queue, q.s.declare(ch) },
		Handle:  r.src.take, Failed: q.failed,
	})
	if err != nil {
		return nil, failure(ctx, err)
	}
	r.src.c = c
	q.src = r.src
	return r, nil
}

// failed says what becomes of a message that some reader has failed to handle.
func (q *queue) failed(d *rabbitconn.Delivery, err error) rabbitconn.Verdict {
	if full, ok := errors.AsType[*binding.OverloadedError](err); ok {
		return rabbitconn.Verdict{Pause: max(full.After, rabbitconn.Pause(1)), Uncounted: true}
	}
	if q.s.MaxDeliver > 0 && int64(d.Attempt) >= q.s.MaxDeliver {
		q.log.Warn("a message failed and is given up, by metadata maxDeliver", "queue", q.s.Queue, "attempt", d.Attempt, "error", err)
		return rabbitconn.Verdict{Reject: true}
	}
	return rabbitconn.Verdict{Pause: rabbitconn.Pause(d.Attempt)}
}

func (s *source) add(r *reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers[r.consumer] = append(s.readers[r.consumer], r)
}

// remove is true when nobody is left.
func (s *source) remove(r *reader) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := slices.DeleteFunc(s.readers[r.consumer], func(x *reader) bool { return x == r })
	if s.readers[r.consumer] = left; len(left) == 0 {
		delete(s.readers, r.consumer)
	}
	return len(s.readers) == 0
}

// turn gives the reader of a consumer whose turn it is; nil if there is none.
func (s *source) turn(consumer string) *reader {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.readers[consumer]
	if len(all) == 0 {
		return nil
	}
	next := all[0]
	copy(all, all[1:])
	all[len(all)-1] = next
	return next
}

// want notes in a delivery that is new who is to handle it.
func (s *source) want(d *rabbitconn.Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(d.Done) == 0 {
		for consumer := range s.readers {
			d.Done[consumer] = false
		}
	}
}

var errGone = errors.New("its reader is stopped")

// take hands a message to all who have not handled it yet.
func (s *source) take(_ context.Context, d *rabbitconn.Delivery) error {
	s.want(d)
	if len(d.Done) == 0 {
		return errGone
	}
	var todo []string
	for consumer, done := range d.Done {
		if !done {
			todo = append(todo, consumer)
		}
	}
	errs := make([]error, len(todo))
	var wg sync.WaitGroup
	for i, consumer := range todo {
		wg.Go(func() { errs[i] = s.give(consumer, d) })
	}
	wg.Wait()
	for i, consumer := range todo {
		d.Done[consumer] = errs[i] == nil
	}
	return errors.Join(errs...)
}

// give hands a message to one consumer, in the reader's own context.
func (s *source) give(consumer string, d *rabbitconn.Delivery) error {
	err := errGone
	if r := s.turn(consumer); r != nil {
		r.Do(func(ctx context.Context) { _, err = r.handle(ctx, event(d)) })
	}
	return err
}

// event makes the event of a message.
func event(d *rabbitconn.Delivery) *binding.Event {
	ev := &binding.Event{Data: d.Body, ContentType: d.ContentType, Metadata: make(map[string]string, len(d.Headers)+4)}
	for name, value := range map[string]string{
		"messageID": d.MessageId, "correlationID": d.CorrelationId, "type": d.Type, "replyTo": d.ReplyTo, "routingKey": d.RoutingKey,
		"attempt": strconv.Itoa(d.Attempt),
	} {
		if value != "" {
			ev.Metadata[name] = value
		}
	}
	for name, value := range d.Headers {
		switch v := value.(type) {
		case string:
			ev.Metadata[name] = v
		case []byte:
			ev.Metadata[name] = string(v)
		case bool, int8, uint8, int16, uint16, int32, uint32, int64, float32, float64:
			ev.Metadata[name] = fmt.Sprint(v)
		}
	}
	return ev
}

// Stop takes no new messages and gives those that are not handled back to the server, once nobody else reads.
func (r *reader) Stop(ctx context.Context) error {
	r.q.mu.Lock()
	last := r.src.remove(r)
	if last && r.q.src == r.src {
		r.q.src = nil
	}
	r.q.mu.Unlock()
	var late error
	if last {
		late = r.src.c.Stop(ctx)
	}
	if err := r.Work.Stop(ctx); late == nil {
		late = err
	}
	return late
}
