//go:build wasip1

package transactor

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/transactor"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/types"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/internal/contract"
)

func init() {
	transactor.Exports.Transact = func(operations []types.Operation, metadata types.Metadata) *types.Error {
		ops := make([]driver.Operation, len(operations))
		for i := range operations {
			if o := &operations[i]; o.Tag == types.OperationUpsert {
				r := contract.Set(&o.Upsert)
				ops[i].Set = &r
			} else {
				r := contract.Delete(&o.Delete)
				ops[i].Delete = &r
			}
		}
		return contract.Error(Registered().Transact(ops, pairs.Map(metadata)))
	}
}
