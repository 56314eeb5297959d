//go:build wasip1

package middleware

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/cabi"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/http/middleware/internal/contract"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/pairs"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/http/middleware"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/http/types"
)

func init() {
	middleware.Exports.Init = func(metadata []cabi.Tuple2[string, string]) *string {
		return contract.Error(Start(pairs.Map(metadata)))
	}
	middleware.Exports.HandleRequest = func(in types.Request) (middleware.Action, *string) {
		r := &Request{
			Method: in.Method, Scheme: in.Scheme, Authority: in.Authority, Path: in.Path, Query: in.Query,
			Remote: in.Remote, Header: contract.Header(in.Headers), Body: in.Body,
		}
		resp, err := Do(r)
		switch {
		case err != nil:
			return middleware.Action{}, contract.Error(err)
		case resp != nil:
			return middleware.Action{Tag: middleware.ActionRespond, Respond: contract.FromResponse(resp)}, nil
		}
		return middleware.Action{Tag: middleware.ActionNext, Next: types.Request{
			Method: r.Method, Scheme: r.Scheme, Authority: r.Authority, Path: r.Path, Query: r.Query,
			Remote: r.Remote, Headers: contract.FromHeader(r.Header), Body: r.Body,
		}}, nil
	}
}
