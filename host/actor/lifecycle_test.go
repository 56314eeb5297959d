package actor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/actor"
	"github.com/mrt-wasm/mrt-wasm/host/actor/actortest"
)

const savedKey = "app||||hibernated||T||a"

func TestHibernation(t *testing.T) {
	store := &actortest.Store{}
	app, b := newFake(t, store, actor.Settings{Type: "T", Hibernate: true})
	app.methods["activate"] = func(*fakeCall) (string, error) { app.note("activate"); return "", nil }
	app.methods["deactivate"] = func(*fakeCall) (string, error) { app.note("deactivate"); return "", nil }
	id := actor.ID{Type: "T", ID: "a"}
	mustInvoke(t, b, id, "set", "f=1")
	for i := range 3 {
		if got := b.PutAway(t.Context(), 10); got != 1 {
			t.Fatalf("put away: %d, want 1", got)
		}
		if n := b.Entries(); n != 0 || app.live.Load() != 0 {
			t.Errorf("a sleeping actor holds %d entries and %d instances, want none", n, app.live.Load())
		}
		if got := store.Keys(savedKey); len(got) != 1 {
			t.Errorf("saved memory: %v, want one key", got)
		}
		if got := mustInvoke(t, b, id, "field", "f"); got != "1" {
			t.Errorf("round %d: field: got %q, want 1", i, got)
		}
		if got := store.Keys(savedKey); len(got) != 0 {
			t.Errorf("after waking the record is still there: %v", got)
		}
	}
	if got := strings.Join(app.noted(), " "); got != "activate" {
		t.Errorf("calls: %q, want one activate", got)
	}
	s := b.Stats()[0]
	if s.Hibernations != 3 || s.Wakes != 3 || s.Activations != 1 || s.SavedBytes == 0 || s.Fuel == 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestCodeChangedWhileAsleep(t *testing.T) {
	store := &actortest.Store{}
	app, b := newFake(t, store, actor.Settings{Type: "T", Hibernate: true})
	id := actor.ID{Type: "T", ID: "a"}
	mustInvoke(t, b, id, "set", "f=1")
	b.PutAway(t.Context(), 1)
	app.version.Add(1)
	app.methods["activate"] = func(c *fakeCall) (string, error) { c.g.fields["f"] = "stored " + c.get("f"); return "", nil }
	if got := mustInvoke(t, b, id, "field", "f"); got != "stored 1" {
		t.Errorf("field: got %q, want what activate made of the state", got)
	}
	if got := store.Keys(savedKey); len(got) != 0 {
		t.Errorf("the useless record is still there: %v", got)
	}
}

// TestRecordsThatCannotBeRead has records of other versions, cut off and broken ones.
func TestRecordsThatCannotBeRead(t *testing.T) {
	for name, value := range map[string][]byte{
		"empty": {}, "version": {9, 0, 1}, "cut off": {1, 200}, "timers": append([]byte{1, 3}, "{{{x"...), "memory": {1, 0, 'x'},
	} {
		t.Run(name, func(t *testing.T) {
			store := &actortest.Store{}
			_, b := newFake(t, store, actor.Settings{Type: "T", Hibernate: true})
			if err := store.Transact(t.Context(), []actor.Op{{Key: savedKey, Value: value}}); err != nil {
				t.Fatal(err)
			}
			if got := mustInvoke(t, b, actor.ID{Type: "T", ID: "a"}, "echo", "x"); got != "x" {
				t.Errorf("got %q", got)
			}
			if got := store.Keys(savedKey); len(got) != 0 {
				t.Errorf("the record is still there: %v", got)
			}
		})
	}
}

// TestNeverHibernates also checks that a record of an earlier setting does not come back later.
func TestNeverHibernates(t *testing.T) {
	store := &actortest.Store{}
	app, b := newFake(t, store)
	app.methods["deactivate"] = func(c *fakeCall) (string, error) { c.set("last", "words"); return "", nil }
	if err := store.Transact(t.Context(), []actor.Op{{Key: savedKey, Value: []byte{1, 0, '{', '}'}}}); err != nil {
		t.Fatal(err)
	}
	id := actor.ID{Type: "T", ID: "a"}
	mustInvoke(t, b, id, "set", "f=1")
	b.PutAway(t.Context(), 1)
	if got := store.Keys(savedKey); len(got) != 0 {
		t.Errorf("record: %v, want none", got)
	}
	if got := mustInvoke(t, b, id, "field", "f"); got != "" {
		t.Errorf("field: got %q, want a new instance", got)
	}
	if got := mustInvoke(t, b, id, "get", "last"); got != "words" {
		t.Errorf("what deactivate wrote: got %q", got)
	}
}

func TestIdleActorsArePutAway(t *testing.T) {
	_, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Hibernate: true, IdleTimeout: 20 * time.Millisecond}, actor.Settings{Type: "U"})
	start(t, b)
	mustInvoke(t, b, actor.ID{Type: "T", ID: "a"}, "echo", "")
	mustInvoke(t, b, actor.ID{Type: "U", ID: "a"}, "echo", "")
	eventually(t, "the idle actor sleeps", func() bool { return b.Entries() == 1 })
	if got := b.Stats()[1].Active; got != 1 {
		t.Errorf("active actors of the other type: %d, want 1", got)
	}
}

// start starts the block's trigger and gives its stop, which also runs at the test's end.
func start(t *testing.T, b *actor.Block) func(ctx context.Context) error {
	t.Helper()
	triggers, err := b.Triggers(t.Context())
	if err != nil || len(triggers) != 1 {
		t.Fatalf("triggers: %v, %v", triggers, err)
	}
	if err := triggers[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	stop := func(ctx context.Context) (err error) {
		once.Do(func() { err = triggers[0].Stop(ctx) })
		return err
	}
	t.Cleanup(func() {
		if err := stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return stop
}

// TestRoom makes more actors than there is room for: the longest idle ones go.
func TestRoom(t *testing.T) {
	for _, tt := range []struct {
		name      string
		room      int64
		maxActive int
		want      string
	}{{"host", 20, 0, "no room"}, {"type", 0, 20, "maxActive"}} {
		t.Run(tt.name, func(t *testing.T) {
			app, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Hibernate: true, MaxActive: tt.maxActive})
			app.room = tt.room
			for i := range 100 {
				mustInvoke(t, b, actor.ID{Type: "T", ID: fmt.Sprint(i)}, "set", fmt.Sprintf("f=%d", i))
				mustInvoke(t, b, actor.ID{Type: "T", ID: "often"}, "echo", "")
			}
			s := b.Stats()[0]
			if s.Active > 20 || s.Active < 10 {
				t.Errorf("active: %d, want at most 20, and not much less", s.Active)
			}
			if s.Activations != 101 {
				t.Errorf("activations: %d, want 101: what is used often stays", s.Activations)
			}
			if got := mustInvoke(t, b, actor.ID{Type: "T", ID: "7"}, "field", "f"); got != "7" {
				t.Errorf("field of an actor that went: %q, want 7", got)
			}

			hold := make(chan struct{})
			var begun atomic.Int64
			var wg sync.WaitGroup
			app.methods["hold"] = func(*fakeCall) (string, error) { begun.Add(1); <-hold; return "", nil }
			for i := range 20 {
				wg.Go(func() { mustNot(t, b, actor.ID{Type: "T", ID: fmt.Sprint("busy", i)}, "hold", "") })
			}
			eventually(t, "all are in their turns", func() bool { return begun.Load() == 20 })
			_, err := invoke(t, b, actor.ID{Type: "T", ID: "more"}, "echo", "")
			wantErr(t, err, actor.ErrOverloaded, tt.want, "idle")
			close(hold)
			wg.Wait()
		})
	}
}

func TestReload(t *testing.T) {
	app, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Hibernate: true})
	hold, begun := make(chan struct{}), make(chan struct{})
	version := func(c *fakeCall) string { return fmt.Sprint(c.g.version) }
	app.methods["hold"] = func(c *fakeCall) (string, error) { close(begun); <-hold; return version(c), nil }
	app.methods["version"] = func(c *fakeCall) (string, error) { return version(c), nil }
	app.methods["deactivate"] = func(c *fakeCall) (string, error) { app.note(c.g.id.ID + " " + version(c)); return "", nil }
	busy, idle := actor.ID{Type: "T", ID: "busy"}, actor.ID{Type: "T", ID: "idle"}
	mustInvoke(t, b, idle, "echo", "")
	var wg sync.WaitGroup
	wg.Go(func() {
		if got, err := invoke(t, b, busy, "hold", ""); got != "0" || err != nil {
			t.Errorf("the running turn: version %s, %v; want 0", got, err)
		}
	})
	<-begun
	wg.Go(func() {
		if got, err := invoke(t, b, busy, "version", ""); got != "1" || err != nil {
			t.Errorf("the waiting call: version %s, %v; want 1", got, err)
		}
	})
	eventually(t, "a call waits", func() bool { return b.Stats()[0].Pending == 1 })
	app.version.Add(1)
	b.Reloaded(t.Context(), "app")
	if got := strings.Join(app.noted(), ","); got != "idle 0" {
		t.Errorf("deactivated: %q, want the idle one on its old code", got)
	}
	close(hold)
	wg.Wait()
	if got := strings.Join(app.noted(), ","); got != "idle 0,busy 0" {
		t.Errorf("deactivated: %q, want both on their old code", got)
	}
	if got := mustInvoke(t, b, idle, "version", ""); got != "1" {
		t.Errorf("version %s, want 1", got)
	}
}

// TestDrain stops while a turn runs that calls another actor, and calls wait.
func TestDrain(t *testing.T) {
	store := &actortest.Store{}
	app, b := newFake(t, store, actor.Settings{Type: "T", Hibernate: true})
	hold, begun := make(chan struct{}), make(chan struct{})
	app.methods["hold"] = func(c *fakeCall) (string, error) {
		close(begun)
		<-hold
		return c.call(actor.ID{Type: "T", ID: "other"}, "set", "k=late")
	}
	stop := start(t, b)
	for i := range 50 {
		mustInvoke(t, b, actor.ID{Type: "T", ID: fmt.Sprint(i)}, "set", "f=1")
	}
	var wg sync.WaitGroup
	wg.Go(func() { mustNot(t, b, actor.ID{Type: "T", ID: "busy"}, "hold", "") })
	<-begun
	wg.Go(func() {
		_, err := invoke(t, b, actor.ID{Type: "T", ID: "busy"}, "echo", "")
		if !errors.Is(err, actor.ErrUnavailable) {
			t.Errorf("the waiting call: got %v, want unavailable", err)
		}
	})
	eventually(t, "a call waits", func() bool { return b.Stats()[0].Pending == 1 })
	wg.Go(func() {
		if err := stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	eventually(t, "the idle ones are put away", func() bool { return b.Entries() == 1 })
	_, err := invoke(t, b, actor.ID{Type: "T", ID: "0"}, "echo", "")
	wantErr(t, err, actor.ErrUnavailable, "stopping")
	if b.Ready(t.Context()) == nil {
		t.Error("a block that stops is ready")
	}
	close(hold)
	wg.Wait()
	if n := b.Entries(); n != 0 {
		t.Errorf("entries after the drain: %d", n)
	}
	if got := store.Keys("app||||hibernated||T||"); len(got) != 52 {
		t.Errorf("hibernated: %d, want 52", len(got))
	}
	if got := store.Keys("app||T||other||k"); len(got) != 1 {
		t.Error("the turn that ran could not finish: what it called is missing")
	}
}

func TestDrainTimeout(t *testing.T) {
	app, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", DrainTimeout: 10 * time.Millisecond})
	hold, begun := make(chan struct{}), make(chan struct{})
	app.methods["hold"] = func(*fakeCall) (string, error) { close(begun); <-hold; return "", nil }
	stop := start(t, b)
	var wg sync.WaitGroup
	wg.Go(func() { mustNot(t, b, actor.ID{Type: "T", ID: "stuck"}, "hold", "") })
	<-begun
	err := stop(t.Context())
	if err == nil || !strings.Contains(err.Error(), "T/stuck") {
		t.Errorf("stop: got %v, want an error with the actor's name", err)
	}
	close(hold)
	wg.Wait()
	if n := b.Entries(); n != 0 {
		t.Errorf("entries after the turn: %d, want 0: it puts its actor away", n)
	}
}

// TestTenThousand has many actors at once, with too little room for them, in several rounds.
func TestTenThousand(t *testing.T) {
	const actors, rounds, workers = 10_000, 3, 32
	app, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Hibernate: true})
	app.room = 4_000
	app.methods["add"] = func(c *fakeCall) (string, error) {
		c.g.fields["n"] += "x"
		return c.g.fields["n"], nil
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= actors*rounds {
					return
				}
				id := actor.ID{Type: "T", ID: fmt.Sprint(i % actors)}
				if _, err := invoke(t, b, id, "add", ""); err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
			}
		})
	}
	wg.Wait()
	for i := 0; i < actors; i += 97 {
		if got := mustInvoke(t, b, actor.ID{Type: "T", ID: fmt.Sprint(i)}, "field", "n"); got != "xxx" {
			t.Fatalf("actor %d: %q, want a turn of each round", i, got)
		}
	}
}
