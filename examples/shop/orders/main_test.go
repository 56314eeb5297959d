package main

import (
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

func setUp(t *testing.T, stock int) {
	t.Helper()
	state.ResetFake()
	pubsub.ResetFake()
	invoke.FakeApp("inventory", func(r invoke.Request) (*invoke.Response, error) {
		if stock--; stock < 0 {
			return http.Error(409, "out of stock"), nil
		}
		return http.JSON(200, nil), nil
	})
	t.Cleanup(func() { invoke.FakeApp("inventory", nil) })
}

func TestPlaceOrder(t *testing.T) {
	setUp(t, 1)
	resp := http.Do(&http.Request{Method: "POST", Path: "/orders", Body: []byte(`{"item":"book","qty":2}`)})
	var placed Order
	if err := resp.Decode(&placed); resp.Status != 201 || err != nil || placed.Status != "reserved" {
		t.Fatalf("got %d %s", resp.Status, resp.Body)
	}
	if got := http.Do(&http.Request{Path: "/orders/" + placed.ID}); !strings.Contains(string(got.Body), `"qty":2`) {
		t.Errorf("stored order: %d %s", got.Status, got.Body)
	}
	want := `{"item":"book","orders":["` + placed.ID + `"],"qty":2}`
	if got := http.Do(&http.Request{Path: "/orders", Query: "item=book"}); string(got.Body) != want {
		t.Errorf("list: got %s; want %s", got.Body, want)
	}
	if got := pubsub.Published(); len(got) != 1 || got[0].Topic != "order.placed" {
		t.Errorf("published %v; want one order.placed", got)
	}
	if got := http.Do(&http.Request{Method: "POST", Path: "/orders", Body: []byte(`{"item":"book","qty":2}`)}); got.Status != 409 {
		t.Errorf("second order: got %d; want 409 from inventory", got.Status)
	}
}

func TestBadOrders(t *testing.T) {
	setUp(t, 9)
	for _, body := range []string{``, `{`, `{"item":"","qty":1}`, `{"item":"a/b","qty":1}`, `{"item":"book","qty":0}`} {
		if got := http.Do(&http.Request{Method: "POST", Path: "/orders", Body: []byte(body)}); got.Status != 400 {
			t.Errorf("body %q: got %d; want 400", body, got.Status)
		}
	}
}
