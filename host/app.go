package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// app is one app as its blocks see it. It stays the same when the app is loaded again: the generation under it
// is swapped.
type app struct {
	name     string
	spec     *manifest.App
	sessions []block.Session

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

// Handles tells whether the app exports the interface.
func (a *app) Handles(iface string) bool {
	gen := a.current.Load()
	return gen != nil && slices.Contains(gen.module.Interfaces(), iface)
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
	return slices.ContainsFunc(a.current.Load().module.Imports(), func(i engine.Import) bool { return i.Module == iface })
}

// load reads and compiles the app's code.
func (h *Host) load(ctx context.Context, a *app) (*generation, error) {
	wasm, err := h.opts.Loader.Load(ctx, a.spec)
	if err != nil {
		return nil, fmt.Errorf("app %s: %w", a.name, err)
	}
	module, err := h.engine.Compile(ctx, codeName(a.spec), wasm)
	if err != nil {
		return nil, fmt.Errorf("%s: app %s: %w", a.spec.Spec.Source.Pos, a.name, err)
	}
	gen := &generation{module: module}
	if err := h.checkHandlers(a, module); err != nil {
		return nil, errors.Join(err, module.Close(ctx))
	}
	return gen, nil
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
		if slices.Contains(known, iface) {
			return nil
		}
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
	var funcs []abi.Func
	for _, s := range a.sessions {
		funcs = append(funcs, s.Funcs()...)
	}
	l := a.spec.Spec.Limits
	boot, err := h.bootOf(a.spec)
	if err != nil {
		return err
	}
	pool, err := gen.module.Pool(ctx, engine.PoolConfig{
		App: a.name, Funcs: funcs, Exports: exportFuncs(), Env: a.spec.Env(), Log: h.log, Warm: 1, Policy: policy(a.spec), Boot: boot,
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
	return errors.Join(mounted, old.close(ctx))
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
