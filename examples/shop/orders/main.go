// Command orders takes orders over HTTP. It reserves stock by invoking inventory, keeps the order, its index entry
// and the item's tally in one state transaction, and publishes order.placed.
package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/log"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

// Order is what is stored and published.
type Order struct {
	ID     string `json:"id"`
	Item   string `json:"item"`
	Qty    int    `json:"qty"`
	Status string `json:"status"`
}

// Tally counts the orders of one item; it is written under its etag.
type Tally struct {
	Orders int `json:"orders"`
	Qty    int `json:"qty"`
}

func init() {
	http.Route("POST /orders", place)
	http.Route("GET /orders", byItem)
	http.Route("GET /orders/{id}", get)
}

func main() {}

func place(r *http.Request) *http.Response {
	var o Order
	if err := r.Decode(&o); err != nil {
		return http.Error(400, "%v", err)
	}
	if o.Item == "" || strings.Contains(o.Item, "/") || o.Qty < 1 {
		return http.Error(400, `want {"item": name without "/", "qty": at least 1}, found item %q and qty %d`, o.Item, o.Qty)
	}
	o.ID, o.Status = newID(), "reserved"
	if _, err := invoke.JSON[any]("inventory", "reserve", o); err != nil {
		if refused, ok := errors.AsType[*invoke.StatusError](err); ok {
			return &http.Response{Status: refused.Response.Status, Header: refused.Response.Header, Body: refused.Response.Body}
		}
		return http.Error(502, "%v", err)
	}
	if err := save(o); err != nil {
		if _, undo := invoke.JSON[any]("inventory", "release", o); undo != nil {
			log.Error("reserved stock was not given back", "order", o.ID, "error", undo)
		}
		return http.Error(503, "%v", err)
	}
	if err := pubsub.PublishJSON("", "order.placed", o); err != nil {
		return http.Error(503, "order %s is kept but was not announced: %v", o.ID, err)
	}
	log.Info("order placed", "id", o.ID, "item", o.Item, "qty", o.Qty)
	return http.JSON(201, map[string]string{"id": o.ID, "status": o.Status})
}

// save writes order, index entry and tally together; the tally's etag makes it repeat when another order of the
// same item came between.
func save(o Order) error {
	for {
		tally, etag, err := state.GetJSON[Tally](state.Default, "tally/"+o.Item)
		condition := state.IfMatch(etag)
		if errors.Is(err, state.ErrNotFound) {
			condition, err = state.IfAbsent(), nil
		}
		if err != nil {
			return err
		}
		tally.Orders++
		tally.Qty += o.Qty
		err = state.Default.Transact(
			state.PutJSON("order/"+o.ID, o, state.IfAbsent()),
			state.Put("by-item/"+o.Item+"/"+o.ID, nil, state.IfAbsent()),
			state.PutJSON("tally/"+o.Item, tally, condition))
		if !errors.Is(err, state.ErrETagMismatch) {
			return err
		}
	}
}

func get(r *http.Request) *http.Response {
	o, _, err := state.GetJSON[Order](state.Default, "order/"+r.Param("id"))
	switch {
	case errors.Is(err, state.ErrNotFound):
		return http.Error(404, "no order %s", r.Param("id"))
	case err != nil:
		return http.Error(503, "%v", err)
	}
	return http.JSON(200, o)
}

func byItem(r *http.Request) *http.Response {
	item := r.QueryValue("item")
	if item == "" {
		return http.Error(400, "want /orders?item=NAME")
	}
	prefix := "by-item/" + item + "/"
	ids := []string{}
	for key, err := range state.Default.Keys(prefix) {
		if err != nil {
			return http.Error(503, "%v", err)
		}
		ids = append(ids, strings.TrimPrefix(key, prefix))
	}
	tally, _, err := state.GetJSON[Tally](state.Default, "tally/"+item)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return http.Error(503, "%v", err)
	}
	return http.JSON(200, map[string]any{"item": item, "orders": ids, "qty": tally.Qty})
}

func newID() string {
	var b [8]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(fmt.Sprintf("no randomness: %v", err))
	}
	return hex.EncodeToString(b[:])
}
