//go:build wasip1

package input

import (
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/binding/driver/internal/contract"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/binding/inputdriver"
)

func init() {
	inputdriver.Exports.Init = func(metadata inputdriver.Metadata) *inputdriver.Error {
		return contract.Error(registered.Init(pairs.Map(metadata)))
	}
	inputdriver.Exports.Pull = func(limit, waitMS uint32) ([]inputdriver.Delivery, *inputdriver.Error) {
		events, err := registered.Pull(int(limit), time.Duration(waitMS)*time.Millisecond)
		if err != nil {
			return nil, contract.Error(err)
		}
		out := make([]inputdriver.Delivery, len(events))
		for i, e := range events {
			out[i] = inputdriver.Delivery{ID: e.ID, Event: inputdriver.Event{Data: e.Data, ContentType: e.ContentType, Metadata: pairs.From(e.Metadata)}}
		}
		return out, nil
	}
	inputdriver.Exports.Settle = func(id string, handled bool) *inputdriver.Error {
		return contract.Error(registered.Settle(id, handled))
	}
}
