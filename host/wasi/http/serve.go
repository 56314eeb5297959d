package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

// Limits bound one request that a guest answers. Zero fields mean no limit, unless another default is named.
type Limits struct {
	// MaxBody bounds the request's body, in bytes. If the request itself says that it is longer the guest is not
	// called; else the guest's reading fails with HTTP-request-body-size.
	MaxBody int64
	// WriteTimeout is how long the client may take to read what is written to it, each time.
	WriteTimeout time.Duration
	// FlushDelay is how long the header, and what the guest has flushed, may wait for more of the response; 0 means 1 ms.
	// A response that is whole before goes out in one piece, with its length.
	FlushDelay time.Duration
}

// Failure is why a guest has not answered a request, or not wholly.
type Failure struct {
	// Sent tells that the client got a part of the response: the connection is to be cut off, by a panic with
	// http.ErrAbortHandler. Otherwise nothing was sent and the caller answers.
	Sent bool
	// Status is what fits as the answer if nothing was sent.
	Status int
	// Err is what happened: the trap, an *abihttp.ErrorCode that the guest gave, ErrNoResponse, or the client's error.
	Err error
}

// Error says what happened.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap gives what happened.
func (f *Failure) Unwrap() error { return f.Err }

// ErrNoResponse is the error of a guest that returned without having set a response.
var ErrNoResponse = errors.New("expected the app to call response-outparam.set before it returns from incoming-handler.handle, found that it did not")

// Serve has a guest answer one request by wasi:http/incoming-handler, in this goroutine. The request's header is given
// to the guest as it is, but for the fields of the connection; fields that w.Header() has already are sent too.
//
// The header goes out when the response is set and the guest does not go on at once, the body as it is written. The
// request's body can be read while the response is written. Serve returns when the guest has returned and the response
// is written, or with a *Failure; then no goroutine of its own uses w and r any more. A guest that traps after it has
// finished its response has answered: its trap is given as the error all the same, with Sent false and Status 0.
//
// When ctx ends, or the client goes away, the streams of both bodies fail.
func Serve(ctx context.Context, g abi.Guest, w http.ResponseWriter, r *http.Request, limits Limits) error {
	if limits.MaxBody > 0 && r.ContentLength > limits.MaxBody {
		c := tooLarge(limits.MaxBody)
		return &Failure{Status: statusOf(c), Err: fmt.Errorf("%w: the request's body of %d bytes is longer than the limit of %d bytes", c, r.ContentLength, limits.MaxBody)}
	}
	if limits.FlushDelay <= 0 {
		limits.FlushDelay = flushDelay
	}
	x := &exchange{ctx: ctx, w: w, rc: *http.NewResponseController(w), r: r, limits: limits}
	x.open()
	err := abihttp.CallIncomingHandlerHandle(ctx, g, &x.request, &x.out)
	err = x.end(err) //nolint:contextcheck // it has ctx
	x.unwatch()
	return err
}

func tooLarge(limit int64) *abihttp.ErrorCode {
	n := uint64(limit) //nolint:gosec // positive
	return &abihttp.ErrorCode{Tag: abihttp.ErrorCodeHTTPRequestBodySize, HTTPRequestBodySize: &n}
}
