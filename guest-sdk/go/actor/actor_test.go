//go:build !wasip1

package actor_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/client"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/warmup"
)

// Desk is an actor type that does what the test says.
type Desk struct {
	turns int
	kept  *actor.Context
}

// job is what the actor does in the turn that is called for it.
type job func(d *Desk, c *actor.Context) error

var (
	jobs      sync.Map
	jobNumber atomic.Int64
	// gone is what a desk's Deactivate fails with.
	gone error
	// ticks are the timers and reminders that came.
	ticks []string
)

func (d *Desk) Activate(c *actor.Context) error {
	if strings.HasPrefix(c.ID().ID, "closed") {
		return errors.New("the desk is closed")
	}
	return actor.Set(c, "activated", []byte("yes"))
}

func (d *Desk) Deactivate(c *actor.Context) error {
	if err := actor.Set(c, "left", d.turns); err != nil {
		return err
	}
	return gone
}

func (d *Desk) Timer(_ *actor.Context, t actor.Tick) error {
	var text string
	if err := t.Decode(&text); err != nil {
		return err
	}
	ticks = append(ticks, t.Name+" "+t.Callback+" "+text)
	return nil
}

func (d *Desk) Reminder(c *actor.Context, due actor.Due) error {
	ticks = append(ticks, fmt.Sprintf("%s %s %q %q", due.Name, due.Data, due.DueTime, due.Period))
	if j, ok := jobs.LoadAndDelete(due.Name); ok {
		return j.(job)(d, c)
	}
	return nil
}

func (d *Desk) Do(c *actor.Context, name string) (int, error) {
	d.turns++
	j, _ := jobs.Load(name)
	return d.turns, j.(job)(d, c)
}

// Note shows how a value comes through JSON.
type Note struct {
	Text string `json:"text"`
	At   time.Time
}

// Odd cannot be written as JSON while it is zero.
type Odd struct{ text *string }

func (o Odd) MarshalJSON() ([]byte, error) { return []byte(`"` + *o.text + `"`), nil }

var (
	desks = actor.Register[Desk]("Desk")
	do    = actor.Method(desks, "do", (*Desk).Do)
	raw   = actor.Method(desks, "raw", func(_ *Desk, _ *actor.Context, in []byte) ([]byte, error) { return append(in, '!'), nil })
	nop   = actor.Method(desks, "nop", func(*Desk, *actor.Context, actor.None) (actor.None, error) { return actor.None{}, nil })
	note  = actor.Method(desks, "note", func(_ *Desk, _ *actor.Context, n *Note) (Note, error) { return *n, nil })
	odd   = actor.Method(desks, "odd", func(_ *Desk, _ *actor.Context, s string) (Odd, error) { return Odd{&s}, nil })
	full  = actor.Method(desks, "full", func(_ *Desk, _ *actor.Context, p actor.Payload) (actor.Payload, error) {
		return actor.Payload{ContentType: "x/" + p.ContentType, Data: p.Data}, nil
	})
	walk = client.Define[int, string]("Desk", "walk")
)

func init() {
	// Walk calls itself on the next desk.
	actor.Handle(desks, walk, func(_ *Desk, c *actor.Context, n int) (string, error) {
		if n == 0 {
			return c.ID().String(), nil
		}
		return walk.Invoke(fmt.Sprint("desk", n-1), n-1)
	})
}

// turn has the actor id do a job in one turn.
func turn(t *testing.T, id string, j job) (int, error) {
	t.Helper()
	name := fmt.Sprint(jobNumber.Add(1))
	jobs.Store(name, j)
	return do.Invoke(id, name)
}

func must(t *testing.T, id string, j job) {
	t.Helper()
	if _, err := turn(t, id, j); err != nil {
		t.Fatal(err)
	}
}

func TestValues(t *testing.T) {
	actor.ResetFake()
	in := []byte("bytes")
	if out, err := raw.Invoke("a", in); err != nil || string(out) != "bytes!" || string(in) != "bytes" {
		t.Errorf("raw: got %q, %v", out, err)
	}
	if _, err := nop.Invoke("a", actor.None{}); err != nil {
		t.Errorf("none: %v", err)
	}
	want := Note{"hello", time.Unix(1e9, 5).UTC()}
	if got, err := note.Invoke("a", &want); err != nil || got != want {
		t.Errorf("JSON: got %+v, %v", got, err)
	}
	if got, err := full.Invoke("a", actor.Payload{ContentType: "y", Data: []byte("z")}); err != nil || got.ContentType != "x/y" || string(got.Data) != "z" {
		t.Errorf("payload: got %+v, %v", got, err)
	}
	if _, err := odd.Invoke("a", "text"); err == nil || !strings.Contains(err.Error(), "the answer is not the JSON of actor_test.Odd") {
		t.Errorf("an answer that cannot be read: got %v", err)
	}
	if out, err := client.Invoke("Desk", "a", "note", "", []byte(`{"text":"x"}`)); err != nil || out.ContentType != "application/json" {
		t.Errorf("by name: got %+v, %v", out, err)
	}
	warmup.Run() // with the zero value of Odd, which panics
}

func TestErrors(t *testing.T) {
	actor.ResetFake()
	call := func(actorType, id, method, in string) func() error {
		return func() error {
			_, err := client.Invoke(actorType, id, method, "", []byte(in))
			return err
		}
	}
	tests := []struct {
		name string
		do   func() error
		want error
		text string
	}{
		{"type", call("Nobody", "a", "m", ""), client.ErrUnknownType, `no app has actor type "Nobody"; there are: Account, Desk, Plain`},
		{"method", call("Desk", "a", "m", ""), client.ErrUnknownMethod, `has no method "m"; its methods: do, full, nop, note, odd, raw, walk`},
		{"no id", call("Desk", "", "do", ""), client.ErrInvalidRequest, "the actor id is empty"},
		{"bad id", call("Desk", "a||b", "do", ""), client.ErrInvalidRequest, `"a||b" has "||"`},
		{"input", call("Desk", "a", "walk", `"x"`), client.ErrFailed, "input of method walk is not the JSON of int: json:"},
		{"activation", call("Desk", "closed", "nop", ""), client.ErrFailed, "actor Desk/closed: nop: failed: the desk is closed"},
		{"output", func() error {
			_, err := note.Invoke("a", &Note{At: time.Date(1e5, 1, 1, 0, 0, 0, 0, time.UTC)})
			return err
		}, nil, "input: *actor_test.Note cannot be written as JSON"},
		{"no call", func() error { _, err := client.Call[int, int]{}.Invoke("a", 1); return err }, nil, "client.Define"},
		{"no timer", func() error { return actor.FireTimer("Desk", "a", "x") }, client.ErrNotFound, `actor Desk/a has no timer "x"`},
		{"no reminder", func() error { return actor.FireReminder("Desk", "a", "x") }, client.ErrNotFound, `has no reminder "x"`},
		{"deactivate", func() error { return actor.Deactivate("Nobody", "a") }, client.ErrUnknownType, "Nobody"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.do()
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want one that is %v, with %q", err, tt.want, tt.text)
			}
		})
	}
}

// TestTransaction looks at what a turn's end keeps.
func TestTransaction(t *testing.T) {
	actor.ResetFake()
	broken := errors.New("broken")
	set := func(v string, end error) job {
		return func(_ *Desk, c *actor.Context) error {
			if err := actor.Set(c, "k", v); err != nil {
				return err
			}
			if got, ok, err := actor.Get[string](c, "k"); got != v || !ok || err != nil {
				t.Errorf("own change: got %q, %t, %v", got, ok, err)
			}
			return errors.Join(end, c.SetTimer(actor.Timer{Name: v}))
		}
	}
	must(t, "a", set("one", nil))
	if _, err := turn(t, "a", set("two", broken)); !errors.Is(err, client.ErrFailed) || !strings.Contains(err.Error(), "failed: broken") {
		t.Errorf("got %v, want a failure with the method's text", err)
	}
	if _, err := turn(t, "a", func(_ *Desk, c *actor.Context) error { return errors.Join(actor.Remove(c, "k"), broken) }); err == nil {
		t.Error("got no error")
	}
	if got := string(actor.FakeState("Desk", "a")["k"]); got != "one" {
		t.Errorf("after failed turns: got %q, want one", got)
	}
	if got := actor.FakeTimers("Desk", "a"); len(got) != 1 || got[0].Name != "one" {
		t.Errorf("timers: got %+v, want the one of the turn that succeeded", got)
	}
	if turns, _ := turn(t, "a", func(*Desk, *actor.Context) error { return nil }); turns != 4 {
		t.Errorf("memory has %d turns, want 4: failed ones change it too", turns)
	}
	must(t, "a", func(_ *Desk, c *actor.Context) error { return actor.Remove(c, "k") })
	must(t, "a", func(d *Desk, c *actor.Context) error {
		d.kept = c
		_, ok, err := actor.Get[string](c, "k")
		if ok {
			err = errors.New("the removed key is there")
		}
		return err
	})
}

func TestTurnsDoNotOverlap(t *testing.T) {
	actor.ResetFake()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 50 {
				must(t, "a", func(d *Desk, c *actor.Context) error {
					if self, ok := actor.Self(); !ok || self != c.ID() {
						t.Errorf("self is %v", self)
					}
					return actor.Set(c, "turns", d.turns)
				})
			}
		})
	}
	wg.Wait()
	if got := string(actor.FakeState("Desk", "a")["turns"]); got != "1000" {
		t.Errorf("got %s turns, want 1000", got)
	}
	if self, ok := actor.Self(); ok {
		t.Errorf("outside of turns self is %v", self)
	}
}

func TestStateForms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		actor.ResetFake()
		var kept *actor.Context
		must(t, "a", func(_ *Desk, c *actor.Context) error {
			kept = c
			return errors.Join(
				actor.Set(c, "json", Note{Text: "n"}), actor.Set(c, "text", "plain"), c.SetRaw("raw", []byte{0, 1}),
				actor.Set(c, "short", 1, actor.TTL(1500*time.Millisecond)))
		})
		if got := actor.FakeState("Desk", "a"); string(got["text"]) != "plain" || string(got["raw"]) != "\x00\x01" || string(got["short"]) != "1" {
			t.Errorf("stored: got %q", got)
		}
		time.Sleep(2 * time.Second)
		must(t, "a", func(_ *Desk, c *actor.Context) error {
			if n, ok, err := actor.Get[Note](c, "json"); n.Text != "n" || !ok || err != nil {
				t.Errorf("json: got %+v, %t, %v", n, ok, err)
			}
			if b, ok, err := c.GetRaw("raw"); len(b) != 2 || !ok || err != nil {
				t.Errorf("raw: got %v, %t, %v", b, ok, err)
			}
			if _, ok, err := actor.Get[int](c, "short"); ok || err != nil {
				t.Errorf("expired: got %t, %v", ok, err)
			}
			if _, _, err := actor.Get[int](c, "text"); err == nil || !strings.Contains(err.Error(), `actor Desk/a: the value of "text" is not the JSON of int`) {
				t.Errorf("wrong type: got %v", err)
			}
			for _, err := range []error{actor.Set(c, "", 1), actor.Remove(c, "a||b"), actor.Set(c, "k", 1, actor.TTL(0))} {
				if !errors.Is(err, client.ErrInvalidRequest) {
					t.Errorf("bad key or ttl: got %v", err)
				}
			}
			return nil
		})
		if err := actor.Set(kept, "k", 1); !errors.Is(err, client.ErrNotInTurn) {
			t.Errorf("outside of the turn: got %v", err)
		}
		if _, _, err := actor.Get[int](new(actor.Context), "k"); !errors.Is(err, client.ErrNotInTurn) {
			t.Errorf("a context of nobody: got %v", err)
		}
	})
}

func TestDeactivate(t *testing.T) {
	actor.ResetFake()
	for range 2 {
		must(t, "a", func(_ *Desk, c *actor.Context) error { return c.SetTimer(actor.Timer{Name: "t"}) })
	}
	if err := actor.Deactivate("Desk", "a"); err != nil {
		t.Fatal(err)
	}
	if got := string(actor.FakeState("Desk", "a")["left"]); got != "2" || len(actor.FakeTimers("Desk", "a")) != 0 {
		t.Errorf("got %s turns and timers %v, want 2 and none", got, actor.FakeTimers("Desk", "a"))
	}
	if turns, err := turn(t, "a", func(*Desk, *actor.Context) error { return nil }); turns != 1 || err != nil {
		t.Errorf("the memory has %d turns, %v; want a new one", turns, err)
	}
	gone = errors.New("not now")
	defer func() { gone = nil }()
	if err := actor.Deactivate("Desk", "a"); err == nil || err.Error() != "actor Desk/a: deactivate: failed: not now" {
		t.Errorf("got %v", err)
	}
	if err := actor.Deactivate("Desk", "a"); err != nil {
		t.Errorf("of one that is not active: got %v", err)
	}
}

func TestOtherApps(t *testing.T) {
	actor.ResetFake()
	client.FakeType("Stock", func(id, method string, in client.Payload) (client.Payload, error) {
		switch method {
		case "busy":
			return client.Payload{}, client.ErrOverloaded
		case "gone":
			return client.Payload{}, fmt.Errorf("%s: %w", id, client.ErrUnavailable)
		case "bad":
			return client.Payload{}, errors.New("no such shelf")
		}
		return client.Payload{Data: slices.Concat(in.Data, []byte(id))}, nil
	})
	for method, want := range map[string]string{
		"ok":   "x1",
		"busy": "actor Stock/1: busy: overloaded",
		"gone": "actor Stock/1: gone: unavailable: 1: unavailable",
		"bad":  "actor Stock/1: bad: failed: no such shelf",
	} {
		got, err := client.Define[string, string]("Stock", method).Invoke("1", "x")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", method, got, want)
		}
	}
	client.FakeType("Stock", nil)
	if _, err := client.Invoke("Stock", "1", "ok", "", nil); !errors.Is(err, client.ErrUnknownType) {
		t.Errorf("after removal: got %v", err)
	}
}
