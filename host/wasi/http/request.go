package http

import (
	"context"
	"net/http"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

// requestOptions is the resource request-options: timeouts in nanoseconds, nil for none.
type requestOptions struct{ connect, firstByte, betweenBytes *uint64 }

var _ abihttp.RequestOptions = (*requestOptions)(nil)

// ConnectTimeout bounds the making of a connection.
func (o *requestOptions) ConnectTimeout(context.Context) *uint64 { return o.connect }

// SetConnectTimeout sets it.
func (o *requestOptions) SetConnectTimeout(_ context.Context, d *uint64) bool {
	o.connect = d
	return true
}

// FirstByteTimeout bounds the wait for the response.
func (o *requestOptions) FirstByteTimeout(context.Context) *uint64 { return o.firstByte }

// SetFirstByteTimeout sets it.
func (o *requestOptions) SetFirstByteTimeout(_ context.Context, d *uint64) bool {
	o.firstByte = d
	return true
}

// BetweenBytesTimeout bounds every wait for more of the response's body.
func (o *requestOptions) BetweenBytesTimeout(context.Context) *uint64 { return o.betweenBytes }

// SetBetweenBytesTimeout sets it.
func (o *requestOptions) SetBetweenBytesTimeout(_ context.Context, d *uint64) bool {
	o.betweenBytes = d
	return true
}

// Drop does nothing.
func (o *requestOptions) Drop(context.Context) {}

// outgoingRequest is the resource outgoing-request.
type outgoingRequest struct {
	fields    *fields
	method    abihttp.Method
	path      *string
	scheme    *abihttp.Scheme
	authority *string
	body      *outgoingBody // nil until it is taken
	pipe      *pipe
	sent      bool
}

var _ abihttp.OutgoingRequest = (*outgoingRequest)(nil)

// Body gives the body, once. It fails too if the fields declare a length that is none.
func (r *outgoingRequest) Body(context.Context) (abihttp.OutgoingBody, bool) {
	length, ok := r.fields.contentLength()
	if r.body != nil || !ok {
		return nil, false
	}
	r.pipe = newPipe(length)
	r.body = &outgoingBody{sink: r.pipe, expect: length, request: true}
	return r.body, true
}

// Method gives the verb.
func (r *outgoingRequest) Method(context.Context) abihttp.Method { return r.method }

// SetMethod takes every token.
func (r *outgoingRequest) SetMethod(_ context.Context, method abihttp.Method) bool {
	if method.Tag == abihttp.MethodOther && !validToken(method.Value) {
		return false
	}
	r.method = method
	return true
}

// PathWithQuery gives path and query.
func (r *outgoingRequest) PathWithQuery(context.Context) *string { return r.path }

// SetPathWithQuery takes an absolute path.
func (r *outgoingRequest) SetPathWithQuery(_ context.Context, path *string) bool {
	if path != nil && !validPath(*path) {
		return false
	}
	r.path = path
	return true
}

// Scheme gives the scheme.
func (r *outgoingRequest) Scheme(context.Context) *abihttp.Scheme { return r.scheme }

// SetScheme takes what URIs allow.
func (r *outgoingRequest) SetScheme(_ context.Context, scheme *abihttp.Scheme) bool {
	if scheme != nil && scheme.Tag == abihttp.SchemeOther && !validScheme(scheme.Value) {
		return false
	}
	r.scheme = scheme
	return true
}

// Authority gives the authority.
func (r *outgoingRequest) Authority(context.Context) *string { return r.authority }

// SetAuthority takes host or host:port.
func (r *outgoingRequest) SetAuthority(_ context.Context, authority *string) bool {
	if authority != nil && !validAuthority(*authority) {
		return false
	}
	r.authority = authority
	return true
}

// Headers gives the fields, immutable.
func (r *outgoingRequest) Headers(context.Context) abihttp.Fields { return r.fields.child() }

// Drop ends a body that nobody will send.
func (r *outgoingRequest) Drop(context.Context) {
	if r.pipe != nil && !r.sent {
		_ = r.pipe.Close() // it has no error
	}
}

// incomingRequest is the resource incoming-request.
type incomingRequest struct {
	x        *exchange
	consumed bool
}

var _ abihttp.IncomingRequest = (*incomingRequest)(nil)

// Method gives the verb.
func (r *incomingRequest) Method(context.Context) abihttp.Method { return methodOf(r.x.r.Method) }

// PathWithQuery gives path and query as they were sent.
func (r *incomingRequest) PathWithQuery(context.Context) *string {
	p := r.x.r.URL.RequestURI()
	return &p
}

// Scheme is that of the request's URL if it has one, else https over TLS and http without.
func (r *incomingRequest) Scheme(context.Context) *abihttp.Scheme {
	switch s := r.x.r.URL.Scheme; {
	case s == "http", s == "" && r.x.r.TLS == nil:
		return &abihttp.Scheme{Tag: abihttp.SchemeHTTP}
	case s == "https", s == "":
		return &abihttp.Scheme{Tag: abihttp.SchemeHTTPS}
	default:
		return &abihttp.Scheme{Tag: abihttp.SchemeOther, Value: s}
	}
}

// Authority is what the client named as host.
func (r *incomingRequest) Authority(context.Context) *string {
	if r.x.r.Host == "" {
		return nil
	}
	return &r.x.r.Host
}

// Headers gives the fields, immutable.
func (r *incomingRequest) Headers(context.Context) abihttp.Fields {
	if r.x.fields == nil {
		r.x.fields = fromHeader(r.x.r.Header)
		if n := r.x.r.ContentLength; n >= 0 && len(r.x.r.Header["Content-Length"]) == 0 && hasBody(r.x.r) {
			r.x.fields.lines = append(r.x.fields.lines, lengthField(n))
		}
	}
	return r.x.fields.child()
}

// hasBody tells whether a request says that it has a body.
func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// Consume gives the body, once.
func (r *incomingRequest) Consume(context.Context) (abihttp.IncomingBody, bool) {
	if r.consumed {
		return nil, false
	}
	r.consumed = true
	return &incomingBody{src: &r.x.body}, true
}

// Drop notes whether the body is wanted; the request lives as long as the exchange.
func (r *incomingRequest) Drop(context.Context) {
	if !r.consumed {
		r.x.unwanted.Store(true)
	}
}
