//go:build wasip1

package driver

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/configuration/driver/internal/contract"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/configuration/driver"
)

func init() {
	driver.Exports.Init = func(metadata driver.Metadata) *driver.Error {
		return contract.Error(registered.Init(pairs.Map(metadata)))
	}
	driver.Exports.Get = func(keys []string, metadata driver.Metadata) ([]driver.Item, *driver.Error) {
		items, err := registered.Get(keys, pairs.Map(metadata))
		if err != nil {
			return nil, contract.Error(err)
		}
		return contract.Items(items), nil
	}
}
