package contrib

import (
	lockredis "github.com/dapr/components-contrib/lock/redis"

	"github.com/mrt-wasm/mrt-wasm/components/contrib/adapt"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

// lockSpecs are Dapr's components of kind lock.
func lockSpecs() []component.Spec[lock.Store] {
	return []component.Spec[lock.Store]{
		adapt.Lock("lock.redis", lockredis.NewStandaloneRedisLock),
	}
}
