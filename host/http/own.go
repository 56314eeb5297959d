package http

import (
	"context"
	"fmt"
	"net/http"

	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// Handle has a path of the front door, exactly this one, served by h and not by an app, for example for a webhook. It
// fails when the path is not a route or is taken; a later Mount fails when an app wants it.
func (f *Front) Handle(path string, h http.Handler) error {
	p, err := parseRoute(path)
	if err != nil {
		return err
	}
	if p.prefix {
		return fmt.Errorf("%q: want one path, not all below it", path)
	}
	f.swap.Lock()
	defer f.swap.Unlock()
	if t := f.table.Load(); t != nil && t.exact[p.path] != nil {
		return fmt.Errorf("route %s is served by app %s", path, t.exact[p.path].mount.app.Name())
	}
	if _, taken := f.own.LoadOrStore(p.path, h); taken {
		return fmt.Errorf("route %s is taken already", path)
	}
	return nil
}

// serveOwn serves what is not an app's, and tells whether it was that.
func (f *Front) serveOwn(ctx context.Context, w http.ResponseWriter, r *http.Request) bool {
	h, ok := f.own.Load(r.URL.Path)
	if !ok {
		return false
	}
	if parent := telemetry.Traceparent(ctx); parent != "" {
		w.Header().Set("Traceparent", parent)
	}
	h.(http.Handler).ServeHTTP(w, r.WithContext(ctx)) //nolint:forcetypeassert // Handle puts nothing else there
	return true
}
