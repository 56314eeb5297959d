package actortest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	"github.com/mrt-wasm/mrt-wasm/host/actor"
	"github.com/mrt-wasm/mrt-wasm/host/actor/actortest"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/schedule"
)

// app is an app with real guests.
type app struct{ pool *engine.Pool }

func (a *app) Name() string        { return "app" }
func (a *app) Handles(string) bool { return true }

func (a *app) Do(ctx context.Context, fn func(ctx context.Context, g abi.Guest) error) error {
	return a.pool.Do(ctx, fn)
}

func (a *app) Keep(ctx context.Context, saved []byte) (block.Kept, error) {
	kept, err := a.pool.Keep(ctx, saved)
	switch {
	case errors.Is(err, engine.ErrChanged):
		return nil, block.ErrChanged
	case errors.Is(err, engine.ErrNoRoom):
		return nil, block.ErrNoRoom
	case err != nil:
		return nil, err
	}
	return kept, nil
}

// start makes a block whose actors are those of testdata/guest.
func start(t testing.TB, store actor.Store, change ...func(*actor.Settings)) *actor.Block {
	t.Helper()
	types := []actor.Settings{
		{Type: "Cell", App: "app", Hibernate: true},
		{Type: "Atomic", App: "app", Hibernate: true, Atomic: true},
		{Type: "Reentrant", App: "app", Hibernate: true, Reentrancy: true},
	}
	for i := range types {
		for _, f := range change {
			f(&types[i])
		}
	}
	sched, err := schedule.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b, err := actor.New(t.Context(), actor.Config{Types: types, Store: func(string) (actor.Store, error) { return store, nil }, Reminders: sched})
	if err != nil {
		t.Fatal(err)
	}
	a := &app{}
	s, err := b.Open(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	limit := types[0].TurnTimeout
	if limit == 0 {
		limit = time.Minute
	}
	a.pool = enginetest.Pool(t, enginetest.New(t), enginetest.Build(t, "testdata/guest"), engine.PoolConfig{
		Funcs: s.Funcs(), Exports: abiactor.ActorExports(), Limits: engine.Limits{Timeout: limit},
	})
	triggers, err := b.Triggers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := triggers[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(triggers[0].Stop(context.Background()), b.Close(context.Background()), sched.Close()); err != nil {
			t.Errorf("stop: %v", err)
		}
		if n := a.pool.Stats().Kept; n != 0 {
			t.Errorf("instances left: %d, want 0", n)
		}
	})
	return b
}

func invoke(t testing.TB, b *actor.Block, id actor.ID, method, in string) (string, error) {
	t.Helper()
	out, err := b.Invoke(t.Context(), id, method, actor.Payload{ContentType: "application/json", Data: []byte(in)})
	return string(out.Data), err
}

// want calls a method and compares what it gives.
func want(t testing.TB, b *actor.Block, id actor.ID, call, result string) {
	t.Helper()
	method, in, _ := strings.Cut(call, " ")
	got, err := invoke(t, b, id, method, in)
	if err != nil || got != result {
		t.Errorf("%s.%s: got %q, %v; want %q", id, call, got, err, result)
	}
}

// wantFailed calls a method and wants an error of a kind with some texts.
func wantFailed(t testing.TB, b *actor.Block, id actor.ID, call string, kind error, texts ...string) {
	t.Helper()
	method, in, _ := strings.Cut(call, " ")
	got, err := invoke(t, b, id, method, in)
	if !errors.Is(err, kind) {
		t.Errorf("%s.%s: got %q, %v; want %v", id, call, got, err, kind)
		return
	}
	for _, s := range texts {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s.%s: error %q, want it to have %q", id, call, err, s)
		}
	}
}

func TestMemoryAndHibernation(t *testing.T) {
	b := start(t, &actortest.Store{})
	id := actor.ID{Type: "Cell", ID: "a"}
	for i := range 20 {
		want(t, b, id, "add 1", fmt.Sprint(i+1))
		if i%3 == 0 {
			if n := b.PutAway(t.Context(), 1); n != 1 {
				t.Fatalf("put away: %d, want 1", n)
			}
		}
	}
	// Without atomic, the memory of a failed turn is as the guest left it; the state is not.
	wantFailed(t, b, id, "fail 5", actor.ErrFailed, "it is not to be")
	want(t, b, id, "memory", "25")
	want(t, b, id, "stored", "20")
	wantFailed(t, b, id, "nope", actor.ErrUnknownMethod, "nope")
	// A trapped instance is dropped, and the next begins with the state.
	wantFailed(t, b, id, "panic 5", actor.ErrOther)
	want(t, b, id, "memory", "20")
	if s := b.Stats()[1]; s.Type != "Cell" || s.Fuel == 0 || s.Wakes < 6 || s.Hibernations < 6 {
		t.Errorf("stats: %+v", s)
	}
}

func TestAtomic(t *testing.T) {
	b := start(t, &actortest.Store{}, func(s *actor.Settings) { s.TurnTimeout = 2 * time.Second })
	id := actor.ID{Type: "Atomic", ID: "a"}
	want(t, b, id, "add 7", "7")
	for range 3 {
		wantFailed(t, b, id, "fail 5", actor.ErrFailed)
		want(t, b, id, "memory", "7")
		wantFailed(t, b, id, "panic 5", actor.ErrOther)
		want(t, b, id, "memory", "7")
		want(t, b, id, "stored", "7")
	}
	wantFailed(t, b, id, "spin 5", actor.ErrTimeout, "Atomic/a")
	want(t, b, id, "memory", "7")
	want(t, b, id, "add 1", "8")
	if s := b.Stats()[0]; s.Activations != 1 || s.Rollbacks != 7 {
		t.Errorf("activations %d, rollbacks %d: want 1 and 7", s.Activations, s.Rollbacks)
	}
}

func TestChains(t *testing.T) {
	b := start(t, &actortest.Store{})
	a := actor.ID{Type: "Reentrant", ID: "a"}
	want(t, b, a, "call Reentrant/b/call/Reentrant/a/add/10", "11")
	want(t, b, a, "memory", "11")
	want(t, b, a, "stored", "11")
	want(t, b, actor.ID{Type: "Cell", ID: "a"}, "memory", "0")
	wantFailed(t, b, actor.ID{Type: "Cell", ID: "a"}, "call Cell/b/call/Cell/a/add/10", actor.ErrFailed, "Cell/a -> Cell/b -> Cell/a")
	wantFailed(t, b, a, "call Reentrant/a/panic/1", actor.ErrOther)
	want(t, b, a, "call Reentrant/b/memory/", "1")
}

// TestDeadlock has two actors call each other in two chains; guest code and its deadline are real here.
func TestDeadlock(t *testing.T) {
	b := start(t, &actortest.Store{}, func(s *actor.Settings) { s.TurnTimeout = time.Second })
	for _, id := range []string{"a", "b"} {
		want(t, b, actor.ID{Type: "Cell", ID: id}, "memory", "0")
	}
	for range 20 {
		errs := make([]error, 2)
		var wg sync.WaitGroup
		for i, call := range [][2]string{{"a", "b"}, {"b", "a"}} {
			wg.Go(func() {
				_, errs[i] = invoke(t, b, actor.ID{Type: "Cell", ID: call[0]}, "call", "Cell/"+call[1]+"/add/1")
			})
		}
		wg.Wait()
		err := errors.Join(errs...)
		if err == nil {
			continue // they did not meet
		}
		for _, s := range []string{"Cell/a", "Cell/b", "timeout", "wait for each other"} {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("error %q: want it to have %q", err, s)
			}
		}
		return
	}
	t.Error("the two actors never met")
}

func TestTimerAndReminder(t *testing.T) {
	b := start(t, &actortest.Store{})
	id := actor.ID{Type: "Cell", ID: "a"}
	want(t, b, id, "tick", "")
	for range 10_000 {
		if got, _ := invoke(t, b, id, "memory", ""); got == "101" {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Error("the timer and the reminder did not fire")
}

// TestManyActors has many actors, all put away in between; a history of their answers shows every turn once.
func TestManyActors(t *testing.T) {
	const actors, rounds = 300, 3
	b := start(t, &actortest.Store{})
	var next atomic.Int64
	for round := range rounds {
		next.Store(0)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := next.Add(1); i <= actors; i = next.Add(1) {
					want(t, b, actor.ID{Type: "Atomic", ID: fmt.Sprint(i)}, "add 1", fmt.Sprint(round+1))
				}
			})
		}
		wg.Wait()
		if n := b.PutAway(t.Context(), actors); n != actors {
			t.Errorf("put away: %d, want %d", n, actors)
		}
	}
}

func BenchmarkTurn(b *testing.B) {
	for _, call := range []string{"echo x", "add 1"} {
		for _, typ := range []string{"Cell", "Atomic"} {
			b.Run(typ+" "+call, func(b *testing.B) {
				block := start(b, &actortest.Store{})
				method, in, _ := strings.Cut(call, " ")
				id := actor.ID{Type: typ, ID: "a"}
				b.ReportAllocs()
				for b.Loop() {
					if _, err := invoke(b, block, id, method, in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkThousandActors(b *testing.B) {
	block := start(b, &actortest.Store{})
	ids := make([]actor.ID, 1000)
	for i := range ids {
		ids[i] = actor.ID{Type: "Cell", ID: fmt.Sprint(i)}
		want(b, block, ids[i], "echo x", "x")
	}
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := invoke(b, block, ids[next.Add(1)%1000], "echo", "x"); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkSleepAndWake(b *testing.B) {
	block := start(b, &actortest.Store{})
	id := actor.ID{Type: "Cell", ID: "a"}
	var asleep time.Duration
	for b.Loop() {
		if _, err := invoke(b, block, id, "add", "1"); err != nil {
			b.Fatal(err)
		}
		from := time.Now()
		if block.PutAway(b.Context(), 1) != 1 {
			b.Fatal("not put away")
		}
		asleep += time.Since(from)
	}
	b.ReportMetric(float64(asleep.Nanoseconds())/float64(b.N), "ns/sleep")
}
