// Command json answers with what it decoded: what a small service does with a request. What encoding/json keeps of the
// types is there before the first request.
package main

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/warmup"
)

// order is an everyday record.
type order struct {
	ID       string            `json:"id"`
	Customer string            `json:"customer"`
	Lines    []line            `json:"lines"`
	Tags     map[string]string `json:"tags"`
	Total    float64           `json:"total"`
}

type line struct {
	Item  string  `json:"item"`
	Qty   int     `json:"qty"`
	Price float64 `json:"price"`
}

func init() {
	http.Handle(answer)
	warmup.Register(func() {
		answer(&http.Request{Body: []byte(`{"lines": [{"item": "x"}], "tags": {"a": "b"}}`)})
	})
}

func answer(r *http.Request) *http.Response {
	var o order
	if err := r.Decode(&o); err != nil {
		return http.Error(400, "%v", err)
	}
	for _, l := range o.Lines {
		o.Total += float64(l.Qty) * l.Price
	}
	return http.JSON(200, o)
}

func main() {}
