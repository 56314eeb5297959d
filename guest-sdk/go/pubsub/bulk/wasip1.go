//go:build wasip1

package bulk

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wire"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/pubsub/bulksubscriber"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/pubsub/types"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/pubsub/subscriber"
)

func init() {
	bulksubscriber.Exports.Handle = func(in []types.Event) []types.Outcome {
		events := make([]*Event, len(in))
		for i := range in {
			events[i] = wire.Event(in[i])
		}
		out := make([]types.Outcome, len(in))
		for i, err := range Do(events) {
			out[i] = wire.Outcome(err, subscriber.IsDrop(err))
		}
		return out
	}
}
