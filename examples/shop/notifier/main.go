// Command notifier writes a receipt for every order that was placed. The subscription's rule sends big orders to the
// route /bulk; orders that it rejects end on the dead letter topic, which it counts.
package main

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/log"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/subscriber"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

// Receipt is what is kept for an order.
type Receipt struct {
	Order string `json:"order"`
	Item  string `json:"item"`
	Qty   int    `json:"qty"`
	Kind  string `json:"kind"` // "single" or "bulk", by the route
}

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
	log.Info("receipt written", "order", o.ID, "kind", kind)
	// A message may come twice: the key makes the second write harmless.
	return state.SetJSON(state.Default, "receipt/"+o.ID, Receipt{o.ID, o.Item, o.Qty, kind})
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
	return answer[Receipt]("receipt/" + r.Param("id"))
}

func dead(*http.Request) *http.Response {
	resp := answer[Dead]("dead")
	if resp.Status == 404 {
		return http.JSON(200, Dead{})
	}
	return resp
}

func answer[T any](key string) *http.Response {
	v, _, err := state.GetJSON[T](state.Default, key)
	switch {
	case errors.Is(err, state.ErrNotFound):
		return http.Error(404, "no %s", key)
	case err != nil:
		return http.Error(503, "%v", err)
	}
	return http.JSON(200, v)
}
