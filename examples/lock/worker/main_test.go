package main

import (
	"testing"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/lock"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

// The app's logic, natively, on fakes.
func TestLedger(t *testing.T) {
	lock.ResetFake()
	state.ResetFake()
	want := func(status int) {
		t.Helper()
		if got := http.Do(&http.Request{Method: "POST", Path: "/left/ledger"}); got.Status != status {
			t.Errorf("got %d %s, want %d", got.Status, got.Body, status)
		}
	}
	want(200)
	lock.HoldFake("", "ledger", "right")
	want(423)
	lock.UnlockFake("", "ledger")
	want(200)
	if got := http.Do(&http.Request{Method: "GET", Path: "/left/ledger"}); string(got.Body) != `{"entries":2,"by":{"left":2}}` {
		t.Errorf("the ledger is %s", got.Body)
	}
	lock.FailFake(lock.ErrUnavailable)
	want(503)
}
