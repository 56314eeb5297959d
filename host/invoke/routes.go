package invoke

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	abiinvoke "github.com/mrt-wasm/mrt-wasm/abi/invoke"
	"github.com/mrt-wasm/mrt-wasm/host/api"
	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/block"
)

const prefix = "/v1.0/invoke/"

// Routes is ANY /v1.0/invoke/{app}/method/{path...}; app may be a URL, with its slashes encoded or not.
func (b *Block) Routes(handle func(pattern string, h http.HandlerFunc)) {
	handle(prefix, func(w http.ResponseWriter, r *http.Request) {
		target, path, ok := splitPath(requestPath(r))
		if !ok {
			b.Fallback(w, r)
			return
		}
		b.serve(w, r, target, path)
	})
}

// Fallback serves every path that is no route of the API: the header dapr-app-id, or the user dapr-app-id of basic
// authentication with the app as password, says which app is called at this path.
func (b *Block) Fallback(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get(wire.AppID)
	if user, password, ok := r.BasicAuth(); target == "" && ok && user == "dapr-app-id" {
		target = password
		r.Header.Del("Authorization")
	}
	if target == "" {
		block.WriteError(w, &block.APIError{
			Status: http.StatusNotFound, Code: "ERR_DIRECT_INVOKE",
			Message: "failed getting app id either from the URL path or the header dapr-app-id",
		})
		return
	}
	b.serve(w, r, target, requestPath(r))
}

// requestPath is the path as the client sent it, still encoded: the API's server has cleaned r.URL, which would
// change what the app gets.
func requestPath(r *http.Request) string {
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		return u.EscapedPath()
	}
	return r.URL.EscapedPath()
}

// splitPath takes /v1.0/invoke/{app}/method/{path...} apart.
func splitPath(p string) (target, path string, ok bool) {
	_, rest, ok := strings.Cut(p, "invoke/")
	if !ok {
		return "", "", false
	}
	rest = strings.TrimLeft(rest, "/")
	target, path, ok = strings.Cut(rest, "/method/")
	if !ok {
		if target, ok = strings.CutSuffix(rest, "/method"); !ok {
			return "", "", false
		}
	}
	if plain, err := url.PathUnescape(target); err == nil {
		target = plain
	}
	// Proxies on the way may have made one slash of two.
	for _, scheme := range []string{"http:/", "https:/"} {
		if after, found := strings.CutPrefix(target, scheme); found {
			target = scheme + "/" + strings.TrimLeft(after, "/")
		}
	}
	return target, path, target != ""
}

// serve calls the app for a client of the API.
func (b *Block) serve(w http.ResponseWriter, r *http.Request, target, path string) {
	body, err := api.ReadBody(r)
	if err != nil {
		block.WriteError(w, err)
		return
	}
	h := r.Header.Clone()
	caller := h.Get(wire.CallerAppID)
	wire.StripHopByHop(h)
	wire.SetForwarded(h, r, true)
	h.Set("Forwarded", fmt.Sprintf("for=%q;host=%q;proto=%s", h.Get("X-Forwarded-For"), r.Host, wire.Scheme(r)))
	req := Request{Verb: r.Method, Path: path, Query: r.URL.RawQuery, Body: body, Headers: make([]Header, 0, wire.Count(h))}
	wire.Fields(h, func(name, value string) { req.Headers = append(req.Headers, Header{Name: name, Value: value}) })
	res, err := b.Invoke(r.Context(), caller, target, req)
	if err != nil {
		b.fail(w, r, target, err)
		return
	}
	bad, ok := wire.WriteResponse(w, r.Method, res.Status, func(add func(name, value string)) {
		for _, f := range res.Headers {
			if !strings.EqualFold(f.Name, "traceparent") { // the server has set it
				add(f.Name, f.Value)
			}
		}
	}, res.Body)
	if !ok {
		b.fail(w, r, target, fmt.Errorf("the app answered with status %d; expected 200 to 599", res.Status))
	}
	if len(bad) > 0 {
		b.cfg.Log.WarnContext(r.Context(), "app answered with header fields that HTTP forbids; they were left out", "app", target, "fields", bad)
	}
}

// fail answers with Dapr's statuses: 403 for what is not allowed, 500 for the rest; a full queue is ours, 503.
func (b *Block) fail(w http.ResponseWriter, r *http.Request, target string, err error) {
	b.cfg.Log.WarnContext(r.Context(), "invocation failed", "app", clip(target, 100), "error", err)
	out := &block.APIError{Status: http.StatusInternalServerError, Code: "ERR_DIRECT_INVOKE"}
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Tag {
		case abiinvoke.ErrorTimeout:
			err = fmt.Errorf("no answer within %d ms", e.Timeout)
		case abiinvoke.ErrorDenied:
			out.Status = http.StatusForbidden
		case abiinvoke.ErrorOverloaded:
			out.Status = http.StatusServiceUnavailable
			wire.RetryAfter(w.Header(), time.Duration(e.Overloaded)*time.Millisecond)
			err = errors.New("the app's queue is full; try again later")
		default:
		}
	}
	out.Message = fmt.Sprintf("failed to invoke, id: %s, err: %v", clip(target, 100), err)
	block.WriteError(w, out)
}
