package http

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// Streamer serves requests with apps whose own interface for HTTP streams: components that handle wasi:http.
type Streamer struct {
	// Interface is what such an app exports.
	Interface string
	// Serve has the guest answer one request, whose body it bounds to maxBody bytes. It fails with a *StreamError.
	Serve func(ctx context.Context, g abi.Guest, w http.ResponseWriter, r *http.Request, maxBody int64) error
}

// StreamError is why an app has not answered a request, or not wholly.
type StreamError struct {
	// Sent tells that the client got a part of the answer: the connection is cut off, so that it learns that this is
	// not all.
	Sent bool
	// Status is the answer if nothing was sent; 0 if the answer was whole and the app failed after it.
	Status int
	Err    error
}

// Error says what happened.
func (e *StreamError) Error() string { return e.Err.Error() }

// Unwrap gives what happened.
func (e *StreamError) Unwrap() error { return e.Err }

// streamed is one request on its way through the chain.
type streamed struct {
	front *Front
	mount *mount
	w     *wire.Recorder
	in    *http.Request
	// taken tells that the app has begun.
	taken bool
}

// serveStream brings one request to an app that streams.
func (f *Front) serveStream(ctx context.Context, w *wire.Recorder, r *http.Request, rt *route) {
	r = r.WithContext(ctx)
	r.Header = r.Header.Clone()
	wire.StripHopByHop(r.Header)
	wire.SetForwarded(r.Header, r, f.cfg.TrustForwarded)
	r.Header.Del(wire.CallerAppID) // only the host may say who calls
	s := &streamed{front: f, mount: rt.mount, w: w, in: r}
	_, err := chain.Do(ctx, rt.mount.point, stream, s)
	if err == nil {
		return
	}
	failed, isStream := errors.AsType[*StreamError](err)
	switch {
	case !isStream:
		f.fail(ctx, w, rt, err)
	case failed.Sent:
		f.cfg.Log.WarnContext(ctx, "app did not finish its answer; the connection is cut off", "app", rt.mount.app.Name(),
			"route", rt.pattern, "error", err)
		panic(http.ErrAbortHandler)
	case failed.Status == 0:
		f.cfg.Log.WarnContext(ctx, "app failed after its answer", "app", rt.mount.app.Name(), "route", rt.pattern, "error", err)
	case failed.Status == http.StatusRequestEntityTooLarge:
		writeError(ctx, w, failed.Status, "ERR_REQUEST_TOO_LARGE",
			fmt.Sprintf("the request's body is longer than the limit of %d bytes", f.cfg.MaxBody))
	default:
		f.fail(ctx, w, rt, failed.Err)
	}
}

// stream runs in the chain.
func stream(ctx context.Context, s *streamed) (struct{}, error) {
	if s.taken {
		// The body of the request is gone: a second try would not be the same request.
		return struct{}{}, errors.New("a request that streams is not tried again")
	}
	if parent := telemetry.Traceparent(ctx); parent != "" {
		s.w.Header().Set("Traceparent", parent)
	}
	telemetry.Inject(ctx, s.in.Header.Set)
	err := s.mount.app.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		s.taken = true
		return s.front.cfg.Stream.Serve(ctx, g, s.w, s.in, s.front.cfg.MaxBody)
	})
	if s.w.Status != 0 {
		telemetry.HTTPStatus(ctx, s.in.Method, s.in.URL.Path, s.w.Status)
	}
	return struct{}{}, err
}
