package actor

import (
	"context"
	"time"

	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
)

// What an app imports, each interface on a type of its own.
type (
	contextHost   session
	stateHost     session
	timersHost    session
	remindersHost session
	clientHost    session
)

var (
	_ abiactor.ContextHost   = (*contextHost)(nil)
	_ abiactor.StateHost     = (*stateHost)(nil)
	_ abiactor.TimersHost    = (*timersHost)(nil)
	_ abiactor.RemindersHost = (*remindersHost)(nil)
	_ abiactor.ClientHost    = (*clientHost)(nil)
)

// Self tells whose turn it is.
func (h *contextHost) Self(ctx context.Context) *abiactor.ActorID {
	t, err := (*session)(h).turnOf(ctx)
	if err != nil {
		return nil
	}
	return &abiactor.ActorID{ActorType: t.actor.id.Type, ID: t.actor.id.ID}
}

// Get reads a value.
func (h *stateHost) Get(ctx context.Context, key string) (*[]byte, *abiactor.Error) {
	t, err := (*session)(h).turnOf(ctx)
	if err == nil {
		err = checkText("key", key, maxKey)
	}
	if err != nil {
		return nil, toABI(err)
	}
	value, ok, err := t.read(ctx, key)
	if err != nil || !ok {
		return nil, toABI(err)
	}
	return &value, nil
}

// Set writes a value.
func (h *stateHost) Set(ctx context.Context, key string, value []byte, ttlSeconds *uint32) *abiactor.Error {
	op := Op{Key: key, Value: value}
	if ttlSeconds != nil {
		if *ttlSeconds == 0 {
			return toABI(errorf(ErrInvalidRequest, "key %q: ttl-seconds: expected at least 1, found 0; leave it out, or remove the key", clip(key)))
		}
		ttl := time.Duration(*ttlSeconds) * time.Second
		op.TTL = &ttl
	}
	return h.write(ctx, op)
}

// Remove removes a value.
func (h *stateHost) Remove(ctx context.Context, key string) *abiactor.Error {
	return h.write(ctx, Op{Key: key, Delete: true})
}

func (h *stateHost) write(ctx context.Context, op Op) *abiactor.Error {
	t, err := (*session)(h).turnOf(ctx)
	if err == nil {
		err = checkText("key", op.Key, maxKey)
	}
	if err == nil {
		err = t.buf.add(op)
	}
	return toABI(err)
}

// Register notes a timer, which starts when the turn has ended well.
func (h *timersHost) Register(ctx context.Context, timer Timer) *abiactor.Error {
	t, err := (*session)(h).turnOf(ctx)
	if err != nil {
		return toABI(err)
	}
	change, err := newTimer(t.actor.id, timer, time.Now())
	if err != nil {
		return toABI(err)
	}
	return h.note(t, change)
}

// Unregister notes the end of a timer.
func (h *timersHost) Unregister(ctx context.Context, name string) *abiactor.Error {
	t, err := (*session)(h).turnOf(ctx)
	if err != nil {
		return toABI(err)
	}
	return h.note(t, timerChange{name: name, remove: true})
}

func (h *timersHost) note(t *turn, c timerChange) *abiactor.Error {
	if len(t.timers) >= maxTurnOps {
		return toABI(errorf(ErrInvalidRequest, "the turn changes more than %d timers", maxTurnOps))
	}
	t.timers = append(t.timers, c)
	return nil
}

// Register stores a reminder.
func (h *remindersHost) Register(ctx context.Context, r Reminder) *abiactor.Error {
	t, err := (*session)(h).turnOf(ctx)
	if err == nil {
		err = h.b.SetReminder(ctx, t.actor.id, r)
	}
	return toABI(err)
}

// Unregister removes a reminder.
func (h *remindersHost) Unregister(ctx context.Context, name string) *abiactor.Error {
	t, err := (*session)(h).turnOf(ctx)
	if err == nil {
		err = h.b.DeleteReminder(ctx, t.actor.id, name)
	}
	return toABI(err)
}

// Get reads a reminder.
func (h *remindersHost) Get(ctx context.Context, name string) (Reminder, *abiactor.Error) {
	t, err := (*session)(h).turnOf(ctx)
	if err != nil {
		return Reminder{}, toABI(err)
	}
	r, err := h.b.GetReminder(ctx, t.actor.id, name)
	return r.Reminder, toABI(err)
}

// List lists the reminders of the actor.
func (h *remindersHost) List(ctx context.Context) ([]Reminder, *abiactor.Error) {
	t, err := (*session)(h).turnOf(ctx)
	if err != nil {
		return nil, toABI(err)
	}
	var out []Reminder
	for after := ""; ; {
		page, next, err := h.b.ListReminders(ctx, t.actor.id, 0, after)
		if err != nil {
			return nil, toABI(err)
		}
		for _, r := range page {
			out = append(out, r.Reminder)
		}
		if after = next; after == "" {
			return out, nil
		}
	}
}

// Invoke calls a method of an actor.
func (h *clientHost) Invoke(ctx context.Context, id abiactor.ActorID, method string, input Payload) (Payload, *abiactor.Error) {
	out, err := h.b.invokeFrom(ctx, (*session)(h), ID{Type: id.ActorType, ID: id.ID}, method, input)
	return out, toABI(err)
}
