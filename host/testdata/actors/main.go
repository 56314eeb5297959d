// Command actors is an app whose actors do what each call says, step by step, and tell what came of it.
package main

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/client"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
)

// version differs between builds; tests change the text in the module.
var version = "build-one"

// Step is one thing that a turn does.
type Step struct {
	// Op says what.
	Op string
	// Key and Value are for the state, and for what has a name.
	Key, Value string
	// N is a number of milliseconds, seconds or bytes, as the op wants.
	N int
	// Must makes the failure of a call the failure of the turn.
	Must bool
	// Type, ID and Steps are a call of another actor.
	Type, ID string
	Steps    []Step
	Timer    *actor.Timer
	Reminder *actor.Reminder
}

// Fire is a timer or reminder that has come.
type Fire struct {
	Name string
	// At is when, in nanoseconds since 1970.
	At int64
}

// Reply is what an actor is like after its turn, and what came of the steps.
type Reply struct {
	Version string
	Mem     []string
	Fired   []Fire
	Got     map[string]string
	// Count is what the counting steps have counted, Turns the turns that ran since the actor was born.
	Count, Turns int
	// Errs are those of steps that failed, in their order.
	Errs []string
	// Begin and End are the turn's, Born that of the first turn that the actor's memory knows, in nanoseconds since 1970.
	Begin, End, Born int64
}

// Probe is an actor. Its fields are what the tests look for after hibernation and failure.
type Probe struct {
	version      string
	mem          []string
	fired        []Fire
	count, turns int
	born         int64
	open         bool
	ballast      []byte
}

var (
	_ actor.Activator   = (*Probe)(nil)
	_ actor.Deactivator = (*Probe)(nil)
	_ actor.Reminded    = (*Probe)(nil)
	_ actor.Timed       = (*Probe)(nil)
)

func init() {
	for _, name := range []string{"Plain", "Atomic", "Never", "Open", "Flat", "Small", "Quick", "Gate"} {
		t := actor.Register[Probe](name)
		actor.Method(t, "run", (*Probe).Run)
		actor.Method(t, "echo", func(_ *Probe, _ *actor.Context, in actor.Payload) (actor.Payload, error) { return in, nil })
		actor.Method(t, "opened", func(p *Probe, _ *actor.Context, _ actor.None) (bool, error) { return p.open, nil })
	}
	http.Handle(route)
}

func main() {}

// Activate counts activations in the state, and reads the count.
func (p *Probe) Activate(c *actor.Context) error {
	switch {
	case strings.HasPrefix(c.ID().ID, "refuse"):
		return errors.New("this one does not want to live")
	case strings.HasPrefix(c.ID().ID, "stillborn"):
		panic("on purpose")
	}
	p.version, p.born = version, time.Now().UnixNano()
	n, _, err := actor.Get[int](c, "activations")
	if err == nil {
		p.count, _, err = actor.Get[int](c, "count")
	}
	if err != nil {
		return err
	}
	return actor.Set(c, "activations", n+1)
}

// Deactivate leaves what the memory had.
func (p *Probe) Deactivate(c *actor.Context) error {
	return actor.Set(c, "deactivated", strings.Join(p.mem, " "))
}

// Run does the steps.
func (p *Probe) Run(c *actor.Context, steps []Step) (Reply, error) {
	p.turns++
	r := Reply{Begin: time.Now().UnixNano(), Got: map[string]string{}}
	for _, s := range steps {
		if err := p.do(c, s, &r); err != nil {
			return Reply{}, err
		}
	}
	r.Version, r.Mem, r.Fired, r.Born = p.version, p.mem, p.fired, p.born
	r.Count, r.Turns = p.count, p.turns
	r.End = time.Now().UnixNano()
	return r, nil
}

// Timer notes the timer, and does the steps in its data.
func (p *Probe) Timer(c *actor.Context, t actor.Tick) error {
	return p.due(c, t.Name, t.Data, t.Decode)
}

// Reminder notes the reminder, and does the steps in its data.
func (p *Probe) Reminder(c *actor.Context, d actor.Due) error {
	return p.due(c, d.Name, d.Data, d.Decode)
}

func (p *Probe) due(c *actor.Context, name string, data []byte, decode func(any) error) error {
	p.fired = append(p.fired, Fire{name, time.Now().UnixNano()})
	key := "fired/" + name
	n, _, err := actor.Get[int](c, key)
	if err != nil {
		return err
	}
	if err := actor.Set(c, key, n+1); err != nil || len(data) == 0 {
		return err
	}
	var steps []Step
	if err := decode(&steps); err != nil {
		return err
	}
	_, err = p.Run(c, steps)
	return err
}

// route calls actors on behalf of the app.
func route(r *http.Request) *http.Response {
	var in struct {
		Type, ID        string
		Calls, Parallel int
		Steps           []Step
	}
	if err := r.Decode(&in); err != nil {
		return http.Error(400, "%v", err)
	}
	out := make([]Reply, max(1, in.Calls))
	errs := make([]error, len(out))
	var wg sync.WaitGroup
	for i := range out {
		run := func() { out[i], errs[i] = client.Define[[]Step, Reply](in.Type, "run").Invoke(in.ID, in.Steps) }
		if in.Parallel > 0 {
			wg.Go(run)
		} else {
			run()
		}
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return http.Error(500, "%v", err)
	}
	if id, ok := actor.Self(); ok {
		return http.Error(500, "a request is in the turn of %v", id)
	}
	return http.JSON(200, out)
}

// reason names the reason of an error.
func reason(err error) string {
	for name, is := range map[string]error{
		"unknown-type": client.ErrUnknownType, "unknown-method": client.ErrUnknownMethod, "invalid": client.ErrInvalidRequest,
		"failed": client.ErrFailed, "overloaded": client.ErrOverloaded, "timeout": client.ErrTimeout, "deadlock": client.ErrDeadlock,
		"stack-depth": client.ErrStackDepth, "exists": client.ErrAlreadyExists, "not-found": client.ErrNotFound,
		"not-in-turn": client.ErrNotInTurn, "unavailable": client.ErrUnavailable,
	} {
		if errors.Is(err, is) {
			return name
		}
	}
	return "other"
}

func report(r *Reply, err error) {
	if err != nil {
		r.Errs = append(r.Errs, fmt.Sprintf("%s: %v", reason(err), err))
	}
}
