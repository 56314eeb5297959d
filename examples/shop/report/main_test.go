package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/trigger"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/subscriber"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

func place(t *testing.T, id string, qty int) {
	t.Helper()
	err := subscriber.Do(&subscriber.Event{ID: "event of " + id, Route: "/note", Data: fmt.Appendf(nil, `{"id":%q,"item":"book","qty":%d}`, id, qty)})
	if err != nil {
		t.Fatal(err)
	}
}

func tick(t *testing.T) {
	t.Helper()
	if _, err := trigger.Do(&trigger.Event{Binding: "clock", Route: "/clock"}); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, orders, items int) {
	t.Helper()
	want := fmt.Sprintf(`{"orders":%d,"items":%d}`, orders, items)
	if got := http.Do(&http.Request{Path: "/report"}); got.Status != 200 || string(got.Body) != want {
		t.Errorf("got %d %s; want %s", got.Status, got.Body, want)
	}
}

func TestTotals(t *testing.T) {
	state.ResetFake()
	want(t, 0, 0)
	for i := range 2*batch + 1 {
		place(t, fmt.Sprint("order ", i), 2)
	}
	want(t, 0, 0) // nothing before the clock
	for range 2 {
		tick(t)
		want(t, 2*batch+1, 4*batch+2)
	}
}

// TestComesAgain has the message of an order come again before it is counted, after, and while it is counted.
func TestComesAgain(t *testing.T) {
	state.ResetFake()
	place(t, "a", 3)
	place(t, "a", 3)
	tick(t)
	place(t, "a", 3)
	tick(t)
	want(t, 1, 3)
	if err := state.SetJSON(state.Default, noted+"a", Order{"a", 3}); err != nil { // it was about to be noted
		t.Fatal(err)
	}
	place(t, "b", 1)
	tick(t)
	want(t, 2, 4)
	if page, err := state.Default.List(noted, 0, ""); err != nil || len(page.Keys) != 0 {
		t.Errorf("still noted: %v, %v", page.Keys, err)
	}
}

// TestFasterInstance counts an order between another instance's reading and its writing.
func TestFasterInstance(t *testing.T) {
	state.ResetFake()
	place(t, "a", 3)
	page, err := state.Default.List(noted, batch, "")
	if err != nil {
		t.Fatal(err)
	}
	tick(t)
	if err := add(page.Keys); err != nil {
		t.Fatal(err)
	}
	want(t, 1, 3)
}

func TestBadMessages(t *testing.T) {
	state.ResetFake()
	for _, body := range []string{``, `{}`, `{"id":"a"}`, `{"id":"a","qty":-1}`, `{"id":"a||b","qty":1}`} {
		err := subscriber.Do(&subscriber.Event{ID: "1", Route: "/note", Data: []byte(body)})
		if !subscriber.IsDrop(err) {
			t.Errorf("body %q: got %v; want it dropped", body, err)
		}
	}
	down := errors.New("down")
	state.FailFake(down)
	err := subscriber.Do(&subscriber.Event{ID: "1", Route: "/note", Data: []byte(`{"id":"a","qty":1}`)})
	if !errors.Is(err, down) || subscriber.IsDrop(err) {
		t.Errorf("store down: got %v; want it to come again", err)
	}
	if _, err := trigger.Do(&trigger.Event{Binding: "clock", Route: "/clock"}); !errors.Is(err, down) {
		t.Errorf("clock, store down: got %v", err)
	}
}
