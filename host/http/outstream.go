package http

import (
	"context"
	"io"
	"net/http"

	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// Streaming sends requests of one app whose bodies stream, as wasi:http's outgoing-handler does.
type Streaming struct{ caller *caller }

// Streaming gives what sends the streaming requests of an app that is open.
func (b *Block) Streaming(app string) Streaming {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sessions[app]; s != nil {
		return Streaming{s.caller}
	}
	return Streaming{b.client.caller(app, nil)}
}

// Check fails with a *wire.DeniedError when the app may not send the request.
func (s Streaming) Check(r *http.Request) error {
	_, err := s.caller.rules.check(s.caller.app, r.URL)
	return err
}

// Send makes one round trip through the call chain. A retry policy acts as long as the request has no body, which is
// gone once it was sent; a timeout of a policy counts up to the response's header, the request's context beyond it.
func (s Streaming) Send(r *http.Request) (*http.Response, error) {
	rule, err := s.caller.rules.check(s.caller.app, r.URL)
	if err != nil {
		closeBody(r)
		return nil, err
	}
	if r.Header.Get("Accept-Encoding") == "" {
		r.Header.Set("Accept-Encoding", "identity") // or else the transport unpacks what the server packs
	}
	return chain.Do(r.Context(), s.caller.points[rule.text], s.caller.roundTrip, &outgoing{req: r})
}

// outgoing is a request on its way through the chain.
type outgoing struct {
	req *http.Request
	// err is how the first try ended.
	err error
}

// roundTrip runs in the chain: ctx ends when the chain is passed, the request's own context when its call does.
func (c *caller) roundTrip(ctx context.Context, o *outgoing) (*http.Response, error) {
	if o.err != nil && o.req.Body != nil && o.req.Body != http.NoBody {
		return nil, &spentError{o.err}
	}
	rctx, cancel := context.WithCancel(o.req.Context())
	stop := context.AfterFunc(ctx, cancel)
	req := o.req.Clone(rctx) //nolint:contextcheck // it ends with the request, and until there is a response with ctx too
	if req.Header.Get("Traceparent") == "" {
		telemetry.Inject(ctx, func(name, value string) {
			if name != "baggage" || req.Header.Get(name) == "" {
				req.Header.Set(name, value)
			}
		})
	}
	res, err := c.RoundTrip(req)
	stop()
	if err != nil {
		cancel()
		o.err = err
		return nil, err
	}
	telemetry.HTTPStatus(ctx, req.Method, req.URL.Path, res.StatusCode)
	wire.StripHopByHop(res.Header)
	res.Body = &endingBody{ReadCloser: res.Body, end: cancel}
	return res, nil
}

// endingBody gives up a response's context when the body is closed.
type endingBody struct {
	io.ReadCloser
	end context.CancelFunc
}

// Close closes the body.
func (b *endingBody) Close() error {
	defer b.end()
	return b.ReadCloser.Close()
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close() // nothing was sent
	}
}
