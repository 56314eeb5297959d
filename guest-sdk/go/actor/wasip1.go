//go:build wasip1

package actor

import (
	"errors"
	"maps"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fail"
	wit "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/actor/actor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/actor/context"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/actor/reminders"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/actor/state"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/actor/timers"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/actor/types"
)

// current is the actor that this instance is; nil before its activation.
var current *instance

// backend is nothing: the host knows whose turn it is.
type backend struct{}

func init() {
	wit.Exports.Activate = activate
	wit.Exports.Deactivate = func() *string { return text(mine().Deactivate()) }
	wit.Exports.Invoke = func(method string, in wit.Payload) (wit.Payload, *wit.Failure) {
		out, err := mine().Invoke(method, Payload(in))
		return wit.Payload(out), failure(err)
	}
	wit.Exports.Timer = func(name, callback string, data []byte) *wit.Failure {
		return failure(mine().Timer(name, callback, data))
	}
	wit.Exports.Reminder = func(name string, data []byte, dueTime, period string) *wit.Failure {
		return failure(mine().Reminder(Due{name, data, dueTime, period}))
	}
}

func mine() *instance {
	if current == nil {
		panic("actor: a turn before activate, which makes the actor")
	}
	return current
}

// collectEarly has garbage collected at a quarter of the heap size at which Go would begin. What an actor left behind in
// its memory is kept with it, in memory and in the store, and there are many actors.
const collectEarly = 25

func activate(id wit.ActorID) *string {
	k := kinds[id.ActorType]
	if k == nil {
		msg := "the app has registered no actor type \"" + id.ActorType + "\"; it has: " +
			strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")
		return &msg
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectEarly)
	}
	// The host's strings share a chunk of memory, which would live as long as the actor.
	c := &Context{id: ID{Type: k.name, ID: strings.Clone(id.ID)}}
	current = &instance{kind: k, self: k.zero(), c: c}
	return text(current.Activate())
}

func text(err error) *string {
	if err == nil {
		return nil
	}
	msg := err.Error()
	return &msg
}

func failure(err *fail.Error) *wit.Failure {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fail.ErrUnknownMethod):
		return &wit.Failure{Tag: types.FailureUnknownMethod, Value: err.Message}
	default:
		return &wit.Failure{Tag: types.FailureFailed, Value: err.Message}
	}
}

func backendRegister(*kind) {}

func backendSelf() (ID, bool) {
	id := context.Self()
	if id == nil {
		return ID{}, false
	}
	return ID{Type: id.ActorType, ID: id.ID}, true
}

func backendGet(_ *Context, key string) ([]byte, bool, error) {
	data, err := state.Get(key)
	if err != nil || data == nil {
		return nil, false, fail.From(err)
	}
	return *data, true, nil
}

func backendSet(_ *Context, key string, data []byte, ttl *uint32) error {
	return fail.From(state.Set(key, data, ttl))
}

func backendRemove(_ *Context, key string) error { return fail.From(state.Remove(key)) }

func backendSetTimer(_ *Context, name, callback string, data []byte, s Schedule) error {
	return fail.From(timers.Register(timers.Timer{
		Name: name, Callback: callback, Data: data, DueTime: s.DueTime, Period: s.Period, TTL: s.TTL,
	}))
}

func backendStopTimer(_ *Context, name string) error { return fail.From(timers.Unregister(name)) }

func backendSetReminder(_ *Context, r Registered, overwrite bool) error {
	policy := reminders.FailurePolicy{Tag: types.FailurePolicyTag(r.Policy.Mode)}
	if r.Policy.Mode == ModeConstant {
		policy.Value.IntervalMS = uint64((r.Policy.Interval + time.Millisecond - 1) / time.Millisecond)
		if n := r.Policy.MaxRetries; n >= 0 {
			retries := uint32(min(n, 1<<31-1))
			policy.Value.MaxRetries = &retries
		}
	}
	return fail.From(reminders.Register(reminders.Reminder{
		Name: r.Name, Data: r.Data, DueTime: r.DueTime, Period: r.Period, TTL: r.TTL, Repeats: r.Repeats,
		Overwrite: overwrite, FailurePolicy: policy,
	}))
}

func backendDeleteReminder(_ *Context, name string) error {
	return fail.From(reminders.Unregister(name))
}

func backendGetReminder(_ *Context, name string) (Registered, error) {
	r, err := reminders.Get(name)
	if err != nil {
		return Registered{}, fail.From(err)
	}
	return registered(&r), nil
}

func backendReminders(*Context) ([]Registered, error) {
	list, err := reminders.List()
	if err != nil {
		return nil, fail.From(err)
	}
	out := make([]Registered, len(list))
	for i := range list {
		out[i] = registered(&list[i])
	}
	return out, nil
}

func registered(r *reminders.Reminder) Registered {
	out := Registered{Name: r.Name, Data: r.Data, Repeats: r.Repeats, Schedule: Schedule{r.DueTime, r.Period, r.TTL}}
	out.Policy.Mode = Mode(r.FailurePolicy.Tag)
	if out.Policy.Mode == ModeConstant {
		out.Policy.Interval = time.Duration(r.FailurePolicy.Value.IntervalMS) * time.Millisecond
		out.Policy.MaxRetries = -1
		if n := r.FailurePolicy.Value.MaxRetries; n != nil {
			out.Policy.MaxRetries = int(*n)
		}
	}
	return out
}
