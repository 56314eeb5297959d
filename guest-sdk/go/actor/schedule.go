package actor

import (
	"strconv"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fail"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/value"
)

// Schedule is when a timer or a reminder is due, in the forms of the contract and of Dapr: a Go duration (1h30m), an ISO
// 8601 duration (PT1H30M), or an RFC 3339 time.
type Schedule struct {
	// DueTime is when it is first due; empty is now.
	DueTime string
	// Period is the time between, which may have repetitions (R3/PT30S); empty is once.
	Period string
	// TTL is when it ends; empty is never.
	TTL string
}

// Timer is a timer of an actor, in memory: it ends when the actor is deactivated.
type Timer struct {
	// Name is the actor's own; a timer of the same name is replaced.
	Name string
	// Callback is what is called: the name of a method, which gets Data as its input, or any text that the actor's
	// Timer method understands.
	Callback string
	// Data is given to the callback: nil, []byte, string, or a value that becomes JSON.
	Data any
	// Due is the time until it is first due, Every the time between (0: once), TTL the time until it ends (0: never).
	Due, Every, TTL time.Duration
	// Repeats is how often it is due at most, with Every; 0 is no bound.
	Repeats uint32
	// Text says any of them in text instead.
	Text Schedule
}

// Reminder is a reminder of an actor: it is stored, and wakes the actor.
type Reminder struct {
	// Name is the actor's own.
	Name string
	// Data is given to the actor's Reminder method: nil, []byte, string, or a value that becomes JSON.
	Data any
	// Due is the time until it is first due, Every the time between (0: once), TTL the time until it ends (0: never).
	Due, Every, TTL time.Duration
	// Repeats is how often it is due at most; 0 is no bound.
	Repeats uint32
	// Text says any of them in text instead.
	Text Schedule
	// IfAbsent makes it an error, client.ErrAlreadyExists, if there is one of this name; else that one is replaced.
	IfAbsent bool
	// Policy says what happens when the actor's Reminder method fails.
	Policy FailurePolicy
}

// Registered is a reminder as it is stored.
type Registered struct {
	Name string
	Data []byte
	Schedule
	Repeats uint32
	Policy  FailurePolicy
}

// Decode reads the reminder's data into what v points to.
func (r Registered) Decode(v any) error { return value.DecodeInto(r.Data, v) }

// Mode is a kind of FailurePolicy.
type Mode uint8

// The modes.
const (
	// ModeStandard tries three more times, one second apart.
	ModeStandard Mode = iota
	// ModeDrop does not try again.
	ModeDrop
	// ModeConstant tries again at an interval.
	ModeConstant
)

// FailurePolicy says how often a failed reminder is tried again; the zero value is the standard: three more times, one
// second apart.
type FailurePolicy struct {
	Mode Mode
	// Interval is the time between tries, for ModeConstant.
	Interval time.Duration
	// MaxRetries is how many more times; less than 0 is for ever.
	MaxRetries int
}

// Drop is the policy of not trying again; a reminder with a period goes on with its next time.
func Drop() FailurePolicy { return FailurePolicy{Mode: ModeDrop} }

// Constant is the policy of trying again at an interval, at most retries times; less than 0 is for ever.
func Constant(interval time.Duration, retries int) FailurePolicy {
	return FailurePolicy{ModeConstant, interval, retries}
}

// Due is a reminder that is due.
type Due struct {
	Name string
	Data []byte
	// DueTime and Period are as the reminder was registered.
	DueTime, Period string
}

// Decode reads the reminder's data into what v points to.
func (d Due) Decode(v any) error { return value.DecodeInto(d.Data, v) }

// Tick is a timer that is due.
type Tick struct {
	Name, Callback string
	Data           []byte
}

// Decode reads the timer's data into what v points to.
func (t Tick) Decode(v any) error { return value.DecodeInto(t.Data, v) }

// SetTimer registers a timer. It counts from the end of the turn, and not at all if the turn fails. Errors:
// client.ErrNotInTurn, ErrInvalidRequest for a bad name or time, and data that cannot be written as JSON.
func (c *Context) SetTimer(t Timer) error {
	data, err := value.EncodeAny(t.Data)
	if err != nil {
		return c.wrap("set timer", t.Name, err)
	}
	s, err := times(t.Due, t.Every, t.TTL, t.Text)
	if err == nil && t.Repeats > 0 {
		s.Period, err = repeated(t.Repeats, s.Period)
	}
	if err == nil {
		err = backendSetTimer(c, t.Name, t.Callback, data, s)
	}
	return c.wrap("set timer", t.Name, err)
}

// StopTimer removes a timer at the end of the turn; a missing one is fine. Errors: client.ErrNotInTurn.
func (c *Context) StopTimer(name string) error {
	return c.wrap("stop timer", name, backendStopTimer(c, name))
}

// SetReminder registers a reminder. It is stored when this returns, whether or not the turn fails. Errors:
// client.ErrNotInTurn, ErrInvalidRequest for a bad name or time, ErrAlreadyExists with IfAbsent, ErrUnavailable, and
// data that cannot be written as JSON.
func (c *Context) SetReminder(r Reminder) error {
	data, err := value.EncodeAny(r.Data)
	if err != nil {
		return c.wrap("set reminder", r.Name, err)
	}
	s, err := times(r.Due, r.Every, r.TTL, r.Text)
	switch {
	case err != nil:
	case r.Policy.Interval < 0 || r.Policy.Mode > ModeConstant:
		err = fail.New(fail.ErrInvalidRequest, "Policy wants one of the modes and an interval of 0 or more")
	default:
		err = backendSetReminder(c, Registered{r.Name, data, s, r.Repeats, r.Policy}, !r.IfAbsent)
	}
	return c.wrap("set reminder", r.Name, err)
}

// DeleteReminder removes a reminder at once; a missing one is fine. Errors: client.ErrNotInTurn, ErrUnavailable.
func (c *Context) DeleteReminder(name string) error {
	return c.wrap("delete reminder", name, backendDeleteReminder(c, name))
}

// GetReminder reads a reminder. Errors: client.ErrNotInTurn, ErrNotFound, ErrUnavailable.
func (c *Context) GetReminder(name string) (Registered, error) {
	r, err := backendGetReminder(c, name)
	return r, c.wrap("get reminder", name, err)
}

// Reminders lists the actor's reminders by name. Errors: client.ErrNotInTurn, ErrUnavailable.
func (c *Context) Reminders() ([]Registered, error) {
	list, err := backendReminders(c)
	return list, c.wrap("list reminders", "", err)
}

// times gives durations in text; what text has goes before them.
func times(due, every, ttl time.Duration, text Schedule) (Schedule, error) {
	for _, f := range []struct {
		name string
		d    time.Duration
		text *string
	}{{"Due", due, &text.DueTime}, {"Every", every, &text.Period}, {"TTL", ttl, &text.TTL}} {
		switch {
		case f.d < 0:
			return text, fail.New(fail.ErrInvalidRequest, f.name+" is "+f.d.String()+", want 0 or more")
		case f.d > 0 && *f.text != "":
			return text, fail.New(fail.ErrInvalidRequest, f.name+" is given as a duration and in Text: give one")
		case f.d > 0:
			*f.text = f.d.String()
		}
	}
	return text, nil
}

// repeated gives a period with repetitions.
func repeated(n uint32, period string) (string, error) {
	if period == "" || strings.HasPrefix(period, "R") {
		return "", fail.New(fail.ErrInvalidRequest, "Repeats wants Every, or Text.Period without repetitions")
	}
	return "R" + strconv.FormatUint(uint64(n), 10) + "/" + period, nil
}
