package http

import (
	"context"
	"maps"
	"net/http"
	"sync/atomic"
	"time"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

// exchange is one request that a guest answers.
type exchange struct {
	ctx    context.Context //nolint:containedctx // an exchange is one call
	w      http.ResponseWriter
	rc     *http.ResponseController
	r      *http.Request
	limits Limits

	fields *fields // of the request, once they are asked for
	body   *source // of the request
	// What the guest answered: one or none of both. The guest's goroutine sets them.
	response *outgoingResponse
	sink     atomic.Pointer[responseSink]
	refused  *abihttp.ErrorCode
}

// open makes the request's body.
func (x *exchange) open() {
	if hasBody(x.r) {
		_ = x.rc.EnableFullDuplex()           // HTTP/2 always is
		_ = x.rc.SetReadDeadline(time.Time{}) // ctx bounds the call, and the body may take as long
	}
	limit := int64(-1)
	if x.limits.MaxBody > 0 {
		limit = x.limits.MaxBody
	}
	body := x.r.Body
	if body == nil {
		body = http.NoBody
	}
	x.body = &source{
		r: body, limit: limit, over: tooLarge(max(limit, 0)),
		trailer:   func() http.Header { return x.r.Trailer },
		interrupt: func() bool { return x.rc.SetReadDeadline(time.Unix(1, 0)) == nil },
		explain: func(err error) *abihttp.ErrorCode {
			if x.ctx.Err() != nil {
				return code(abihttp.ErrorCodeConnectionTerminated)
			}
			return codeOf(err)
		},
	}
}

// interrupt is called when ctx ends: it unblocks whoever reads from the client or writes to it.
func (x *exchange) interrupt() {
	x.body.end()
	if s := x.sink.Load(); s != nil {
		s.Interrupt()
	}
}

// refuse ends the exchange with the guest's error code.
func (x *exchange) refuse(c *abihttp.ErrorCode) { x.refused = c }

// respond sets the response.
func (x *exchange) respond(r *outgoingResponse) {
	if r.status < http.StatusOK {
		x.refuse(code(abihttp.ErrorCodeHTTPProtocolError)) // interim responses end nothing
		return
	}
	s := r.sink
	if s == nil {
		s = &responseSink{}
	}
	x.response = r
	x.sink.Store(s)
	s.attach(x, r)
}

// inform sends an interim response.
func (x *exchange) inform(status int, f *fields) *abihttp.ErrorCode {
	if x.ctx.Err() != nil {
		return code(abihttp.ErrorCodeConnectionTerminated)
	}
	h := x.w.Header()
	before := h.Clone()
	clear(h)
	f.copyTo(h)
	x.w.WriteHeader(status)
	clear(h)
	maps.Copy(h, before)
	return nil
}

// end sends what is left of the response. guest is what the call of the guest gave.
func (x *exchange) end(guest error) error {
	defer x.body.end()
	s := x.sink.Load()
	switch {
	case s == nil && guest != nil:
		return &Failure{Status: http.StatusInternalServerError, Err: guest}
	case s == nil && x.refused != nil:
		return &Failure{Status: statusOf(x.refused), Err: x.refused}
	case s == nil:
		return &Failure{Status: http.StatusInternalServerError, Err: ErrNoResponse}
	}
	x.settle()
	sent, err := s.end()
	switch {
	case err != nil && guest != nil:
		return &Failure{Sent: sent, Status: http.StatusInternalServerError, Err: guest}
	case err != nil:
		return &Failure{Sent: sent, Status: http.StatusInternalServerError, Err: err}
	case guest != nil:
		return &Failure{Err: guest}
	default:
		return nil
	}
}

// settle waits until the stream of the response has given all to the sink, and no goroutine of it runs any more.
func (x *exchange) settle() {
	b := x.response.body
	if b == nil || b.stream == nil {
		return
	}
	ctx := x.ctx
	if !b.finished {
		b.sink.abort(inStream(code(abihttp.ErrorCodeHTTPResponseIncomplete), errBody))
		b.stream.Fail(errBody)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		ctx = ended
	}
	_ = b.stream.Finish(ctx) // the sink has the error
}
