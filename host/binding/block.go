package binding

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	abibinding "github.com/mrt-wasm/mrt-wasm/abi/binding"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Kind is the first part of the type names of drivers.
const Kind = "bindings"

// Config says how the block works.
type Config struct {
	// Drivers are the bindings that this binary has.
	Drivers component.Set[Binding]
	// Decls are the components of the manifest; those of other kinds are ignored.
	Decls []component.Decl
	// Apps are the names of all apps.
	Apps []string
	// Env is what drivers get from the host.
	Env   component.Env
	Chain *chain.Chain
	// Trace carries the trace context through calls and events; may be nil.
	Trace Trace
	// Mount has the host's front door serve a path, exactly this one, by h; nil if the host has no front door. It
	// fails if the path is taken. It is called by New, and the handler answers 503 while nobody reads the binding.
	Mount func(path string, h http.Handler) error
	// Log may be nil.
	Log *slog.Logger
	// CallerApp says on whose behalf a call of the HTTP API is made; "" is no app. Nil means always "".
	CallerApp func(r *http.Request) string
}

// Trace carries W3C trace context.
type Trace interface {
	// Inject gives the trace context of ctx; empty if there is none.
	Inject(ctx context.Context) (traceparent, tracestate string)
	// Extract gives ctx with a trace context.
	Extract(ctx context.Context, traceparent, tracestate string) context.Context
}

// Block is the binding block of a host.
type Block struct {
	cfg     Config
	manager *component.Manager[Binding]
	log     *slog.Logger

	mu      sync.Mutex
	outputs map[[2]string]*output // by app and name
	apps    map[string]block.App
}

var (
	_ block.Triggerer = (*Block)(nil)
	_ block.Routes    = (*Block)(nil)
	_ block.Describer = (*Block)(nil)
	_ block.Checker   = (*Block)(nil)
)

// New checks all declarations, opens the components, and mounts those that serve HTTP. The error has all that is wrong
// with the declarations, or the first component that does not start.
func New(ctx context.Context, cfg Config) (*Block, error) {
	b := &Block{cfg: cfg, log: cfg.Log, outputs: map[[2]string]*output{}, apps: map[string]block.App{}}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if b.manager, err = component.NewManager(cfg.Drivers, cfg.Env, cfg.Decls); err != nil {
		return nil, err
	}
	if err = b.manager.Open(ctx, cfg.Apps); err == nil {
		err = b.check()
	}
	if err != nil {
		return nil, errors.Join(err, b.manager.Close(context.WithoutCancel(ctx)))
	}
	return b, nil
}

// check checks what the block itself reads of the metadata, and mounts servers.
func (b *Block) check() error {
	var errs []error
	for _, o := range b.manager.All() {
		if o.Err != nil {
			continue
		}
		dir, err := directionOf(o.Metadata, o.Driver)
		if s, ok := o.Driver.(Server); ok && err == nil && dir.in {
			err = b.mount(s)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: component %s (%s): %w", o.Decl.Where, o.Decl.Name, o.Type, err))
		}
	}
	return errors.Join(errs...)
}

func (b *Block) mount(s Server) error {
	if b.cfg.Mount == nil {
		return errors.New("this host has no front door")
	}
	if err := b.cfg.Mount(s.Path(), s); err != nil {
		return fmt.Errorf("path %s of the front door: %w", s.Path(), err)
	}
	return nil
}

// Name is "binding".
func (b *Block) Name() string { return "binding" }

// Imports lists the interface of apps.
func (b *Block) Imports() []string { return []string{abibinding.OutputModule} }

// Exports lists the handler interface.
func (b *Block) Exports() []string { return []string{abibinding.TriggerModule} }

// Open makes the block's side of one app.
func (b *Block) Open(_ context.Context, app block.App) (block.Session, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.apps[app.Name()] = app
	return &session{b: b, app: app.Name()}, nil
}

// Close closes all bindings; the triggers are stopped before.
func (b *Block) Close(ctx context.Context) error { return b.manager.Close(ctx) }

// Ready asks every binding that can tell whether its system answers. A component that was let go on without
// (ignoreErrors) does not count.
func (b *Block) Ready(ctx context.Context) error {
	opened := b.manager.All()
	errs := make([]error, len(opened))
	var wg sync.WaitGroup
	for i, o := range opened {
		p, ok := o.Driver.(Pinger)
		if !ok || o.Err != nil {
			continue
		}
		wg.Go(func() {
			if err := p.Ping(ctx); err != nil {
				errs[i] = fmt.Errorf("binding %s: %w", o.Decl.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Describe gives the components in the form of Dapr's metadata.
func (b *Block) Describe(context.Context) map[string]any {
	components := []map[string]any{}
	var seen []string
	for _, o := range b.manager.All() {
		if slices.Contains(seen, o.Decl.Name) {
			continue // open once for each app
		}
		seen = append(seen, o.Decl.Name)
		version := o.Decl.Version
		if version == "" {
			version = "v1"
		}
		components = append(components, map[string]any{
			"name": o.Decl.Name, "type": o.Type, "version": version, "capabilities": capabilities(o),
		})
	}
	return map[string]any{"components": components}
}

func capabilities(o *component.Opened[Binding]) []string {
	out := []string{}
	if o.Err != nil {
		return out
	}
	dir, err := directionOf(o.Metadata, o.Driver)
	if err != nil {
		return out // New has refused it
	}
	if dir.in {
		out = append(out, "INPUT_BINDING")
	}
	if dir.out {
		out = append(out, "OUTPUT_BINDING")
	}
	return out
}
