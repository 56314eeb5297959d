package http

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// Mount puts an app behind the front door.
type Mount struct {
	App block.App
	// Routes are "/path", exactly this path, or "/path/...", it and everything below. None means
	// /<app's name>/... .
	Routes []string
}

// pattern is one parsed route.
type pattern struct {
	path   string // without a slash at the end, "" for the root
	prefix bool
}

// String is the route as it stands in a manifest.
func (p pattern) String() string {
	switch {
	case p.prefix:
		return p.path + "/..."
	case p.path == "":
		return "/"
	default:
		return p.path
	}
}

// parseRoutes reads the routes of an app, all errors at once.
func parseRoutes(app string, routes []string) ([]pattern, error) {
	if len(routes) == 0 {
		return []pattern{{path: "/" + app, prefix: true}}, nil
	}
	var out []pattern
	var errs []error
	for _, r := range routes {
		p, err := parseRoute(r)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("app %s: spec.http.routes: %w", app, err))
		case slices.Contains(out, p):
			errs = append(errs, fmt.Errorf("app %s: spec.http.routes: %s stands there twice", app, r))
		default:
			out = append(out, p)
		}
	}
	return out, errors.Join(errs...)
}

func parseRoute(s string) (pattern, error) {
	if !strings.HasPrefix(s, "/") {
		return pattern{}, fmt.Errorf("expected a path that starts with /, found %q", s)
	}
	path, prefix := strings.CutSuffix(s, "/...")
	switch {
	case strings.Contains(path, "..."):
		return pattern{}, fmt.Errorf("%q: expected ... only at the end, after a /", s)
	case strings.ContainsAny(path, "?#"):
		return pattern{}, fmt.Errorf("%q: expected a path without query and fragment", s)
	case strings.ContainsAny(path, "{}*"):
		return pattern{}, fmt.Errorf("%q: there are no wildcards in routes; write /path/... and let the app look at the rest", s)
	case strings.Contains(path, "//") || slices.Contains(strings.Split(path, "/"), ".") || slices.Contains(strings.Split(path, "/"), ".."):
		return pattern{}, fmt.Errorf("%q: expected a path without //, and without . and .. in it", s)
	}
	if !prefix && path != "/" && strings.HasSuffix(path, "/") {
		return pattern{}, fmt.Errorf("%q: expected %q for this path only, or %q for all below", s, strings.TrimSuffix(path, "/"), path+"...")
	}
	return pattern{path: strings.TrimSuffix(path, "/"), prefix: prefix}, nil
}

// mount is an app with the requests that run in it.
type mount struct {
	app   block.App
	point *chain.Point

	running atomic.Int64
	// retired is set when the mount left the table; the last request then closes idle.
	retired atomic.Bool
	once    sync.Once
	idle    chan struct{}
}

// leave notes that a request is over.
func (m *mount) leave() {
	if m.running.Add(-1) == 0 && m.retired.Load() {
		m.once.Do(func() { close(m.idle) })
	}
}

// retire is called when no table has the mount any more.
func (m *mount) retire() {
	m.retired.Store(true)
	if m.running.Load() == 0 {
		m.once.Do(func() { close(m.idle) })
	}
}

// route is one entry of a table.
type route struct {
	mount   *mount
	pattern string
	metrics *telemetry.HTTPRoute
	// streams tells that the app handles requests by cfg.Stream.
	streams bool
}

// table is all routes at one time. It is immutable.
type table struct {
	exact, prefix map[string]*route
	mounts        []*mount
	patterns      []string
}

// find gives the route of a path: the exact one, else the longest prefix.
func (t *table) find(path string) *route {
	path = strings.TrimSuffix(path, "/")
	if r := t.exact[path]; r != nil {
		return r
	}
	for {
		if r := t.prefix[path]; r != nil {
			return r
		}
		i := strings.LastIndexByte(path, '/')
		if i < 0 {
			return nil
		}
		path = path[:i]
	}
}

// newTable makes a table; mounts of old whose app stays are taken over. All conflicts are given at once.
func (f *Front) newTable(mounts []Mount, old *table) (*table, error) {
	t := &table{exact: map[string]*route{}, prefix: map[string]*route{}}
	var errs []error
	for _, m := range mounts {
		patterns, err := parseRoutes(m.App.Name(), m.Routes)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		mt := old.take(m.App)
		if mt == nil {
			mt = &mount{app: m.App, idle: make(chan struct{}), point: f.cfg.Chain.Point(chain.Op{
				Direction: chain.Inbound, Block: "http", Name: "handle", Target: m.App.Name(),
			})}
		}
		t.mounts = append(t.mounts, mt)
		for _, p := range patterns {
			if _, taken := f.own.Load(p.path); taken && !p.prefix {
				errs = append(errs, fmt.Errorf("route %s is wanted by app %s and by a component, for example a webhook; change one of them", p, m.App.Name()))
				continue
			}
			if err := t.add(p, route{mount: mt, streams: f.streams(m.App)}, f.cfg.Telemetry); err != nil {
				errs = append(errs, err)
			}
		}
	}
	slices.Sort(t.patterns)
	return t, errors.Join(errs...)
}

// streams tells whether the app handles streaming requests, and not those that are whole.
func (f *Front) streams(app block.App) bool {
	return f.cfg.Stream != nil && !app.Handles(abihttp.HandlerModule) && app.Handles(f.cfg.Stream.Interface)
}

func (t *table) add(p pattern, r route, tel *telemetry.Telemetry) error {
	routes := t.exact
	if p.prefix {
		routes = t.prefix
	}
	app := r.mount.app.Name()
	if other := routes[p.path]; other != nil {
		return fmt.Errorf("route %s is wanted by app %s and app %s; change spec.http.routes of one of them", p, other.mount.app.Name(), app)
	}
	r.pattern, r.metrics = p.String(), tel.HTTPRoute(app, p.String())
	routes[p.path] = &r
	t.patterns = append(t.patterns, r.pattern+" -> "+app)
	return nil
}

// take gives the mount of the same app, if there is one.
func (t *table) take(app block.App) *mount {
	if t == nil || !reflect.TypeOf(app).Comparable() {
		return nil
	}
	for _, m := range t.mounts {
		if reflect.TypeOf(m.app).Comparable() && m.app == app {
			return m
		}
	}
	return nil
}

// Mount replaces all routes at once, also while requests run: none is dropped. It returns when no request runs any
// more in an app that was there before and is not now, or with an error when ctx ends first; the new routes hold
// either way. Conflicts and routes that are not valid are given all at once, and then nothing is changed.
func (f *Front) Mount(ctx context.Context, mounts []Mount) error {
	f.swap.Lock()
	old := f.table.Load()
	t, err := f.newTable(mounts, old)
	if err != nil {
		f.swap.Unlock()
		return err
	}
	f.table.Store(t)
	var gone []*mount
	if old != nil {
		for _, m := range old.mounts {
			if !slices.Contains(t.mounts, m) {
				m.retire()
				gone = append(gone, m)
			}
		}
	}
	f.swap.Unlock()
	for _, m := range gone {
		select {
		case <-m.idle:
		case <-ctx.Done():
			return fmt.Errorf("http front door: app %s still serves %d requests: %w", m.app.Name(), m.running.Load(), ctx.Err())
		}
	}
	return nil
}

// enter finds the route of a path and counts the request in its app, so that Mount waits for it; the caller calls
// mount.leave. It gives nil when there is no route.
func (f *Front) enter(path string) *route {
	for {
		t := f.table.Load()
		if t == nil {
			return nil
		}
		r := t.find(path)
		if r == nil {
			return nil
		}
		r.mount.running.Add(1)
		// If the table was swapped in between, Mount may already have seen no request: begin again.
		if f.table.Load() == t {
			return r
		}
		r.mount.leave()
	}
}
