package bindingtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// await waits until an event with the text has come; more events of others are fine.
func (s *suite) await(t testing.TB, r *running, text string) *binding.Event {
	t.Helper()
	for {
		ev := r.next(t)
		if s.caps.Unmarked || strings.Contains(string(ev.Data), text) {
			return ev
		}
	}
}

func testEvent(t *testing.T, s *suite) {
	b := s.binding(t)
	r := read(t, b, fresh("app"), nil)
	for range 3 {
		text := fresh("event")
		s.caps.Emit(t, b, text)
		if ev := s.await(t, r, text); ev.Metadata == nil {
			t.Errorf("event %s has no metadata", text)
		}
	}
	r.stop(t)
}

func testConsumers(t *testing.T, s *suite) {
	b := s.binding(t)
	one, two := read(t, b, fresh("one"), nil), read(t, b, fresh("two"), nil)
	text := fresh("event")
	s.caps.Emit(t, b, text)
	s.await(t, one, text)
	s.await(t, two, text)
}

func testGroups(t *testing.T, s *suite) {
	b, app := s.binding(t), fresh("app")
	var mu sync.Mutex
	got := map[string]int{}
	count := func(_ context.Context, ev *binding.Event) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		got[string(ev.Data)]++
		return nil, nil
	}
	one, two := read(t, b, app, count), read(t, s.binding(t), app, count)
	const n = 50
	for i := range n {
		s.caps.Emit(t, b, fmt.Sprintf("%s-%d", app, i))
	}
	for range n {
		select {
		case <-one.got:
		case <-two.got:
		case <-time.After(deadline):
			t.Fatalf("not all of %d events within %s", n, deadline)
		}
	}
	one.stop(t)
	two.stop(t)
	mu.Lock()
	defer mu.Unlock()
	for text, times := range got {
		if times != 1 {
			t.Errorf("event %s was handled %d times, want once", text, times)
		}
	}
}

func testRedelivery(t *testing.T, s *suite) {
	b := s.binding(t)
	var mu sync.Mutex
	tries := map[string]int{}
	handled := make(chan struct{}, 1)
	text := fresh("again")
	r := read(t, b, fresh("app"), func(_ context.Context, ev *binding.Event) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if tries[string(ev.Data)]++; tries[string(ev.Data)] < 3 {
			return nil, errRefused
		}
		if strings.Contains(string(ev.Data), text) {
			handled <- struct{}{}
		}
		return nil, nil
	})
	s.caps.Emit(t, b, text)
	wait(t, "an event that failed twice is handled", handled)
	r.stop(t)
}

// testOverload wants an event that found no place to come again, also from sources that cannot deliver again what failed.
func testOverload(t *testing.T, s *suite) {
	b := s.binding(t)
	var mu sync.Mutex
	refused := false
	handled := make(chan struct{})
	var once sync.Once
	r := read(t, b, fresh("app"), func(context.Context, *binding.Event) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if !refused {
			refused = true
			return nil, &binding.OverloadedError{After: time.Millisecond, Err: errRefused}
		}
		once.Do(func() { close(handled) })
		return nil, nil
	})
	s.caps.Emit(t, b, fresh("overload"))
	wait(t, "an event that found no place is handled later", handled)
	r.stop(t)
}

func testStopWaits(t *testing.T, s *suite) {
	b, g := s.binding(t), newGate()
	r := read(t, b, fresh("app"), g.handle)
	go s.caps.Emit(t, b, fresh("slow")) // a source may wait for the handler
	wait(t, "the handler runs", g.entered)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		r.stop(t)
	}()
	select {
	case <-stopped:
		t.Error("stop returned while a handler ran")
	case <-time.After(100 * time.Millisecond):
	}
	close(g.open)
	wait(t, "stop returns after the handler", stopped)
}

// testStopGivesUp wants the handler's context to end when stop waits no longer.
func testStopGivesUp(t *testing.T, s *suite) {
	b, g := s.binding(t), newGate()
	r := read(t, b, fresh("app"), g.handle)
	go s.caps.Emit(t, b, fresh("stuck"))
	wait(t, "the handler runs", g.entered)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := r.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop of a handler that does not end: got %v, want context.DeadlineExceeded", err)
	}
}

func testNothingAfterStop(t *testing.T, s *suite) {
	b := s.binding(t)
	r := read(t, b, fresh("app"), nil)
	s.caps.Emit(t, b, fresh("before"))
	r.next(t)
	r.stop(t)
	for len(r.got) > 0 {
		<-r.got
	}
	other := read(t, b, fresh("other"), nil)
	text := fresh("after")
	s.caps.Emit(t, b, text)
	s.await(t, other, text) // then the source has brought it to all who read
	if len(r.got) > 0 {
		t.Error("an event came after stop")
	}
}

func testStopTwice(t *testing.T, s *suite) {
	r := read(t, s.binding(t), fresh("app"), nil)
	r.stop(t)
	r.stop(t)
}

// testShutdown stops in the middle of many events: those that were not handled come to the next reader.
func testShutdown(t *testing.T, s *suite) {
	b, app := s.binding(t), fresh("app")
	var mu sync.Mutex
	handled := map[string]bool{}
	note := func(ctx context.Context, ev *binding.Event) ([]byte, error) {
		time.Sleep(time.Millisecond)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		mu.Lock()
		defer mu.Unlock()
		handled[string(ev.Data)] = true
		return nil, nil
	}
	r := read(t, b, app, note)
	const n = 100
	emitted := make(chan struct{})
	go func() {
		defer close(emitted)
		for i := range n {
			s.caps.Emit(t, b, fmt.Sprintf("%s-%03d", app, i))
		}
	}()
	r.next(t)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := r.Stop(ctx); err != nil {
		t.Fatalf("stop: %v", err)
	}
	wait(t, "all events are sent", emitted)
	read(t, b, app, note)
	for end := time.Now().Add(deadline); ; time.Sleep(10 * time.Millisecond) {
		mu.Lock()
		var missing []string
		for i := range n {
			text := fmt.Sprintf("%s-%03d", app, i)
			found := false
			for got := range handled {
				found = found || strings.Contains(got, text)
			}
			if !found {
				missing = append(missing, text)
			}
		}
		mu.Unlock()
		if len(missing) == 0 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d of %d events are lost, the first is %s", len(missing), n, missing[0])
		}
	}
}

func testReaderSurvives(t *testing.T, s *suite) {
	b := s.binding(t)
	r := read(t, b, fresh("app"), nil)
	text := fresh("before")
	s.caps.Emit(t, b, text)
	s.await(t, r, text)
	s.caps.Stop(t)
	s.caps.Start(t)
	// The reader needs its time to come back, and a source that keeps nothing loses what is sent meanwhile.
	for end := time.Now().Add(deadline); time.Now().Before(end); {
		text = fresh("after")
		s.caps.Emit(t, s.binding(t), text)
		for again := time.After(500 * time.Millisecond); ; {
			select {
			case ev := <-r.got:
				if s.caps.Unmarked || strings.Contains(string(ev.Data), text) {
					return
				}
				continue
			case <-again:
			}
			break
		}
	}
	t.Fatalf("no event within %s after the server is back", deadline)
}
