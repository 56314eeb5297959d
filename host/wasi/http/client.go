package http

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// Handle begins to send a request. What is wrong with the request itself is its error; the rest comes by the future.
func (h *Host) Handle(ctx context.Context, request abihttp.OutgoingRequest, options abihttp.RequestOptions) (abihttp.FutureIncomingResponse, *abihttp.ErrorCode) {
	r := own[*outgoingRequest](request)
	o := &requestOptions{}
	if options != nil {
		o = own[*requestOptions](options)
	}
	c := &outgoingCall{
		host: h, done: make(chan struct{}),
		connect: timeout(o.connect, h.cfg.Connect), firstByte: timeout(o.firstByte, h.cfg.FirstByte),
		between: timeout(o.betweenBytes, h.cfg.BetweenBytes),
	}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	req, bad := c.request(r)
	if bad == nil {
		bad = c.admit(req)
	}
	if bad != nil {
		r.Drop(ctx)
		c.cancel(bad)
		return nil, bad
	}
	r.sent = true
	go c.run(req) //nolint:contextcheck // the request has its own, which ends with this one
	return &futureResponse{call: c}, nil
}

// timeout gives a guest's timeout in nanoseconds, or the default.
func timeout(ns *uint64, fallback time.Duration) time.Duration {
	if ns == nil {
		return fallback
	}
	return time.Duration(max(1, min(*ns, math.MaxInt64))) //nolint:gosec // bounded; 0 means at once, not never
}

// request makes a request of net/http.
func (c *outgoingCall) request(r *outgoingRequest) (*http.Request, *abihttp.ErrorCode) {
	method := methodName(r.method)
	if method == http.MethodConnect || method == http.MethodTrace || !validToken(method) {
		return nil, code(abihttp.ErrorCodeHTTPRequestMethodInvalid)
	}
	u, bad := r.urlOf()
	if bad != nil {
		return nil, bad
	}
	req := (&http.Request{
		Method: method, URL: u, Host: u.Host, Header: make(http.Header, len(r.fields.lines)), Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(c.ctx)
	r.fields.copyTo(req.Header)
	req.Header.Del("Content-Length")
	if r.pipe != nil {
		setBody(req, r.pipe)
	}
	req.Header.Del("Trailer")
	return req, nil
}

// setBody has p sent with req.
func setBody(req *http.Request, p *pipe) {
	trailers := announcedTrailers(req.Header)
	switch usual := req.Method != http.MethodGet && req.Method != http.MethodHead && req.Method != http.MethodDelete && req.Method != http.MethodOptions; {
	case len(trailers) > 0:
		req.TransferEncoding = []string{"chunked"} // also for verbs that have no body as a rule
	case !usual:
		trailers = nil // net/http waits whether there is content at all, and sends no header before
	}
	req.Trailer = trailers
	req.ContentLength = p.send(trailers)
	if req.ContentLength >= 0 {
		req.TransferEncoding, req.Trailer = nil, nil
	}
	if req.ContentLength == 0 {
		_ = p.Close() // it has no error
		return
	}
	req.Body = p
}

// admit checks whether the request may be sent, and counts it.
func (c *outgoingCall) admit(req *http.Request) *abihttp.ErrorCode {
	h := c.host
	if h.cfg.Send == nil {
		return code(abihttp.ErrorCodeHTTPRequestDenied)
	}
	if h.cfg.Check != nil {
		if err := h.cfg.Check(req); err != nil {
			return codeOf(err)
		}
	}
	if h.running.Add(1) > int64(h.cfg.MaxRequests) {
		h.running.Add(-1)
		return code(abihttp.ErrorCodeConnectionLimitReached)
	}
	return nil
}

var _ origin = (*outgoingCall)(nil)

// outgoingCall is a request under way, from handle until its response's body is dropped.
type outgoingCall struct {
	host                        *Host
	ctx                         context.Context //nolint:containedctx // a request's own
	cancel                      context.CancelCauseFunc
	connect, firstByte, between time.Duration
	once                        sync.Once

	// What follows is written before done is closed.
	done chan struct{}
	res  *http.Response
	body *source
	err  *abihttp.ErrorCode
}

// release ends the request, wherever it is.
func (c *outgoingCall) release() {
	c.once.Do(func() {
		c.cancel(context.Canceled)
		c.host.running.Add(-1)
		select {
		case <-c.done:
			c.closeBody()
		default: // run closes it
		}
	})
}

func (c *outgoingCall) closeBody() {
	if c.res != nil {
		_ = c.res.Body.Close() // nothing to be done
	}
}

// run sends the request.
func (c *outgoingCall) run(req *http.Request) {
	w := &watch{call: c}
	res, err := c.host.cfg.Send(req.WithContext(httptrace.WithClientTrace(c.ctx, w.trace())))
	w.stop()
	switch {
	case err != nil:
		c.err = c.explain(err)
		_ = req.Body.Close() // for a Send that does not
	case res.StatusCode == http.StatusSwitchingProtocols:
		_ = res.Body.Close() // nothing to be done
		c.err = code(abihttp.ErrorCodeHTTPUpgradeFailed)
	default:
		c.res = res
		c.body = &source{
			r: &paced{r: res.Body, call: c}, limit: -1, origin: c,
		}
	}
	close(c.done)
	if c.ctx.Err() != nil {
		c.closeBody() // release may have come before
	}
}

// watch does nothing: the request has its context.
func (*outgoingCall) watch() {}

// trailers gives those of the response.
func (c *outgoingCall) trailers() http.Header { return c.res.Trailer }

// interrupt ends the request.
func (c *outgoingCall) interrupt() bool {
	c.cancel(context.Canceled)
	return true
}

// explain gives the code of an error: why the request was cancelled, if it was.
func (c *outgoingCall) explain(err error) *abihttp.ErrorCode {
	if why, ok := errors.AsType[*abihttp.ErrorCode](context.Cause(c.ctx)); ok {
		return why
	}
	if errors.Is(context.Cause(c.ctx), context.DeadlineExceeded) {
		return code(abihttp.ErrorCodeHTTPResponseTimeout)
	}
	return codeOf(err)
}

// watch times the parts of a request before its response.
type watch struct {
	call  *outgoingCall
	mu    sync.Mutex
	timer *time.Timer
	over  bool
}

// trace has net/http tell when a connection is wanted and there.
func (w *watch) trace() *httptrace.ClientTrace {
	w.arm(w.call.firstByte) // for a Send that tells nothing
	return &httptrace.ClientTrace{
		GetConn: func(string) {
			connect := w.call.connect
			w.armWith(connect, abihttp.ErrorCodeConnectionTimeout)
		},
		GotConn: func(httptrace.GotConnInfo) { w.arm(w.call.firstByte) },
	}
}

func (w *watch) arm(d time.Duration) { w.armWith(d, abihttp.ErrorCodeConnectionReadTimeout) }

// armWith has the request end with an error code after d; 0 means never.
func (w *watch) armWith(d time.Duration, tag abihttp.ErrorCodeTag) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if d > 0 && !w.over {
		w.timer = time.AfterFunc(d, func() { w.call.cancel(code(tag)) })
	}
}

// stop ends the timing.
func (w *watch) stop() {
	w.mu.Lock()
	w.over = true
	w.mu.Unlock()
	w.arm(0)
}

// paced reads a response's body and times every wait.
type paced struct {
	r    io.Reader
	call *outgoingCall
}

// Read reads within the timeout between bytes.
func (p *paced) Read(b []byte) (int, error) {
	if d := p.call.between; d > 0 {
		t := time.AfterFunc(d, func() { p.call.cancel(code(abihttp.ErrorCodeConnectionReadTimeout)) })
		defer t.Stop()
	}
	return p.r.Read(b)
}

// futureResponse is the resource future-incoming-response.
type futureResponse struct {
	call  *outgoingCall
	taken bool
	given bool // the response has the call
}

var _ abihttp.FutureIncomingResponse = (*futureResponse)(nil)

// Subscribe is ready when Get gives something.
func (f *futureResponse) Subscribe(context.Context) abiio.Pollable {
	return wasiio.NewPollable(wasiio.Channel(func() <-chan struct{} { return f.call.done }))
}

// Get gives the response or what went wrong, once.
func (f *futureResponse) Get(context.Context) *canon.Result[canon.Result[abihttp.IncomingResponse, abihttp.ErrorCode], struct{}] {
	select {
	case <-f.call.done:
	default:
		return nil
	}
	var out canon.Result[canon.Result[abihttp.IncomingResponse, abihttp.ErrorCode], struct{}]
	switch {
	case f.taken:
		out.Err = &struct{}{}
	case f.call.err != nil:
		f.taken = true
		out.OK.Err = f.call.err
	default:
		f.taken, f.given = true, true
		out.OK.OK = &incomingResponse{call: f.call, res: f.call.res}
	}
	return &out
}

// Drop ends a request whose response was not taken.
func (f *futureResponse) Drop(context.Context) {
	if !f.given {
		f.call.release()
	}
}
