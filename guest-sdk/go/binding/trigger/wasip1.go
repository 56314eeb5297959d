//go:build wasip1

package trigger

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/binding/trigger"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/binding/types"
)

func init() {
	trigger.Exports.Handle = func(binding, route string, in types.Event) (*[]byte, *string) {
		answer, err := Do(&Event{
			Binding: binding, Route: route, ContentType: in.ContentType, Data: in.Data, Metadata: pairs.Map(in.Metadata),
		})
		if err != nil {
			text := err.Error()
			return nil, &text
		}
		if answer == nil {
			return nil, nil
		}
		return &answer, nil
	}
}
