package keyvalue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	abikv "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvalue"
	abidraft "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvaluedraft"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// errBusy is what a full queue gives.
var errBusy = errors.New("the queue is full")

// watchingApp is an app whose guest is Go.
type watchingApp struct {
	iface string
	told  chan string
	// busy is how often the queue is full before a call comes through; guarded by mu.
	mu   sync.Mutex
	busy int
	hold chan struct{} // nil, or what calls wait for
}

func newWatching(iface string) *watchingApp {
	return &watchingApp{iface: iface, told: make(chan string, 100_000)}
}

func (a *watchingApp) Name() string              { return "cart" }
func (a *watchingApp) Handles(iface string) bool { return iface == a.iface }

func (a *watchingApp) Do(ctx context.Context, fn func(context.Context, abi.Guest) error) error {
	a.mu.Lock()
	a.busy--
	full := a.busy >= 0
	a.mu.Unlock()
	if full {
		return errBusy
	}
	if a.hold != nil {
		select {
		case <-a.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	g := &watchingGuest{app: a, memory: make([]byte, 1<<16)}
	err := fn(ctx, g)
	g.handles.Reset(ctx)
	return err
}

// watchingGuest is one call's instance.
type watchingGuest struct {
	app     *watchingApp
	memory  []byte
	free    uint32
	handles canon.Handles
}

func (g *watchingGuest) Memory() []byte { return g.memory }

func (g *watchingGuest) Realloc(_ context.Context, _, _, align, size uint32) uint32 {
	at := (g.free + align - 1) &^ (align - 1)
	g.free = at + size
	return at
}

func (g *watchingGuest) Has(string) bool                         { return false }
func (g *watchingGuest) Handles() *canon.Handles                 { return &g.handles }
func (g *watchingGuest) Encoding() canon.Encoding                { return canon.UTF8 }
func (g *watchingGuest) Resource(string, string) *canon.Resource { return nil }

func (g *watchingGuest) Call(ctx context.Context, name string, stack []uint64) error {
	res := abikv.BucketResource
	if g.app.iface == abidraft.WatcherModule {
		res = abidraft.BucketResource
	}
	key := string(g.memory[stack[1] : stack[1]+stack[2]])
	var now *[]byte
	switch b := g.handles.Take(res, uint32(stack[0])).Obj.(type) {
	case abikv.Bucket:
		now, _ = b.Get(ctx, key)
	case abidraft.Bucket:
		now, _ = b.Get(ctx, key)
	}
	if strings.HasSuffix(name, "#on-delete") {
		g.app.told <- "deleted " + key
		return nil
	}
	value := string(g.memory[stack[3] : stack[3]+stack[4]])
	g.app.told <- fmt.Sprintf("set %s=%s now %t", key, value, now != nil)
	if value == "trap" {
		return &abi.Trap{Kind: abi.TrapGuest, Reason: "on purpose"}
	}
	return nil
}

func (a *watchingApp) next(t *testing.T) string {
	t.Helper()
	select {
	case s := <-a.told:
		return s
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was told within 30 s")
		return ""
	}
}

// watch has an app told of the changes of a block.
func watch(t *testing.T, b *state.Block, a *watchingApp, log *slog.Logger) *Watcher {
	t.Helper()
	h := New(Config{Stores: storesOf(t, b, "cart")})
	w := h.NewWatcher(WatcherConfig{
		App: a, Log: log,
		Busy: func(err error) (time.Duration, bool) { return time.Millisecond, errors.Is(err, errBusy) },
	})
	b.Watch("cart", func(c state.Change) { w.Changed(c.Store, c.Key, c.Value, c.Deleted) })
	return w
}

func TestWatcher(t *testing.T) {
	for _, iface := range []string{abikv.WatcherModule, abidraft.WatcherModule} {
		for _, driver := range drivers {
			t.Run(iface+" "+driver, func(t *testing.T) {
				b := openState(t, driver, nil)
				a := newWatching(iface)
				w := watch(t, b, a, nil)
				stores, others := storesOf(t, b, "cart"), storesOf(t, b, "other")
				set := func(s Stores, key, value string) {
					t.Helper()
					if err := s.Set(t.Context(), "statestore", abistate.SetItem{Key: key, Value: []byte(value)}); err != nil {
						t.Fatal(err)
					}
				}
				set(stores, "before", "1") // waits for Start
				w.Start(t.Context())
				if got := a.next(t); got != "set before=1 now true" {
					t.Errorf("got %q", got)
				}
				set(others, "theirs", "1") // another prefix: not to be seen
				if _, err := stores.BulkSet(t.Context(), "statestore", []abistate.SetItem{{Key: "x", Value: []byte("2")}, {Key: "a||b"}}); err != nil {
					t.Fatal(err)
				}
				if got := a.next(t); got != "set x=2 now true" {
					t.Errorf("got %q", got)
				}
				if err := stores.Transact(t.Context(), "statestore", []abistate.Operation{
					{Tag: abistate.OperationUpsert, Upsert: abistate.SetItem{Key: "t", Value: []byte("3")}},
					{Tag: abistate.OperationDelete, Delete: abistate.DeleteItem{Key: "t"}},
				}, nil); err != nil {
					t.Fatal(err)
				}
				if first, second := a.next(t), a.next(t); first != "set t=3 now false" || second != "deleted t" {
					t.Errorf("got %q, %q", first, second)
				}
				stale := "stale"
				if err := stores.Set(t.Context(), "statestore", abistate.SetItem{Key: "x", ETag: &stale}); err == nil {
					t.Error("a stale etag: got no error")
				}
				if _, err := stores.BulkDelete(t.Context(), "statestore", []abistate.DeleteItem{{Key: "x"}}); err != nil {
					t.Fatal(err)
				}
				if got := a.next(t); got != "deleted x" {
					t.Errorf("got %q", got)
				}
				if err := w.Stop(t.Context()); err != nil {
					t.Error(err)
				}
				set(stores, "after", "1")
				if len(a.told) > 0 {
					t.Errorf("after Stop: got %q", <-a.told)
				}
			})
		}
	}
}

// TestWatcherOrder tells the writes of a key in the order in which they were done, whoever does them.
func TestWatcherOrder(t *testing.T) {
	b := openState(t, drivers[1], component.Metadata{"keyPrefix": "none"})
	a := newWatching(abikv.WatcherModule)
	w := watch(t, b, a, nil)
	w.Start(t.Context())
	const writers, each = 6, 30
	var wg sync.WaitGroup
	for n := range writers {
		stores := storesOf(t, b, []string{"cart", "other"}[n%2])
		wg.Go(func() {
			for range each {
				h := New(Config{Stores: stores})
				one, err := draft2{h}.Open(t.Context(), "statestore")
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := (draft2{h}).Increment(t.Context(), one, fmt.Sprintf("k%d", n%2), 1); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := w.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := map[string]int{}
	for range writers * each {
		var key string
		var n int
		if _, err := fmt.Sscanf(strings.ReplaceAll(a.next(t), "=", " "), "set %s %d", &key, &n); err != nil {
			t.Fatal(err)
		}
		if next[key]++; next[key] != n {
			t.Fatalf("key %s: was told %d; want %d", key, n, next[key])
		}
	}
}

// logged is a log as text.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestWatcherTrouble(t *testing.T) {
	b := openState(t, drivers[0], nil)
	a := newWatching(abikv.WatcherModule)
	a.busy = 3
	var log logged
	w := watch(t, b, a, slog.New(slog.NewTextHandler(&log, nil)))
	w.Start(t.Context())
	w.Changed("statestore", "k", []byte("trap"), false)
	w.Changed("statestore", "k", []byte("fine"), false)
	if first, second := a.next(t), a.next(t); first != "set k=trap now false" || second != "set k=fine now false" {
		t.Errorf("got %q, %q: a full queue is to be tried again, a trap not", first, second)
	}
	if err := w.Stop(t.Context()); err != nil || !strings.Contains(log.String(), "on purpose") {
		t.Errorf("%v; want the trap in the log, found %s", err, log.String())
	}
}

// TestWatcherOverflow drops what an app cannot take, says so, and ends within its time.
func TestWatcherOverflow(t *testing.T) {
	b := openState(t, drivers[0], nil)
	a := newWatching(abikv.WatcherModule)
	a.hold = make(chan struct{})
	var log logged
	w := watch(t, b, a, slog.New(slog.NewTextHandler(&log, nil)))
	w.Start(t.Context())
	for range laneLength + 10 {
		w.Changed("statestore", "k", nil, false)
	}
	if !strings.Contains(log.String(), "cannot keep up") {
		t.Errorf("want a warning, found %q", log.String())
	}
	big := make([]byte, maxWaiting/2+1)
	for i := range 3 {
		w.Changed("statestore", fmt.Sprint("big", i), big, false)
	}
	w.mu.Lock()
	if w.bytes > maxWaiting {
		t.Errorf("%d bytes wait; want at most %d", w.bytes, maxWaiting)
	}
	w.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Stop(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v; want that the time was over", err)
	}
}
