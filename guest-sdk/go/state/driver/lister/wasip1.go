//go:build wasip1

package lister

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/lister"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/state/types"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/state/driver/internal/contract"
)

func init() {
	lister.Exports.ListKeys = func(prefix string, limit uint32, token string) (types.KeyPage, *types.Error) {
		page, err := Registered().ListKeys(prefix, int(limit), token)
		if err != nil {
			return types.KeyPage{}, contract.Error(err)
		}
		out := types.KeyPage{Keys: page.Keys}
		if page.Next != "" {
			out.Next = &page.Next
		}
		return out, nil
	}
}
