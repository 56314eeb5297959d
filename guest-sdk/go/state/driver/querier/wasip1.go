//go:build wasip1

package querier

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/querier"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/types"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/internal/contract"
)

func init() {
	querier.Exports.Query = func(prefix, query string, metadata types.Metadata) (types.QueryPage, *types.Error) {
		page, err := Registered().Query(prefix, query, pairs.Map(metadata))
		if err != nil {
			return types.QueryPage{}, contract.Error(err)
		}
		out := types.QueryPage{Items: make([]types.QueryItem, len(page.Items)), Token: page.Token, Metadata: pairs.From(page.Metadata)}
		for i := range page.Items {
			item := &page.Items[i]
			out.Items[i] = types.QueryItem{Key: item.Key, Value: item.Value}
			if item.ETag != "" {
				out.Items[i].ETag = &item.ETag
			}
		}
		return out, nil
	}
}
