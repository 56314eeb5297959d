package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
)

// How long a read waits for messages. Stop ends a waiting read by CLIENT UNBLOCK; where that is not possible (a
// cluster, or a user who may not) it waits for it.
const (
	blockNode    = 2 * time.Second
	blockCluster = 500 * time.Millisecond
)

// readAhead is how many messages are taken for each handler that may run, where their number is bounded.
const readAhead = 4

// minKeep bounds from below how often the server is told that handlers still run.
const minKeep = 10 * time.Millisecond

// entry is a message that was taken from the server.
type entry struct {
	goredis.XMessage
	attempt int
	begun   bool // a handler has it; guarded by the consumer's mu
}

// consumer is one running subscription. Its name in the group is the group's, as in Dapr, so that nothing is left
// behind at the server when it is gone.
type consumer struct {
	b      *broker
	topic  string
	group  string
	handle pubsub.Handler
	depth  int

	ctx    context.Context //nolint:containedctx // the handlers' context lives as long as the consumer
	cancel context.CancelFunc
	stop   chan struct{} // closed by Stop
	// reader has one connection, whose id is conn, for reads that wait.
	reader goredis.UniversalClient
	conn   atomic.Int64
	ended  chan struct{} // closed when nothing is read any more
	queue  chan *entry   // room for depth: sending never waits
	freed  chan struct{} // one element when held has become smaller
	wg     sync.WaitGroup

	mu      sync.Mutex
	held    map[string]*entry // taken and not settled, by id; at most depth
	stopped bool
}

func (b *broker) Subscribe(ctx context.Context, sub pubsub.Subscription, h pubsub.Handler) (pubsub.Consumer, error) {
	if sub.Topic == "" {
		return nil, fmt.Errorf("topic is empty: %w", pubsub.ErrInvalidTopic)
	}
	workers, depth := int(b.s.Concurrency), int(b.s.QueueDepth)
	if sub.InFlight > 0 {
		workers = sub.InFlight
		// What waits here for a slow handler is kept from the group's other consumers.
		depth = min(depth, readAhead*workers)
	}
	c := &consumer{
		b: b, topic: sub.Topic, group: sub.Consumer, handle: h, depth: max(depth, workers),
		stop: make(chan struct{}), ended: make(chan struct{}), freed: make(chan struct{}, 1), held: map[string]*entry{},
	}
	c.queue = make(chan *entry, c.depth)
	if err := c.createGroup(ctx); err != nil {
		return nil, failure(ctx, sub.Topic, err)
	}
	if err := c.openReader(); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.wg.Go(c.read)
	for range workers {
		c.wg.Go(c.work)
	}
	if b.s.RedeliverInterval > 0 && b.s.ProcessingTimeout > 0 {
		c.wg.Go(c.reclaim)
		go c.keep()
	}
	return c, nil
}

func (c *consumer) createGroup(ctx context.Context) error {
	err := c.b.client.XGroupCreateMkStream(ctx, c.topic, c.group, "0").Err()
	if err != nil && strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return nil
	}
	return err
}

func (c *consumer) openReader() error {
	opts, err := c.b.s.Options()
	if err != nil {
		return err
	}
	opts.PoolSize, opts.MinIdleConns, opts.MaxRetries = 1, 0, -1
	if !c.b.s.Cluster() {
		opts.OnConnect = func(ctx context.Context, conn *goredis.Conn) error {
			// Without the id a stop takes a little longer.
			id, err := conn.ClientID(ctx).Result()
			if err == nil {
				c.conn.Store(id)
			}
			return nil
		}
	}
	c.reader = goredis.NewUniversalClient(opts)
	return nil
}

// read takes new messages while there is room, until Stop.
func (c *consumer) read() {
	defer close(c.queue) // nothing is sent once stop is closed
	defer close(c.ended)
	defer func() { _ = c.reader.Close() }()
	args := &goredis.XReadGroupArgs{Group: c.group, Consumer: c.group, Streams: []string{c.topic, ">"}, Block: blockNode}
	if c.b.s.Cluster() {
		args.Block = blockCluster
	}
	for pause := time.Duration(0); !c.isStopped(); {
		room := c.room()
		if room == 0 {
			select {
			case <-c.freed:
			case <-c.stop:
			}
			continue
		}
		args.Count = int64(room)
		streams, err := c.reader.XReadGroup(c.ctx, args).Result()
		if err != nil && !errors.Is(err, goredis.Nil) {
			pause = c.recover(err, pause)
			continue
		}
		if pause > 0 {
			c.b.log.Info("subscription goes on", "topic", c.topic)
			pause = 0
		}
		for _, s := range streams {
			for _, m := range s.Messages {
				c.take(m, 1)
			}
		}
	}
}

// recover waits a little, makes a group that is gone again, and gives the pause it took.
func (c *consumer) recover(err error, pause time.Duration) time.Duration {
	if c.isStopped() {
		return pause
	}
	text := err.Error()
	if strings.HasPrefix(text, "NOGROUP") || strings.HasPrefix(text, "UNBLOCKED") {
		if err = c.createGroup(c.ctx); err == nil {
			c.b.log.Warn("stream or consumer group was gone and is made again", "topic", c.topic, "group", c.group)
			return pause
		}
	}
	if pause == 0 {
		c.b.log.Warn("subscription is interrupted; trying again", "topic", c.topic, "error", err)
	}
	pause = min(max(2*pause, 50*time.Millisecond), 2*time.Second)
	select {
	case <-time.After(pause):
	case <-c.stop:
	}
	return pause
}

func (c *consumer) isStopped() bool {
	select {
	case <-c.stop:
		return true
	default:
		return false
	}
}

func (c *consumer) room() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.depth-len(c.held), 0)
}

// take queues a message for the workers, unless it is here already or there is no room: then the server keeps it.
func (c *consumer) take(m goredis.XMessage, attempt int) {
	if m.Values == nil { // the entry was cut from the stream
		c.b.client.XAck(c.ctx, c.topic, c.group, m.ID)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[m.ID] != nil || len(c.held) >= c.depth {
		return
	}
	e := &entry{XMessage: m, attempt: attempt}
	c.held[m.ID] = e
	if !c.stopped { // else Stop gives it back
		c.queue <- e
	}
}

// work handles messages until the queue is closed.
func (c *consumer) work() {
	for e := range c.queue {
		c.mu.Lock()
		if c.stopped {
			c.mu.Unlock()
			continue
		}
		e.begun = true
		c.mu.Unlock()
		err := c.handle(c.ctx, message(c.topic, e.XMessage, e.attempt))
		c.mu.Lock()
		ours := c.held[e.ID] == e
		e.begun = false
		if !c.stopped || err == nil { // else Stop gives it back
			delete(c.held, e.ID)
		}
		c.mu.Unlock()
		select {
		case c.freed <- struct{}{}:
		default:
		}
		if !ours || err != nil {
			continue // it stays pending at the server
		}
		if err := c.b.client.XAck(c.ctx, c.topic, c.group, e.ID).Err(); err != nil {
			c.b.log.Warn("a message is not acknowledged and will be delivered again", "topic", c.topic, "id", e.ID, "error", err)
		}
	}
}

// reclaim takes over messages that were left alone: they failed, or their consumer is gone.
func (c *consumer) reclaim() {
	tick := time.NewTicker(c.b.s.RedeliverInterval)
	defer tick.Stop()
	for {
		if err := c.reclaimAll(); err != nil && !c.isStopped() {
			c.b.log.Warn("looking for messages to deliver again failed", "topic", c.topic, "error", err)
		}
		select {
		case <-tick.C:
		case <-c.stop:
			return
		}
	}
}

func (c *consumer) reclaimAll() error {
	for cursor := "0-0"; !c.isStopped(); {
		room := c.room()
		if room == 0 {
			return nil
		}
		msgs, next, err := c.b.client.XAutoClaim(c.ctx, &goredis.XAutoClaimArgs{
			Stream: c.topic, Group: c.group, Consumer: c.group,
			MinIdle: c.b.s.ProcessingTimeout, Start: cursor, Count: int64(min(room, 100)),
		}).Result()
		if err != nil {
			if strings.HasPrefix(err.Error(), "NOGROUP") {
				return nil // read makes it again
			}
			return err
		}
		counts := c.deliveries(msgs)
		for _, m := range msgs {
			c.take(m, counts[m.ID])
		}
		if next == "0-0" {
			return nil
		}
		cursor = next
	}
	return nil
}

// deliveries asks how often messages were delivered; 0 for those of which the server does not say it.
func (c *consumer) deliveries(msgs []goredis.XMessage) map[string]int {
	counts := map[string]int{}
	if len(msgs) == 0 {
		return counts
	}
	pipe := c.b.client.Pipeline()
	cmds := make([]*goredis.XPendingExtCmd, len(msgs))
	for i, m := range msgs {
		cmds[i] = pipe.XPendingExt(c.ctx, &goredis.XPendingExtArgs{Stream: c.topic, Group: c.group, Start: m.ID, End: m.ID, Count: 1})
	}
	_, _ = pipe.Exec(c.ctx) // every command has its own error
	for _, cmd := range cmds {
		for _, p := range cmd.Val() {
			counts[p.ID] = int(p.RetryCount)
		}
	}
	return counts
}

// keep tells the server that messages which are held here are being worked on.
func (c *consumer) keep() {
	tick := time.NewTicker(max(c.b.s.ProcessingTimeout/3, minKeep))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			return
		}
		c.mu.Lock()
		ids := slices.Collect(maps.Keys(c.held))
		c.mu.Unlock()
		if len(ids) == 0 {
			continue
		}
		err := c.b.client.XClaimJustID(c.ctx, &goredis.XClaimArgs{Stream: c.topic, Group: c.group, Consumer: c.group, Messages: ids}).Err()
		if err != nil && c.ctx.Err() == nil {
			c.b.log.Debug("the server was not told that handlers still run", "topic", c.topic, "error", err)
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
	c.mu.Unlock()
	defer c.cancel()
	go c.unblock(context.WithoutCancel(ctx))
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
	running := c.giveBack(context.WithoutCancel(ctx))
	if late != nil && running > 0 {
		return fmt.Errorf("%d messages of topic %s were still being handled and will be delivered again: %w", running, c.topic, late)
	}
	return nil
}

// unblock ends a read that waits. The reader may be just about to begin one, so it tries until nothing is read.
func (c *consumer) unblock(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for c.conn.Load() != 0 {
		// Without the right to do so, the read ends by itself.
		if err := c.b.client.Do(ctx, "CLIENT", "UNBLOCK", c.conn.Load()).Err(); err != nil {
			return
		}
		select {
		case <-c.ended:
			return
		case <-tick.C:
		}
	}
}

// giveBack makes all that is held look as if it had been left alone long enough, for the next consumer to take over
// at once, and tells how much of it handlers still run on.
func (c *consumer) giveBack(ctx context.Context) (running int) {
	c.mu.Lock()
	args := []any{"XCLAIM", c.topic, c.group, c.group, 0}
	for id, e := range c.held {
		args = append(args, id)
		if e.begun {
			running++
		}
	}
	n := len(c.held)
	c.held = map[string]*entry{}
	c.mu.Unlock()
	if n == 0 || c.b.s.ProcessingTimeout == 0 {
		return running
	}
	args = append(args, "IDLE", c.b.s.ProcessingTimeout.Milliseconds(), "JUSTID")
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := c.b.client.Do(ctx, args...).Err(); err != nil {
		c.b.log.Warn("messages that were not handled are delivered again only after processingTimeout", "topic", c.topic, "error", err)
	}
	return running
}
