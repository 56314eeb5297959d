//go:build wasip1

package subscriber

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wire"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/pubsub/subscriber"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/pubsub/types"
)

func init() {
	subscriber.Exports.Handle = func(in types.Event) types.Outcome {
		err := Do(wire.Event(in))
		return wire.Outcome(err, IsDrop(err))
	}
}
