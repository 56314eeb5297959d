package schedule

import (
	"container/heap"
	"context"
	"math"
	"time"
)

// loop makes ready what is due and sleeps until more is; firing is the context of fires.
func (ts *Timers[P]) loop(ctx, firing context.Context) {
	defer ts.work.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(ts.collect(firing))
		select {
		case <-timer.C:
		case <-ts.wake:
		case <-ctx.Done():
			return
		}
	}
}

// collect hands what is due to workers and says how long to sleep.
func (ts *Timers[P]) collect(firing context.Context) time.Duration {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	now := ts.now()
	for n := 0; n < step && len(ts.heap) > 0 && ts.heap[0].due <= now; n++ {
		ts.enqueue(firing, ts.heap[0].t)
	}
	if len(ts.heap) == 0 {
		ts.until = math.MaxInt64
		return math.MaxInt64
	}
	ts.until = ts.heap[0].due
	return time.Duration(max(0, ts.until-now))
}

// enqueue makes a timer ready. One whose fire still runs waits for its end.
func (ts *Timers[P]) enqueue(firing context.Context, t *timer[P]) {
	heap.Remove(&ts.heap, t.index)
	t.queued = true
	if t.running || ts.stopped {
		return
	}
	ts.ready = append(ts.ready, t)
	if ts.workers < ts.most {
		ts.workers++
		ts.work.Add(1)
		go ts.run(firing)
	}
}

// sleep puts a timer into the heap, or to its new place there.
func (ts *Timers[P]) sleep(t *timer[P]) {
	if t.index >= 0 {
		ts.heap[t.index].due = t.due
		heap.Fix(&ts.heap, t.index)
	} else {
		heap.Push(&ts.heap, slot[P]{t.due, t})
	}
	if t.due < ts.until {
		ts.until = t.due
		signal(ts.wake)
	}
}

// run is a worker: it fires what is ready and ends when nothing is.
func (ts *Timers[P]) run(ctx context.Context) {
	defer ts.work.Done()
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for len(ts.ready) > 0 && !ts.stopped {
		t := ts.ready[0]
		ts.ready[0] = nil
		ts.ready = ts.ready[1:]
		if !t.queued || t.running {
			continue // set or removed since, and perhaps in ready once more
		}
		t.queued = false
		now := ts.now()
		if now >= t.end {
			ts.drop(t)
			continue
		}
		t.running = true
		data := t.data(now)
		ts.mu.Unlock()
		ts.fire(ctx, data)
		ts.mu.Lock()
		ts.after(t)
	}
	ts.workers--
}

// after ends a fire.
func (ts *Timers[P]) after(t *timer[P]) {
	t.running = false
	switch {
	case t.removed:
		delete(ts.named, t.name)
	case t.set:
		t.set = false
		if t.queued {
			ts.ready = append(ts.ready, t)
		}
	case ts.advance(t, ts.now()):
		ts.sleep(t)
	default:
		ts.drop(t)
	}
}

// advance goes on to the next time of the period, and tells whether there is one.
func (ts *Timers[P]) advance(t *timer[P], now int64) bool {
	if t.period.None() || t.period.Repeats == 1 {
		return false
	}
	if t.period.Repeats > 0 {
		t.period.Repeats--
	}
	start := ts.base.Round(0)
	next := t.period.Next(start.Add(time.Duration(t.first)), start.Add(time.Duration(max(now, t.due))))
	t.due = int64(next.Sub(start.UTC()))
	return t.due < t.end
}

// drop removes a timer. What is being fired keeps its name, so that it is not fired twice at a time.
func (ts *Timers[P]) drop(t *timer[P]) {
	if t.index >= 0 {
		heap.Remove(&ts.heap, t.index)
	}
	ts.unlink(t)
	t.queued, t.removed, t.set = false, true, false
	if !t.running {
		delete(ts.named, t.name)
	}
}

func (ts *Timers[P]) link(t *timer[P]) {
	first := ts.owners[t.name.owner]
	t.prev, t.next = nil, first
	if first != nil {
		first.prev = t
	}
	ts.owners[t.name.owner] = t
	ts.count++
}

func (ts *Timers[P]) unlink(t *timer[P]) {
	switch {
	case t.prev != nil:
		t.prev.next = t.next
	case t.next != nil:
		ts.owners[t.name.owner] = t.next
	default:
		delete(ts.owners, t.name.owner)
	}
	if t.next != nil {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
	ts.count--
}

// timerHeap orders timers by when they are due. The time stands beside the pointer, so that comparing stays in one
// stretch of memory.
type timerHeap[P any] []slot[P]

type slot[P any] struct {
	due int64
	t   *timer[P]
}

func (h timerHeap[P]) Len() int           { return len(h) }
func (h timerHeap[P]) Less(i, j int) bool { return h[i].due < h[j].due }
func (h timerHeap[P]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].t.index, h[j].t.index = i, j
}

// Push is for the heap package.
func (h *timerHeap[P]) Push(x any) {
	s, ok := x.(slot[P])
	if !ok {
		return
	}
	s.t.index = len(*h)
	*h = append(*h, s)
}

// Pop is for the heap package.
func (h *timerHeap[P]) Pop() any {
	last := len(*h) - 1
	s := (*h)[last]
	(*h)[last] = slot[P]{}
	*h = (*h)[:last]
	s.t.index = -1
	return s
}
