package http

import (
	"context"
	"net/http"
	"strconv"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

// outgoingResponse is the resource outgoing-response.
type outgoingResponse struct {
	fields *fields
	status uint16
	body   *outgoingBody // nil until it is taken
	sink   *responseSink
}

var _ abihttp.OutgoingResponse = (*outgoingResponse)(nil)

// StatusCode gives the status.
func (r *outgoingResponse) StatusCode(context.Context) uint16 { return r.status }

// SetStatusCode takes three digits.
func (r *outgoingResponse) SetStatusCode(_ context.Context, status uint16) bool {
	if status < 100 || status > 999 {
		return false
	}
	r.status = status
	return true
}

// Headers gives the fields, immutable.
func (r *outgoingResponse) Headers(context.Context) abihttp.Fields { return r.fields.child() }

// Body gives the body, once. It fails too if the fields declare a length that is none.
func (r *outgoingResponse) Body(context.Context) (abihttp.OutgoingBody, bool) {
	length, ok := r.fields.contentLength()
	if r.body != nil || !ok {
		return nil, false
	}
	both := &struct {
		sink responseSink
		body outgoingBody
	}{}
	r.sink, r.body = &both.sink, &both.body
	r.body.sink, r.body.expect = r.sink, length
	return r.body, true
}

// Drop does nothing: a response that was not sent is nowhere.
func (r *outgoingResponse) Drop(context.Context) {}

// incomingResponse is the resource incoming-response.
type incomingResponse struct {
	call     *outgoingCall
	res      *http.Response
	fields   *fields
	consumed bool
}

var _ abihttp.IncomingResponse = (*incomingResponse)(nil)

// Status gives the status.
func (r *incomingResponse) Status(context.Context) uint16 {
	return uint16(r.res.StatusCode) //nolint:gosec // three digits, or Send would have failed
}

// Headers gives the fields, immutable.
func (r *incomingResponse) Headers(context.Context) abihttp.Fields {
	if r.fields == nil {
		r.fields = fromHeader(r.res.Header)
		if r.res.ContentLength >= 0 && len(r.res.Header["Content-Length"]) == 0 && r.res.Body != http.NoBody {
			r.fields.lines = append(r.fields.lines, lengthField(r.res.ContentLength))
		}
	}
	return r.fields.child()
}

// lengthField is the field that net/http keeps apart from the others.
func lengthField(n int64) field { return field{"content-length", strconv.AppendInt(nil, n, 10)} }

// Consume gives the body, once.
func (r *incomingResponse) Consume(context.Context) (abihttp.IncomingBody, bool) {
	if r.consumed {
		return nil, false
	}
	r.consumed = true
	return &incomingBody{src: r.call.body, release: r.call.release}, true
}

// Drop ends the request if nobody can read its body any more.
func (r *incomingResponse) Drop(context.Context) {
	if !r.consumed {
		r.call.release()
	}
}

// responseOutparam is the resource response-outparam.
type responseOutparam struct{ x *exchange }

var _ abihttp.ResponseOutparam = (*responseOutparam)(nil)

// Drop does nothing: Serve sees that nothing was set.
func (p *responseOutparam) Drop(context.Context) {}

// SendInformational sends an interim response.
func (p *responseOutparam) SendInformational(_ context.Context, status uint16, headers abihttp.Fields) *abihttp.ErrorCode {
	if status < 100 || status > 199 || status == http.StatusSwitchingProtocols {
		return code(abihttp.ErrorCodeHTTPProtocolError)
	}
	return p.x.inform(int(status), own[*fields](headers))
}

// ResponseOutparamSet sends a response, or has the exchange end with an error.
func (h *Host) ResponseOutparamSet(_ context.Context, param abihttp.ResponseOutparam, response canon.Result[abihttp.OutgoingResponse, abihttp.ErrorCode]) {
	x := own[*responseOutparam](param).x
	if response.Err != nil {
		x.refuse(response.Err)
		return
	}
	x.respond(&h.flusher, own[*outgoingResponse](response.OK))
}
