//go:build !wasip1

package actor

import (
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fail"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fake"
)

// backend is the actor in the fake.
type backend struct{ entry *fake.Entry }

// ResetFake forgets all actors of a native build, with their state, timers and reminders. Registered types stay. Call
// it at the start of a test.
func ResetFake() { fake.Reset() }

// FakeReentrancy says whether the actors of a type take calls of their own chain in a native build, as the manifest
// says for the host; off by default, and after ResetFake.
func FakeReentrancy(actorType string, on bool) { fake.Reentrant(actorType, on) }

// FireReminder makes a reminder of a native build due, and gives what its turn fails with. Time does not: a test says
// when. The reminder is used up when it succeeds the last time that it is due, or has the policy Drop. Errors:
// client.ErrNotFound, and those of calls.
func FireReminder(actorType, id, name string) error {
	return wrap("reminder", actorType, id, name, fake.FireReminder(ID{Type: actorType, ID: id}, name))
}

// FireTimer is FireReminder for a timer, which is used up also when it fails.
func FireTimer(actorType, id, name string) error {
	return wrap("timer", actorType, id, name, fake.FireTimer(ID{Type: actorType, ID: id}, name))
}

// Deactivate puts an actor of a native build away: its memory and its timers are lost, its state and its reminders
// stay, and the next call activates it anew. It gives what the actor's own Deactivate fails with.
func Deactivate(actorType, id string) error {
	if err := fake.Deactivate(ID{Type: actorType, ID: id}); err != nil {
		return fmt.Errorf("actor %s/%s: deactivate: %w", actorType, id, err)
	}
	return nil
}

// FakeState is what is stored of an actor of a native build.
func FakeState(actorType, id string) map[string][]byte {
	return fake.Stored(ID{Type: actorType, ID: id})
}

// FakeTimers lists the timers of an actor of a native build by name.
func FakeTimers(actorType, id string) []Timer {
	list := fake.Timers(ID{Type: actorType, ID: id})
	out := make([]Timer, len(list))
	for i, t := range list {
		out[i] = Timer{Name: t.Name, Callback: t.Callback, Data: t.Data, Text: Schedule{t.DueTime, t.Period, t.TTL}}
	}
	return out
}

// FakeReminders lists the reminders of an actor of a native build by name.
func FakeReminders(actorType, id string) []Registered {
	return allRegistered(fake.Reminders(ID{Type: actorType, ID: id}))
}

func wrap(what, actorType, id, name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("actor %s/%s: %s %q: %w", actorType, id, what, name, err)
}

// active makes the fake's calls those of an instance.
type active struct{ *instance }

// Reminder hands on a reminder that is due.
func (a active) Reminder(r fake.Reminder) *fail.Error {
	return a.instance.Reminder(Due{r.Name, r.Data, r.DueTime, r.Period})
}

func backendRegister(k *kind) {
	fake.Register(k.name, func(e *fake.Entry) fake.Actor {
		return active{&instance{kind: k, self: k.zero(), c: &Context{id: e.ID, backend: backend{e}}}}
	})
}

func backendSelf() (ID, bool) { return fake.Self() }

func backendGet(c *Context, key string) ([]byte, bool, error) { return c.entry.Get(key) }

func backendSet(c *Context, key string, data []byte, ttl *uint32) error {
	return c.entry.Set(key, data, ttl)
}

func backendRemove(c *Context, key string) error { return c.entry.Remove(key) }

func backendSetTimer(c *Context, name, callback string, data []byte, s Schedule) error {
	return c.entry.SetTimer(fake.Timer{
		Name: name, Callback: callback, Data: data, DueTime: s.DueTime, Period: s.Period, TTL: s.TTL,
	})
}

func backendStopTimer(c *Context, name string) error { return c.entry.StopTimer(name) }

func backendSetReminder(c *Context, r Registered, overwrite bool) error {
	return c.entry.SetReminder(fake.Reminder{
		Name: r.Name, Data: r.Data, DueTime: r.DueTime, Period: r.Period, TTL: r.TTL, Repeats: r.Repeats,
		Policy: r.Policy, Dropped: r.Policy.Mode == ModeDrop,
	}, overwrite)
}

func backendDeleteReminder(c *Context, name string) error { return c.entry.DeleteReminder(name) }

func backendGetReminder(c *Context, name string) (Registered, error) {
	r, err := c.entry.Reminder(name)
	if err != nil {
		return Registered{}, err
	}
	return registered(r), nil
}

func backendReminders(c *Context) ([]Registered, error) {
	list, err := c.entry.Reminders()
	return allRegistered(list), err
}

func allRegistered(list []fake.Reminder) []Registered {
	out := make([]Registered, len(list))
	for i, r := range list {
		out[i] = registered(r)
	}
	return out
}

func registered(r fake.Reminder) Registered {
	policy, _ := r.Policy.(FailurePolicy)
	return Registered{r.Name, r.Data, Schedule{r.DueTime, r.Period, r.TTL}, r.Repeats, policy}
}
