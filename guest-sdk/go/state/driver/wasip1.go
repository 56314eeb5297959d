//go:build wasip1

package driver

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/internal/contract"
)

// found is the entry of the last Get: calls come one after the other, and it is lowered before the next one.
var found driver.Entry

func init() {
	driver.Exports.Init = func(metadata driver.Metadata) *driver.Error {
		return contract.Error(registered.Init(pairs.Map(metadata)))
	}
	driver.Exports.Get = func(key string, consistency driver.Consistency, metadata driver.Metadata) (*driver.Entry, *driver.Error) {
		e, err := registered.Get(GetRequest{Key: key, Consistency: state.Consistency(consistency), Metadata: pairs.Map(metadata)})
		if err != nil || e == nil {
			return nil, contract.Error(err)
		}
		contract.Fill(&found, e)
		return &found, nil
	}
	driver.Exports.Set = func(item driver.SetItem) *driver.Error {
		return contract.Error(registered.Set(contract.Set(&item)))
	}
	driver.Exports.Delete = func(item driver.DeleteItem) *driver.Error {
		return contract.Error(registered.Delete(contract.Delete(&item)))
	}
}
