package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
)

// callerKey holds the func() string that gives the default app.
type callerKey struct{}

// CallerApp gives the app on whose behalf an API call of another block than invoke is made, for example whose keys a
// state call means: the header dapr-caller-app-id, else dapr-app-id, else the host's only app, else "". A name that
// is no app of this host is possible: a program that is not wasm may use the API under a name of its own.
func CallerApp(r *http.Request) string {
	for _, name := range []string{wire.CallerAppID, wire.AppID} {
		if app := r.Header.Get(name); app != "" {
			return app
		}
	}
	return defaultApp(r.Context())
}

func defaultApp(ctx context.Context) string {
	if f, ok := ctx.Value(callerKey{}).(func() string); ok {
		return f()
	}
	return ""
}

// PostPut adds a route under POST and PUT, which Dapr treats alike on most writes.
func PostPut(handle func(pattern string, h http.HandlerFunc), path string, h http.HandlerFunc) {
	handle("POST "+path, h)
	handle("PUT "+path, h)
}

// ReadBody gives a request's whole body. The API has read it already within its limit; elsewhere the limit is 4 MiB.
// Errors are *block.APIError: 413 or 400.
func ReadBody(r *http.Request) ([]byte, error) {
	limit := int64(wire.MaxBody)
	if _, ok := r.Context().Value(callerKey{}).(func() string); ok {
		limit = max(limit, r.ContentLength)
	}
	return wire.ReadBody(nil, r, limit)
}

// Metadata gives the metadata.<key>=<value> parameters of the query, without the prefix; names keep their case. Of
// several values the first counts. It is nil when there are none.
func Metadata(r *http.Request) map[string]string {
	var out map[string]string
	for name, values := range r.URL.Query() {
		key, ok := strings.CutPrefix(name, "metadata.")
		if !ok || len(values) == 0 {
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[key] = values[0]
	}
	return out
}
