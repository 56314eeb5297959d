package pubsub

import (
	"context"
	"sync"
	"time"

	abipubsub "github.com/mrt-wasm/mrt-wasm/abi/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// collector makes batches of single messages: a batch is full, or the first of it has waited long enough. Every
// message's handler waits for the answer of its batch.
type collector struct {
	t   *subscriber
	max int
	// await bounds how long the first message of a batch waits for more.
	await time.Duration

	mu    sync.Mutex
	batch []*waiting
	timer *time.Timer // ends the batch; nil while it is empty
}

// waiting is a message in a batch.
type waiting struct {
	e    *event
	ctx  context.Context //nolint:containedctx // the handler's own, for its batch
	done chan struct{}
	out  abipubsub.Outcome
	err  error
}

func newCollector(t *subscriber) *collector {
	return &collector{t: t, max: t.decl.Bulk.MaxMessages, await: t.decl.Bulk.MaxAwait}
}

// add waits until the event's batch is handled.
func (c *collector) add(ctx context.Context, e *event) (abipubsub.Outcome, error) {
	w := &waiting{e: e, ctx: ctx, done: make(chan struct{})}
	c.mu.Lock()
	c.batch = append(c.batch, w)
	switch {
	case len(c.batch) >= c.max || c.stopping():
		go c.call(c.takeLocked()) //nolint:contextcheck // a batch has the context of its consumer
	case c.timer == nil:
		c.timer = time.AfterFunc(c.await, c.flush)
	}
	c.mu.Unlock()
	select {
	case <-w.done:
		return w.out, w.err
	case <-ctx.Done():
		return abipubsub.Outcome{}, ctx.Err()
	}
}

func (c *collector) stopping() bool {
	select {
	case <-c.t.stopping:
		return true
	default:
		return false
	}
}

func (c *collector) takeLocked() []*waiting {
	batch := c.batch
	c.batch = nil
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	return batch
}

// flush ends the batch before it is full.
func (c *collector) flush() {
	c.mu.Lock()
	batch := c.takeLocked()
	c.mu.Unlock()
	c.call(batch)
}

// call hands a batch to the app and gives every message its outcome.
func (c *collector) call(batch []*waiting) {
	if len(batch) == 0 {
		return
	}
	events := make([]*event, len(batch))
	for i, w := range batch {
		events[i] = w.e
	}
	t := c.t
	ctx := batch[0].ctx // all end with the consumer
	var outs []abipubsub.Outcome
	err := t.admitted(ctx, func() (err error) {
		outs, err = chain.Do(t.traced(ctx, events[0]), t.bulkPoint, t.bulkFn, events)
		return err
	})
	for i, w := range batch {
		switch {
		case err != nil:
			w.err = err
		case i < len(outs):
			w.out = outs[i]
		default:
			w.out = abipubsub.Outcome{Tag: abipubsub.OutcomeRetry, Value: "the bulk handler gave no outcome for it"}
		}
		close(w.done)
	}
}
