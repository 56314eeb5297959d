package http

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

// exchange is one request that a guest answers.
type exchange struct {
	ctx    context.Context //nolint:containedctx // an exchange is one call
	w      http.ResponseWriter
	rc     http.ResponseController
	r      *http.Request
	limits Limits

	// What the guest gets.
	request incomingRequest
	out     responseOutparam
	fields  *fields // of the request, once they are asked for
	body    source  // of the request
	// unwanted tells that the guest has dropped the request without its body; duplex that the request's body can be read
	// after the response has begun, which the sink decides.
	unwanted atomic.Bool
	duplex   bool
	// What the guest answered: one or none of both. The guest's goroutine sets them.
	response *outgoingResponse
	sink     atomic.Pointer[responseSink]
	refused  *abihttp.ErrorCode

	// watching guards stop, which ends the watch over ctx and is nil while there is none, and over, after which there is
	// none any more.
	watching sync.Mutex
	stop     func() bool
	over     bool
}

var _ origin = (*exchange)(nil)

// open makes what the guest gets.
func (x *exchange) open() {
	x.request.x, x.out.x = x, x
	if hasBody(x.r) {
		_ = x.rc.SetReadDeadline(time.Time{}) // ctx bounds the call, and the body may take as long
	}
	x.body.origin, x.body.limit, x.body.r = x, -1, x.r.Body
	if x.limits.MaxBody > 0 {
		x.body.limit = x.limits.MaxBody
	}
	if x.body.r == nil {
		x.body.r = http.NoBody
	}
}

// trailers gives those of the request.
func (x *exchange) trailers() http.Header { return x.r.Trailer }

// interrupt unblocks whoever reads the request's body.
func (x *exchange) interrupt() bool { return x.rc.SetReadDeadline(time.Unix(1, 0)) == nil }

// explain gives the code of an error of the request's body.
func (x *exchange) explain(err error) *abihttp.ErrorCode {
	if x.ctx.Err() != nil {
		return code(abihttp.ErrorCodeConnectionTerminated)
	}
	return codeOf(err)
}

// watch has the client be waited for no longer than ctx lasts. It is called before the client is read from or written to
// in a way that may block: most requests need no watch, which costs more than much of the rest.
func (x *exchange) watch() {
	x.watching.Lock()
	defer x.watching.Unlock()
	if x.stop == nil && !x.over {
		x.stop = context.AfterFunc(x.ctx, x.cutOff)
	}
}

// unwatch ends the watch, for good.
func (x *exchange) unwatch() {
	x.watching.Lock()
	defer x.watching.Unlock()
	x.over = true
	if x.stop != nil {
		x.stop()
	}
}

// cutOff is called when ctx ends: it unblocks whoever reads from the client or writes to it.
func (x *exchange) cutOff() {
	x.body.end()
	if s := x.sink.Load(); s != nil {
		s.Interrupt()
	}
}

// begin is called before the response begins: net/http must know whether the request's body will still be read. If not it
// reads some of it by itself, so that the connection can be used again.
func (x *exchange) begin() {
	if x.r.ProtoMajor == 1 && hasBody(x.r) && !x.unwanted.Load() && !x.body.done() {
		x.duplex = x.rc.EnableFullDuplex() == nil
	}
}

// What drain reads at most, in bytes and in time: an instance waits for it.
const (
	maxDrain  = 256 << 10
	drainTime = 100 * time.Millisecond
)

// drain reads what is left of the request's body after a response that began before its end. net/http is not to do that
// after the handler: where it meets the end of the body there it panics, since it watches the connection from then on and
// at the same time waits for the next request. If too much is left the connection is given up.
func (x *exchange) drain() {
	x.body.end()
	if !x.duplex || x.body.atEnd() {
		return
	}
	_ = x.rc.SetReadDeadline(time.Now().Add(drainTime)) // HTTP/1 has deadlines
	if _, err := io.CopyN(io.Discard, x.r.Body, maxDrain); !errors.Is(err, io.EOF) {
		_ = x.rc.SetReadDeadline(time.Unix(1, 0)) // as above
	}
}

// refuse ends the exchange with the guest's error code.
func (x *exchange) refuse(c *abihttp.ErrorCode) { x.refused = c }

// respond sets the response.
func (x *exchange) respond(f *flusher, r *outgoingResponse) {
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
	s.attach(x, f, r)
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
	defer x.drain()
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
