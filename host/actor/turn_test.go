package actor_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/actor"
	"github.com/mrt-wasm/mrt-wasm/host/actor/actortest"
)

func TestInvokeErrors(t *testing.T) {
	_, b := newFake(t, &actortest.Store{})
	long := strings.Repeat("x", 5000)
	for _, tt := range []struct {
		name   string
		id     actor.ID
		method string
		want   error
		text   string
	}{
		{"no type", actor.ID{Type: "", ID: "a"}, "echo", actor.ErrInvalidRequest, "actor type"},
		{"no id", actor.ID{Type: "T", ID: ""}, "echo", actor.ErrInvalidRequest, "actor id"},
		{"separator in id", actor.ID{Type: "T", ID: "a||b"}, "echo", actor.ErrInvalidRequest, "||"},
		{"bar at the end", actor.ID{Type: "T", ID: "a|"}, "echo", actor.ErrInvalidRequest, "|"},
		{"not text", actor.ID{Type: "T", ID: "a\xff"}, "echo", actor.ErrInvalidRequest, "UTF-8"},
		{"long id", actor.ID{Type: "T", ID: long}, "echo", actor.ErrInvalidRequest, "5000"},
		{"no method", actor.ID{Type: "T", ID: "a"}, "", actor.ErrInvalidRequest, "method"},
		{"long method", actor.ID{Type: "T", ID: "a"}, long, actor.ErrInvalidRequest, "method"},
		{"unknown type", actor.ID{Type: "U", ID: "a"}, "echo", actor.ErrUnknownType, "there are T"},
		{"reserved type", actor.ID{Type: "dapr.internal.x", ID: "a"}, "echo", actor.ErrReserved, "reserved"},
		{"unknown method", actor.ID{Type: "T", ID: "a"}, "nope", actor.ErrUnknownMethod, `"nope"`},
		{"own error", actor.ID{Type: "T", ID: "a"}, "setfail", actor.ErrFailed, "it is not to be"},
		{"trap", actor.ID{Type: "T", ID: "a"}, "settrap", actor.ErrOther, "unreachable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := invoke(t, b, tt.id, tt.method, "k=v")
			wantErr(t, err, tt.want, tt.text)
		})
	}
}

func TestNewErrors(t *testing.T) {
	store := func(string) (actor.Store, error) { return &actortest.Store{}, nil }
	for _, tt := range []struct {
		name  string
		types []actor.Settings
		store func(string) (actor.Store, error)
		want  string
	}{
		{"empty type", []actor.Settings{{App: "a", Where: "m.yaml:3"}}, store, "m.yaml:3"},
		{"twice", []actor.Settings{{Type: "T", App: "a"}, {Type: "T", App: "b"}}, store, "both have it"},
		{"reserved", []actor.Settings{{Type: "dapr.internal.x", App: "a"}}, store, "reserved"},
		{"no store", []actor.Settings{{Type: "T", App: "a"}}, nil, "no actor state store"},
		{"store fails", []actor.Settings{{Type: "T", App: "a"}}, func(string) (actor.Store, error) { return nil, errors.New("broken") }, "broken"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := actor.New(t.Context(), actor.Config{Types: tt.types, Store: tt.store})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// TestTurnOrder looks at a recorded history: turns of one actor never overlap, every call has one, and those that wait
// have theirs in the order of arrival.
func TestTurnOrder(t *testing.T) {
	const actors, callers, calls = 20, 16, 60
	app, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Hibernate: true})
	var clock atomic.Int64
	type span struct{ begin, end int64 }
	var mu sync.Mutex
	history := map[string][]span{}
	var activated sync.Map
	app.methods["activate"] = func(c *fakeCall) (string, error) {
		if _, twice := activated.LoadOrStore(c.g.id, c.g); twice {
			return "", errors.New("activated twice")
		}
		return "", nil
	}
	app.methods["add"] = func(c *fakeCall) (string, error) {
		begin := clock.Add(1)
		n, _ := strconv.Atoi(c.get("n"))
		c.set("n", strconv.Itoa(n+1))
		mu.Lock()
		history[c.g.id.ID] = append(history[c.g.id.ID], span{begin, clock.Add(1)})
		mu.Unlock()
		return "", nil
	}
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range calls {
				if _, err := invoke(t, b, actor.ID{Type: "T", ID: fmt.Sprint((c + i) % actors)}, "add", ""); err != nil {
					t.Errorf("add: %v", err)
				}
			}
		})
	}
	stop := make(chan struct{})
	var sweeping sync.WaitGroup
	sweeping.Go(func() { // actors go to sleep and wake up all the while
		for {
			select {
			case <-stop:
				return
			default:
				b.PutAway(context.Background(), 3)
			}
		}
	})
	wg.Wait()
	close(stop)
	sweeping.Wait()
	total := 0
	for id, spans := range history {
		total += len(spans)
		var last int64
		for _, s := range spans {
			if s.begin < last {
				t.Fatalf("actor %s: turns overlap: one began at %d, the one before ended at %d", id, s.begin, last)
			}
			last = s.end
		}
		if got := mustInvoke(t, b, actor.ID{Type: "T", ID: id}, "get", "n"); got != strconv.Itoa(len(spans)) {
			t.Errorf("actor %s: n is %s, want %d", id, got, len(spans))
		}
	}
	if total != callers*calls {
		t.Errorf("turns: %d, want %d", total, callers*calls)
	}
}

func TestTurnsInOrderOfArrival(t *testing.T) {
	app, b := newFake(t, &actortest.Store{})
	hold, begun := make(chan struct{}), make(chan struct{})
	app.methods["hold"] = func(*fakeCall) (string, error) { close(begun); <-hold; return "", nil }
	app.methods["note"] = func(c *fakeCall) (string, error) { app.note(c.input); return "", nil }
	id := actor.ID{Type: "T", ID: "a"}
	var wg sync.WaitGroup
	wg.Go(func() { mustNot(t, b, id, "hold", "") })
	<-begun
	var want []string
	for i := range 50 {
		wg.Go(func() { mustNot(t, b, id, "note", strconv.Itoa(i)) })
		want = append(want, strconv.Itoa(i))
		eventually(t, "the call waits", func() bool { return b.Stats()[0].Pending == int64(i+1) })
	}
	close(hold)
	wg.Wait()
	if got := app.noted(); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("order: got %v, want that of arrival", got)
	}
}

// mustNot reports an error of a call on another goroutine.
func mustNot(t *testing.T, b *actor.Block, id actor.ID, method, input string) {
	if _, err := invoke(t, b, id, method, input); err != nil {
		t.Errorf("%s.%s: %v", id, method, err)
	}
}

func TestSingleActivation(t *testing.T) {
	app, b := newFake(t, &actortest.Store{})
	var activations atomic.Int64
	app.methods["activate"] = func(*fakeCall) (string, error) { activations.Add(1); time.Sleep(time.Millisecond); return "", nil }
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() { mustNot(t, b, actor.ID{Type: "T", ID: "a"}, "echo", "") })
	}
	wg.Wait()
	if got := activations.Load(); got != 1 {
		t.Errorf("activations: %d, want 1", got)
	}
}

func TestActivationFails(t *testing.T) {
	app, b := newFake(t, &actortest.Store{})
	var tries int
	app.methods["activate"] = func(c *fakeCall) (string, error) {
		c.set("left", "behind")
		if tries++; tries == 1 {
			return "", errors.New("not today")
		}
		return "", nil
	}
	id := actor.ID{Type: "T", ID: "a"}
	_, err := invoke(t, b, id, "echo", "x")
	wantErr(t, err, actor.ErrFailed, "not today", "T/a")
	if n := b.Entries(); n != 0 {
		t.Errorf("entries after the failure: %d, want 0", n)
	}
	if got := mustInvoke(t, b, id, "echo", "x"); got != "x" {
		t.Errorf("second try: got %q", got)
	}
}

// TestFailedTurnLeavesNothing checks state and memory after turns that fail in every way.
func TestFailedTurnLeavesNothing(t *testing.T) {
	for _, atomically := range []bool{false, true} {
		for _, tt := range []struct {
			method, field string // the field that is left without atomic
			broken        bool   // the store refuses
		}{
			{"setfail", "new", false}, // as the guest left it
			{"settrap", "", false},    // the instance is dropped
			{"set", "", true},         // too
		} {
			t.Run(fmt.Sprintf("%s atomic=%t", tt.method, atomically), func(t *testing.T) {
				store := &actortest.Store{}
				var refuse atomic.Bool
				store.Before = func([]actor.Op) error {
					if refuse.Load() {
						return errors.New("disk full")
					}
					return nil
				}
				_, b := newFake(t, store, actor.Settings{Type: "T", Atomic: atomically})
				id := actor.ID{Type: "T", ID: "a"}
				mustInvoke(t, b, id, "set", "k=old")
				refuse.Store(tt.broken)
				if _, err := invoke(t, b, id, tt.method, "k=new"); err == nil {
					t.Fatal("the turn did not fail")
				} else if tt.broken {
					wantErr(t, err, actor.ErrUnavailable, "disk full", "T/a")
				}
				refuse.Store(false)
				if got := mustInvoke(t, b, id, "get", "k"); got != "old" {
					t.Errorf("state: got %q, want old", got)
				}
				want := tt.field
				if atomically {
					want = "old"
				}
				if got := mustInvoke(t, b, id, "field", "k"); got != want {
					t.Errorf("memory: got %q, want %q", got, want)
				}
			})
		}
	}
}

func TestTurnReadsItsOwnWrites(t *testing.T) {
	store := &actortest.Store{}
	app, b := newFake(t, store)
	app.methods["rw"] = func(c *fakeCall) (string, error) {
		before := c.get("k")
		c.set("k", "1")
		c.set("k", "2")
		c.set("gone", "x")
		if e := c.g.app.hosts.State.Remove(c.ctx, "gone"); e != nil {
			return "", e
		}
		ttl := uint32(3600)
		if e := c.g.app.hosts.State.Set(c.ctx, "short", []byte("s"), &ttl); e != nil {
			return "", e
		}
		return before + "," + c.get("k") + "," + c.get("gone") + "," + c.get("short"), nil
	}
	var transactions [][]actor.Op
	store.Before = func(ops []actor.Op) error { transactions = append(transactions, ops); return nil }
	id := actor.ID{Type: "T", ID: "a"}
	if got := mustInvoke(t, b, id, "rw", ""); got != ",2,,s" {
		t.Errorf("reads: got %q", got)
	}
	if len(transactions) != 1 || len(transactions[0]) != 3 {
		t.Errorf("transactions: %v, want one with three keys", transactions)
	}
	e, err := b.GetState(t.Context(), id, "short")
	if err != nil || e == nil || e.Expires.Before(time.Now().Add(time.Minute)) {
		t.Errorf("value with an end: %v, %v", e, err)
	}
	if got := store.Keys("app||T||a||"); len(got) != 2 {
		t.Errorf("keys: %v, want k and short", got)
	}
}

func TestMailboxFull(t *testing.T) {
	app, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Mailbox: 2})
	hold, begun := make(chan struct{}), make(chan struct{})
	app.methods["hold"] = func(*fakeCall) (string, error) { close(begun); <-hold; return "", nil }
	id := actor.ID{Type: "T", ID: "a"}
	var wg sync.WaitGroup
	wg.Go(func() { mustNot(t, b, id, "hold", "") })
	<-begun
	for range 2 {
		wg.Go(func() { mustNot(t, b, id, "echo", "") })
	}
	eventually(t, "two calls wait", func() bool { return b.Stats()[0].Pending == 2 })
	_, err := invoke(t, b, id, "echo", "")
	wantErr(t, err, actor.ErrOverloaded, "T/a", "mailbox")
	close(hold)
	wg.Wait()
	if got := b.Stats()[0].Overloads; got != 1 {
		t.Errorf("overloads: %d, want 1", got)
	}
}

func TestCallerGoesAway(t *testing.T) {
	app, b := newFake(t, &actortest.Store{})
	hold, begun := make(chan struct{}), make(chan struct{})
	app.methods["hold"] = func(*fakeCall) (string, error) { close(begun); <-hold; return "", nil }
	id := actor.ID{Type: "T", ID: "a"}
	var wg sync.WaitGroup
	wg.Go(func() { mustNot(t, b, id, "hold", "") })
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	wg.Go(func() {
		_, err := b.Invoke(ctx, id, "echo", actor.Payload{})
		if !errors.Is(err, actor.ErrTimeout) || !strings.Contains(err.Error(), "went away") {
			t.Errorf("got %v, want a timeout because the caller went away", err)
		}
	})
	eventually(t, "the call waits", func() bool { return b.Stats()[0].Pending == 1 })
	cancel()
	eventually(t, "the call is gone", func() bool { return b.Stats()[0].Pending == 0 })
	close(hold)
	wg.Wait()
	mustInvoke(t, b, id, "echo", "")
}
