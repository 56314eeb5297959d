package actor_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/actor"
	"github.com/mrt-wasm/mrt-wasm/host/actor/actortest"
)

func TestSameChainDeadlock(t *testing.T) {
	_, b := newFake(t, &actortest.Store{})
	_, err := invoke(t, b, actor.ID{Type: "T", ID: "a"}, "call", "T/b/call/T/a/echo/x")
	wantErr(t, err, actor.ErrFailed, "deadlock", "T/a -> T/b -> T/a", "reentrancy")
	mustInvoke(t, b, actor.ID{Type: "T", ID: "a"}, "echo", "")
}

func TestStackDepth(t *testing.T) {
	_, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Reentrancy: true, MaxStackDepth: 4})
	if got := mustInvoke(t, b, actor.ID{Type: "T", ID: "a"}, "call", "T/a/call/T/b/call/T/a/echo/deep"); got != "deep" {
		t.Errorf("four deep: got %q", got)
	}
	_, err := invoke(t, b, actor.ID{Type: "T", ID: "a"}, "call", "T/a/call/T/a/call/T/a/call/T/a/echo/deep")
	wantErr(t, err, actor.ErrFailed, "deeper than 4", "maxStackDepth", "T/a -> T/a")
}

// TestReentrancy enters an actor again, alone and over another one; a nested turn that fails takes its writes along.
func TestReentrancy(t *testing.T) {
	app, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Reentrancy: true}, actor.Settings{Type: "A", Reentrancy: true, Atomic: true})
	app.methods["outer"] = func(c *fakeCall) (string, error) {
		c.set("k", "outer")
		c.set("kept", "yes")
		_, err := c.call(actor.ID{Type: c.g.id.Type, ID: "a"}, c.input, "k=inner")
		if err != nil {
			return "inner failed, k=" + c.get("k"), nil
		}
		return "k=" + c.get("k"), nil
	}
	id := actor.ID{Type: "T", ID: "a"}
	if got := mustInvoke(t, b, id, "outer", "set"); got != "k=inner" {
		t.Errorf("nested turn: got %q", got)
	}
	if got := mustInvoke(t, b, id, "outer", "setfail"); got != "inner failed, k=outer" {
		t.Errorf("nested turn that fails: got %q", got)
	}
	if got := mustInvoke(t, b, id, "get", "k"); got != "outer" {
		t.Errorf("state: got %q, want outer", got)
	}
	_, err := invoke(t, b, id, "outer", "settrap")
	wantErr(t, err, actor.ErrOther)
	if got := mustInvoke(t, b, id, "get", "k"); got != "outer" {
		t.Errorf("state after a nested trap: got %q, want outer", got)
	}
	_, err = invoke(t, b, actor.ID{Type: "A", ID: "a"}, "outer", "setfail")
	wantErr(t, err, actor.ErrOther, "nested turn", "atomic")
	if got := mustInvoke(t, b, actor.ID{Type: "A", ID: "a"}, "get", "kept"); got != "" {
		t.Errorf("state of the atomic actor: got %q, want none", got)
	}
}

// TestDeadlock has two actors call each other in two chains: both end, and the errors name both actors.
func TestDeadlock(t *testing.T) {
	app, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", TurnTimeout: 200 * time.Millisecond})
	var met sync.WaitGroup
	met.Add(2)
	app.methods["cross"] = func(c *fakeCall) (string, error) {
		met.Done()
		met.Wait()
		return c.call(actor.ID{Type: "T", ID: c.input}, "echo", "x")
	}
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, ids := range [][2]string{{"a", "b"}, {"b", "a"}} {
		wg.Go(func() { _, errs[i] = invoke(t, b, actor.ID{Type: "T", ID: ids[0]}, "cross", ids[1]) })
	}
	wg.Wait()
	failed, each := 0, 0
	for _, err := range errs {
		if err == nil {
			continue // it had its turn when the other gave up
		}
		failed++
		if !strings.Contains(err.Error(), "timeout") || !strings.Contains(err.Error(), "T/a") || !strings.Contains(err.Error(), "T/b") {
			t.Errorf("error %q: want a timeout with both actors", err)
		}
		if strings.Contains(err.Error(), "wait for each other") {
			each++
		}
	}
	if failed == 0 || each == 0 {
		t.Errorf("errors: %v; want one at least that says that they wait for each other", errs)
	}
}

func TestNotInTurn(t *testing.T) {
	app, _ := newFake(t, &actortest.Store{})
	ctx := t.Context()
	if self := app.hosts.Context.Self(ctx); self != nil {
		t.Errorf("self outside of turns: %v", self)
	}
	_, errGet := app.hosts.State.Get(ctx, "k")
	_, errList := app.hosts.Reminders.List(ctx)
	for what, err := range map[string]error{
		"get": errGet, "set": app.hosts.State.Set(ctx, "k", nil, nil), "list": errList,
		"timer":    app.hosts.Timers.Register(ctx, actor.Timer{Name: "n"}),
		"reminder": app.hosts.Reminders.Register(ctx, actor.Reminder{Name: "n"}),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), "not-in-turn") {
			t.Errorf("%s: got %v, want not-in-turn", what, err)
		}
	}
}

func TestReentrancyID(t *testing.T) {
	app, b := newFake(t, &actortest.Store{})
	app.methods["id"] = func(c *fakeCall) (string, error) { return actor.ReentrancyID(c.ctx), nil }
	app.methods["both"] = func(c *fakeCall) (string, error) {
		other, err := c.call(actor.ID{Type: "T", ID: "b"}, "id", "")
		if own := actor.ReentrancyID(c.ctx); own == "" || own != other {
			return "", errors.New("the ids of one chain differ: " + own + " and " + other)
		}
		return other, err
	}
	mustInvoke(t, b, actor.ID{Type: "T", ID: "a"}, "both", "")
	out, err := b.Invoke(actor.WithReentrancyID(t.Context(), "mine"), actor.ID{Type: "T", ID: "a"}, "both", actor.Payload{})
	if err != nil || string(out.Data) != "mine" {
		t.Errorf("id from outside: got %q, %v; want mine", out.Data, err)
	}
	if got := actor.ReentrancyID(t.Context()); got != "" {
		t.Errorf("id outside of turns: %q", got)
	}
}
