//go:build wasip1

package bulk

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/bulkgetter"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/types"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/internal/contract"
)

func init() {
	bulkgetter.Exports.BulkGet = func(keys []string, consistency types.Consistency, metadata types.Metadata) ([]*types.Entry, *types.Error) {
		found, err := Registered().BulkGet(keys, state.Consistency(consistency), pairs.Map(metadata))
		if err != nil {
			return nil, contract.Error(err)
		}
		out := make([]*types.Entry, len(found))
		for i, e := range found {
			out[i] = contract.FromEntry(e)
		}
		return out, nil
	}
}
