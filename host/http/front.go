package http

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
	"github.com/mrt-wasm/mrt-wasm/host/trigger"
)

// WriteTimeout is how long a client may take to read an answer, or a part of one that streams.
const WriteTimeout = time.Minute

// Front is the front door: the trigger that brings HTTP requests to apps.
type Front struct {
	cfg    Config
	server *wire.Server

	swap  sync.Mutex // held while the table is replaced
	table atomic.Pointer[table]
	// pipeline stands in front of the apps; nil for none. It is set before Start.
	pipeline *Pipeline
	// own has the handlers of paths that are not apps', by path.
	own sync.Map
}

var (
	_ trigger.Trigger = (*Front)(nil)
	_ http.Handler    = (*Front)(nil)
)

func newFront(cfg Config) *Front {
	f := &Front{cfg: cfg}
	f.server = wire.NewServer(wire.ServerConfig{
		Name: f.Name(), Addresses: []string{cfg.Address}, Flag: "--http", Handler: f, MaxHeader: cfg.MaxHeader, Log: cfg.Log,
	})
	return f
}

// Name is "http front door".
func (f *Front) Name() string { return "http front door" }

// Start listens.
func (f *Front) Start(ctx context.Context) error { return f.server.Start(ctx) }

// Stop accepts no new connection and waits for the requests that run; those still there when ctx ends are cut off.
func (f *Front) Stop(ctx context.Context) error { return f.server.Stop(ctx) }

// URLs gives where the front door listens, for example "http://127.0.0.1:8080"; nothing before Start.
func (f *Front) URLs() []string { return f.server.URLs() }

// Addrs gives host:port of URLs.
func (f *Front) Addrs() []string { return f.server.Addrs() }

// ServeHTTP serves one request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	writeWithin(w, 0) // of the answer before on this connection
	ctx := f.cfg.Telemetry.Root(telemetry.Extract(r.Context(), r.Header.Get))
	if answered := f.refuse(w, r); answered {
		return
	}
	if f.serveOwn(ctx, w, r) {
		return
	}
	if f.pipeline == nil {
		f.route(ctx, w, r)
		return
	}
	r = r.WithContext(ctx)
	r.Header = f.fromOutside(r.Header)
	f.pipeline.serve(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { f.route(r.Context(), w, r) }))
}

// Use puts a pipeline in front of all routes of apps, and not of what Handle serves. It is called before Start.
func (f *Front) Use(p *Pipeline) {
	if p != nil {
		p.sending = func(w http.ResponseWriter) { writeWithin(w, WriteTimeout) }
	}
	f.pipeline = p
}

// fromOutside gives a header without what no client may say, so that a middleware is not misled by it.
func (f *Front) fromOutside(h http.Header) http.Header {
	h = h.Clone()
	h.Del(wire.CallerAppID)
	if !f.cfg.TrustForwarded {
		for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
			h.Del(name)
		}
	}
	return h
}

// route serves a request that may reach an app.
func (f *Front) route(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rt := f.enter(r.URL.Path)
	if rt == nil {
		f.noRoute(ctx, w, r)
		return
	}
	defer rt.mount.leave()
	rec := &wire.Recorder{ResponseWriter: w}
	if rt.streams {
		f.serveStream(ctx, rec, r, rt)
	} else {
		f.serve(ctx, rec, r, rt)
	}
	rt.metrics.Observe(r.Method, rec.Status, r.ContentLength, rec.Bytes, time.Since(start))
}

// refuse answers what is not for apps: verbs about the connection, OPTIONS *, and paths with . or .. in them, which
// are sent to the path that they mean, so that routes cannot be evaded.
func (f *Front) refuse(w http.ResponseWriter, r *http.Request) bool {
	switch {
	case r.Method == http.MethodOptions && r.URL.Path == "*":
		w.WriteHeader(http.StatusNoContent)
		return true
	case !wire.ValidMethod(r.Method):
		w.Header().Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
		writeError(r.Context(), w, http.StatusMethodNotAllowed, "ERR_METHOD_NOT_ALLOWED", "this method is not served")
		return true
	case !strings.HasPrefix(r.URL.Path, "/"):
		writeError(r.Context(), w, http.StatusBadRequest, "ERR_MALFORMED_REQUEST", "expected a path that starts with /")
		return true
	case dotted(r.URL.Path):
		u := *r.URL
		u.RawPath = ""
		if u.Path = path.Clean(u.Path); u.Path != "/" && strings.HasSuffix(r.URL.Path, "/") {
			u.Path += "/"
		}
		w.Header().Set("Location", u.RequestURI())
		w.WriteHeader(http.StatusPermanentRedirect)
		return true
	default:
		return false
	}
}

// dotted tells whether a segment is . or .. .
func dotted(p string) bool {
	return strings.Contains(p, "/./") || strings.Contains(p, "/../") || strings.HasSuffix(p, "/.") || strings.HasSuffix(p, "/..")
}

// serve brings one request to the app and its answer back.
func (f *Front) serve(ctx context.Context, w *wire.Recorder, r *http.Request, rt *route) {
	body, err := wire.ReadBody(w, r, f.cfg.MaxBody)
	if err != nil {
		writeWithin(w, WriteTimeout)
		writeBodyError(ctx, w, err, f.cfg.Log)
		return
	}
	c := &call{front: f, mount: rt.mount, in: r, out: w.Header(), body: body}
	res, err := chain.Do(ctx, rt.mount.point, handle, c)
	writeWithin(w, WriteTimeout)
	if err != nil {
		f.fail(ctx, w, rt, err)
		return
	}
	bad, ok := wire.WriteResponse(w, r.Method, res.Status, func(add func(name, value string)) {
		for _, h := range res.Headers {
			add(h.Name, h.Value)
		}
	}, res.Body)
	app := rt.mount.app.Name()
	if !ok {
		f.cfg.Log.ErrorContext(ctx, "app answered with a status that HTTP does not have for final answers", "app", app,
			"expected", "200 to 599", "found", res.Status)
		writeError(ctx, w, http.StatusInternalServerError, "ERR_APP_FAILED", "the app's answer is not valid")
		return
	}
	if len(bad) > 0 {
		f.cfg.Log.WarnContext(ctx, "app answered with header fields that HTTP forbids; they were left out", "app", app, "fields", bad)
	}
}

// call is one request on its way through the chain.
type call struct {
	front *Front
	mount *mount
	in    *http.Request
	out   http.Header // of the answer
	body  []byte
}

// handle runs in the chain. It is a function and not a closure, so that the chain itself allocates nothing.
func handle(ctx context.Context, c *call) (abihttp.Response, error) {
	if parent := telemetry.Traceparent(ctx); parent != "" {
		c.out.Set("Traceparent", parent)
	}
	req := c.request(ctx)
	var res abihttp.Response
	err := c.mount.app.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		res, err = abihttp.CallHandlerHandle(ctx, g, req)
		return err
	})
	if err == nil {
		telemetry.HTTPStatus(ctx, c.in.Method, c.in.URL.Path, int(res.Status))
	}
	return res, err
}

// request is what the app gets.
func (c *call) request(ctx context.Context) abihttp.Request {
	r := c.in
	h := r.Header.Clone()
	wire.StripHopByHop(h)
	wire.SetForwarded(h, r, c.front.cfg.TrustForwarded)
	h.Del(wire.CallerAppID) // only the host may say who calls
	telemetry.Inject(ctx, h.Set)
	headers := make([]abihttp.Header, 0, wire.Count(h))
	wire.Fields(h, func(name, value string) { headers = append(headers, abihttp.Header{Name: name, Value: value}) })
	return abihttp.Request{
		Method: r.Method, Scheme: wire.Scheme(r), Authority: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery,
		Remote: r.RemoteAddr, Headers: headers, Body: c.body,
	}
}

// fail answers for an app that gave no answer. What happened is logged; the client learns only what concerns it.
func (f *Front) fail(ctx context.Context, w http.ResponseWriter, rt *route, err error) {
	app := rt.mount.app.Name()
	if full, ok := errors.AsType[*block.ErrOverloaded](err); ok {
		wire.RetryAfter(w.Header(), full.RetryAfter)
		writeError(ctx, w, http.StatusServiceUnavailable, "ERR_OVERLOADED", "the app is busy; try again later")
		return
	}
	trap, isTrap := errors.AsType[*abi.Trap](err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		f.cfg.Log.DebugContext(ctx, "client went away before the app answered", "app", app, "route", rt.pattern)
		writeError(ctx, w, statusClientGone, "ERR_CANCELED", "the request was canceled")
	case isTrap && trap.Kind == abi.TrapTimeout, errors.Is(err, context.DeadlineExceeded):
		f.cfg.Log.WarnContext(ctx, "app did not answer in time", "app", app, "route", rt.pattern, "error", err)
		writeError(ctx, w, http.StatusGatewayTimeout, "ERR_TIMEOUT", "the app did not answer in time")
	default:
		f.cfg.Log.ErrorContext(ctx, "app failed to answer a request", "app", app, "route", rt.pattern, "error", err)
		writeError(ctx, w, http.StatusInternalServerError, "ERR_APP_FAILED", "the app failed to answer the request")
	}
}

// statusClientGone is nginx's status for metrics; nobody receives it.
const statusClientGone = 499

// noRoute tells the client nothing of what there is, and the log everything.
func (f *Front) noRoute(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	var routes []string
	if t := f.table.Load(); t != nil {
		routes = t.patterns
	}
	f.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "no app serves this path", slog.String("method", r.Method),
		slog.String("path", clip(r.URL.Path, 200)), slog.Any("routes", routes))
	writeError(ctx, w, http.StatusNotFound, "ERR_NO_ROUTE", "no app serves this path")
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}

// writeWithin gives the client a time to read the answer, however long the app took; 0 means no limit.
func writeWithin(w http.ResponseWriter, d time.Duration) {
	var end time.Time
	if d > 0 {
		end = time.Now().Add(d)
	}
	_ = http.NewResponseController(w).SetWriteDeadline(end) // not supported by recorders of tests
}
