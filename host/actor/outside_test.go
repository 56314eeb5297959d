package actor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/actor"
	"github.com/mrt-wasm/mrt-wasm/host/actor/actortest"
)

func TestStateFromOutside(t *testing.T) {
	app, b := newFake(t, &actortest.Store{})
	id := actor.ID{Type: "T", ID: "a"}
	_, err := b.GetState(t.Context(), id, "k")
	wantErr(t, err, actor.ErrInstanceMissing, "T/a")
	wantErr(t, b.TransactState(t.Context(), id, []actor.Op{{Key: "k"}}), actor.ErrInstanceMissing)
	mustInvoke(t, b, id, "get", "k") // also into the cache
	short := time.Hour
	if err := b.TransactState(t.Context(), id, []actor.Op{{Key: "k", Value: []byte("1")}, {Key: "l", Value: []byte("2"), TTL: &short}, {Key: "k", Value: []byte("3")}}); err != nil {
		t.Fatal(err)
	}
	if got := mustInvoke(t, b, id, "get", "k"); got != "3" {
		t.Errorf("the actor reads %q, want 3", got)
	}
	e, err := b.GetState(t.Context(), id, "l")
	if err != nil || string(e.Value) != "2" || e.Expires.IsZero() {
		t.Errorf("l: %v, %v", e, err)
	}
	wantErr(t, b.TransactState(t.Context(), id, []actor.Op{{}}), actor.ErrInvalidRequest, "key")
	zero := time.Duration(0)
	wantErr(t, b.TransactState(t.Context(), id, []actor.Op{{Key: "k", TTL: &zero}}), actor.ErrInvalidRequest, "ttl")
	// From the actor's own chain it is done at once: waiting would be for ever.
	app.methods["own"] = func(c *fakeCall) (string, error) {
		return "", b.TransactState(c.ctx, id, []actor.Op{{Key: "k", Delete: true}})
	}
	mustInvoke(t, b, id, "own", "")
	if got := mustInvoke(t, b, id, "get", "k"); got != "" {
		t.Errorf("k after its deletion: %q", got)
	}
}

func TestList(t *testing.T) {
	_, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Hibernate: true})
	for i := range 30 {
		mustInvoke(t, b, actor.ID{Type: "T", ID: fmt.Sprintf("%02d", i)}, "echo", "")
	}
	b.PutAway(t.Context(), 10)
	for _, limit := range []int{1, 7, 10, 20, 30, 100} {
		var got []string
		active := 0
		for token := ""; ; {
			page, next, err := b.List(t.Context(), "T", limit, token)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) > limit {
				t.Errorf("a page has %d, want at most %d", len(page), limit)
			}
			for _, a := range page {
				got = append(got, a.ID.ID)
				if a.Active {
					active++
					if a.Calls == 0 || a.LastUsed.IsZero() {
						t.Errorf("active actor without figures: %+v", a)
					}
				}
			}
			if token = next; token == "" {
				break
			}
		}
		slices.Sort(got)
		if len(slices.Compact(got)) != 30 || len(got) != 30 || active != 20 {
			t.Errorf("limit %d: %d actors, %d of them active: want 30 and 20: %v", limit, len(got), active, got)
		}
	}
	_, _, err := b.List(t.Context(), "T", 0, "nonsense")
	wantErr(t, err, actor.ErrInvalidRequest, "token")
	_, _, err = b.List(t.Context(), "U", 0, "")
	wantErr(t, err, actor.ErrUnknownType)
}

func TestDescribe(t *testing.T) {
	_, b := newFake(t, &actortest.Store{})
	mustInvoke(t, b, actor.ID{Type: "T", ID: "a"}, "echo", "")
	want := "map[actorRuntime:map[activeActors:[map[count:1 type:T]] hostReady:true placement:placement: in this process runtimeStatus:RUNNING]]"
	if got := fmt.Sprint(b.Describe(t.Context())); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestTimers registers in turns that succeed and fail; what a turn registers counts from its end.
func TestTimers(t *testing.T) {
	app, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Hibernate: true})
	var fired atomic.Int64
	app.methods["tick"] = func(c *fakeCall) (string, error) { fired.Add(1); app.note(c.input); return "", nil }
	set := func(c *fakeCall, name, due, period, data string) error {
		if e := app.hosts.Timers.Register(c.ctx, actor.Timer{Name: name, Callback: "tick", Data: []byte(data), DueTime: due, Period: period}); e != nil {
			return e
		}
		return nil
	}
	app.methods["timer"] = func(c *fakeCall) (string, error) {
		p := strings.Split(c.input, ",")
		return "", set(c, p[0], p[1], p[2], p[3])
	}
	app.methods["timerfail"] = func(c *fakeCall) (string, error) {
		return "", errors.Join(set(c, "bad", "0s", "", "bad"), errors.New("no"))
	}
	app.methods["untimer"] = func(c *fakeCall) (string, error) {
		if e := app.hosts.Timers.Unregister(c.ctx, c.input); e != nil {
			return "", e
		}
		return "", nil
	}
	id := actor.ID{Type: "T", ID: "a"}
	if _, err := invoke(t, b, id, "timerfail", ""); err == nil {
		t.Fatal("timerfail did not fail")
	}
	_, err := invoke(t, b, id, "timer", "x,soon,,x")
	wantErr(t, err, actor.ErrFailed, "soon")
	mustInvoke(t, b, id, "timer", "once,0s,,one")
	eventually(t, "the timer fires", func() bool { return fired.Load() == 1 })
	mustInvoke(t, b, id, "timer", "often,1ms,2ms,two")
	eventually(t, "the timer fires again", func() bool { return fired.Load() >= 4 })
	// It sleeps with its timer, which goes on when it wakes up.
	eventually(t, "the actor is put away", func() bool { return b.PutAway(t.Context(), 1) == 1 })
	if n := b.Stats()[0].Timers; n != 0 {
		t.Errorf("timers of a sleeping actor: %d, want 0", n)
	}
	asleep := fired.Load()
	time.Sleep(20 * time.Millisecond)
	if got := fired.Load(); got != asleep {
		t.Errorf("a timer of a sleeping actor fired: %d, want %d", got, asleep)
	}
	mustInvoke(t, b, id, "echo", "")
	eventually(t, "the timer goes on", func() bool { return fired.Load() >= asleep+2 })
	mustInvoke(t, b, id, "untimer", "often")
	ended := fired.Load()
	time.Sleep(20 * time.Millisecond)
	if got := fired.Load(); got != ended {
		t.Errorf("a timer that was removed fired: %d, want %d", got, ended)
	}
	if slices.Contains(app.noted(), "bad") {
		t.Error("a timer of a failed turn fired")
	}
	// From outside.
	if err := b.SetTimer(t.Context(), id, actor.Timer{Name: "out", Callback: "tick", Data: []byte("out")}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the timer from outside fires", func() bool { return slices.Contains(app.noted(), "out") })
	if err := b.DeleteTimer(t.Context(), id, "out"); err != nil {
		t.Error(err)
	}
	wantErr(t, b.SetTimer(t.Context(), actor.ID{Type: "T", ID: "b"}, actor.Timer{Name: "x"}), actor.ErrInstanceMissing)
	wantErr(t, b.SetTimer(t.Context(), id, actor.Timer{}), actor.ErrInvalidRequest)
}

func TestReminders(t *testing.T) {
	app, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Hibernate: true})
	id := actor.ID{Type: "T", ID: "a"}
	var fired, once atomic.Int64
	app.methods["often"] = func(c *fakeCall) (string, error) {
		if n := fired.Add(1); n == 3 { // removed while it is fired: it stays away
			if e := app.hosts.Reminders.Unregister(c.ctx, "often"); e != nil {
				return "", e
			}
		}
		return "", nil
	}
	app.methods["once"] = func(c *fakeCall) (string, error) { once.Add(1); app.note(c.input); return "", nil }
	app.methods["far"] = func(*fakeCall) (string, error) { return "", errors.New("it is not due yet") }
	stop := start(t, b)
	for _, r := range []actor.Reminder{
		{Name: "often", DueTime: "0s", Period: "5ms"},
		{Name: "once", Data: []byte("data")},
		{Name: "far", DueTime: "1h", Period: "R5/PT1H", TTL: "24h"},
	} {
		if err := b.SetReminder(t.Context(), id, r); err != nil {
			t.Fatal(err)
		}
	}
	wantErr(t, b.SetReminder(t.Context(), id, actor.Reminder{Name: "far"}), actor.ErrAlreadyExists, "overwrite")
	wantErr(t, b.SetReminder(t.Context(), id, actor.Reminder{Name: "x", DueTime: "tomorrow"}), actor.ErrInvalidRequest, "tomorrow")
	wantErr(t, b.SetReminder(t.Context(), id, actor.Reminder{}), actor.ErrInvalidRequest)
	wantErr(t, b.SetReminder(t.Context(), actor.ID{Type: "U", ID: "a"}, actor.Reminder{Name: "x"}), actor.ErrUnknownType)
	eventually(t, "the reminders fire", func() bool { return fired.Load() == 3 && once.Load() == 1 })
	eventually(t, "one reminder is left", func() bool {
		page, _, err := b.ListReminders(t.Context(), id, 0, "")
		return err == nil && len(page) == 1 && page[0].Name == "far"
	})
	if got := app.noted(); len(got) != 1 || got[0] != "data" {
		t.Errorf("data: %q", got)
	}
	r, err := b.GetReminder(t.Context(), id, "far")
	if err != nil || r.DueTime != "1h" || r.Period != "R5/PT1H" || r.TTL != "24h" || r.ID != id || r.Due.Before(time.Now().Add(50*time.Minute)) {
		t.Errorf("far: %+v, %v", r, err)
	}
	_, err = b.GetReminder(t.Context(), id, "once")
	wantErr(t, err, actor.ErrNotFound, "once")
	if err := stop(context.Background()); err != nil {
		t.Error(err)
	}
	if n, err := b.DeleteReminders(t.Context(), actor.ID{Type: "T"}); n != 1 || err != nil {
		t.Errorf("deleted: %d, %v; want 1", n, err)
	}
}

// TestReminderFails tries a reminder again as its policy says, and one that did not reach its actor for ever.
func TestReminderFails(t *testing.T) {
	app, b := newFake(t, &actortest.Store{}, actor.Settings{Type: "T", Hibernate: true, Mailbox: 1})
	var tries, drops atomic.Int64
	app.methods["retry"] = func(*fakeCall) (string, error) { tries.Add(1); return "", errors.New("again") }
	app.methods["drop"] = func(*fakeCall) (string, error) { drops.Add(1); return "", errors.New("no") }
	start(t, b)
	two := uint32(2)
	constant := actor.Reminder{Name: "retry"}
	constant.FailurePolicy.Tag, constant.FailurePolicy.Value.IntervalMS, constant.FailurePolicy.Value.MaxRetries = 2, 1, &two
	drop := actor.Reminder{Name: "drop"}
	drop.FailurePolicy.Tag = 1
	id := actor.ID{Type: "T", ID: "a"}
	for _, r := range []actor.Reminder{constant, drop} {
		if err := b.SetReminder(t.Context(), id, r); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both are given up", func() bool {
		page, _, err := b.ListReminders(t.Context(), id, 0, "")
		return err == nil && len(page) == 0
	})
	if tries.Load() != 3 || drops.Load() != 1 {
		t.Errorf("tries: %d and %d, want 3 and 1", tries.Load(), drops.Load())
	}
}
