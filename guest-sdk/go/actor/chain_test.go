//go:build !wasip1

package actor_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/client"
)

// TestChains calls actors from actors: in a line, too deep, in a circle, and in a circle that the type allows.
func TestChains(t *testing.T) {
	actor.ResetFake()
	if got, err := walk.Invoke("desk31", 31); err != nil || got != "Desk/desk0" {
		t.Errorf("a chain of 32: got %q, %v", got, err)
	}
	if _, err := walk.Invoke("desk32", 32); err == nil || !strings.Contains(err.Error(), "chain of calls is too deep: more than 32 calls: Desk/desk32 calls Desk/desk31 calls") {
		t.Errorf("a chain of 33: got %v", err)
	}
	circle := func(inner error) job {
		return func(_ *Desk, c *actor.Context) error {
			if err := actor.Set(c, "outer", 1); err != nil {
				return err
			}
			_, err := turn(t, "b", func(*Desk, *actor.Context) error {
				_, err := turn(t, "a", func(_ *Desk, c *actor.Context) error { return errors.Join(inner, actor.Set(c, "inner", 1)) })
				if inner != nil {
					err = nil
				}
				return err
			})
			return err
		}
	}
	if _, err := turn(t, "a", circle(nil)); !errors.Is(err, client.ErrFailed) || !strings.Contains(err.Error(), "deadlock: actor Desk/a would wait for itself: Desk/a calls Desk/b calls Desk/a") {
		t.Errorf("a circle: got %v", err)
	}
	actor.FakeReentrancy("Desk", true)
	must(t, "a", circle(errors.New("inner failure")))
	if got := actor.FakeState("Desk", "a"); got["outer"] == nil || got["inner"] != nil {
		t.Errorf("after an inner failure: got %v, want the outer turn's change alone", got)
	}
	must(t, "a", circle(nil))
	if got := actor.FakeState("Desk", "a"); got["outer"] == nil || got["inner"] == nil {
		t.Errorf("reentrant: got %v, want both changes", got)
	}
}

// TestMutualWait has two actors call each other at the same time: one of them gets an error that names both.
func TestMutualWait(t *testing.T) {
	actor.ResetFake()
	ready := map[string]chan struct{}{"x": make(chan struct{}), "y": make(chan struct{})}
	errs := make(chan error, 2)
	for _, pair := range [][2]string{{"x", "y"}, {"y", "x"}} {
		go func() {
			_, err := turn(t, pair[0], func(*Desk, *actor.Context) error {
				close(ready[pair[0]])
				<-ready[pair[1]]
				_, err := turn(t, pair[1], func(*Desk, *actor.Context) error { return nil })
				return err
			})
			errs <- err
		}()
	}
	var failed []string
	for range 2 {
		if err := <-errs; err != nil {
			failed = append(failed, err.Error())
		}
	}
	if len(failed) != 1 || !strings.Contains(failed[0], "timeout") || !strings.Contains(failed[0], "Desk/x waits for Desk/y") {
		t.Errorf("got %q, want one timeout that names both", failed)
	}
}

// TestPanic lets a method panic: the test sees it, and the actor starts anew.
func TestPanic(t *testing.T) {
	actor.ResetFake()
	func() {
		defer func() {
			if p := recover(); p != "oops" {
				t.Errorf("got %v, want the panic", p)
			}
		}()
		_, _ = turn(t, "a", func(_ *Desk, c *actor.Context) error {
			if err := actor.Set(c, "k", 1); err != nil {
				t.Error(err)
			}
			panic("oops")
		})
	}()
	turns, err := turn(t, "a", func(*Desk, *actor.Context) error { return nil })
	if turns != 1 || err != nil || actor.FakeState("Desk", "a")["k"] != nil {
		t.Errorf("got turn %d, %v, state %v; want a new actor and no change", turns, err, actor.FakeState("Desk", "a"))
	}
}

func TestRegistration(t *testing.T) {
	method := func(*Desk, *actor.Context, int) (int, error) { return 0, nil }
	for want, register := range map[string]func(){
		"type Desk is registered already":            func() { actor.Register[Desk]("Desk") },
		"must not be empty":                          func() { actor.Register[Desk]("") },
		`must not contain "||"`:                      func() { actor.Register[Desk]("a||b") },
		"type Desk has method do already":            func() { actor.Method(desks, "do", method) },
		"a method of Desk has no name":               func() { actor.Method(desks, "", method) },
		"the call x is for type Other, not for Desk": func() { actor.Handle(desks, client.Define[int, int]("Other", "x"), method) },
	} {
		func() {
			defer func() {
				if got, _ := recover().(string); !strings.Contains(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
			}()
			register()
		}()
	}
	if desks.Name() != "Desk" || do.Type() != "Desk" || do.Method() != "do" {
		t.Errorf("got %q, %q, %q", desks.Name(), do.Type(), do.Method())
	}
}
