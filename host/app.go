package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/wasi"
)

// app is one app as its blocks see it. It stays the same when the app is loaded again: the generation under it
// is swapped.
type app struct {
	name     string
	spec     *manifest.App
	sessions []block.Session
	// wasi is what the app finds of WASI 0.2.
	wasi *wasi.WASI

	// reloading serialises loads.
	reloading sync.Mutex
	current   atomic.Pointer[generation]
}

var _ block.App = (*app)(nil)

// generation is one load of an app's code.
type generation struct {
	module *engine.Module
	pool   *engine.Pool // nil until the app is linked
}

// Name is the app's name.
func (a *app) Name() string { return a.name }

// Handles tells whether the app exports the interface, in this version or one that is compatible.
func (a *app) Handles(iface string) bool {
	gen := a.current.Load()
	return gen != nil && hasInterface(gen.module.Interfaces(), iface)
}

// hasInterface tells whether a list of interfaces has one, in a version that is compatible.
func hasInterface(list []string, iface string) bool {
	track := abi.Track(iface)
	return slices.ContainsFunc(list, func(have string) bool { return have == iface || abi.Track(have) == track })
}

// Do runs fn with a free instance. A call that finds its generation being replaced goes to the next one.
func (a *app) Do(ctx context.Context, fn func(ctx context.Context, g abi.Guest) error) error {
	for {
		gen := a.current.Load()
		if gen == nil || gen.pool == nil {
			return fmt.Errorf("app %s is not started", a.name)
		}
		began := false
		err := gen.pool.Do(ctx, func(ctx context.Context, g abi.Guest) error {
			began = true
			return fn(ctx, g)
		})
		if err == nil {
			return nil
		}
		if !began && errors.Is(err, engine.ErrClosed) && a.current.Load() != gen {
			continue
		}
		if full, ok := errors.AsType[*engine.OverloadedError](err); ok {
			return &block.ErrOverloaded{App: full.App, RetryAfter: full.RetryAfter}
		}
		return err
	}
}

// imports tells whether the app's code imports the interface.
func (a *app) imports(iface string) bool {
	track := abi.Track(iface)
	return slices.ContainsFunc(a.current.Load().module.Imports(), func(i engine.Import) bool {
		return i.Module == iface || abi.Track(i.Module) == track
	})
}

// load reads and compiles the app's code.
func (h *Host) load(ctx context.Context, a *app) (*generation, error) {
	wasm, err := h.opts.Loader.Load(ctx, a.spec)
	if err != nil {
		return nil, fmt.Errorf("app %s: %w", a.name, err)
	}
	deps := map[string][]byte{}
	if err := h.dependencies(ctx, a.spec, deps); err != nil {
		return nil, err
	}
	module, err := h.engine.Compose(ctx, codeName(a.spec), wasm, deps)
	if err != nil {
		return nil, fmt.Errorf("%s: app %s: %w", a.spec.Spec.Source.Pos, a.name, err)
	}
	gen := &generation{module: module}
	if err := h.checkHandlers(a, module); err != nil {
		return nil, errors.Join(err, module.Close(ctx))
	}
	return gen, nil
}

// isDependency tells whether another app's component has this one's within it.
func (h *Host) isDependency(name string) bool {
	return slices.ContainsFunc(h.opts.Manifest.Apps, func(a *manifest.App) bool {
		return slices.Contains(slices.Collect(maps.Values(a.Spec.Dependencies)), name)
	})
}

// dependencies collects the components that provide what an app's component imports, and what those import in turn.
func (h *Host) dependencies(ctx context.Context, spec *manifest.App, deps map[string][]byte) error {
	for _, iface := range slices.Sorted(maps.Keys(spec.Spec.Dependencies)) {
		from := spec.Spec.Dependencies[iface]
		if _, known := deps[iface]; known {
			continue
		}
		var err error
		if provider := h.opts.Manifest.App(from); provider != nil {
			if deps[iface], err = h.opts.Loader.Load(ctx, provider); err == nil {
				err = h.dependencies(ctx, provider, deps)
			}
		} else {
			deps[iface], err = os.ReadFile(from)
		}
		if err != nil {
			return fmt.Errorf("%s: app %s: spec.dependencies: %s: %w", spec.Spec.At("dependencies."+iface), spec.Name(), iface, err)
		}
	}
	return nil
}

// codeName is what errors call the app's code: the wasm file, or the app itself when it is built.
func codeName(spec *manifest.App) string {
	if spec.Spec.Source.Wasm != "" {
		return filepath.Base(spec.Spec.Source.Wasm)
	}
	return spec.Name()
}

// checkHandlers wants the app to export at least one interface that something can call.
func (h *Host) checkHandlers(a *app, module *engine.Module) error {
	known := h.exports()
	for _, iface := range module.Interfaces() {
		if hasInterface(known, iface) {
			return nil
		}
	}
	if h.isDependency(a.name) {
		return nil
	}
	found := "nothing"
	if got := module.Interfaces(); len(got) > 0 {
		found = fmt.Sprint(got)
	}
	return fmt.Errorf("%s: app %s exports no handler, so nothing could ever call it: want at least one of %v, found %s; "+
		"in Go, import a package that handles something, for example guest-sdk/go/http, and build with -buildmode=c-shared",
		a.spec.NamePos(), a.name, known, found)
}

// link makes the pool of a generation, with one instance in it: a guest that cannot start is an error here.
func (h *Host) link(ctx context.Context, a *app, gen *generation) error {
	funcs := slices.Clone(a.wasi.Funcs())
	for _, s := range a.sessions {
		funcs = append(funcs, s.Funcs()...)
	}
	l := a.spec.Spec.Limits
	boot, err := h.bootOf(a.spec)
	if err != nil {
		return err
	}
	pool, err := gen.module.Pool(ctx, engine.PoolConfig{
		App: a.name, Funcs: funcs, Exports: exportFuncs(), Shared: a.wasi.Shared(), Env: a.spec.Env(), Log: h.log, Warm: 1, Policy: policy(a.spec), Boot: boot,
		Limits: engine.Limits{Memory: uint64(l.Memory), Timeout: l.Timeout, MaxInstances: l.MaxInstances, Queue: queue(l.Queue)},
	})
	if err != nil {
		return err
	}
	gen.pool = pool
	return nil
}

// policy gives the engine's form of spec.instances.
func policy(spec *manifest.App) engine.Policy {
	if spec.Spec.Instances == "reuse" {
		return engine.Reuse
	}
	return engine.Reset
}

// queue gives the engine's form of spec.limits.queue, where 0 means the default and less means none.
func queue(n int) int {
	if n == 0 {
		return -1
	}
	return n
}

// Reload loads an app's code again and swaps it in: calls that run finish in the old code, calls that come after
// run in the new. On an error the old code goes on.
func (h *Host) Reload(ctx context.Context, name string) error {
	a := h.apps[name]
	if a == nil {
		return fmt.Errorf("app %s is not known", name)
	}
	a.reloading.Lock()
	defer a.reloading.Unlock()
	next, err := h.load(ctx, a)
	if err != nil {
		return err
	}
	if err := h.link(ctx, a, next); err != nil {
		return errors.Join(err, next.module.Close(ctx))
	}
	old := a.current.Swap(next)
	mounted := h.remount(ctx)
	for _, b := range h.blocks.all {
		if r, ok := b.(block.Reloader); ok {
			r.Reloaded(ctx, name)
		}
	}
	return errors.Join(mounted, old.close(ctx), h.reloadDependents(ctx, name))
}

// reloadDependents loads the apps again whose components have the app's within them.
func (h *Host) reloadDependents(ctx context.Context, name string) error {
	var errs []error
	for _, other := range h.opts.Manifest.Apps {
		if slices.Contains(slices.Collect(maps.Values(other.Spec.Dependencies)), name) {
			errs = append(errs, h.Reload(ctx, other.Name()))
		}
	}
	return errors.Join(errs...)
}

// close drains the generation's pool and frees its code.
func (g *generation) close(ctx context.Context) error {
	if g == nil {
		return nil
	}
	var err error
	if g.pool != nil {
		err = g.pool.Close(ctx)
	}
	return errors.Join(err, g.module.Close(ctx))
}

// fileLoader reads spec.source.wasm.
type fileLoader struct{}

// Load reads the file.
func (fileLoader) Load(_ context.Context, a *manifest.App) ([]byte, error) {
	src := a.Spec.Source
	if src.Wasm == "" {
		return nil, fmt.Errorf("%s: spec.source: this host runs wasm files only; build the app first (mrt-wasm build)", src.Pos)
	}
	wasm, err := os.ReadFile(src.Wasm)
	if err != nil {
		return nil, fmt.Errorf("%s: spec.source.wasm: %w", src.At("wasm"), err)
	}
	return wasm, nil
}
