// Command actor has the actors that the benchmarks call, and calls them itself, many times in one request.
package main

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/client"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke/service"
)

// Bench is an actor with a little memory.
type Bench struct {
	calls int
	last  []byte
	fired int
}

// Reminder counts.
func (b *Bench) Reminder(*actor.Context, actor.Due) error {
	b.fired++
	return nil
}

func init() {
	for _, name := range []string{"Bench", "Atomic"} {
		t := actor.Register[Bench](name)
		actor.Method(t, "echo", func(b *Bench, _ *actor.Context, in []byte) ([]byte, error) {
			b.calls++
			return in, nil
		})
		actor.Method(t, "set", func(b *Bench, c *actor.Context, in []byte) (actor.None, error) {
			b.calls++
			return actor.None{}, c.SetRaw("k", in)
		})
		actor.Method(t, "fill", func(b *Bench, _ *actor.Context, in []byte) (actor.None, error) {
			b.last = slices.Clone(in)
			return actor.None{}, nil
		})
	}
	service.Handle("calls", calls)
}

func main() {}

// calls calls method of type n times, of as many actors as ids says, in turns, and gives the median and the mean of the
// time that it took in nanoseconds. The body is "type method n ids".
func calls(_ string, r *service.Request) *service.Response {
	var typ, method string
	var n, ids int
	if _, err := fmt.Sscan(string(r.Body), &typ, &method, &n, &ids); err != nil {
		return &service.Response{Status: 400, Body: []byte(err.Error())}
	}
	call := client.Define[[]byte, []byte](typ, method)
	names := make([]string, ids)
	for i := range names {
		names[i] = "a" + strconv.Itoa(i)
	}
	data := make([]byte, 100)
	took := make([]int64, n)
	began := time.Now()
	last := began
	for i := range n {
		if _, err := call.Invoke(names[i%ids], data); err != nil {
			return &service.Response{Status: 500, Body: []byte(err.Error())}
		}
		now := time.Now()
		took[i], last = int64(now.Sub(last)), now
	}
	slices.Sort(took)
	return &service.Response{Status: 200, Body: fmt.Appendf(nil, "%d %d", took[n/2], int64(last.Sub(began))/int64(n))}
}
