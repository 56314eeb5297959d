//go:build !wasip1

package actor_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/client"
)

// Plain is an actor type that has neither Timer nor Reminder.
type Plain struct{}

// Pile adds to a text.
func (p *Plain) Pile(c *actor.Context, text string) (actor.None, error) {
	old, _, err := actor.Get[string](c, "pile")
	if err != nil {
		return actor.None{}, err
	}
	if text == "bad" {
		return actor.None{}, errors.Join(actor.Set(c, "pile", "lost"), errors.New("bad text"))
	}
	return actor.None{}, actor.Set(c, "pile", old+text)
}

// Plan registers timers and a reminder.
func (p *Plain) Plan(c *actor.Context, _ actor.None) (actor.None, error) {
	return actor.None{}, errors.Join(
		c.SetTimer(actor.Timer{Name: "once", Callback: "pile", Data: "1", Due: time.Minute}),
		c.SetTimer(actor.Timer{Name: "twice", Callback: "pile", Data: []byte("2"), Every: time.Minute, Repeats: 2}),
		c.SetTimer(actor.Timer{Name: "bad", Callback: "pile", Data: "bad", Every: time.Minute}),
		c.SetTimer(actor.Timer{Name: "wrong", Callback: "nothing"}),
		c.SetReminder(actor.Reminder{Name: "r"}))
}

var (
	plains = actor.Register[Plain]("Plain")
	_      = actor.Method(plains, "pile", (*Plain).Pile)
	plan   = actor.Method(plains, "plan", (*Plain).Plan)
)

// TestTimersCallMethods fires timers whose callbacks are methods.
func TestTimersCallMethods(t *testing.T) {
	actor.ResetFake()
	if _, err := plan.Invoke("p", actor.None{}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		timer string
		want  error
		pile  string
	}{
		{"once", nil, "1"},
		{"once", client.ErrNotFound, "1"},
		{"twice", nil, "12"},
		{"bad", client.ErrFailed, "12"},
		{"bad", client.ErrFailed, "12"},
		{"twice", nil, "122"},
		{"twice", client.ErrNotFound, "122"},
		{"wrong", client.ErrUnknownMethod, "122"},
	}
	for _, tt := range tests {
		if err := actor.FireTimer("Plain", "p", tt.timer); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.timer, err, tt.want)
		}
		if got := string(actor.FakeState("Plain", "p")["pile"]); got != tt.pile {
			t.Errorf("%s: got %q, want %q", tt.timer, got, tt.pile)
		}
	}
	if err := actor.FireReminder("Plain", "p", "r"); !errors.Is(err, client.ErrUnknownMethod) || !strings.Contains(err.Error(), "no Reminder (actor.Reminded)") {
		t.Errorf("a reminder of a type without Reminder: got %v", err)
	}
}

func TestTimers(t *testing.T) {
	actor.ResetFake()
	ticks = nil
	must(t, "a", func(_ *Desk, c *actor.Context) error {
		return errors.Join(
			c.SetTimer(actor.Timer{Name: "t", Callback: "old"}),
			c.SetTimer(actor.Timer{Name: "t", Callback: "hello", Data: "data", Due: 90 * time.Second, Every: 1500 * time.Millisecond, TTL: time.Hour, Repeats: 3}),
			c.SetTimer(actor.Timer{Name: "stopped"}))
	})
	must(t, "a", func(_ *Desk, c *actor.Context) error {
		return errors.Join(c.StopTimer("stopped"), c.StopTimer("never there"))
	})
	got := actor.FakeTimers("Desk", "a")
	if want := (actor.Schedule{DueTime: "1m30s", Period: "R3/1.5s", TTL: "1h0m0s"}); len(got) != 1 || got[0].Text != want {
		t.Fatalf("got %+v, want one with %+v", got, want)
	}
	if err := actor.FireTimer("Desk", "a", "t"); err != nil || !slices.Equal(ticks, []string{"t hello data"}) {
		t.Errorf("got %q, %v", ticks, err)
	}
}

func TestReminders(t *testing.T) {
	actor.ResetFake()
	ticks = nil
	set := func(r actor.Reminder) job {
		return func(_ *Desk, c *actor.Context) error { return c.SetReminder(r) }
	}
	must(t, "a", set(actor.Reminder{Name: "r", Data: map[string]int{"n": 1}, Every: time.Hour, Repeats: 2, Policy: actor.Constant(time.Second, -1)}))
	if _, err := turn(t, "a", set(actor.Reminder{Name: "r", IfAbsent: true})); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("IfAbsent: got %v", err)
	}
	if _, err := turn(t, "a", func(_ *Desk, c *actor.Context) error {
		r, err := c.GetReminder("r")
		want := actor.Registered{Name: "r", Data: []byte(`{"n":1}`), Repeats: 2, Schedule: actor.Schedule{Period: "1h0m0s"}, Policy: actor.Constant(time.Second, -1)}
		if err != nil || string(r.Data) != string(want.Data) || r.Schedule != want.Schedule || r.Policy != want.Policy || r.Repeats != 2 {
			t.Errorf("got %+v, %v, want %+v", r, err, want)
		}
		var data map[string]int
		if err := r.Decode(&data); err != nil || data["n"] != 1 {
			t.Errorf("data: got %v, %v", data, err)
		}
		if _, err := c.GetReminder("x"); !errors.Is(err, client.ErrNotFound) {
			t.Errorf("missing: got %v", err)
		}
		list, err := c.Reminders()
		if err != nil || len(list) != 1 {
			t.Errorf("list: got %v, %v", list, err)
		}
		return errors.Join(c.SetReminder(actor.Reminder{Name: "stays"}), errors.New("a failed turn"))
	}); err == nil {
		t.Error("the turn did not fail")
	}
	if err := actor.Deactivate("Desk", "a"); err != nil {
		t.Fatal(err)
	}
	jobs.Store("r", job(func(*Desk, *actor.Context) error { return errors.New("not yet") }))
	if err := actor.FireReminder("Desk", "a", "r"); !errors.Is(err, client.ErrFailed) {
		t.Errorf("a failing one: got %v", err)
	}
	for range 2 {
		if err := actor.FireReminder("Desk", "a", "r"); err != nil {
			t.Error(err)
		}
	}
	if list := actor.FakeReminders("Desk", "a"); len(list) != 1 || list[0].Name != "stays" {
		t.Errorf("after its repetitions: got %+v", list)
	}
	if want := `r {"n":1} "" "1h0m0s"`; len(ticks) != 3 || ticks[0] != want {
		t.Errorf("got %q, want three of %q", ticks, want)
	}
	// Registered anew by its own turn, it is there again.
	jobs.Store("stays", set(actor.Reminder{Name: "stays", Policy: actor.Drop()}))
	if err := actor.FireReminder("Desk", "a", "stays"); err != nil || len(actor.FakeReminders("Desk", "a")) != 1 {
		t.Errorf("got %v and %v", err, actor.FakeReminders("Desk", "a"))
	}
	jobs.Store("stays", job(func(*Desk, *actor.Context) error { return errors.New("never mind") }))
	if err := actor.FireReminder("Desk", "a", "stays"); err == nil || len(actor.FakeReminders("Desk", "a")) != 0 {
		t.Errorf("a dropped one: got %v and %v", err, actor.FakeReminders("Desk", "a"))
	}
	must(t, "a", func(_ *Desk, c *actor.Context) error {
		return errors.Join(c.SetReminder(actor.Reminder{Name: "d"}), c.DeleteReminder("d"), c.DeleteReminder("d"))
	})
}

func TestBadTimes(t *testing.T) {
	actor.ResetFake()
	timers := map[string]actor.Timer{
		"the timer's name is empty":            {},
		"Due is -1s, want 0 or more":           {Name: "t", Due: -time.Second},
		"Every is given as a duration and in":  {Name: "t", Every: 1, Text: actor.Schedule{Period: "1s"}},
		"Repeats wants Every":                  {Name: "t", Repeats: 2},
		`the due time of timer "t" is "noon"`:  {Name: "t", Text: actor.Schedule{DueTime: "noon"}},
		`the period of timer "t" is "R2/2"`:    {Name: "t", Text: actor.Schedule{Period: "R2/2"}},
		`the period of timer "t" is "R0/1s"`:   {Name: "t", Text: actor.Schedule{Period: "R0/1s"}},
		"without repetitions":                  {Name: "t", Repeats: 2, Text: actor.Schedule{Period: "R2/1s"}},
		`the ttl of timer "t" is "P"`:          {Name: "t", Text: actor.Schedule{TTL: "P"}},
		`set timer "t": chan int cannot be`:    {Name: "t", Data: make(chan int)},
		`the period of timer "t" is "2030-01-`: {Name: "t", Text: actor.Schedule{Period: "2030-01-01T00:00:00Z"}},
	}
	must(t, "a", func(_ *Desk, c *actor.Context) error {
		for want, timer := range timers {
			if err := c.SetTimer(timer); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: got %v, want %s", timer, err, want)
			}
		}
		if err := c.SetReminder(actor.Reminder{Name: "r", Policy: actor.Constant(-1, 1)}); !errors.Is(err, client.ErrInvalidRequest) {
			t.Errorf("a negative interval: got %v", err)
		}
		return c.SetTimer(actor.Timer{Name: "ok", Repeats: 4, Text: actor.Schedule{DueTime: "2030-01-01T00:00:00Z", Period: "P1DT0.5S", TTL: "PT1H"}})
	})
}
