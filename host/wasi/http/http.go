// Package http is wasi:http: its types, outgoing-handler over a function that sends requests, and incoming-handler,
// by which Serve has a guest answer a request of net/http. Bodies stream in both directions and are never held as a whole.
//
// It knows neither routes nor allow-lists nor pools of connections: they are the caller's, behind Config.Send and around
// Serve.
//
// The names of header fields that a guest gets are in lower case, whatever the peer wrote: net/http does not keep that,
// and HTTP/2 has no other. Those that a guest makes itself it gets back as it wrote them.
package http

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

// Config is what the requests of one app need. Zero fields have the defaults that are named.
type Config struct {
	// Send makes one round trip as http.RoundTripper does: it follows no redirects and closes the request's body in any
	// case. The request has the guest's own fields only; a Send over an http.Transport should set DisableCompression, so
	// that the guest gets what the server sent. An error that is or wraps a *abihttp.ErrorCode or a *DeniedError is told to
	// the guest as such. Nil refuses every request.
	Send func(r *http.Request) (*http.Response, error)
	// Check refuses a request before anything is sent, so that the guest learns it from the call itself; nil refuses
	// none. Its errors are taken like those of Send.
	Check func(r *http.Request) error
	// Connect, FirstByte and BetweenBytes are the timeouts for requests whose options say none; 0 means that only the
	// call's deadline counts.
	Connect, FirstByte, BetweenBytes time.Duration
	// MaxRequests bounds the requests that are under way at one time, up to the end of the response's body; 0 means 256.
	MaxRequests int
}

// Host implements wasi:http for one app. It is safe for concurrent use by its instances.
type Host struct {
	cfg     Config
	running atomic.Int64 // requests under way
	flusher flusher
}

var (
	_ abihttp.TypesHost           = (*Host)(nil)
	_ abihttp.OutgoingHandlerHost = (*Host)(nil)
)

// New makes a Host.
func New(cfg Config) *Host {
	if cfg.MaxRequests <= 0 {
		cfg.MaxRequests = 256
	}
	return &Host{cfg: cfg}
}

// Funcs gives wasi:http/types and wasi:http/outgoing-handler.
func (h *Host) Funcs() []abi.Func {
	return append(abihttp.TypesFuncs(h), abihttp.OutgoingHandlerFuncs(h)...)
}

// own gives the object of this package that a host resource is.
func own[T any](v any) T {
	t, ok := v.(T)
	if !ok {
		abi.Trapf("expected a resource of this host's wasi:http, found %T", v)
	}
	return t
}

// NewRequestOptions makes options that set nothing.
func (h *Host) NewRequestOptions(context.Context) abihttp.RequestOptions { return &requestOptions{} }

// NewOutgoingRequest makes a request; it takes the fields over.
func (h *Host) NewOutgoingRequest(_ context.Context, headers abihttp.Fields) abihttp.OutgoingRequest {
	return &outgoingRequest{fields: own[*fields](headers).freeze()}
}

// NewOutgoingResponse makes a response with status 200; it takes the fields over.
func (h *Host) NewOutgoingResponse(_ context.Context, headers abihttp.Fields) abihttp.OutgoingResponse {
	return &outgoingResponse{fields: own[*fields](headers).freeze(), status: http.StatusOK}
}
