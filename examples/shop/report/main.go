// Command report adds up what the shop has sold. It notes each order when it is placed; the clock, a cron binding, has it
// add what was noted to the totals.
package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/trigger"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/log"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/subscriber"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

// Order is what is noted of an order.
type Order struct {
	ID  string `json:"id"`
	Qty int    `json:"qty"`
}

// Totals are the orders that were placed, and the pieces in them.
type Totals struct {
	Orders int `json:"orders"`
	Items  int `json:"items"`
}

// An order is noted under noted, until it is in the totals; then it is marked under counted for good, so that it counts
// once however often its message comes.
const (
	noted   = "noted/"
	counted = "counted/"
)

func init() {
	subscriber.Handle("/note", note)
	trigger.Handle("clock", func(*trigger.Event) ([]byte, error) { return nil, aggregate() })
	http.Route("GET /report", show)
}

func main() {}

func note(e *subscriber.Event) error {
	var o Order
	if err := e.Decode(&o); err != nil {
		return subscriber.Drop(err)
	}
	if o.ID == "" || o.Qty < 1 {
		return subscriber.Drop(fmt.Errorf("want an order with id and qty, found %s", e.Data))
	}
	_, err := state.Default.Get(counted + o.ID)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, state.ErrInvalidKey):
		return subscriber.Drop(err)
	case !errors.Is(err, state.ErrNotFound):
		return err
	}
	return state.SetJSON(state.Default, noted+o.ID, o)
}

// batch is how many orders are added in one transaction.
const batch = 50

func aggregate() error {
	for {
		page, err := state.Default.List(noted, batch, "")
		if err != nil || len(page.Keys) == 0 {
			return err
		}
		// A mismatch: another instance was faster, on this host or on another with the same store. Look again.
		if err := add(page.Keys); err != nil && !errors.Is(err, state.ErrETagMismatch) {
			return err
		}
	}
}

// add moves noted orders into the totals, all or none.
func add(keys []string) error {
	totals, condition, err := read()
	if err != nil {
		return err
	}
	before := totals
	var ops []state.Op
	for _, key := range keys {
		o, _, err := state.GetJSON[Order](state.Default, key)
		if errors.Is(err, state.ErrNotFound) {
			continue // counted since it was listed
		}
		if err != nil {
			return err
		}
		ops = append(ops, state.Remove(key))
		mark := counted + strings.TrimPrefix(key, noted)
		if _, err := state.Default.Get(mark); err == nil {
			continue // noted again while it was counted
		} else if !errors.Is(err, state.ErrNotFound) {
			return err
		}
		totals.Orders++
		totals.Items += o.Qty
		ops = append(ops, state.Put(mark, nil, state.IfAbsent()))
	}
	if totals != before {
		ops = append(ops, state.PutJSON("totals", totals, condition))
		log.Info("totals", "orders", totals.Orders, "items", totals.Items)
	}
	if len(ops) == 0 {
		return nil
	}
	return state.Default.Transact(ops...)
}

// read gives the totals, and the condition under which they may be replaced.
func read() (Totals, state.Option, error) {
	totals, etag, err := state.GetJSON[Totals](state.Default, "totals")
	if errors.Is(err, state.ErrNotFound) {
		return Totals{}, state.IfAbsent(), nil
	}
	return totals, state.IfMatch(etag), err
}

func show(*http.Request) *http.Response {
	totals, _, err := read()
	if err != nil {
		return http.Error(503, "%v", err)
	}
	return http.JSON(200, totals)
}
