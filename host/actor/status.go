package actor

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// counters are what a type counts.
type counters struct {
	turns, failed, waits, overloads                  atomic.Uint64
	activations, activationFailures, deactivations   atomic.Uint64
	hibernations, savedBytes, wakes, rollbacks, fuel atomic.Uint64
	remindersFired, timersFired                      atomic.Uint64
	pending                                          atomic.Int64
}

// Stats are figures of one actor type.
type Stats struct {
	Type, App string
	// Active is how many actors have an instance, Pending how many calls wait for a turn, Timers how many timers all
	// types have.
	Active, Pending, Timers int64
	// Turns are all that ended, activations and deactivations included; Failed is how many of them failed, Rollbacks
	// how often memory was brought back for that.
	Turns, Failed, Rollbacks uint64
	// Waits are calls that did not get their turn at once, Overloads those that a full mailbox refused.
	Waits, Overloads uint64
	// Activations are those that worked.
	Activations, ActivationFailures, Deactivations uint64
	// Hibernations are those that worked, SavedBytes what they wrote; Wakes are the ways back.
	Hibernations, SavedBytes, Wakes uint64
	RemindersFired, TimersFired     uint64
	// Fuel is about the number of instructions.
	Fuel uint64
}

// Stats gives the figures of every type, by name.
func (b *Block) Stats() []Stats {
	out := make([]Stats, 0, len(b.names))
	timers := int64(b.timers.Len())
	for _, typ := range b.all() {
		c := &typ.stats
		out = append(out, Stats{
			Type: typ.Type, App: typ.App, Active: typ.active.Load(), Pending: c.pending.Load(), Timers: timers,
			Turns: c.turns.Load(), Failed: c.failed.Load(), Rollbacks: c.rollbacks.Load(),
			Waits: c.waits.Load(), Overloads: c.overloads.Load(),
			Activations: c.activations.Load(), ActivationFailures: c.activationFailures.Load(), Deactivations: c.deactivations.Load(),
			Hibernations: c.hibernations.Load(), SavedBytes: c.savedBytes.Load(), Wakes: c.wakes.Load(),
			RemindersFired: c.remindersFired.Load(), TimersFired: c.timersFired.Load(), Fuel: c.fuel.Load(),
		})
	}
	return out
}

// Describe is the host's part of GET /v1.0/metadata in Dapr's form.
func (b *Block) Describe(context.Context) map[string]any {
	status, ready := "RUNNING", true
	switch {
	case len(b.types) == 0:
		status, ready = "DISABLED", false
	case b.closing.Load():
		ready = false
	}
	active := []map[string]any{}
	for _, typ := range b.all() {
		active = append(active, map[string]any{"type": typ.Type, "count": typ.active.Load()})
	}
	return map[string]any{"actorRuntime": map[string]any{
		"runtimeStatus": status, "activeActors": active, "hostReady": ready, "placement": "placement: in this process",
	}}
}

// Info is one actor.
type Info struct {
	ID ID
	// Active tells that it has an instance; the fields below are those of active actors.
	Active bool
	// Busy tells that it is in a turn, Mailbox how many calls wait.
	Busy    bool
	Mailbox int
	// Calls are the turns, and Fuel what they used, since the actor's entry was made.
	Calls, Fuel uint64
	// LastUsed is when its last turn ended.
	LastUsed time.Time
}

// The tokens of List.
const (
	tokenActive = "active:"
	tokenAsleep = "asleep:"
)

// List gives a page of the actors of a type: the active ones, by id, then those that are hibernated. limit is how many
// at most, 100 when it is 0; the token of the next page is "" at the end. Actors without memory, which have state only,
// are not known. Errors: ErrUnknownType, ErrReserved, ErrInvalidRequest, ErrUnavailable.
func (b *Block) List(ctx context.Context, typ string, limit int, token string) (page []Info, next string, err error) {
	t, err := b.typeNamed(typ)
	if err != nil {
		return nil, "", err
	}
	limit = clampLimit(limit)
	if after, ok := strings.CutPrefix(token, tokenActive); ok || token == "" {
		page, next = t.listActive(limit, after)
		if next != "" || len(page) == limit {
			if next == "" {
				next = tokenAsleep
			}
			return page, next, nil
		}
		token = tokenAsleep
	}
	after, ok := strings.CutPrefix(token, tokenAsleep)
	if !ok {
		return nil, "", errorf(ErrInvalidRequest, "token: expected one that an earlier page gave, found %q", clip(token))
	}
	prefix := savedPrefix(t.App, t.Type)
	keys, next, err := t.store.ListKeys(ctx, prefix, limit-len(page), after)
	if err != nil {
		return nil, "", &Error{Kind: ErrUnavailable, Text: "the hibernated actors cannot be listed: " + err.Error(), Cause: err}
	}
	active := len(page)
	for _, key := range keys {
		id := ID{Type: t.Type, ID: strings.TrimPrefix(key, prefix)}
		// One that has gone to sleep meanwhile is listed already.
		if !slices.ContainsFunc(page[:active], func(i Info) bool { return i.ID == id }) {
			page = append(page, Info{ID: id})
		}
	}
	if next != "" {
		next = tokenAsleep + next
	}
	return page, next, nil
}

// listActive gives the active actors after an id, in the order of ids.
func (t *actorType) listActive(limit int, after string) (page []Info, next string) {
	var found []*actor
	t.each(func(a *actor) {
		if a.live.Load() && a.id.ID > after {
			found = append(found, a)
		}
	})
	found = smallest(found, limit+1)
	for i, a := range found {
		if i == limit {
			return page, tokenActive + page[limit-1].ID.ID
		}
		info := Info{
			ID: a.id, Active: true, Busy: a.busy.Load(), Mailbox: a.length(), Calls: a.calls.Load(), Fuel: a.fuel.Load(),
		}
		if used := a.used.Load(); used > 0 {
			info.LastUsed = time.Unix(0, used)
		}
		page = append(page, info)
	}
	return page, ""
}
