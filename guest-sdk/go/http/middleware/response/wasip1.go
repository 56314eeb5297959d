//go:build wasip1

package response

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http/middleware"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http/middleware/internal/contract"
	wit "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/http/responsemiddleware"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/http/types"
)

func init() {
	wit.Exports.HandleResponse = func(in types.Request, res types.Response) (types.Response, *string) {
		r := &middleware.Request{
			Method: in.Method, Scheme: in.Scheme, Authority: in.Authority, Path: in.Path, Query: in.Query,
			Remote: in.Remote, Header: contract.Header(in.Headers), Body: in.Body,
		}
		out := contract.Response(res)
		if err := Do(r, out); err != nil {
			return types.Response{}, contract.Error(err)
		}
		return contract.FromResponse(out), nil
	}
}
