package main

import (
	"testing"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/subscriber"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

func TestReceipts(t *testing.T) {
	state.ResetFake()
	for route, body := range map[string]string{"/single": `{"id":"a","item":"book","qty":1}`, "/bulk": `{"id":"b","item":"book","qty":12}`} {
		if err := subscriber.Do(&subscriber.Event{ID: "e" + route, Route: route, Data: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"order":"b","item":"book","qty":12,"kind":"bulk"}`
	if got := http.Do(&http.Request{Path: "/receipts/b"}); string(got.Body) != want {
		t.Errorf("got %s; want %s", got.Body, want)
	}
}

func TestPoison(t *testing.T) {
	state.ResetFake()
	bad := &subscriber.Event{ID: "1", Route: "/single", Data: []byte(`{"id":"c","item":"poison","qty":1}`)}
	if err := subscriber.Do(bad); !subscriber.IsDrop(err) {
		t.Errorf("got %v; want it dropped", err)
	}
	for range 2 { // the same dead letter twice counts once
		bad.Route = "/dead"
		if err := subscriber.Do(bad); err != nil {
			t.Fatal(err)
		}
	}
	if got := http.Do(&http.Request{Path: "/receipts/dead"}); string(got.Body) != `{"count":1}` {
		t.Errorf("got %s; want a count of 1", got.Body)
	}
}
