//go:build wasip1

package driver

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/secret/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/secret/driver/internal/contract"
)

func init() {
	driver.Exports.Init = func(metadata driver.Metadata) *driver.Error {
		return contract.Error(registered.Init(pairs.Map(metadata)))
	}
	driver.Exports.Get = func(name string, metadata driver.Metadata) (driver.Values, *driver.Error) {
		values, err := registered.Get(name, pairs.Map(metadata))
		if err != nil {
			return nil, contract.Error(err)
		}
		return pairs.From(values), nil
	}
}
