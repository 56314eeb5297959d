package kafkaconn

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// maxRetryPause is the longest pause before a message that failed is handled again, unless consumeRetryInterval is more.
const maxRetryPause = 5 * time.Second

// lane handles the messages of one partition, for as long as it is ours.
type lane struct {
	k     *Consumer
	p     partition
	depth int           // messages read ahead
	width chan struct{} // one element for each message that is begun
	wg    sync.WaitGroup

	ctx    context.Context //nolint:containedctx // the handlers' context lives as long as the lane
	cancel context.CancelFunc
	wake   chan struct{} // one element when there is something to do
	quit   chan struct{} // closed when the partition is given back
	once   sync.Once
	done   chan struct{} // closed when nothing is handled any more

	mu     sync.Mutex
	before *lane         // the partition's earlier lane, while its handler may still run
	queue  []*kgo.Record // read and not begun
	window []*item       // begun, in order, from the first that is not done
	paused bool
	late   bool // what is done from now on does not count
	// next is what to commit, and committed what is.
	next, committed kgo.EpochOffset
}

// item is a message that is handled.
type item struct {
	rec  *kgo.Record
	done bool
}

func newLane(k *Consumer, p partition, before *lane) *lane {
	l := &lane{
		k: k, p: p, before: before, depth: int(k.c.s.ChannelBufferSize), width: make(chan struct{}, max(k.r.InFlight, 1)),
		wake: make(chan struct{}, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancel(k.ctx)
	return l
}

// end makes the lane take no new messages. It does not wait.
func (l *lane) end() { l.once.Do(func() { close(l.quit) }) }

// ending tells whether no new messages are to be taken.
func (l *lane) ending() bool {
	select {
	case <-l.quit:
		return true
	case <-l.k.stop:
		return true
	default:
		return false
	}
}

// add takes what was read. It does not wait: a lane that has too much is read no further for a while.
func (l *lane) add(records []*kgo.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = append(l.queue, records...)
	if len(l.queue) > l.depth && !l.paused {
		l.paused = true
		l.k.cl.PauseFetchPartitions(map[string][]int32{l.p.topic: {l.p.n}})
	}
	signal(l.wake)
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// run handles messages until the lane ends.
func (l *lane) run() {
	defer close(l.done)
	defer l.cancel()
	defer l.wg.Wait()
	l.follow()
	for !l.ending() {
		it := l.take()
		if it == nil {
			select {
			case <-l.wake:
			case <-l.quit:
			case <-l.k.stop:
			}
			continue
		}
		l.width <- struct{}{} // those before return by themselves when the lane ends
		if cap(l.width) == 1 {
			l.work(it)
			<-l.width
			continue
		}
		l.wg.Go(func() {
			l.work(it)
			<-l.width
		})
	}
}

// follow waits until the partition's earlier lane has ended, so that its messages are never handled by two lanes at once.
func (l *lane) follow() {
	l.mu.Lock()
	before := l.before
	l.mu.Unlock()
	if before == nil {
		return
	}
	<-before.done
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = nil
}

// take gives the next message; nil if there is none, or enough that are not committed.
func (l *lane) take() *item {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queue) == 0 || len(l.window) > l.depth+cap(l.width) {
		return nil
	}
	it := &item{rec: l.queue[0]}
	l.queue[0] = nil
	l.queue = l.queue[1:]
	l.window = append(l.window, it)
	if l.paused && len(l.queue) <= l.depth/2 {
		l.paused = false
		l.k.cl.ResumeFetchPartitions(map[string][]int32{l.p.topic: {l.p.n}})
	}
	return it
}

// work handles a message until it succeeds or the lane ends.
func (l *lane) work(it *item) {
	interval := l.k.c.s.RetryInterval
	for attempt := 1; ; attempt++ {
		if !l.slot() {
			return
		}
		err := l.k.r.Handle(l.ctx, l.k.delivery(it.rec, attempt))
		l.free()
		if err == nil {
			l.settle(it)
			return
		}
		if l.ending() || l.ctx.Err() != nil {
			return // the next consumer of the partition gets it
		}
		log := l.k.log.With("topic", l.p.topic, "partition", l.p.n, "offset", it.rec.Offset, "attempt", attempt, "error", err)
		if !l.k.r.Retry {
			log.Error("a message failed and is left out, for consumeRetryEnabled is false")
			l.settle(it)
			return
		}
		log.Debug("a message failed and is handled again")
		if !l.wait(interval) {
			return
		}
		interval = min(max(2*interval, time.Millisecond), max(maxRetryPause, l.k.c.s.RetryInterval))
	}
}

// slot waits until a message may be handled; false if the lane ends before.
func (l *lane) slot() bool {
	if l.ending() {
		return false
	}
	if l.k.slots == nil {
		return true
	}
	select {
	case l.k.slots <- struct{}{}:
	case <-l.quit:
		return false
	case <-l.k.stop:
		return false
	}
	if l.ending() {
		l.free()
		return false
	}
	return true
}

func (l *lane) free() {
	if l.k.slots != nil {
		<-l.k.slots
	}
}

// wait is false if the lane ends before.
func (l *lane) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.quit:
	case <-l.k.stop:
	}
	return false
}

// settle notes that a message was handled; it may be committed when all before it are.
func (l *lane) settle(it *item) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.late || l.ctx.Err() != nil {
		return
	}
	it.done = true
	first := slices.IndexFunc(l.window, func(it *item) bool { return !it.done })
	if first < 0 {
		first = len(l.window)
	}
	if first == 0 {
		return
	}
	rec := l.window[first-1].rec
	l.next = kgo.EpochOffset{Epoch: rec.LeaderEpoch, Offset: rec.Offset + 1}
	l.window = slices.Delete(l.window, 0, first)
	signal(l.wake)
	signal(l.k.dirty)
}

// abandon waits no longer for what is handled, and gives how much that is.
func (l *lane) abandon() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.late = true
	l.cancel()
	n := 0
	if l.before != nil {
		n = l.before.abandon()
	}
	for _, it := range l.window {
		if !it.done {
			n++
		}
	}
	return n
}
