//go:build wasip1

package watch

import (
	"fmt"
	"time"

	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/configuration"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/configuration/driver/internal/contract"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/configuration/subscriber"
)

var (
	watches = map[uint32]Watch{}
	last    uint32
)

func find(n uint32) (Watch, error) {
	w := watches[n]
	if w == nil {
		return nil, fmt.Errorf("%w: there is no watch %d", configuration.ErrInvalidRequest, n)
	}
	return w, nil
}

func init() {
	subscriber.Exports.Subscribe = func(keys []string, metadata subscriber.Metadata) (uint32, *subscriber.Error) {
		w, err := Registered().Watch(keys, pairs.Map(metadata))
		if err != nil {
			return 0, contract.Error(err)
		}
		last++
		watches[last] = w
		return last, nil
	}
	subscriber.Exports.Unsubscribe = func(subscription uint32) *subscriber.Error {
		w, err := find(subscription)
		if err == nil {
			delete(watches, subscription)
			err = w.Close()
		}
		return contract.Error(err)
	}
	subscriber.Exports.Pull = func(subscription, waitMS uint32) ([]subscriber.Item, *subscriber.Error) {
		w, err := find(subscription)
		if err != nil {
			return nil, contract.Error(err)
		}
		keys, err := w.Pull(time.Duration(waitMS) * time.Millisecond)
		if err != nil {
			return nil, contract.Error(err)
		}
		out := make([]subscriber.Item, len(keys))
		for i, key := range keys {
			out[i].Key = key
		}
		return out, nil
	}
}
