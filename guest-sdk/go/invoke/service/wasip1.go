//go:build wasip1

package service

import (
	wit "github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/invoke/service"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/invoke/types"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/invoke"
)

func init() { wit.Exports.Handle = serve }

func serve(caller string, in types.Request) types.Response {
	r := &Request{Verb: in.Verb, Path: in.Path, Query: in.Query, Body: in.Body, Header: make(invoke.Header, len(in.Headers))}
	for i, h := range in.Headers {
		r.Header[i] = invoke.Field{Name: h.Name, Value: h.Value}
	}
	resp := Do(caller, r)
	out := types.Response{Status: uint16(resp.Status), Body: resp.Body, Headers: make([]types.Header, len(resp.Header))}
	for i, f := range resp.Header {
		out.Headers[i] = types.Header{Name: f.Name, Value: f.Value}
	}
	return out
}
