package configurationtest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// watched notes what a watch was told.
type watched struct {
	mu  sync.Mutex
	got map[string]int
	all int
	off bool
	bad bool // told after the end
}

func (w *watched) changed(keys []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bad = w.bad || w.off
	if len(keys) == 0 {
		w.all++
	}
	for _, k := range keys {
		w.got[k]++
	}
}

// told gives how often a key, or all, was told.
func (w *watched) told(key string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.got[key] + w.all
}

func (w *watched) end(stop func()) {
	stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off = true
}

func (w *watched) check(t *testing.T, allowed func(string) bool) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.bad {
		t.Error("a watch was told of changes after its end")
	}
	for k := range w.got {
		if !allowed(k) {
			t.Errorf("a watch was told of %q, which it does not watch", k)
		}
	}
}

func (s *suite) watch(t *testing.T, names ...string) (*watched, func()) {
	t.Helper()
	sub, ok := s.Store.(configuration.Subscriber)
	if !ok {
		t.Fatal("the store is no Subscriber")
	}
	w := &watched{got: map[string]int{}}
	stop, err := sub.Subscribe(t.Context(), s.keys(names...), nil, w.changed)
	if err != nil {
		t.Fatalf("subscribe %v: %v", names, err)
	}
	return w, stop
}

// after does something and waits until the watch has been told of the key.
func (s *suite) after(t *testing.T, w *watched, name, what string, do func()) {
	t.Helper()
	before := w.told(s.key(name))
	do()
	eventually(t, func() string { return "told of " + name + ", which was " + what }, func() bool { return w.told(s.key(name)) > before })
}

// subscribes tells whether the store is one that tells of changes; the others are asked at an interval.
func (s *suite) subscribes() bool {
	_, ok := s.Store.(configuration.Subscriber)
	return ok
}

func (s *suite) watchKeys(t *testing.T) {
	if !s.subscribes() {
		return
	}
	s.put(t, "b", "old")
	w, stop := s.watch(t, "a", "b")
	s.after(t, w, "a", "made", func() { s.put(t, "a", "1") })
	s.after(t, w, "b", "changed", func() { s.put(t, "b", "2") })
	s.put(t, "other", "1")
	s.drop(t, "other")
	s.after(t, w, "a", "deleted", func() { s.drop(t, "a") })
	s.after(t, w, "a", "made again", func() { s.put(t, "a", "1") })
	w.end(stop)
	stop()
	s.put(t, "a", "after the end")
	// A second watch sees it: then the first has had its chance.
	next, stopNext := s.watch(t, "a")
	s.after(t, next, "a", "changed", func() { s.put(t, "a", "x") })
	next.end(stopNext)
	mine := func(k string) bool { return k == s.key("a") || k == s.key("b") }
	w.check(t, mine)
	next.check(t, mine)
}

func (s *suite) watchAll(t *testing.T) {
	if !s.subscribes() {
		return
	}
	w, stop := s.watch(t)
	s.after(t, w, "ä b", "made", func() { s.put(t, "ä b", "1") })
	s.after(t, w, "other", "made", func() { s.put(t, "other", "1") })
	s.after(t, w, "other", "deleted", func() { s.drop(t, "other") })
	w.end(stop)
	w.check(t, func(string) bool { return true })
}

func (s *suite) threeWatches(t *testing.T) {
	if !s.subscribes() {
		return
	}
	one, stopOne := s.watch(t, "a")
	two, stopTwo := s.watch(t, "a", "b")
	all, stopAll := s.watch(t)
	s.after(t, one, "a", "made", func() {
		s.after(t, two, "a", "made", func() {
			s.after(t, all, "a", "made", func() { s.put(t, "a", "1") })
		})
	})
	one.end(stopOne)
	s.after(t, two, "b", "made", func() {
		s.after(t, all, "b", "made", func() { s.put(t, "b", "1") })
	})
	two.end(stopTwo)
	s.after(t, all, "b", "changed", func() { s.put(t, "b", "2") })
	all.end(stopAll)
	one.check(t, func(k string) bool { return k == s.key("a") })
	two.check(t, func(k string) bool { return k == s.key("a") || k == s.key("b") })
}

// burst: whoever reads after the last word about a key has its newest value.
func (s *suite) burst(t *testing.T) {
	if !s.subscribes() {
		return
	}
	sub := s.Store.(configuration.Subscriber)
	const n = 50
	var mu sync.Mutex
	newest := map[string]string{}
	kick := make(chan []string, 10_000)
	stop, err := sub.Subscribe(t.Context(), nil, nil, func(keys []string) { kick <- keys })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		for {
			select {
			case keys := <-kick:
				items, err := s.Store.Get(ctx, keys, nil)
				if err != nil {
					continue
				}
				mu.Lock()
				for _, item := range items {
					newest[item.Key] = item.Value
				}
				mu.Unlock()
			case <-ctx.Done():
				return
			}
		}
	})
	for i := range n {
		for _, name := range []string{"a", "b", "c"} {
			s.put(t, name, fmt.Sprint(i))
		}
	}
	for _, name := range []string{"a", "b", "c"} {
		eventually(t, func() string { return "the last value of " + name }, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return newest[s.key(name)] == fmt.Sprint(n-1)
		})
	}
}

// stopConcurrently ends watches while changes come.
func (s *suite) stopConcurrently(t *testing.T) {
	if !s.subscribes() {
		return
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				w := &watched{got: map[string]int{}}
				stop, err := s.Store.(configuration.Subscriber).Subscribe(t.Context(), s.keys("a"), nil, w.changed)
				if err != nil {
					t.Errorf("subscribe: %v", err)
					return
				}
				if err := s.Set(s.key("a"), "x"); err != nil {
					t.Errorf("set: %v", err)
				}
				w.end(stop)
				w.check(t, func(k string) bool { return k == s.key("a") })
			}
		})
	}
	wg.Wait()
}
