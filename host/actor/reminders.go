package actor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	"github.com/mrt-wasm/mrt-wasm/host/schedule"
)

// Reminder is a reminder as it is registered.
type Reminder = abiactor.Reminder

// ReminderInfo is a reminder that is stored.
type ReminderInfo struct {
	// ID is the actor's.
	ID ID
	Reminder
	// Due is when it is due next.
	Due time.Time
}

// storedReminder is the data of an entry of the schedule.
type storedReminder struct {
	State   schedule.Recurrence `json:"s"`
	Data    []byte              `json:"d,omitempty"`
	DueTime string              `json:"due,omitempty"`
	Period  string              `json:"period,omitempty"`
	TTL     string              `json:"ttl,omitempty"`
	Repeats uint32              `json:"n,omitempty"`
}

// reminderPrefix begins the keys of the reminders of an app's actors.
const reminderPrefix = "actor" + sep

// unknownPause is when a reminder is tried again whose actor type is not there: the next start may have it.
const unknownPause = 10 * time.Minute

// busyPause is when a reminder is tried again that did not reach its actor.
const busyPause = time.Second

// reminderKeys begins the keys of the reminders of an actor, or of a type if id.ID is empty.
func reminderKeys(app string, id ID) string {
	s := reminderPrefix + app + sep + id.Type + sep
	if id.ID != "" {
		s += id.ID + sep
	}
	return s
}

// parseReminderKey takes "actor||app||type||id||name" apart.
func parseReminderKey(key string) (app string, id ID, name string, ok bool) {
	rest, ok := strings.CutPrefix(key, reminderPrefix)
	parts := strings.SplitN(rest, sep, 4)
	if !ok || len(parts) < 4 {
		return "", ID{}, "", false
	}
	return parts[0], ID{Type: parts[1], ID: parts[2]}, parts[3], true
}

func (b *Block) reminderStore() (*schedule.Store, error) {
	if b.cfg.Reminders == nil {
		return nil, errorf(ErrUnavailable, "this host keeps no reminders: it was set up without a schedule")
	}
	return b.cfg.Reminders, nil
}

// SetReminder registers a reminder; it is stored when this returns. It neither wakes the actor nor waits for a turn.
// Errors: ErrUnknownType, ErrReserved, ErrInvalidRequest, ErrAlreadyExists, ErrUnavailable.
func (b *Block) SetReminder(ctx context.Context, id ID, r Reminder) error {
	typ, store, err := b.reminderOf(id, r.Name)
	if err != nil {
		return err
	}
	if len(r.Data) > maxData {
		return errorf(ErrInvalidRequest, "reminder %q: data: expected at most %d bytes, found %d; keep them in the actor's state", clip(r.Name), maxData, len(r.Data))
	}
	now := time.Now()
	plan := schedule.Plan{DueTime: r.DueTime, Period: r.Period, TTL: r.TTL, Repeats: r.Repeats, OnFailure: policyOf(r.FailurePolicy)}
	state, err := schedule.NewRecurrence(plan, now)
	if err != nil {
		return errorf(ErrInvalidRequest, "reminder %q: %v", clip(r.Name), err)
	}
	due, ok := state.First(now)
	if !ok {
		return errorf(ErrInvalidRequest, "reminder %q: ttl: it has ended before it is due", clip(r.Name))
	}
	data, err := json.Marshal(storedReminder{
		State: state, Data: r.Data, DueTime: r.DueTime, Period: r.Period, TTL: r.TTL, Repeats: r.Repeats,
	})
	if err != nil {
		return errorf(ErrOther, "reminder %q: %v", clip(r.Name), err)
	}
	err = store.Put(ctx, schedule.Entry{Key: reminderKeys(typ.App, id) + r.Name, Due: due, Data: data}, r.Overwrite)
	if errors.Is(err, schedule.ErrExists) {
		return errorf(ErrAlreadyExists, "actor %s has a reminder %q; set overwrite to replace it", id, clip(r.Name))
	}
	return reminderError(id, err)
}

func (b *Block) reminderOf(id ID, name string) (*actorType, *schedule.Store, error) {
	typ, err := b.typeOf(id)
	if err != nil {
		return nil, nil, err
	}
	if err := checkText("reminder name", name, maxKey); err != nil {
		return nil, nil, err
	}
	store, err := b.reminderStore()
	return typ, store, err
}

// reminderError gives the block's error for one of the schedule; nil of nil.
func reminderError(id ID, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: ErrUnavailable, Cause: err, Text: fmt.Sprintf("reminders of actor %s: %v", id, err)}
}

// GetReminder reads a reminder. Errors: ErrUnknownType, ErrReserved, ErrInvalidRequest, ErrNotFound, ErrUnavailable.
func (b *Block) GetReminder(ctx context.Context, id ID, name string) (ReminderInfo, error) {
	typ, store, err := b.reminderOf(id, name)
	if err != nil {
		return ReminderInfo{}, err
	}
	e, err := store.Get(ctx, reminderKeys(typ.App, id)+name)
	if errors.Is(err, schedule.ErrNotFound) {
		return ReminderInfo{}, errorf(ErrNotFound, "actor %s has no reminder %q", id, clip(name))
	}
	if err != nil {
		return ReminderInfo{}, reminderError(id, err)
	}
	return readReminder(e)
}

// DeleteReminder removes a reminder; a missing one is fine. Errors: ErrUnknownType, ErrReserved, ErrInvalidRequest,
// ErrUnavailable.
func (b *Block) DeleteReminder(ctx context.Context, id ID, name string) error {
	typ, store, err := b.reminderOf(id, name)
	if err != nil {
		return err
	}
	_, err = store.Delete(ctx, reminderKeys(typ.App, id)+name)
	return reminderError(id, err)
}

// DeleteReminders removes all reminders of an actor, or of a type when id.ID is empty, and tells how many they were.
// Errors are those of ListReminders.
func (b *Block) DeleteReminders(ctx context.Context, id ID) (int, error) {
	prefix, store, err := b.remindersOf(id)
	if err != nil {
		return 0, err
	}
	n, err := store.DeletePrefix(ctx, prefix)
	return n, reminderError(id, err)
}

// ListReminders gives a page of the reminders of an actor, or of a type when id.ID is empty, by id and name: limit of
// them at most, 100 when it is 0. The token of the next page is "" at the end. Errors: ErrUnknownType, ErrReserved,
// ErrInvalidRequest, ErrUnavailable.
func (b *Block) ListReminders(ctx context.Context, id ID, limit int, token string) (page []ReminderInfo, next string, err error) {
	prefix, store, err := b.remindersOf(id)
	if err != nil {
		return nil, "", err
	}
	if limit = clampLimit(limit); token != "" && !strings.HasPrefix(token, prefix) {
		return nil, "", errorf(ErrInvalidRequest, "token: expected one that an earlier page gave, found %q", clip(token))
	}
	entries, err := store.List(ctx, prefix, token, limit)
	if err != nil {
		return nil, "", reminderError(id, err)
	}
	for _, e := range entries {
		r, err := readReminder(e)
		if err != nil {
			return nil, "", err
		}
		page = append(page, r)
	}
	if len(entries) == limit {
		next = entries[limit-1].Key
	}
	return page, next, nil
}

func (b *Block) remindersOf(id ID) (prefix string, store *schedule.Store, err error) {
	typ, err := b.typeNamed(id.Type)
	if err == nil && id.ID != "" {
		err = checkID(id)
	}
	if err != nil {
		return "", nil, err
	}
	store, err = b.reminderStore()
	return reminderKeys(typ.App, id), store, err
}

// clampLimit bounds the size of a page.
func clampLimit(limit int) int {
	if limit <= 0 {
		return 100
	}
	return min(limit, 1000)
}

func readReminder(e schedule.Entry) (ReminderInfo, error) {
	_, id, name, ok := parseReminderKey(e.Key)
	var s storedReminder
	if err := json.Unmarshal(e.Data, &s); err != nil || !ok {
		return ReminderInfo{}, errorf(ErrOther, "the stored reminder %q cannot be read (%v); delete it", clip(e.Key), err)
	}
	return ReminderInfo{ID: id, Due: e.Due, Reminder: Reminder{
		Name: name, Data: s.Data, DueTime: s.DueTime, Period: s.Period, TTL: s.TTL, Repeats: s.Repeats,
		Overwrite: true, FailurePolicy: abiPolicy(s.State.OnFailure),
	}}, nil
}

func policyOf(p abiactor.FailurePolicy) schedule.Policy {
	switch p.Tag {
	case abiactor.FailurePolicyDrop:
		return schedule.Policy{Kind: schedule.PolicyDrop}
	case abiactor.FailurePolicyConstant:
		ms := min(p.Value.IntervalMS, uint64(1000*time.Hour/time.Millisecond))
		return schedule.Policy{
			Kind: schedule.PolicyConstant, Interval: time.Duration(ms) * time.Millisecond, MaxRetries: p.Value.MaxRetries,
		}
	default:
		return schedule.Policy{}
	}
}

func abiPolicy(p schedule.Policy) abiactor.FailurePolicy {
	switch p.Kind {
	case schedule.PolicyDrop:
		return abiactor.FailurePolicy{Tag: abiactor.FailurePolicyDrop}
	case schedule.PolicyConstant:
		return abiactor.FailurePolicy{Tag: abiactor.FailurePolicyConstant, Value: abiactor.ConstantPolicy{
			IntervalMS: uint64(p.Interval / time.Millisecond), MaxRetries: p.MaxRetries,
		}}
	default:
		return abiactor.FailurePolicy{}
	}
}

// fireReminder is the turn of a reminder that is due. It wakes the actor.
func (b *Block) fireReminder(ctx context.Context, e schedule.Entry) schedule.Result {
	app, id, name, ok := parseReminderKey(e.Key)
	var r storedReminder
	if err := json.Unmarshal(e.Data, &r); err != nil || !ok {
		b.log.ErrorContext(ctx, "a stored reminder cannot be read; it is deleted", "key", clip(e.Key), "error", err)
		return schedule.Result{}
	}
	typ := b.types[id.Type]
	if typ == nil || typ.App != app {
		b.log.WarnContext(ctx, "a reminder is due of an actor type that its app does not have now; it is kept", "app", app, "actor", id.String(), "reminder", name)
		return schedule.Result{Due: time.Now().Add(unknownPause), Data: e.Data}
	}
	began := time.Now()
	if r.State.Expired(began) {
		return schedule.Result{}
	}
	reached := false
	err := inbound(ctx, typ.reminders, func(ctx context.Context) error {
		return b.take(ctx, typ, id, label{kind: kindReminder, name: name}, func(ctx context.Context, g abi.Guest) error {
			reached = true
			typ.stats.remindersFired.Add(1)
			return abiactor.CallActorReminder(ctx, g, name, r.Data, r.DueTime, r.Period)
		})
	})
	if err != nil {
		b.log.WarnContext(ctx, "an actor's reminder failed", "actor", id.String(), "reminder", name, "error", err)
		if !reached && (errors.Is(err, ErrOverloaded) || errors.Is(err, ErrUnavailable) || errors.Is(err, ErrTimeout)) {
			// The actor has not failed, it was not reached: its policy has nothing to say.
			return schedule.Result{Due: time.Now().Add(busyPause), Data: e.Data}
		}
	}
	due, again := r.State.After(err == nil, began, time.Now())
	if !again {
		return schedule.Result{}
	}
	data, errData := json.Marshal(r)
	if errData != nil {
		b.log.ErrorContext(ctx, "a reminder's state cannot be written; it is tried again as it is", "actor", id.String(), "reminder", name, "error", errData)
		data = e.Data
	}
	return schedule.Result{Due: due, Data: data}
}
