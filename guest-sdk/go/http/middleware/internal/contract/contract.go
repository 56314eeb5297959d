// Package contract gives requests and answers that pass a middleware the form of the contract.
package contract

import (
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/message"
	"github.com/mrt-wasm/mrt-wasm/guest-sdk/go/internal/wit/http/types"
)

// Error gives an error's text; nil stays nil.
func Error(err error) *string {
	if err == nil {
		return nil
	}
	text := err.Error()
	return &text
}

// Header gives header fields in the SDK's form.
func Header(list []types.Header) message.Header {
	out := make(message.Header, len(list))
	for i, h := range list {
		out[i] = message.Field{Name: h.Name, Value: h.Value}
	}
	return out
}

// FromHeader gives header fields in the contract's form.
func FromHeader(h message.Header) []types.Header {
	out := make([]types.Header, len(h))
	for i, f := range h {
		out[i] = types.Header{Name: f.Name, Value: f.Value}
	}
	return out
}

// Response gives an answer in the SDK's form.
func Response(r types.Response) *message.Response {
	return &message.Response{Status: int(r.Status), Header: Header(r.Headers), Body: r.Body}
}

// FromResponse gives an answer in the contract's form. A status that HTTP does not have becomes 0, which the host refuses.
func FromResponse(r *message.Response) types.Response {
	status := uint16(0)
	if r.Status > 0 && r.Status < 1000 {
		status = uint16(r.Status)
	}
	return types.Response{Status: status, Headers: FromHeader(r.Header), Body: r.Body}
}
