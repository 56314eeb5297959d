package main

import (
	"errors"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke/service"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
)

func TestReserve(t *testing.T) {
	state.ResetFake()
	t.Setenv("INITIAL_STOCK", "5")
	if got, err := change("book", -3); err != nil || got.Left != 2 {
		t.Fatalf("first reservation: got %+v, %v; want 2 left", got, err)
	}
	_, err := change("book", -3)
	if refused, ok := errors.AsType[*service.Error](err); !ok || refused.Status != 409 {
		t.Errorf("reservation over the stock: got %v; want 409", err)
	}
	if got, err := change("book", 3); err != nil || got.Left != 5 {
		t.Errorf("release: got %+v, %v; want 5 left", got, err)
	}
}
