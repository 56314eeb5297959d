// Package bulk handles messages many at a time, for subscriptions with bulkSubscribe. Importing it makes the app
// export mrt:pubsub/bulk-subscriber; package subscriber, which it needs, still gets what comes alone.
package bulk

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/event"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/subscriber"
)

// Event is one message: a CloudEvent, unwrapped.
type Event = event.Event

// Handler handles messages; the errors are in their order and mean what they mean to package subscriber. A nil
// slice acknowledges all.
type Handler func([]*Event) []error

var routes = map[string]Handler{}

// Handle makes h handle messages of a route. It panics on a route that is handled already.
func Handle(route string, h Handler) {
	if routes[route] != nil {
		panic("bulk.Handle: " + route + " is handled already")
	}
	routes[route] = h
}

// Do passes messages to the app's handlers, those of routes without a bulk handler one by one.
func Do(events []*Event) []error {
	out := make([]error, len(events))
	byRoute := map[string][]int{}
	var order []string
	for i, e := range events {
		if routes[e.Route] == nil {
			out[i] = subscriber.Do(e)
			continue
		}
		if byRoute[e.Route] == nil {
			order = append(order, e.Route)
		}
		byRoute[e.Route] = append(byRoute[e.Route], i)
	}
	for _, route := range order {
		group := make([]*Event, 0, len(byRoute[route]))
		for _, i := range byRoute[route] {
			group = append(group, events[i])
		}
		for j, err := range routes[route](group) {
			if j < len(group) {
				out[byRoute[route][j]] = err
			}
		}
	}
	return out
}
