//go:build wasip1

package http

import (
	wit "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/http/handler"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/http/types"
)

func init() { wit.Exports.Handle = serve }

func serve(in types.Request) types.Response {
	r := &Request{
		Method: in.Method, Scheme: in.Scheme, Authority: in.Authority, Path: in.Path, Query: in.Query,
		Remote: in.Remote, Body: in.Body, Header: make(Header, len(in.Headers)),
	}
	for i, h := range in.Headers {
		r.Header[i] = Field{Name: h.Name, Value: h.Value}
	}
	resp := Do(r)
	out := types.Response{Status: uint16(resp.Status), Body: resp.Body, Headers: make([]types.Header, len(resp.Header))}
	for i, f := range resp.Header {
		out.Headers[i] = types.Header{Name: f.Name, Value: f.Value}
	}
	return out
}
