// Package host puts the parts together: it takes a manifest, compiles and links its apps, opens its components, and
// starts and stops everything in order. It has no logic of its own beyond that; cmd/mrt-wasm is one caller, a Go
// program that embeds the host another.
package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mrt-wasm/mrt-wasm/host/api"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/embedded"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/http"
	"github.com/mrt-wasm/mrt-wasm/host/plugin"
	"github.com/mrt-wasm/mrt-wasm/host/resiliency"
	"github.com/mrt-wasm/mrt-wasm/host/secret"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
	"github.com/mrt-wasm/mrt-wasm/host/trigger"
)

// Host runs the apps of one manifest. Make it with New, then Start it, then Stop it; Stop also without Start.
type Host struct {
	opts    Options
	log     *slog.Logger
	data    *dataDir
	tel     *telemetry.Telemetry
	engine  *engine.Engine
	embed   *embedded.Services
	chain   *chain.Chain
	secrets *secret.Resolver
	// components are the manifest's, secret stores excepted, with what those gave; fields are values that those gave for
	// others, by their owner.
	components []component.Decl
	fields     map[string]map[string]string
	// declared are the manifest's components, secret stores included, in the order in which they can be opened.
	declared []component.Decl
	plugins  *plugin.Runner
	openedMu sync.Mutex
	opened   map[string]any // the drivers of components, by name; guarded by openedMu
	// policies are what Resiliency objects say of the chain's calls.
	policies *resiliency.Policy
	apps     map[string]*app
	names    []string // of apps, in the manifest's order
	blocks   blocks
	// apiPipeline stands in front of the API; nil for none.
	apiPipeline *http.Pipeline
	// closers are called when the blocks are closed.
	closers []func(context.Context) error
	api     *api.Server
	stop    sync.Once
	// shutdown is closed when the API is asked to end the host.
	shutdown chan struct{}
	once     sync.Once

	mu      sync.Mutex
	started []trigger.Trigger // guarded by mu
	ready   bool              // guarded by mu
}

// New checks, compiles and links everything and opens the components; nothing listens and no app runs yet. The
// error has all that is wrong. On an error nothing stays open.
func New(ctx context.Context, o Options) (*Host, error) {
	o = o.withDefaults()
	if o.Manifest == nil {
		return nil, errors.New("host: Options.Manifest is missing")
	}
	h := &Host{opts: o, log: o.Log, apps: map[string]*app{}, shutdown: make(chan struct{})}
	if err := h.build(ctx); err != nil {
		// Not ctx: it may be the reason.
		return nil, errors.Join(err, h.Stop(context.WithoutCancel(ctx)))
	}
	return h, nil
}

func (o Options) withDefaults() Options {
	if o.DataDir == "" {
		o.DataDir = DefaultDataDir
	}
	if o.HTTPAddr == "" {
		o.HTTPAddr = DefaultHTTPAddr
	}
	if o.APIAddr == "" {
		o.APIAddr = DefaultAPIAddr
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Loader == nil {
		o.Loader = fileLoader{}
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	return o
}

// build makes the parts in the order in which they need each other.
func (h *Host) build(ctx context.Context) error {
	var err error
	if h.data, err = openDataDir(h.opts.DataDir); err != nil {
		return err
	}
	if h.engine, err = engine.New(ctx, engine.Config{
		CacheDir: h.cacheDir(), Log: h.log, TraceID: telemetry.TraceID, Interpreter: h.opts.Interpreter,
	}); err != nil {
		return err
	}
	if err = h.openPlugins(ctx); err != nil {
		return err
	}
	if err = h.openSecrets(ctx); err != nil {
		return err
	}
	if h.tel, err = h.newTelemetry(ctx); err != nil {
		return err
	}
	if h.policies, err = resiliency.New(h.opts.Manifest.Resiliencies); err != nil {
		return err
	}
	h.chain = chain.New(h.tel.Observers(), []chain.Policy{h.policies})
	for _, spec := range h.opts.Manifest.Apps {
		h.apps[spec.Name()] = &app{name: spec.Name(), spec: spec}
		h.names = append(h.names, spec.Name())
	}
	h.embed = embedded.New(h.data.path, h.log)
	if err := h.compile(ctx); err != nil {
		return err
	}
	if err := h.openBlocks(ctx); err != nil {
		return err
	}
	if err := h.linkAll(ctx); err != nil {
		return err
	}
	if err := h.tel.Collect(h.collect); err != nil {
		return err
	}
	h.api, err = h.newAPI()
	return err
}

// compile loads all apps, as many at a time as there are processors.
func (h *Host) compile(ctx context.Context) error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	errs := make([]error, len(h.names))
	for i, name := range h.names {
		g.Go(func() error {
			gen, err := h.load(ctx, h.apps[name])
			h.apps[name].current.Store(gen)
			errs[i] = err
			return nil
		})
	}
	return errors.Join(append(errs, g.Wait())...)
}

// linkAll opens the blocks' sessions of every app and links its code to them.
func (h *Host) linkAll(ctx context.Context) error {
	var errs []error
	for _, name := range h.names {
		a := h.apps[name]
		if err := h.openSessions(ctx, a); err != nil {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, h.link(ctx, a, a.current.Load()))
	}
	return errors.Join(errs...)
}

func (h *Host) openSessions(ctx context.Context, a *app) error {
	var errs []error
	for _, b := range h.blocks.all {
		s, err := b.Open(ctx, a)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		a.sessions = append(a.sessions, s)
	}
	return errors.Join(append(errs, h.openWASI(a))...)
}

// Start opens the API, then the triggers: from then on apps are called. When something cannot start, what has
// started is stopped by Stop.
func (h *Host) Start(ctx context.Context) error {
	triggers := []trigger.Trigger{h.api}
	for _, b := range h.blocks.all {
		if t, ok := b.(block.Triggerer); ok {
			more, err := t.Triggers(ctx)
			if err != nil {
				return err
			}
			triggers = append(triggers, more...)
		}
	}
	for _, t := range triggers {
		if err := t.Start(ctx); err != nil {
			return named(t, err)
		}
		h.mu.Lock()
		h.started = append(h.started, t)
		h.mu.Unlock()
	}
	h.mu.Lock()
	h.ready = true
	h.mu.Unlock()
	return nil
}

// named says which trigger failed, if the error does not.
func named(t trigger.Trigger, err error) error {
	if strings.HasPrefix(err.Error(), t.Name()) {
		return err
	}
	return fmt.Errorf("%s: %w", t.Name(), err)
}

// Done is closed when the API was asked to end the host (POST /v1.0/shutdown); the caller then calls Stop.
func (h *Host) Done() <-chan struct{} { return h.shutdown }

// Stop ends the host gracefully: triggers take no new work, what runs finishes while ctx lasts, then instances,
// components and the rest are closed in the reverse order of their start.
func (h *Host) Stop(ctx context.Context) error {
	var err error
	h.stop.Do(func() { err = h.close(ctx) })
	return err
}

func (h *Host) close(ctx context.Context) error {
	h.mu.Lock()
	triggers := h.started
	h.started, h.ready = nil, false
	h.mu.Unlock()
	errs := stopTriggers(ctx, triggers)
	for _, name := range slices.Backward(h.names) {
		a := h.apps[name]
		errs = append(errs, a.current.Load().close(ctx))
		for _, s := range slices.Backward(a.sessions) {
			errs = append(errs, s.Close(ctx))
		}
		if a.wasi != nil {
			errs = append(errs, a.wasi.Close())
		}
	}
	for _, b := range slices.Backward(h.blocks.all) {
		errs = append(errs, b.Close(ctx))
	}
	for _, f := range slices.Backward(h.closers) {
		errs = append(errs, f(ctx))
	}
	if h.embed != nil {
		errs = append(errs, h.embed.Close(ctx))
	}
	if h.plugins != nil {
		errs = append(errs, h.plugins.Close(ctx))
	}
	if h.engine != nil {
		errs = append(errs, h.engine.Close(ctx))
	}
	if h.tel != nil {
		errs = append(errs, h.tel.Shutdown(ctx))
	}
	if h.data != nil {
		errs = append(errs, h.data.close())
	}
	return errors.Join(errs...)
}

// stopTriggers stops all triggers at a time, except those that the others may need: they come last, and have a part of
// the time for themselves.
func stopTriggers(ctx context.Context, triggers []trigger.Trigger) []error {
	stop := func(ctx context.Context, last bool) []error {
		errs := make([]error, len(triggers))
		var wg sync.WaitGroup
		for i, t := range triggers {
			if _, isLast := t.(trigger.Last); isLast != last {
				continue
			}
			wg.Go(func() {
				if err := t.Stop(ctx); err != nil {
					errs[i] = named(t, err)
				}
			})
		}
		wg.Wait()
		return errs
	}
	first := ctx
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		first, cancel = context.WithDeadline(ctx, time.Now().Add(time.Until(end)*2/3))
		defer cancel()
	}
	return slices.Concat(stop(first, false), stop(ctx, true))
}
