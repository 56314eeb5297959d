package kafkaconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// rebalanceTimeout is how long the servers wait for members of a group that has to share out its partitions anew.
	// revokeWait is how long a handler may then go on with its message.
	rebalanceTimeout = time.Minute
	revokeWait       = 15 * time.Second
	// leaveTimeout bounds what a consumer has to say at its end.
	leaveTimeout = 3 * time.Second
	// fetchWait is how long a server waits for messages before it answers; a partition that comes meanwhile waits too.
	fetchWait = 500 * time.Millisecond
	// pollMost bounds the messages of one poll; more wait in the client library.
	pollMost = 1000
)

// Delivery is a message that was read.
type Delivery struct {
	Topic       string
	ContentType string
	// Data is null in JSON for a tombstone, as in Dapr.
	Data []byte
	// Metadata are the headers, and the facts __key, __offset, __partition, __timestamp and __topic.
	Metadata map[string]string
	// Attempt counts from 1.
	Attempt int
}

// Reading says what a consumer reads and what becomes of it.
type Reading struct {
	// Group is the consumer group, if the settings name none.
	Group  string
	Topics []string
	// Metadata are the subscription's own; may be nil.
	Metadata map[string]string
	// InFlight is how many messages are handled at once. With 0, there is no limit for all partitions, and each one's
	// messages are handled one after the other; with 1 too. With more, a partition's messages are handled at once too.
	InFlight int
	// Retry tells to handle a message that failed again, until it succeeds; else it is left out.
	Retry  bool
	Handle func(ctx context.Context, d Delivery) error
}

// Consumer is a member of a consumer group. A message's offset is committed after it was handled, so that every
// message is handled at least once.
type Consumer struct {
	c     *Client
	r     Reading
	log   *slog.Logger
	cl    *kgo.Client
	begin positions

	ctx       context.Context //nolint:containedctx // the handlers' context lives as long as the consumer
	cancel    context.CancelFunc
	stop      chan struct{} // closed by Stop
	abandoned chan struct{} // closed when Stop waits no longer
	slots     chan struct{} // one element for each message that is handled; nil without a limit
	dirty     chan struct{} // one element when there is something to commit
	loops     sync.WaitGroup

	commits sync.Mutex // held from looking at what is to be committed until it is

	mu        sync.Mutex
	lanes     map[partition]*lane // what is ours
	last      map[partition]*lane // what was ours last, as its handler may still run
	stopped   bool
	interrupt bool // partitions were lost and none assigned since
}

// partition names one.
type partition struct {
	topic string
	n     int32
}

// Consume begins to read. It returns when all that is published from then on will be delivered; ctx bounds the start.
func (c *Client) Consume(ctx context.Context, r Reading) (*Consumer, error) {
	if c.s.ConsumerGroup != "" {
		r.Group = c.s.ConsumerGroup
	}
	if err := schema(r.Metadata); err != nil {
		return nil, err
	}
	if r.Group == "" {
		return nil, badRequest("no consumer group: want metadata field consumerGroup or consumerID")
	}
	for _, topic := range r.Topics {
		c.forget(topic) // it may have been deleted since
		if err := c.ensure(ctx, topic); err != nil {
			return nil, err
		}
	}
	k := &Consumer{
		c: c, r: r, log: c.log.With("topics", r.Topics, "group", r.Group), stop: make(chan struct{}), abandoned: make(chan struct{}),
		dirty: make(chan struct{}, 1), lanes: map[partition]*lane{}, last: map[partition]*lane{},
	}
	if r.InFlight > 0 {
		k.slots = make(chan struct{}, r.InFlight)
	}
	settled, err := k.place(ctx)
	if err != nil {
		return nil, err
	}
	if err := k.open(); err != nil {
		return nil, err
	}
	k.ctx, k.cancel = context.WithCancel(context.WithoutCancel(ctx))
	k.loops.Go(k.poll)
	k.loops.Go(k.commitAlways)
	if !settled {
		if err := k.await(ctx); err != nil {
			return nil, errors.Join(err, k.Stop(ctx))
		}
	}
	return k, nil
}

// open makes the client that is a member of the group.
func (k *Consumer) open() error {
	s := k.c.s
	opts, err := s.options(k.c.log)
	if err != nil {
		return err
	}
	balancers, err := s.balancers()
	if err != nil {
		return err
	}
	k.cl, err = kgo.NewClient(append(opts,
		kgo.ConsumerGroup(k.r.Group), kgo.ConsumeTopics(k.r.Topics...), kgo.Balancers(balancers...),
		kgo.HeartbeatInterval(s.HeartbeatInterval), kgo.SessionTimeout(s.SessionTimeout), kgo.RebalanceTimeout(rebalanceTimeout),
		kgo.FetchMaxWait(fetchWait), kgo.FetchMinBytes(int32(s.FetchMin)), kgo.FetchMaxPartitionBytes(int32(s.FetchDefault)), kgo.FetchMaxBytes(int32(max(s.FetchDefault, 50<<20))),
		// What is there and was not handled is never left out, also where the offset is gone with old messages.
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.AdjustFetchOffsetsFn(k.adjust),
		kgo.OnPartitionsAssigned(k.assigned), kgo.OnPartitionsRevoked(k.revoked), kgo.OnPartitionsLost(k.lost),
	)...)
	return err
}

// poll hands messages to their lanes until Stop. It never waits for a handler: in between, partitions come and go.
func (k *Consumer) poll() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-k.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	for {
		fetches := k.cl.PollRecords(ctx, pollMost)
		if fetches.IsClientClosed() || ctx.Err() != nil {
			k.cl.AllowRebalance()
			return
		}
		again := k.hand(fetches)
		k.cl.AllowRebalance()
		for topic := range again {
			k.log.Warn("a topic was deleted and made again; reading it from its beginning", "topic", topic)
			k.cl.PurgeTopicsFromConsuming(topic)
			k.cl.AddConsumeTopics(topic)
		}
		if fetches.Err() != nil && fetches.NumRecords() == 0 {
			pause(ctx, 100*time.Millisecond)
		}
	}
}

// hand gives messages to their lanes. Topics that are not those they were come back: the client library does not read what
// only has the same name.
func (k *Consumer) hand(fetches kgo.Fetches) (again map[string]bool) {
	fetches.EachError(func(topic string, n int32, err error) {
		if session, ok := errors.AsType[*kgo.ErrGroupSession](err); ok {
			err = session.Err
		}
		switch {
		case errors.Is(err, kerr.UnknownTopicID):
			if again == nil {
				again = map[string]bool{}
			}
			again[topic] = true
		case unreachable(err), errors.Is(err, context.Canceled), errors.Is(err, kerr.UnknownMemberID), errors.Is(err, kerr.IllegalGeneration):
			k.log.Debug("reading from Kafka", "topic", topic, "partition", n, "error", err) // it goes on by itself
		default:
			k.log.Warn("reading from Kafka failed", "topic", topic, "partition", n, "error", err)
		}
	})
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		k.mu.Lock()
		l := k.lanes[partition{p.Topic, p.Partition}]
		k.mu.Unlock()
		if l != nil {
			l.add(p.Records)
		}
	})
	return again
}

// assigned begins a lane for each partition that is ours from now on.
func (k *Consumer) assigned(_ context.Context, cl *kgo.Client, parts map[string][]int32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.interrupt {
		k.interrupt = false
		k.log.Info("subscription goes on")
	}
	for topic, ns := range parts {
		for _, n := range ns {
			p := partition{topic, n}
			l := newLane(k, p, k.last[p])
			k.lanes[p], k.last[p] = l, l
			go l.run()
		}
	}
	if len(parts) > 0 {
		cl.ResumeFetchPartitions(parts)
	}
}

// revoked gives partitions back when their handlers have returned, and commits what they have handled.
func (k *Consumer) revoked(ctx context.Context, _ *kgo.Client, parts map[string][]int32) {
	leaving := k.quit(parts)
	if len(leaving) == 0 {
		return
	}
	late := time.After(revokeWait)
	for _, l := range leaving {
		select {
		case <-l.done:
		case <-k.abandoned:
		case <-late:
			late = time.After(0) // for the next ones too
			if l.abandon() > 0 {
				k.log.Warn("a handler takes too long for its partition to be given to another consumer; its message will be handled there again",
					"topic", l.p.topic, "partition", l.p.n, "waited", revokeWait)
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	if err := k.commit(ctx, leaving); err != nil {
		k.log.Warn("the last messages of a partition could not be acknowledged and will be delivered again", "error", err)
	}
	k.drop(leaving)
}

// lost ends the lanes of partitions that others may have already.
func (k *Consumer) lost(_ context.Context, _ *kgo.Client, parts map[string][]int32) {
	leaving := k.quit(parts)
	k.drop(leaving)
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(leaving) > 0 && !k.interrupt && !k.stopped {
		k.interrupt = true
		k.log.Warn("subscription is interrupted; joining the consumer group again")
	}
}

// quit tells lanes to take no new messages.
func (k *Consumer) quit(parts map[string][]int32) []*lane {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []*lane
	for topic, ns := range parts {
		for _, n := range ns {
			if l := k.lanes[partition{topic, n}]; l != nil {
				l.end()
				out = append(out, l)
			}
		}
	}
	return out
}

func (k *Consumer) drop(lanes []*lane) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, l := range lanes {
		delete(k.lanes, l.p)
	}
}

// Stop takes no new messages, waits for handlers that run until ctx ends, and leaves the group, which gives the rest to
// its other members, or to the next one.
func (k *Consumer) Stop(ctx context.Context) error {
	k.mu.Lock()
	if k.stopped {
		k.mu.Unlock()
		return nil
	}
	k.stopped = true
	close(k.stop)
	lanes := make([]*lane, 0, len(k.last))
	for _, l := range k.last {
		lanes = append(lanes, l)
	}
	k.mu.Unlock()
	defer k.cancel()
	running := 0
	for _, l := range lanes {
		select {
		case <-l.done:
		case <-ctx.Done():
			running += l.abandon()
		}
	}
	close(k.abandoned)
	k.cancel()
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if err := k.cl.LeaveGroupContext(leaving); err != nil {
		k.log.Debug("leaving the consumer group", "error", err) // it notices after sessionTimeout
	}
	k.cl.CloseAllowingRebalance()
	k.loops.Wait()
	if running > 0 {
		return fmt.Errorf("%d messages of group %s were still being handled and will be delivered again: %w", running, k.r.Group, ctx.Err())
	}
	return nil
}

// delivery makes what a handler gets.
func (k *Consumer) delivery(rec *kgo.Record, attempt int) Delivery {
	s := k.c.s
	text := func(b []byte) string {
		if s.EscapeHeaders {
			return url.QueryEscape(string(b))
		}
		return string(b)
	}
	d := Delivery{Topic: rec.Topic, Data: rec.Value, Attempt: attempt, Metadata: make(map[string]string, len(rec.Headers)+5)}
	if rec.Value == nil {
		d.Data = []byte("null")
	}
	if rec.Key != nil {
		d.Metadata[keyFact] = text(rec.Key)
	}
	d.Metadata[offsetFact] = strconv.FormatInt(rec.Offset, 10)
	d.Metadata[topicFact] = rec.Topic
	d.Metadata[timestampFact] = strconv.FormatInt(rec.Timestamp.UnixMilli(), 10)
	d.Metadata[partitionFact] = strconv.FormatInt(int64(rec.Partition), 10)
	foreign := ""
	for _, h := range rec.Headers {
		switch h.Key {
		case typeHeader:
			d.ContentType = string(h.Value)
			continue
		case foreignTypeHeader:
			foreign = string(h.Value)
		}
		if s.exclude == nil || !s.exclude.MatchString(h.Key) {
			d.Metadata[h.Key] = text(h.Value)
		}
	}
	if d.ContentType == "" {
		d.ContentType = foreign
	}
	return d
}
