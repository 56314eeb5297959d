// Command guest does what the benchmarks measure, many times in one call, so that the way into the guest is paid
// once: "loop" runs the operation in the body's first word as often as the second says.
package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke/service"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/subscriber"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

// taken has the nanoseconds from publish to delivery of each message; the app runs in one instance.
var taken []int64

var value = []byte(strings.Repeat("x", 1024))

func init() {
	service.Handle("loop", loop)
	service.Handle("echo", func(_ string, r *service.Request) *service.Response {
		return &service.Response{Status: 200, Body: r.Body}
	})
	service.Handle("latencies", latencies)
	subscriber.HandleAll(func(e *subscriber.Event) error {
		sent, err := strconv.ParseInt(string(e.Data), 10, 64)
		if err != nil {
			return subscriber.Drop(err)
		}
		taken = append(taken, time.Now().UnixNano()-sent)
		return nil
	})
}

func main() {}

// latencies gives how many messages arrived since the last reset and their median, in nanoseconds; a body resets.
func latencies(_ string, r *service.Request) *service.Response {
	sorted := slices.Sorted(slices.Values(taken))
	median := int64(0)
	if len(sorted) > 0 {
		median = sorted[len(sorted)/2]
	}
	if len(r.Body) > 0 {
		taken = nil
	}
	return &service.Response{Status: 200, Body: fmt.Appendf(nil, "%d %d", len(sorted), median)}
}

func loop(_ string, r *service.Request) *service.Response {
	op, count, _ := strings.Cut(string(r.Body), " ")
	n, err := strconv.Atoi(count)
	if err != nil {
		return &service.Response{Status: 400, Body: []byte(err.Error())}
	}
	name, do, err := operation(op)
	if err != nil {
		return &service.Response{Status: 400, Body: []byte(err.Error())}
	}
	for i := range n {
		if err := do(name, i); err != nil {
			return &service.Response{Status: 500, Body: []byte(err.Error())}
		}
	}
	return &service.Response{Status: 200}
}

func operation(op string) (string, func(string, int) error, error) {
	verb, store, _ := strings.Cut(op, ":")
	switch verb {
	case "get":
		return store, func(store string, _ int) error {
			_, err := state.Open(store).Get("key")
			return err
		}, nil
	case "set":
		// The value changes, since SQLite skips writing what is there already.
		return store, func(store string, i int) error {
			value[i%len(value)]++
			return state.Open(store).Set("key", value)
		}, nil
	case "invoke":
		return store, func(app string, _ int) error {
			_, err := invoke.Call(app, invoke.Request{Path: "echo", Body: value})
			return err
		}, nil
	case "publish":
		return store, func(topic string, _ int) error {
			return pubsub.Publish("", topic, "text/plain", strconv.AppendInt(nil, time.Now().UnixNano(), 10))
		}, nil
	default:
		return "", nil, fmt.Errorf("no operation %q", verb)
	}
}
