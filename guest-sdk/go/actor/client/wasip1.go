//go:build wasip1

package client

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fail"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/value"
	wit "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/actor/client"
)

func backendInvoke(id value.ID, method string, in Payload) (Payload, error) {
	out, err := wit.Invoke(wit.ActorID{ActorType: id.Type, ID: id.ID}, method, wit.Payload(in))
	if err != nil {
		return Payload{}, fail.From(err)
	}
	return Payload(out), nil
}
