//go:build wasip1

package bulk

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/cabi"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/secret/bulkdriver"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/secret/driver/internal/contract"
)

func init() {
	bulkdriver.Exports.BulkGet = func(metadata bulkdriver.Metadata) ([]cabi.Tuple2[string, bulkdriver.Values], *bulkdriver.Error) {
		all, err := Registered().BulkGet(pairs.Map(metadata))
		if err != nil {
			return nil, contract.Error(err)
		}
		var out []cabi.Tuple2[string, bulkdriver.Values]
		for name, values := range all {
			out = append(out, cabi.Tuple2[string, bulkdriver.Values]{F0: name, F1: pairs.From(values)})
		}
		return out, nil
	}
}
