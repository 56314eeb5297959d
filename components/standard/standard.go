// Package standard lists the drivers of the standard binary.
package standard

import (
	"errors"

	jetstreampubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/jetstream"
	memorypubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/memory"
	redispubsub "github.com/mrt-wasm/mrt-wasm/components/pubsub/redis"
	memorystate "github.com/mrt-wasm/mrt-wasm/components/state/memory"
	redisstate "github.com/mrt-wasm/mrt-wasm/components/state/redis"
	sqlitestate "github.com/mrt-wasm/mrt-wasm/components/state/sqlite"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Drivers gives the drivers. The error is a fault of the list itself.
func Drivers() (host.Drivers, error) {
	state, errState := component.NewSet("state", memorystate.Spec, redisstate.Spec, sqlitestate.Spec)
	pubsub, errPubSub := component.NewSet("pubsub", jetstreampubsub.Spec, memorypubsub.Spec, redispubsub.Spec)
	return host.Drivers{State: state, PubSub: pubsub}, errors.Join(errState, errPubSub)
}
