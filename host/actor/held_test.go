package actor_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/actor"
	"github.com/mrt-wasm/mrt-wasm/host/actor/actortest"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// An actor that cannot be saved stays in memory, and others give room in its place.
func TestActorsThatCannotBeSavedStay(t *testing.T) {
	app, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Hibernate: true, MaxActive: 30})
	app.methods["deactivate"] = func(*fakeCall) (string, error) { app.note("deactivate"); return "", nil }
	const stuck = 20
	actors := func(from, to int, method, input string) (out []string) {
		for n := from; n < to; n++ {
			out = append(out, mustInvoke(t, b, actor.ID{Type: "T", ID: fmt.Sprint(n)}, method, input))
		}
		return out
	}
	actors(0, stuck, "set", "file=open")
	actors(stuck, 60, "set", "f=1")
	if got := strings.Join(actors(0, stuck, "field", "file"), ""); got != strings.Repeat("open", stuck) {
		t.Errorf("want all that have a file open in memory as they were, got %q", got)
	}
	if got := actors(stuck, 60, "field", "f"); strings.Join(got, "") != strings.Repeat("1", len(got)) {
		t.Errorf("want the others woken, got %q", got)
	}
	b.PutAway(t.Context(), 100)
	if n := b.Entries(); n != stuck || len(app.noted()) > 0 {
		t.Errorf("want %d actors in memory and none deactivated, got %d and %v", stuck, n, app.noted())
	}
	actors(stuck, 30, "set", "file=open")
	_, err := invoke(t, b, actor.ID{Type: "T", ID: "one more"}, "echo", "")
	wantErr(t, err, actor.ErrOverloaded, "none of the active ones is idle and can be put away")
	actors(3, 4, "set", "file=")
	actors(40, 41, "echo", "")
	if n := b.Entries(); n != 30 {
		t.Errorf("want one that has closed its file put away for another, got %d actors", n)
	}
	if got := mustInvoke(t, b, actor.ID{Type: "T", ID: "4"}, "field", "file"); got != "open" {
		t.Errorf("got %q", got)
	}
}

// A turn of an atomic actor that leaves what cannot be rolled back fails, and is undone.
func TestAtomicTurnsLeaveNothingOpen(t *testing.T) {
	_, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Hibernate: true, Atomic: true})
	id := actor.ID{Type: "T", ID: "a"}
	mustInvoke(t, b, id, "set", "f=1")
	_, err := invoke(t, b, id, "set", "file=open")
	wantErr(t, err, actor.ErrOther, "actor T/a: set: a turn of an atomic actor may leave nothing that cannot be rolled back: the instance holds what cannot be saved: a file")
	if got := mustInvoke(t, b, id, "field", "file") + mustInvoke(t, b, id, "get", "file") + mustInvoke(t, b, id, "field", "f"); got != "1" {
		t.Errorf("got %q, want the turn undone in memory and state", got)
	}
	if s := b.Stats()[0]; s.Rollbacks != 1 || s.Failed != 1 || s.Activations != 1 {
		t.Errorf("stats: %+v", s)
	}
}

// singleApp is an app whose instances cannot be entered again.
type singleApp struct{ *fakeApp }

func (singleApp) Single() bool { return true }

func TestReentrancyOfComponentsIsRefused(t *testing.T) {
	for _, reentrancy := range []bool{false, true} {
		b, err := actor.New(t.Context(), actor.Config{
			Types: []actor.Settings{{Type: "T", App: "app", Where: "m.yaml:7", Reentrancy: reentrancy}},
			Store: func(string) (actor.Store, error) { return &actortest.Store{}, nil }, Chain: chain.New(nil, nil),
		})
		if err != nil {
			t.Fatal(err)
		}
		var app block.Single = singleApp{&fakeApp{name: "app"}}
		_, err = b.Open(t.Context(), app)
		const want = "m.yaml:7: actor type T: reentrancy is true, and app app is a component: the Component Model lets no instance be called while it is in a call"
		if (err != nil) != reentrancy || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("reentrancy %t: got %v", reentrancy, err)
		}
	}
}
