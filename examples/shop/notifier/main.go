// Command notifier writes a signed receipt for every order that was placed. The subscription's rule sends big orders to
// the route /bulk; orders that it rejects end on the dead letter topic, which it counts.
package main

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/log"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/subscriber"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

// Dead counts the orders that were rejected.
type Dead struct {
	Count int `json:"count"`
}

func init() {
	subscriber.Handle("/single", func(e *subscriber.Event) error { return write(e, "single") })
	subscriber.Handle("/bulk", func(e *subscriber.Event) error { return write(e, "bulk") })
	subscriber.Handle("/dead", bury)
	http.Route("GET /receipts/{id}", receipt)
	http.Route("GET /receipts/dead", dead)
}

func main() {}

func write(e *subscriber.Event, kind string) error {
	var o struct {
		ID, Item string
		Qty      int
	}
	if err := e.Decode(&o); err != nil {
		return subscriber.Drop(err)
	}
	if o.Item == "poison" {
		return subscriber.Drop(errors.New("the shop does not sell poison"))
	}
	switch _, err := load(o.ID); {
	case err == nil:
		return nil // a message may come twice: the first receipt stays, whatever the greeting is now
	case errors.Is(err, binding.ErrInvalidRequest):
		return subscriber.Drop(err) // no file can have such a name
	case !errors.Is(err, binding.ErrNotFound):
		return err
	}
	text, err := sign(Receipt{Order: o.ID, Item: o.Item, Qty: o.Qty, Kind: kind})
	if err != nil {
		return err
	}
	if err := keep(o.ID, text); err != nil {
		return err
	}
	log.Info("receipt written", "order", o.ID, "kind", kind)
	return nil
}

// bury counts a dead letter once, whatever comes twice.
func bury(e *subscriber.Event) error {
	for {
		count, etag, err := state.GetJSON[Dead](state.Default, "dead")
		condition := state.IfMatch(etag)
		if errors.Is(err, state.ErrNotFound) {
			condition, err = state.IfAbsent(), nil
		}
		if err != nil {
			return err
		}
		count.Count++
		err = state.Default.Transact(
			state.Put("buried/"+e.ID, nil, state.IfAbsent()),
			state.PutJSON("dead", count, condition))
		if !errors.Is(err, state.ErrETagMismatch) {
			return err
		}
		if _, err := state.Default.Get("buried/" + e.ID); err == nil {
			return nil
		}
	}
}

func receipt(r *http.Request) *http.Response {
	text, err := load(r.Param("id"))
	switch {
	case errors.Is(err, binding.ErrNotFound):
		return http.Error(404, "no receipt for order %s", r.Param("id"))
	case errors.Is(err, binding.ErrInvalidRequest):
		return http.Error(400, "%v", err)
	case err != nil:
		return http.Error(503, "%v", err)
	}
	resp := http.Text(200, string(text))
	resp.Header.Set("Content-Type", "application/json")
	return resp
}

func dead(*http.Request) *http.Response {
	count, _, err := state.GetJSON[Dead](state.Default, "dead")
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return http.Error(503, "%v", err)
	}
	return http.JSON(200, count)
}
