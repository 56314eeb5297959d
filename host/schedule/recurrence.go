package schedule

import (
	"encoding/json"
	"fmt"
	"time"
)

// Plan is what a user says about when something is due.
type Plan struct {
	// DueTime, Period and TTL are in the forms of [ParseDue], [ParsePeriod] and [ParseTTL].
	DueTime, Period, TTL string
	// Repeats is how often it is due at most, 0 for no bound; a period may say the same itself.
	Repeats uint32
	// OnFailure says what follows a failure.
	OnFailure Policy
}

// Policy says what follows a failure. The zero Policy is the standard: three more tries, one second apart.
type Policy struct {
	Kind PolicyKind `json:"k,omitempty"`
	// Interval is the time between tries; for PolicyConstant only.
	Interval time.Duration `json:"i,omitempty"`
	// MaxRetries is how many more tries there are; nil is no bound. For PolicyConstant only.
	MaxRetries *uint32 `json:"m,omitempty"`
}

// PolicyKind is one of the ways to go on after a failure.
type PolicyKind uint8

const (
	// PolicyStandard tries three more times, one second apart.
	PolicyStandard PolicyKind = iota
	// PolicyDrop does not try again; what has a period goes on with its next time.
	PolicyDrop
	// PolicyConstant tries again at an interval.
	PolicyConstant
)

const (
	standardRetries  = 3
	standardInterval = time.Second
)

// next gives how long to wait after so many tries have failed, and whether there is another at all.
func (p Policy) next(failed uint32) (time.Duration, bool) {
	switch p.Kind {
	case PolicyDrop:
		return 0, false
	case PolicyConstant:
		return max(p.Interval, MinPeriod), p.MaxRetries == nil || failed <= *p.MaxRetries
	default:
		return standardInterval, failed <= standardRetries
	}
}

// Recurrence is the state of something that is due once or often. It is a value that its owner keeps, as JSON, with
// the entry: [Recurrence.First] says when it is first due, and [Recurrence.After] what follows each try. The zero
// Recurrence is due at once, once.
type Recurrence struct {
	// Start is when it is first due; all times of the period are counted from it.
	Start time.Time
	// Period is the time between; its Repeats are how often it was due in all at the start.
	Period Period
	// End is when it ends: it is not due then or later. Zero is never.
	End time.Time
	// OnFailure says what follows a failure.
	OnFailure Policy
	// At is the present time of the period: when it is due but for tries again and delays.
	At time.Time
	// Used is how many times of the period are over, successful or given up.
	Used int
	// Failed is how many tries of the present time have failed.
	Failed uint32
}

// NewRecurrence reads a plan that is registered now. Errors are [ErrInvalid].
func NewRecurrence(plan Plan, now time.Time) (Recurrence, error) {
	due, err := ParseDue(plan.DueTime, now)
	if err != nil {
		return Recurrence{}, err
	}
	period, err := ParsePeriod(plan.Period)
	if err != nil {
		return Recurrence{}, err
	}
	end, err := ParseTTL(plan.TTL, due)
	if err != nil {
		return Recurrence{}, err
	}
	if !end.IsZero() && !end.After(now) {
		return Recurrence{}, invalid("ttl: want an end that is still to come, found %s", shown(plan.TTL))
	}
	if n := int(plan.Repeats); n != 0 && !period.None() {
		if period.Repeats != 0 && period.Repeats != n {
			return Recurrence{}, invalid("repeats: want what the period %s says, or 0, found %d", shown(plan.Period), n)
		}
		period.Repeats = n
	}
	if plan.OnFailure.Kind > PolicyConstant || plan.OnFailure.Interval < 0 {
		return Recurrence{}, invalid("failure policy: want standard, drop, or constant with an interval of zero or more, found kind %d, interval %s",
			plan.OnFailure.Kind, plan.OnFailure.Interval)
	}
	return Recurrence{Start: due, At: due, Period: period, End: end, OnFailure: plan.OnFailure}, nil
}

// First gives when it is first due, at the earliest now, and false if it has ended.
func (r *Recurrence) First(now time.Time) (time.Time, bool) {
	if r.Expired(now) || r.Expired(r.Start) {
		return time.Time{}, false
	}
	if now = wall(now); r.Start.Before(now) {
		return now, true
	}
	return r.Start, true
}

// Expired tells whether the end has come: what is expired is not to be fired, also if it was due before.
func (r *Recurrence) Expired(now time.Time) bool {
	return !r.End.IsZero() && !now.Before(r.End)
}

// After takes the outcome of a try that began and ended at the times given. It says when the next is due, or false if
// there is none, and changes the state accordingly: store both together.
//
// A failed try is followed by more of them as the policy says; they are of the same time of the period. Otherwise the
// period goes on with the first time after the try began: all that were missed before, because the host was down or
// busy, are covered by this try and count as one; one that came while the try ran is due at once.
func (r *Recurrence) After(ok bool, began, ended time.Time) (time.Time, bool) {
	began, ended = wall(began), wall(ended)
	if !ok {
		r.Failed++
		if wait, again := r.OnFailure.next(r.Failed); again {
			return r.unlessEnded(ended.Add(wait))
		}
	}
	r.Failed = 0
	r.Used++
	if r.Period.None() || (r.Period.Repeats > 0 && r.Used >= r.Period.Repeats) {
		return time.Time{}, false
	}
	if began.Before(r.At) {
		began = r.At // the clock went back: what was fired is over all the same
	}
	r.At = r.Period.Next(r.Start, began)
	return r.unlessEnded(r.At)
}

func (r *Recurrence) unlessEnded(due time.Time) (time.Time, bool) {
	if r.Expired(due) {
		return time.Time{}, false
	}
	return due, true
}

// recurrenceVersion is of the stored form below.
const recurrenceVersion = 1

// storedRecurrence is how a Recurrence is kept; times are microseconds since 1970.
type storedRecurrence struct {
	Version int    `json:"v"`
	Start   int64  `json:"s"`
	At      int64  `json:"a,omitempty"`
	Period  string `json:"p,omitempty"`
	End     int64  `json:"e,omitempty"`
	Policy  Policy `json:"f,omitzero"`
	Used    int    `json:"u,omitempty"`
	Failed  uint32 `json:"n,omitempty"`
}

// MarshalJSON gives a short form with a version. Times are kept to the microsecond.
func (r Recurrence) MarshalJSON() ([]byte, error) {
	s := storedRecurrence{
		Version: recurrenceVersion, Start: micros(r.Start), At: micros(r.At), Period: r.Period.String(),
		Policy: r.OnFailure, Used: r.Used, Failed: r.Failed,
	}
	if !r.End.IsZero() {
		s.End = micros(r.End)
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads what MarshalJSON gave, of this version or an earlier one.
func (r *Recurrence) UnmarshalJSON(data []byte) error {
	var s storedRecurrence
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("stored recurrence: %w", err)
	}
	if s.Version != recurrenceVersion {
		return fmt.Errorf("stored recurrence: want version %d, found %d: was it written by a later version of the host?", recurrenceVersion, s.Version)
	}
	period, err := ParsePeriod(s.Period)
	if err != nil {
		return fmt.Errorf("stored recurrence: %w", err)
	}
	*r = Recurrence{Start: fromMicros(s.Start), At: fromMicros(s.At), Period: period, OnFailure: s.Policy, Used: s.Used, Failed: s.Failed}
	if s.End != 0 {
		r.End = fromMicros(s.End)
	}
	return nil
}

// micros rounds up: nothing is due early.
func micros(t time.Time) int64 {
	us := t.UnixMicro()
	if t.Nanosecond()%int(time.Microsecond) != 0 {
		us++
	}
	return us
}

func fromMicros(us int64) time.Time { return time.UnixMicro(us).UTC() }
