package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// middleware is everything around the routes, the outermost first.
func (s *Server) middleware() http.Handler {
	var h http.Handler = http.HandlerFunc(s.dispatch)
	h = s.withMiddleware(h)
	h = s.withBody(h)
	h = s.withToken(h)
	h = s.withOrigin(h)
	return s.withContext(h)
}

// withContext gives the request its trace, its caller, and a path that is clean: no //, . or .., no slash at the end.
func (s *Server) withContext(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := s.cfg.Telemetry.Root(telemetry.Extract(r.Context(), r.Header.Get))
		ctx = context.WithValue(ctx, callerKey{}, s.cfg.DefaultApp)
		setTraceparent(ctx, w)
		r = r.WithContext(ctx)
		r.URL = cleanURL(r.URL)
		next.ServeHTTP(w, r)
	})
}

func cleanURL(u *url.URL) *url.URL {
	escaped := u.EscapedPath()
	cleaned := path.Clean("/" + escaped)
	if cleaned == escaped {
		return u
	}
	plain, err := url.PathUnescape(cleaned)
	if err != nil {
		return u
	}
	out := *u
	out.Path, out.RawPath = plain, cleaned
	return &out
}

// withOrigin keeps web pages out: a browser on this machine reaches loopback too. Requests that change something and
// come from a page of another origin are refused, and so are requests under a name that only resolves to loopback
// (DNS rebinding) where no token protects the API.
func (s *Server) withOrigin(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		block.WriteError(w, &block.APIError{
			Status: http.StatusForbidden, Code: "ERR_CROSS_ORIGIN", Message: "a web page of another origin may not use this API",
		})
	}))
	guarded := guard.Handler(next)
	if s.cfg.Token != "" {
		return guarded
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		if ip := net.ParseIP(strings.Trim(host, "[]")); host != "" && ip == nil && !wire.LoopbackHost(host) {
			block.WriteError(w, &block.APIError{
				Status: http.StatusForbidden, Code: "ERR_HOST_NOT_ALLOWED",
				Message: "without an API token, the API is called as localhost or by its address, not by another name; set DAPR_API_TOKEN to use names",
			})
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// withToken asks for the token, except where health is asked for. The token goes no further.
func (s *Server) withToken(next http.Handler) http.Handler {
	if s.cfg.Token == "" {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		known := s.authorized(r)
		if !known && !isHealth(r.URL.Path) {
			http.Error(w, "invalid api token", http.StatusUnauthorized)
			return
		}
		r.Header.Del(wire.APIToken)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), authorizedKey{}, known)))
	})
}

// authorizedKey tells whether the client sent the token; without a value none is asked for.
type authorizedKey struct{}

// authorized compares in constant time. Prometheus cannot send the header, so /metrics takes a bearer token as well.
func (s *Server) authorized(r *http.Request) bool {
	got := r.Header.Get(wire.APIToken)
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && got == "" && r.URL.Path == "/metrics" {
		got = bearer
	}
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(s.cfg.Token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

func isHealth(p string) bool {
	switch p {
	case "/v1.0/healthz", "/v1.0/healthz/outbound", "/healthz", "/readyz":
		return true
	default:
		return false
	}
}

// withBody reads the whole body, so that every route answers 413 in the same way.
func (s *Server) withBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := wire.ReadBody(w, r, s.cfg.MaxBody)
		if err != nil {
			block.WriteError(w, err)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		next.ServeHTTP(w, r)
	})
}

// withMiddleware passes requests through the pipeline that the host has been given. Health is asked for by machines that
// know nothing of it.
func (s *Server) withMiddleware(next http.Handler) http.Handler {
	if s.cfg.Middleware == nil {
		return next
	}
	guarded := s.cfg.Middleware(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isHealth(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}

// dispatch finds the route. What is none goes to the fallback; a route under another method is 405, as in Dapr.
func (s *Server) dispatch(w http.ResponseWriter, r *http.Request) {
	h, pattern := s.mux.Handler(r)
	// All routes are HandlerFuncs; what is not is the mux's redirect to a path with a slash at its end, which
	// cleanURL would take off again.
	if _, route := h.(http.HandlerFunc); route && pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	probe := &statusProbe{header: http.Header{}}
	h.ServeHTTP(probe, r)
	if probe.status != http.StatusMethodNotAllowed {
		s.fallback(w, r)
		return
	}
	w.Header().Set("Allow", probe.header.Get("Allow"))
	block.WriteError(w, &block.APIError{
		Status: http.StatusMethodNotAllowed, Code: "ERR_METHOD_NOT_ALLOWED",
		Message: "expected method " + probe.header.Get("Allow") + ", found " + r.Method,
	})
}

// statusProbe tells what http.ServeMux would answer where it has no route.
type statusProbe struct {
	header http.Header
	status int
}

// Header collects fields.
func (p *statusProbe) Header() http.Header { return p.header }

// Write drops the body.
func (p *statusProbe) Write(b []byte) (int, error) { return len(b), nil }

// WriteHeader notes the status.
func (p *statusProbe) WriteHeader(status int) { p.status = status }

// request is one API call in the chain.
type request struct {
	w *wire.Recorder
	r *http.Request
	h http.HandlerFunc
}

// traced gives a route its span and its metrics.
func (s *Server) traced(pattern string, h http.HandlerFunc) http.HandlerFunc {
	if isHealth(strings.TrimPrefix(pattern, "GET ")) || pattern == "GET /metrics" {
		return h // asked for all the time by machines
	}
	point := s.cfg.Chain.Point(chain.Op{Direction: chain.Inbound, Block: "api", Name: pattern})
	metrics := s.cfg.Telemetry.HTTPRoute("", pattern)
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &wire.Recorder{ResponseWriter: w}
		_, _ = chain.Do(r.Context(), point, serve, request{rec, r, h}) // an API call's failure is its answer
		metrics.Observe(r.Method, rec.Status, r.ContentLength, rec.Bytes, time.Since(start))
	}
}

// serve runs in the chain.
func serve(ctx context.Context, q request) (struct{}, error) {
	setTraceparent(ctx, q.w)
	r := q.r.WithContext(ctx)
	q.h(q.w, r)
	if q.w.Status == 0 {
		q.w.Status = http.StatusOK // net/http sends it when nothing was written
	}
	telemetry.HTTPStatus(ctx, r.Method, r.URL.Path, q.w.Status)
	return struct{}{}, nil
}

func setTraceparent(ctx context.Context, w http.ResponseWriter) {
	if parent := telemetry.Traceparent(ctx); parent != "" {
		w.Header().Set("Traceparent", parent)
	}
}
