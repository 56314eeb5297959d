// Command locker does to locks what a request says, and counts under one.
package main

import (
	"errors"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/lock"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

func init() {
	http.Handle(func(r *http.Request) *http.Response {
		var c Command
		if err := r.Decode(&c); err != nil {
			return http.Error(400, "%v", err)
		}
		text, err := c.run(r.Path[strings.LastIndexByte(r.Path, '/')+1:])
		if err != nil {
			return http.Error(status(err), "%v", err)
		}
		return http.Text(200, text)
	})
}

func main() {}

// Command is what a request asks for.
type Command struct {
	Store, Resource, Owner string
	// MS is when the lock ends.
	MS int64
	// Sleep is how long the work under the lock takes, in milliseconds.
	Sleep int64
}

func status(err error) int {
	for is, code := range map[error]int{
		lock.ErrStoreNotFound: 410, lock.ErrInvalidRequest: 400, lock.ErrUnavailable: 503, lock.ErrNotHeld: 404, lock.ErrHeldByOther: 409,
		lock.ErrLost: 498,
	} {
		if errors.Is(err, is) {
			return code
		}
	}
	return 500
}

func (c *Command) run(op string) (string, error) {
	expiry := time.Duration(c.MS) * time.Millisecond
	switch op {
	case "try":
		got, err := lock.TryLock(c.Store, c.Resource, c.Owner, expiry)
		return map[bool]string{true: "taken", false: "busy"}[got], err
	case "unlock":
		return "given back", lock.Unlock(c.Store, c.Resource, c.Owner)
	case "count":
		ran, err := lock.With(c.Store, c.Resource, expiry, c.count)
		return map[bool]string{true: "counted", false: "busy"}[ran], err
	case "forget":
		if got, err := lock.TryLock(c.Store, c.Resource, c.Owner, expiry); err != nil || !got {
			return "busy", err
		}
		panic("in the middle")
	default:
		return "", errors.New("no such thing: " + op)
	}
}

// count adds 1 in two steps: two at once would count once.
func (c *Command) count() error {
	n, _, err := state.GetJSON[int](state.Default, "count")
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	time.Sleep(time.Duration(c.Sleep) * time.Millisecond)
	return state.SetJSON(state.Default, "count", n+1)
}
