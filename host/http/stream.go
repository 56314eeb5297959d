package http

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// Streamer serves requests with apps whose own interface for HTTP streams: components that handle wasi:http.
type Streamer struct {
	// Interface is what such an app exports.
	Interface string
	// Serve has the guest answer one request. Its body may be of any length: the guest takes it piece by piece, within
	// its own limits of memory and time. It fails with a *StreamError.
	Serve func(ctx context.Context, g abi.Guest, w http.ResponseWriter, r *http.Request) error
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

// spentError is the error of a first try that cannot be followed by another, because the body is gone.
type spentError struct{ err error }

// Error says how the first try ended.
func (e *spentError) Error() string { return e.err.Error() }

// Unwrap gives how the first try ended.
func (e *spentError) Unwrap() error { return e.err }

// Permanent keeps policies from trying once more.
func (e *spentError) Permanent() bool { return true }

// streamed is one request on its way through the chain.
type streamed struct {
	front *Front
	mount *mount
	w     *wire.Recorder
	in    *http.Request
	// taken tells that the app has begun, and err how that ended.
	taken bool
	err   error
}

// serveStream brings one request to an app that streams.
func (f *Front) serveStream(ctx context.Context, w *wire.Recorder, r *http.Request, rt *route) {
	start := time.Now()
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
		rt.metrics.Observe(r.Method, w.Status, r.ContentLength, w.Bytes, time.Since(start))
		panic(http.ErrAbortHandler)
	case failed.Status == 0:
		f.cfg.Log.WarnContext(ctx, "app failed after its answer", "app", rt.mount.app.Name(), "route", rt.pattern, "error", err)
	case failed.Status != http.StatusInternalServerError:
		f.cfg.Log.WarnContext(ctx, "app refused a request", "app", rt.mount.app.Name(), "route", rt.pattern, "status", failed.Status, "error", err)
		writeError(ctx, w, failed.Status, "ERR_APP_FAILED", "the app refused the request")
	default:
		f.fail(ctx, w, rt, failed.Err)
	}
}

// stream runs in the chain.
func stream(ctx context.Context, s *streamed) (struct{}, error) {
	if s.taken {
		// The body of the request is gone: a second try would not be the same request. What became of the first is
		// known, and counts.
		return struct{}{}, &spentError{s.err}
	}
	if parent := telemetry.Traceparent(ctx); parent != "" {
		s.w.Header().Set("Traceparent", parent)
	}
	telemetry.Inject(ctx, s.in.Header.Set)
	err := s.mount.app.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		s.taken = true
		return s.front.cfg.Stream.Serve(ctx, g, s.w, s.in)
	})
	s.err = err
	if s.w.Status != 0 {
		telemetry.HTTPStatus(ctx, s.in.Method, s.in.URL.Path, s.w.Status)
	}
	return struct{}{}, err
}
