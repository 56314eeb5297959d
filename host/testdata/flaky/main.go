// Command flaky fails as often as it is asked to, and counts how often it was called. Its instances are reused.
package main

import (
	"strconv"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/subscriber"
)

var (
	calls    = map[string]int{}
	delivery int
)

func init() {
	// fail answers 503 until it was called times times with the same id, then 200; count tells how often.
	http.Route("POST /flaky/fail/{id}/{times}", func(r *http.Request) *http.Response {
		id := r.Param("id")
		calls[id]++
		if times, _ := strconv.Atoi(r.Param("times")); calls[id] <= times {
			return http.Error(503, "not yet")
		}
		return http.Text(200, strconv.Itoa(calls[id]))
	})
	http.Route("GET /flaky/count/{id}", func(r *http.Request) *http.Response {
		return http.Text(200, strconv.Itoa(calls[r.Param("id")]))
	})
	http.Route("POST /flaky/sleep", func(*http.Request) *http.Response {
		time.Sleep(5 * time.Second)
		return http.Text(200, "rested")
	})
	subscriber.Handle("/events", func(*subscriber.Event) error {
		calls["event"]++
		if delivery++; delivery < 3 {
			return errNotYet
		}
		return nil
	})
}

type notYet struct{}

func (notYet) Error() string { return "not yet" }

var errNotYet = notYet{}

func main() {}
