// Package plugin runs components that are wasm modules: it compiles them, gives their instances the building blocks
// that the manifest grants them, has init called in each instance, and starts them again when they trap. It knows no
// driver interface: what is called in a plugin is the affair of the drivers in components/<block>/wasm.
package plugin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

// Config says how plugins are run.
type Config struct {
	Engine *engine.Engine
	// Load gives the wasm of a source, which is the metadata field: a path, or "go:" and a folder. name names the
	// component.
	Load func(ctx context.Context, name, source string) ([]byte, error)
	// Log may be nil.
	Log *slog.Logger
}

// Runner runs the plugins of one host.
type Runner struct {
	cfg Config

	mu      sync.Mutex
	modules map[string]*module     // by source; guarded by mu
	kinds   map[string]string      // the kind of each declared component, by name; guarded by mu
	blocks  map[string]block.Block // by name; guarded by mu
	guests  map[string]*guest      // by component; guarded by mu
}

var _ component.Plugins = (*Runner)(nil)

// module is the compiled code of a source, or why there is none.
type module struct {
	once     sync.Once
	compiled *engine.Module
	err      error
}

// New makes a runner without plugins.
func New(cfg Config) *Runner {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Runner{
		cfg: cfg, modules: map[string]*module{}, kinds: map[string]string{}, blocks: map[string]block.Block{}, guests: map[string]*guest{},
	}
}

// Declare tells which components there are, and compiles those that are plugins, as many at a time as there are
// processors, so that this does not count as part of their start. What is wrong with a module is told when it is
// opened.
func (r *Runner) Declare(ctx context.Context, decls []component.Decl) {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, d := range decls {
		kind, _, _ := strings.Cut(strings.ToLower(d.Type), ".")
		r.mu.Lock()
		r.kinds[d.Name] = kind
		r.mu.Unlock()
		if source, ok := d.Metadata.Get("source"); ok && d.IsPlugin() {
			g.Go(func() error {
				_, _ = r.compile(ctx, d.Name, source) // Open tells the error
				return nil
			})
		}
	}
	_ = g.Wait() // the functions give no errors
}

// compile gives the module of a source, compiled once.
func (r *Runner) compile(ctx context.Context, name, source string) (*engine.Module, error) {
	r.mu.Lock()
	m := r.modules[source]
	if m == nil {
		m = &module{}
		r.modules[source] = m
	}
	r.mu.Unlock()
	m.once.Do(func() {
		ctx := context.WithoutCancel(ctx) // others may wait for it
		var wasm []byte
		if wasm, m.err = r.cfg.Load(ctx, name, source); m.err == nil {
			m.compiled, m.err = r.cfg.Engine.Compile(ctx, filepath.Base(strings.TrimPrefix(source, goSource)), wasm)
		}
	})
	return m.compiled, m.err
}

// goSource begins a source that is a folder of Go code.
const goSource = "go:"

// Provide gives plugins a building block: those that are open, and those that will be. A later block of the same name
// takes the place of an earlier one.
func (r *Runner) Provide(ctx context.Context, b block.Block) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks[b.Name()] = b
	var errs []error
	for _, g := range r.guests {
		errs = append(errs, g.provide(ctx, b))
	}
	return errors.Join(errs...)
}

// guest gives a component's part of the blocks, made once.
func (r *Runner) guest(ctx context.Context, cfg component.Config, hosts []string) (*guest, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if g := r.guests[cfg.Name]; g != nil {
		return g, nil
	}
	g, err := newGuest(cfg.Name, cfg.Log, hosts)
	if err != nil {
		return nil, err
	}
	r.guests[cfg.Name] = g
	var errs []error
	for _, b := range r.blocks {
		errs = append(errs, g.provide(ctx, b))
	}
	if err := errors.Join(errs...); err != nil {
		delete(r.guests, cfg.Name)
		return nil, err
	}
	return g, nil
}

// AllowHosts gives what a component's plugin may call by HTTP; nothing for one that is not open.
func (r *Runner) AllowHosts(name string) []string {
	// Without the lock: it is asked while blocks open sessions, which happens under it.
	if g := r.guests[name]; g != nil {
		return g.hosts
	}
	return nil
}

// grants gives the kinds of the components that a plugin may use.
func (r *Runner) grants(imports []string) ([]string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var kinds []string
	for _, name := range imports {
		kind, ok := r.kinds[name]
		if !ok {
			return nil, fmt.Errorf("metadata field imports: there is no component %s", name)
		}
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), nil
}

// Close gives back the code and what plugins have of the blocks. All plugins are closed before.
func (r *Runner) Close(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, g := range r.guests {
		errs = append(errs, g.close(ctx))
	}
	for _, m := range r.modules {
		if m.compiled != nil {
			errs = append(errs, m.compiled.Close(ctx))
		}
	}
	r.guests, r.modules = map[string]*guest{}, map[string]*module{}
	return errors.Join(errs...)
}
