package schedule

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const patience = 5 * time.Minute

// eventually waits for what must come.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not so after %s", what, patience)
		}
	}
}

func start(t testing.TB, s *Store, opts Options, fire func(context.Context, Entry) Result) *Scheduler {
	t.Helper()
	sch := New(s, fire, opts)
	sch.Start()
	t.Cleanup(func() { stop(t, sch) })
	return sch
}

func stop(t testing.TB, sch *Scheduler) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := sch.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}

// 50,000 are due at once: each is fired exactly once when nothing crashes, never more at a time than workers.
func TestStorm(t *testing.T) {
	const entries, workers = 50_000, 32
	s := openStore(t, t.TempDir())
	fill(t, s, entries, time.Now().Add(-time.Second))
	var fired, running, most atomic.Int64
	var times sync.Map
	start(t, s, Options{Workers: workers}, func(_ context.Context, e Entry) Result {
		if n := running.Add(1); n > most.Load() {
			most.Store(n)
		}
		defer running.Add(-1)
		if _, twice := times.LoadOrStore(e.Key, true); twice {
			t.Errorf("%s was fired twice", e.Key)
		}
		fired.Add(1)
		return Result{}
	})
	eventually(t, "all are done", func() bool { return fired.Load() >= entries && count(t, s, "") == 0 })
	if got := fired.Load(); got != entries {
		t.Errorf("fired: got %d, want %d", got, entries)
	}
	if got := most.Load(); got > workers {
		t.Errorf("fired at the same time: got %d, want at most %d", got, workers)
	}
}

// Entries come in while others are fired, some at once and some later, and come again.
func TestFiringUnderRegistrations(t *testing.T) {
	const writers, each, rounds = 8, 200, 3
	s := openStore(t, t.TempDir())
	var mu sync.Mutex
	seen := map[string]int{}
	start(t, s, Options{Workers: 8, Batch: 16}, func(_ context.Context, e Entry) Result {
		if early := time.Until(e.Due); early > 0 {
			t.Errorf("%s was fired %s early", e.Key, early)
		}
		mu.Lock()
		defer mu.Unlock()
		seen[e.Key]++
		if want := strings.Repeat("x", seen[e.Key]-1); string(e.Data) != want {
			t.Errorf("%s: got data %q, want %q", e.Key, e.Data, want)
		}
		if seen[e.Key] == rounds {
			return Result{}
		}
		return Result{Due: time.Now().Add(time.Duration(len(seen)%5) * time.Millisecond), Data: append(e.Data, 'x')}
	})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				put(t, s, fmt.Sprintf("%d-%d", w, i), time.Now().Add(time.Duration(i%7-2)*5*time.Millisecond), "")
			}
		})
	}
	wg.Wait()
	eventually(t, "all are done", func() bool { return count(t, s, "") == 0 })
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != writers*each {
		t.Errorf("entries fired: got %d, want %d", len(seen), writers*each)
	}
	for key, n := range seen {
		if n != rounds {
			t.Errorf("%s was fired %d times, want %d", key, n, rounds)
		}
	}
}

// An earlier entry wakes the scheduler that sleeps until a later one.
func TestEarlierEntryWakes(t *testing.T) {
	s := openStore(t, t.TempDir())
	put(t, s, "late", time.Now().Add(time.Hour), "")
	fired := make(chan string, 10)
	start(t, s, Options{}, func(_ context.Context, e Entry) Result {
		fired <- e.Key
		return Result{}
	})
	put(t, s, "soon", time.Now().Add(20*time.Millisecond), "")
	if got := <-fired; got != "soon" {
		t.Errorf("fired: got %s, want soon", got)
	}
	put(t, s, "late", time.Now(), "")
	if got := <-fired; got != "late" {
		t.Errorf("fired after it was moved: got %s, want late", got)
	}
}

// What happens to an entry while it is fired counts more than the fire's result.
func TestChangedWhileFired(t *testing.T) {
	s := openStore(t, t.TempDir())
	began, end := make(chan Entry), make(chan Result)
	var running atomic.Int64
	start(t, s, Options{}, func(_ context.Context, e Entry) Result {
		if running.Add(1) > 1 {
			t.Error("an entry is fired twice at a time")
		}
		defer running.Add(-1)
		began <- e
		return <-end
	})
	ctx := t.Context()
	put(t, s, "k", time.Now(), "one")
	<-began
	put(t, s, "k", time.Now(), "two") // due at once, but only after the fire of one
	end <- Result{}
	if e := <-began; string(e.Data) != "two" {
		t.Errorf("after it was overwritten: fired with %q, want two", e.Data)
	}
	put(t, s, "k", time.Now().Add(time.Hour), "three")
	end <- Result{Due: time.Now(), Data: []byte("of an old result")}
	put(t, s, "other", time.Now(), "")
	if e := <-began; e.Key != "other" {
		t.Errorf("fired: got %s with %q, want other", e.Key, e.Data)
	}
	end <- Result{}
	if e, err := s.Get(ctx, "k"); err != nil || string(e.Data) != "three" {
		t.Errorf("overwritten while fired: got %q, %v; want three", e.Data, err)
	}
	put(t, s, "k", time.Now(), "four")
	<-began
	if found, err := s.Delete(ctx, "k"); err != nil || !found {
		t.Errorf("delete while fired: got %t, %v; want true", found, err)
	}
	end <- Result{Due: time.Now(), Data: []byte("back again")}
	put(t, s, "other", time.Now(), "")
	if e := <-began; e.Key != "other" {
		t.Errorf("fired: got %s with %q, want other", e.Key, e.Data)
	}
	end <- Result{}
	if _, err := s.Get(ctx, "k"); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleted while fired: got %v, want ErrNotFound", err)
	}
}

// What waits for a worker and is deleted is not fired.
func TestDeletedWhileItWaits(t *testing.T) {
	s := openStore(t, t.TempDir())
	fired, end := make(chan string, 10), make(chan struct{})
	sch := start(t, s, Options{Workers: 1}, func(_ context.Context, e Entry) Result {
		fired <- e.Key
		<-end
		return Result{}
	})
	past := time.Now().Add(-time.Hour)
	put(t, s, "first", past, "")
	<-fired
	put(t, s, "deleted", past, "")
	put(t, s, "kept", past.Add(time.Second), "")
	eventually(t, "both wait", func() bool {
		sch.mu.Lock()
		defer sch.mu.Unlock()
		return len(sch.ready) == 2
	})
	if _, err := s.Delete(t.Context(), "deleted"); err != nil {
		t.Fatal(err)
	}
	close(end)
	if got := <-fired; got != "kept" {
		t.Errorf("fired: got %s, want kept", got)
	}
}

// A fire that hangs holds up nothing but its entry.
func TestSlowFireHoldsUpNothing(t *testing.T) {
	s := openStore(t, t.TempDir())
	slow, end := make(chan struct{}), make(chan struct{})
	var fired atomic.Int64
	start(t, s, Options{Workers: 4, Batch: 8}, func(_ context.Context, e Entry) Result {
		if e.Key == "slow" {
			close(slow)
			<-end
		}
		fired.Add(1)
		return Result{}
	})
	put(t, s, "slow", time.Now().Add(-time.Hour), "")
	<-slow
	const others = 500
	fill(t, s, others, time.Now())
	eventually(t, "the others are done", func() bool { return fired.Load() == others && count(t, s, "") == 1 })
	close(end)
	eventually(t, "the slow one is done", func() bool { return count(t, s, "") == 0 })
}

func TestStop(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	began, end := make(chan struct{}, 10), make(chan struct{})
	fire := func(ctx context.Context, e Entry) Result {
		began <- struct{}{}
		select {
		case <-end:
		case <-ctx.Done():
		}
		return Result{}
	}
	sch := New(s, fire, Options{Workers: 2})
	sch.Start()
	fill(t, s, 10, time.Now())
	<-began
	<-began
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sch.Stop(ended); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "2 entries") {
		t.Errorf("stop without time: got %v, want an error that names 2 entries", err)
	}
	sch.work.Wait() // the contexts of the fires have ended
	if got := count(t, s, ""); got != 10 {
		t.Errorf("after a stop without time: got %d entries, want all 10", got)
	}

	sch = New(s, fire, Options{Workers: 2})
	sch.Start()
	<-began
	<-began
	stopped := make(chan error)
	go func() { stopped <- sch.Stop(context.Background()) }()
	eventually(t, "it is stopping", func() bool {
		sch.mu.Lock()
		defer sch.mu.Unlock()
		return sch.stopped
	})
	close(end)
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	if got := count(t, s, ""); got != 8 {
		t.Errorf("after a stop with time: got %d entries, want 8: what was fired is done", got)
	}
	never := New(s, fire, Options{})
	stop(t, never)
}

// After downtime, what was missed is fired once and its period goes on.
func TestDowntime(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir)
	put(t, s, "hourly", time.Now().Add(-100*time.Hour), "")
	put(t, s, "future", time.Now().Add(time.Hour), "")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir)
	var fired atomic.Int64
	start(t, s, Options{}, func(_ context.Context, e Entry) Result {
		fired.Add(1)
		r := Recurrence{Start: e.Due, At: e.Due, Period: Period{Every: time.Hour}}
		next, _ := r.After(true, time.Now(), time.Now())
		return Result{Due: next}
	})
	eventually(t, "it is due again", func() bool {
		e, err := s.Get(t.Context(), "hourly")
		return err == nil && e.Due.After(time.Now())
	})
	if got := fired.Load(); got != 1 {
		t.Errorf("fired: got %d, want once", got)
	}
}

// The wall clock goes forward and back.
func TestClockJumps(t *testing.T) {
	s := openStore(t, t.TempDir())
	var offset atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
	fired := make(chan string, 100)
	sch := start(t, s, Options{Clock: clock}, func(_ context.Context, e Entry) Result {
		fired <- e.Key
		return Result{}
	})
	put(t, s, "in an hour", time.Now().Add(time.Hour), "")
	offset.Store(int64(-24 * time.Hour))
	put(t, s, "yesterday", clock(), "")
	if got := <-fired; got != "yesterday" {
		t.Errorf("the clock went back: fired %s, want yesterday", got)
	}
	offset.Store(int64(24 * time.Hour))
	signal(sch.wake) // what the timer does within a minute
	if got := <-fired; got != "in an hour" {
		t.Errorf("the clock went forward: fired %s, want in an hour", got)
	}
	sch.mu.Lock()
	defer sch.mu.Unlock()
	if nap := sch.until.Sub(clock()); nap > recheck {
		t.Errorf("sleeps for %s; want at most %s, as the clock may change", nap, recheck)
	}
}
