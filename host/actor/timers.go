package actor

import (
	"context"
	"errors"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	"github.com/mrt-wasm/mrt-wasm/host/schedule"
)

// Timer is a timer as an actor registers it.
type Timer = abiactor.Timer

// maxData bounds the data of a timer or reminder, in bytes.
const maxData = 1 << 20

// timerWorkers bounds the timers whose turns run or are waited for at a time.
const timerWorkers = 1024

// closingPause is when a timer is tried again that came while the host stops.
const closingPause = time.Second

// timerPayload is what the block keeps with a timer.
type timerPayload struct {
	ID       ID     `json:"id"`
	Callback string `json:"callback,omitempty"`
	Data     []byte `json:"data,omitempty"`
	// Seq tells registrations of one name apart: a fire that waited while its timer was replaced is void.
	Seq uint64 `json:"seq"`
}

// timerChange is what a turn does to a timer; it counts from the turn's end.
type timerChange struct {
	name   string
	remove bool
	timer  schedule.Timer[timerPayload]
}

// owner names the actor to the timers.
func (a *actor) owner() string { return a.id.Type + sep + a.id.ID }

// newTimer checks a timer. Its times count from now.
func newTimer(id ID, t Timer, now time.Time) (timerChange, error) {
	if err := checkText("timer name", t.Name, maxKey); err != nil {
		return timerChange{}, err
	}
	if len(t.Data) > maxData {
		return timerChange{}, errorf(ErrInvalidRequest, "timer %q: data: expected at most %d bytes, found %d; keep them in the actor's state", clip(t.Name), maxData, len(t.Data))
	}
	bad := func(err error) (timerChange, error) {
		return timerChange{}, errorf(ErrInvalidRequest, "timer %q: %v", clip(t.Name), err)
	}
	due, err := schedule.ParseDue(t.DueTime, now)
	if err != nil {
		return bad(err)
	}
	period, err := schedule.ParsePeriod(t.Period)
	if err != nil {
		return bad(err)
	}
	ends, err := schedule.ParseTTL(t.TTL, due)
	if err != nil {
		return bad(err)
	}
	out := schedule.Timer[timerPayload]{
		Owner: id.Type + sep + id.ID, Name: t.Name, In: due.Sub(now), Period: period,
		Payload: timerPayload{ID: id, Callback: t.Callback, Data: t.Data},
	}
	if !ends.IsZero() {
		if out.EndsIn = ends.Sub(now); out.EndsIn <= 0 {
			return bad(errors.New("ttl: it ended before now"))
		}
	}
	return timerChange{name: t.Name, timer: out}, nil
}

// applyTimers makes the changes of a turn. The caller has the turn.
func (b *Block) applyTimers(a *actor, changes []timerChange) {
	for _, c := range changes {
		if c.remove {
			delete(a.timers, c.name)
			b.timers.Remove(a.owner(), c.name)
			continue
		}
		b.setTimer(a, c.timer)
	}
}

func (b *Block) setTimer(a *actor, t schedule.Timer[timerPayload]) {
	t.Payload.Seq = b.timerSeq.Add(1)
	if a.timers == nil {
		a.timers = map[string]uint64{}
	}
	a.timers[t.Name] = t.Payload.Seq
	b.timers.Set(t)
}

// wakeTimers sets the timers of an actor that has woken up.
func (b *Block) wakeTimers(a *actor, s saving) {
	for _, t := range s.due(time.Now()) {
		b.setTimer(a, t)
	}
}

// fireTimer is the turn of a timer. It never wakes an actor.
func (b *Block) fireTimer(ctx context.Context, t schedule.Timer[timerPayload]) {
	p := t.Payload
	typ := b.types[p.ID.Type]
	if typ == nil {
		return
	}
	call := &timerCall{b: b, typ: typ, timer: t}
	err := inbound(ctx, typ.timers, call.run)
	switch {
	case errors.Is(err, ErrInstanceMissing): // it was put away at the same time
	case errors.Is(err, ErrUnavailable) && b.closing.Load():
		if t.Period.None() { // it is to go with the actor when that is hibernated
			t.In = closingPause
			b.timers.Set(t)
		}
	case err != nil:
		b.log.WarnContext(ctx, "an actor's timer failed", "actor", p.ID.String(), "timer", t.Name, "error", err)
	}
}

type timerCall struct {
	b     *Block
	typ   *actorType
	timer schedule.Timer[timerPayload]
}

func (c *timerCall) run(ctx context.Context) error {
	b, p := c.b, c.timer.Payload
	if b.closing.Load() {
		return errStopping(p.ID)
	}
	t, err := b.enter(ctx, c.typ, p.ID, label{kind: kindTimer, name: c.timer.Name}, false)
	if err != nil {
		return err
	}
	a := t.actor
	defer b.leave(ctx, a)
	if a.kept == nil || a.gen != a.typ.gen.Load() || a.timers[c.timer.Name] != p.Seq {
		return errorf(ErrInstanceMissing, "actor %s has the timer no more", p.ID)
	}
	if c.timer.Period.None() {
		delete(a.timers, c.timer.Name)
	}
	c.typ.stats.timersFired.Add(1)
	return b.run(ctx, t, func(ctx context.Context, g abi.Guest) error {
		return abiactor.CallActorTimer(ctx, g, c.timer.Name, p.Callback, p.Data)
	})
}

// SetTimer registers a timer of an active actor, for a caller from outside: it takes its place among the turns. It
// fails with ErrInstanceMissing, ErrInvalidRequest and what a turn fails with.
func (b *Block) SetTimer(ctx context.Context, id ID, t Timer) error {
	typ, err := b.typeOf(id)
	if err != nil {
		return err
	}
	change, err := newTimer(id, t, time.Now())
	if err != nil {
		return err
	}
	return b.among(ctx, typ, id, "setting a timer", func(a *actor) error {
		b.setTimer(a, change.timer)
		return nil
	})
}

// DeleteTimer removes a timer of an active actor; a missing one is fine. It fails as SetTimer does.
func (b *Block) DeleteTimer(ctx context.Context, id ID, name string) error {
	typ, err := b.typeOf(id)
	if err != nil {
		return err
	}
	return b.among(ctx, typ, id, "deleting a timer", func(a *actor) error {
		b.applyTimers(a, []timerChange{{name: name, remove: true}})
		return nil
	})
}
