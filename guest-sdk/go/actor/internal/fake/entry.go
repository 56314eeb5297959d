//go:build !wasip1

package fake

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fail"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/value"
)

// in runs fn under the lock, in a turn of e.
func (e *Entry) in(fn func() error) error {
	if e == nil {
		return fail.New(fail.ErrNotInTurn, "the context is not one that an actor's method was called with")
	}
	world.Lock()
	defer world.Unlock()
	if e.depth == 0 {
		return fail.New(fail.ErrNotInTurn, "actor "+e.ID.String()+" has no turn now")
	}
	return fn()
}

// Get reads a value of the state.
func (e *Entry) Get(key string) (data []byte, ok bool, err error) {
	err = e.in(func() error {
		if failed := check("key", key); failed != nil {
			return failed
		}
		it, stored := e.state[key]
		if c, changed := e.changes[key]; changed {
			if stored = c != nil; stored {
				it = *c
			}
		}
		if ok = stored && !it.expired(); ok {
			data = slices.Clone(it.value)
		}
		return nil
	})
	return data, ok, err
}

func (it item) expired() bool { return !it.expires.IsZero() && !time.Now().Before(it.expires) }

// Set writes a value of the state.
func (e *Entry) Set(key string, data []byte, ttl *uint32) error {
	it := &item{value: slices.Clone(data)}
	if ttl != nil {
		it.expires = time.Now().Add(time.Duration(*ttl) * time.Second)
	}
	return e.change(key, it)
}

// Remove removes a value of the state.
func (e *Entry) Remove(key string) error { return e.change(key, nil) }

func (e *Entry) change(key string, it *item) error {
	return e.in(func() error {
		if failed := check("key", key); failed != nil {
			return failed
		}
		if e.changes == nil {
			e.changes = map[string]*item{}
		}
		e.changes[key] = it
		return nil
	})
}

// SetTimer registers a timer.
func (e *Entry) SetTimer(t Timer) error {
	t.Data = slices.Clone(t.Data)
	left, failed := checkTimes("timer", t.Name, t.DueTime, t.Period, t.TTL)
	return e.in(func() error {
		if failed != nil {
			return failed
		}
		t.Left = left
		e.changeTimer(t.Name, &t)
		return nil
	})
}

// StopTimer removes a timer.
func (e *Entry) StopTimer(name string) error {
	return e.in(func() error {
		e.changeTimer(name, nil)
		return nil
	})
}

func (e *Entry) changeTimer(name string, t *Timer) {
	if e.timerChanges == nil {
		e.timerChanges = map[string]*Timer{}
	}
	e.timerChanges[name] = t
}

// SetReminder registers a reminder.
func (e *Entry) SetReminder(r Reminder, overwrite bool) error {
	r.Data = slices.Clone(r.Data)
	left, failed := checkTimes("reminder", r.Name, r.DueTime, r.Period, r.TTL)
	return e.in(func() error {
		if failed != nil {
			return failed
		}
		if _, there := e.reminders[r.Name]; there && !overwrite {
			return fail.New(fail.ErrAlreadyExists, "reminder \""+r.Name+"\" of actor "+e.ID.String())
		}
		if r.Left = left; r.Repeats > 0 && left != 1 {
			r.Left = int(r.Repeats)
		}
		e.serial++
		r.serial = e.serial
		e.reminders[r.Name] = r
		return nil
	})
}

// DeleteReminder removes a reminder.
func (e *Entry) DeleteReminder(name string) error {
	return e.in(func() error {
		delete(e.reminders, name)
		return nil
	})
}

// Reminder reads a reminder.
func (e *Entry) Reminder(name string) (r Reminder, err error) {
	err = e.in(func() error {
		var ok bool
		if r, ok = e.reminders[name]; !ok {
			return fail.New(fail.ErrNotFound, "actor "+e.ID.String()+" has no reminder \""+name+"\"")
		}
		r.Data = slices.Clone(r.Data)
		return nil
	})
	return r, err
}

// Reminders lists them by name.
func (e *Entry) Reminders() (list []Reminder, err error) {
	err = e.in(func() error {
		list = e.listReminders()
		return nil
	})
	return list, err
}

func (e *Entry) listReminders() []Reminder {
	list := make([]Reminder, 0, len(e.reminders))
	for _, name := range slices.Sorted(maps.Keys(e.reminders)) {
		r := e.reminders[name]
		r.Data = slices.Clone(r.Data)
		list = append(list, r)
	}
	return list
}

// done counts a reminder that was due, unless its turn has registered it anew.
func (e *Entry) done(fired Reminder) {
	world.Lock()
	defer world.Unlock()
	r, ok := e.reminders[fired.Name]
	if !ok || r.serial != fired.serial {
		return
	}
	if r.Left--; r.Left == 0 {
		delete(e.reminders, r.Name)
		return
	}
	e.reminders[r.Name] = r
}

// Stored is what the actor's last turn has left in its state.
func Stored(id value.ID) map[string][]byte {
	world.Lock()
	defer world.Unlock()
	out := map[string][]byte{}
	if e := world.entries[id]; e != nil {
		for k, it := range e.state {
			if !it.expired() {
				out[k] = slices.Clone(it.value)
			}
		}
	}
	return out
}

// Timers lists an actor's timers by name.
func Timers(id value.ID) []Timer {
	world.Lock()
	defer world.Unlock()
	var out []Timer
	if e := world.entries[id]; e != nil {
		for _, name := range slices.Sorted(maps.Keys(e.timers)) {
			out = append(out, e.timers[name])
		}
	}
	return out
}

// Reminders lists an actor's reminders by name.
func Reminders(id value.ID) []Reminder {
	world.Lock()
	defer world.Unlock()
	if e := world.entries[id]; e != nil {
		return e.listReminders()
	}
	return nil
}

var (
	iso     = regexp.MustCompile(`^P(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$`)
	repeats = regexp.MustCompile(`^R(\d+)/`)
)

// checkTimes looks at the times of a timer or reminder, and tells how often it is due: -1 for no bound.
func checkTimes(what, name, due, period, ttl string) (int, *fail.Error) {
	if name == "" {
		return 0, fail.New(fail.ErrInvalidRequest, "the "+what+"'s name is empty")
	}
	left := -1
	every := period
	if m := repeats.FindStringSubmatch(period); m != nil {
		n, err := strconv.ParseInt(m[1], 10, 32)
		if err != nil || n == 0 {
			return 0, badTime(what, name, "period", period)
		}
		left, every = int(n), strings.TrimPrefix(period, m[0])
	}
	switch {
	case due != "" && !duration(due) && !moment(due):
		return 0, badTime(what, name, "due time", due)
	case ttl != "" && !duration(ttl) && !moment(ttl):
		return 0, badTime(what, name, "ttl", ttl)
	case period == "":
		return 1, nil
	case !duration(every):
		return 0, badTime(what, name, "period", period)
	}
	return left, nil
}

func badTime(what, name, which, text string) *fail.Error {
	return fail.New(fail.ErrInvalidRequest, "the "+which+" of "+what+" \""+name+"\" is \""+text+
		"\", want a Go duration (1h30m), an ISO 8601 duration (PT1H30M) or, except for a period, an RFC 3339 time")
}

func duration(text string) bool {
	d, err := time.ParseDuration(text)
	return err == nil && d >= 0 || iso.MatchString(text) && strings.ContainsAny(text, "0123456789")
}

func moment(text string) bool {
	_, err := time.Parse(time.RFC3339, text)
	return err == nil
}
