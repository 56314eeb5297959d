//go:build !wasip1

package client

import (
	"errors"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fail"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/fake"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/actor/internal/value"
)

// FakeType makes h answer the calls of native builds to an actor type that is another app's. An error that is one of
// this package's (errors.Is) reaches the caller with that reason, any other one as ErrFailed with its text. Give nil to
// remove it.
func FakeType(actorType string, h func(id, method string, in Payload) (Payload, error)) {
	if h == nil {
		fake.Handle(actorType, nil)
		return
	}
	fake.Handle(actorType, func(id, method string, in Payload) (Payload, *fail.Error) {
		out, err := h(id, method, in)
		if e, ok := errors.AsType[*Error](err); ok {
			return out, fail.New(e.Reason, e.Message)
		}
		return out, fail.Sort(err)
	})
}

func backendInvoke(id value.ID, method string, in Payload) (Payload, error) {
	return fake.Invoke(id, method, in)
}
