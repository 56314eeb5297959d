// Command inventory keeps stock. It is only invoked, never called over the front door.
package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke/service"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

// Request asks for pieces of an item, or gives them back.
type Request struct {
	Item string `json:"item"`
	Qty  int    `json:"qty"`
}

// Stock is what is left of an item.
type Stock struct {
	Left int `json:"left"`
}

func init() {
	service.JSON("reserve", func(r Request) (Stock, error) { return change(r.Item, -r.Qty) })
	service.JSON("release", func(r Request) (Stock, error) { return change(r.Item, r.Qty) })
	service.JSON("stock", func(r Request) (Stock, error) { return change(r.Item, 0) })
}

func main() {}

// change adds to an item's stock, never below zero. First-write concurrency makes it repeat when somebody else
// changed the stock in between, so that no piece is sold twice.
func change(item string, by int) (Stock, error) {
	if item == "" {
		return Stock{}, &service.Error{Status: 400, Message: "want an item"}
	}
	for {
		stock, etag, err := state.GetJSON[Stock](state.Default, "stock/"+item)
		condition := state.IfMatch(etag)
		if errors.Is(err, state.ErrNotFound) {
			stock, condition, err = Stock{initial()}, state.IfAbsent(), nil
		}
		if err != nil {
			return Stock{}, &service.Error{Status: 503, Message: err.Error()}
		}
		if by == 0 {
			return stock, nil
		}
		if stock.Left+by < 0 {
			return stock, &service.Error{Status: 409, Message: fmt.Sprintf("out of stock: %d %s asked, %d left", -by, item, stock.Left)}
		}
		stock.Left += by
		err = state.SetJSON(state.Default, "stock/"+item, stock, condition, state.WithConcurrency(state.FirstWrite))
		if err == nil {
			return stock, nil
		}
		if !errors.Is(err, state.ErrETagMismatch) {
			return Stock{}, &service.Error{Status: 503, Message: err.Error()}
		}
	}
}

// initial is the stock of an item that nobody has asked for yet.
func initial() int {
	if n, err := strconv.Atoi(os.Getenv("INITIAL_STOCK")); err == nil {
		return n
	}
	return 100
}
