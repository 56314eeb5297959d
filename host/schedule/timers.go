package schedule

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
)

// Timer is something that is due in memory. As data it can be kept and set again later ([Timers.Export], [Timers.Set]):
// its times are durations.
type Timer[P any] struct {
	// Owner and Name name it together; setting it again replaces it.
	Owner, Name string
	// In is how long until it is due; zero or less is at once, with the phase of its period counted from then.
	In time.Duration
	// Period is the time between; its Repeats are how often it is still due.
	Period Period
	// EndsIn is how long until it ends: it is not fired then or later. Zero is never, less is that it has ended.
	EndsIn time.Duration
	// Payload is the caller's.
	Payload P
}

// Later is the timer as it is after a time that it spent as data.
func (t Timer[P]) Later(d time.Duration) Timer[P] {
	t.In -= d
	if t.EndsIn != 0 {
		t.EndsIn = notZero(t.EndsIn - d)
	}
	return t
}

// notZero is for what has ended just now, as zero says that there is no end.
func notZero(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

// Timers fire in memory, all of them with one goroutine and one system timer, by the monotonic clock. A timer is not
// fired again while its fire runs, not even if it is set anew: times of its period that pass meanwhile are skipped,
// and the phase is kept. All methods may be called at the same time, also from a fire.
type Timers[P any] struct {
	fire func(ctx context.Context, t Timer[P])
	most int
	base time.Time // times are nanoseconds since then

	halt  context.CancelFunc // ends the loop
	hurry context.CancelFunc // ends the contexts of fires
	wake  chan struct{}
	work  sync.WaitGroup

	mu      sync.Mutex
	named   map[timerName]*timer[P]
	owners  map[string]*timer[P] // the first of an owner's list
	heap    timerHeap[P]
	ready   []*timer[P]
	workers int
	count   int
	stopped bool
	until   int64 // to when the loop sleeps
}

type timerName struct{ owner, name string }

// timer is in the map of names until it is removed and its fire has ended; it is in its owner's list while it is not
// removed; it is in the heap, in ready, or neither if it is being fired.
type timer[P any] struct {
	name    timerName
	payload P
	period  Period
	first   int64 // when it is first due; the phase
	due     int64
	end     int64
	index   int // in the heap; -1 if it is not
	// queued says that it is in ready, or due again while its fire runs. What is in ready without it does not count.
	queued, running bool
	// removed says that it is only here because its fire runs; set says that it was set anew meanwhile.
	removed, set bool

	prev, next *timer[P]
}

// step bounds how many timers become ready while the lock is held.
const step = 4096

// NewTimers makes timers that call fire, at most workers at a time (0 is 256), until Stop.
func NewTimers[P any](fire func(ctx context.Context, t Timer[P]), workers int) *Timers[P] {
	if workers <= 0 {
		workers = defaultWorkers
	}
	ts := &Timers[P]{
		fire: fire, most: workers, base: time.Now(), wake: make(chan struct{}, 1),
		named: map[timerName]*timer[P]{}, owners: map[string]*timer[P]{},
	}
	life, halt := context.WithCancel(context.Background())
	firing, hurry := context.WithCancel(context.Background())
	ts.halt, ts.hurry = halt, hurry
	ts.work.Add(1)
	go ts.loop(life, firing)
	return ts
}

// Set sets timers, each in place of one of the same owner and name. After Stop it does nothing.
func (ts *Timers[P]) Set(timers ...Timer[P]) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for i := range timers {
		ts.setLocked(&timers[i])
	}
}

func (ts *Timers[P]) setLocked(data *Timer[P]) {
	if ts.stopped {
		return
	}
	name := timerName{data.Owner, data.Name}
	t := ts.named[name]
	if t == nil {
		t = &timer[P]{name: name, index: -1}
		ts.named[name] = t
		ts.link(t)
	} else if t.removed {
		ts.link(t)
	}
	now := ts.now()
	t.payload, t.period = data.Payload, data.Period
	t.first = later(now, data.In)
	t.due, t.end = t.first, math.MaxInt64
	if data.EndsIn != 0 {
		t.end = later(now, data.EndsIn)
	}
	t.removed, t.set = false, t.running
	t.queued = false
	ts.sleep(t)
}

// Remove removes a timer and tells whether it was there. A fire that runs goes on.
func (ts *Timers[P]) Remove(owner, name string) bool {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.named[timerName{owner, name}]
	if t == nil || t.removed {
		return false
	}
	ts.drop(t)
	return true
}

// RemoveAll removes an owner's timers and tells how many they were.
func (ts *Timers[P]) RemoveAll(owner string) int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	n := 0
	for t := ts.owners[owner]; t != nil; t = ts.owners[owner] {
		ts.drop(t)
		n++
	}
	return n
}

// Export removes an owner's timers and gives them as data, by name: what Set takes. One that was due and not fired yet
// is among them; one that is being fired is if it has a next time.
func (ts *Timers[P]) Export(owner string) []Timer[P] {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	var out []Timer[P]
	now := ts.now()
	for t := ts.owners[owner]; t != nil; t = ts.owners[owner] {
		if !t.running || t.set || ts.advance(t, now) {
			out = append(out, t.data(now))
		}
		ts.drop(t)
	}
	slices.SortFunc(out, func(a, b Timer[P]) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// List gives an owner's timers as they are, by name.
func (ts *Timers[P]) List(owner string) []Timer[P] {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	var out []Timer[P]
	now := ts.now()
	for t := ts.owners[owner]; t != nil; t = t.next {
		out = append(out, t.data(now))
	}
	slices.SortFunc(out, func(a, b Timer[P]) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Len tells how many timers there are.
func (ts *Timers[P]) Len() int {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.count
}

// Stop fires no more and waits for the fires that run, until ctx ends: then their contexts end too, and the error is
// that of ctx.
func (ts *Timers[P]) Stop(ctx context.Context) error {
	ts.mu.Lock()
	ts.stopped = true
	ts.ready = nil
	ts.mu.Unlock()
	ts.halt()
	defer ts.hurry()
	done := make(chan struct{})
	go func() {
		ts.work.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("timers were still being fired when they were stopped: %w", ctx.Err())
	}
}

func (ts *Timers[P]) now() int64 { return int64(time.Since(ts.base)) }

// later adds without going over the end of time.
func later(now int64, d time.Duration) int64 {
	if int64(d) > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + int64(d)
}

func (t *timer[P]) data(now int64) Timer[P] {
	d := Timer[P]{Owner: t.name.owner, Name: t.name.name, In: time.Duration(t.due - now), Period: t.period, Payload: t.payload}
	if t.end != math.MaxInt64 {
		d.EndsIn = notZero(time.Duration(t.end - now))
	}
	return d
}
