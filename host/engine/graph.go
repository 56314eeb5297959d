package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// A component whose core modules do not share one memory is a graph of core instances that import from each other. They
// are made in the order of the plan, and closed together: the runtime frees a memory when the first of those who import
// it is closed, so that a memory's own Free does nothing and the instance frees them all at its end.

// errGraph says why an instance cannot be kept.
var errGraph = errors.New("its core modules have several memories, so that it cannot have an image: " +
	"build the component of modules that share one memory")

// instantiateGraph makes the core instances.
func (i *Instance) instantiateGraph(ctx context.Context, cfg wazero.ModuleConfig) error {
	p := i.pool
	prog := p.module.program
	i.parts = make([]api.Module, len(prog.parts))
	for k := range prog.parts {
		mem := &memory{limit: p.limits.Memory, of: i.mem}
		i.memories = append(i.memories, partMemory{memory: mem})
		ictx := experimental.WithMemoryAllocator(ctx, mem)
		ictx = experimental.WithImportResolver(ictx, i.resolvePart)
		stop := i.watch(ctx)
		module, err := p.module.runner.runtime.InstantiateModule(ictx, prog.parts[k].compiled, cfg)
		stop()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			if module != nil {
				i.parts[k] = module
			}
			return i.ended(ctx, "instantiate "+partName("component", prog.plan, k), err)
		}
		i.parts[k] = module
		i.memories[k].of = module.Memory()
		if prog.parts[k].fuel {
			i.fuels = append(i.fuels, module.ExportedGlobal(wasm.FuelExport))
		}
		i.bindSides(k)
	}
	return nil
}

// partMemory is the memory of a core instance, and of what the runtime sees it as.
type partMemory struct {
	*memory
	of api.Memory
}

// bindSides gives the sides whose memory core instance k exports that memory.
func (i *Instance) bindSides(k int) {
	prog := i.pool.module.program
	for s, o := range prog.plan.Options {
		if o.Memory == nil || prog.refs(*o.Memory).part != k {
			continue
		}
		exported := i.parts[k].ExportedMemory(o.Memory.Name)
		for _, m := range i.memories {
			// An instance that imports a memory is not the one that has it.
			if m.of == exported && m.allocated {
				i.sides[s].mem = m.memory
				if s == prog.main {
					i.main.mem = m.memory
				}
			}
		}
	}
}

// resolvePart gives the module that a core instance imports.
func (i *Instance) resolvePart(name string) api.Module {
	if k, err := strconv.Atoi(name); err == nil && k >= 0 && k < len(i.parts) {
		return i.parts[k]
	}
	return i.pool.resolve(name)
}

// watch has all core instances end when ctx does, where they do not ask for fuel: the runtime itself watches only the
// one that is called. stop ends it.
func (i *Instance) watch(ctx context.Context) (stop func()) {
	if i.parts == nil || i.pool.module.runner != i.pool.module.engine.checked || i.pool.module.engine.cfg.Uninterruptible {
		return func() {}
	}
	type canceller interface {
		CloseModuleOnCanceledOrTimeout(ctx context.Context) context.CancelFunc
	}
	var stops []context.CancelFunc
	for _, m := range i.parts {
		if c, ok := m.(canceller); ok {
			stops = append(stops, c.CloseModuleOnCanceledOrTimeout(ctx))
		}
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}
}

// closeModules ends all core instances.
func (i *Instance) closeModules(ctx context.Context) error {
	var errs []error
	if i.module != nil {
		errs = append(errs, i.module.Close(ctx))
	}
	for _, m := range i.parts {
		if m != nil {
			errs = append(errs, m.Close(ctx))
		}
	}
	for _, m := range i.memories {
		errs = append(errs, m.release())
	}
	return errors.Join(append(errs, i.mem.release())...)
}

// closed tells whether the runtime has closed a core instance.
func (i *Instance) closed() bool {
	for _, m := range i.parts {
		if m == nil || m.IsClosed() {
			return true
		}
	}
	return i.module != nil && i.module.IsClosed()
}

// isGraph tells whether the module is a component of several core instances.
func (m *Module) isGraph() bool { return m.program != nil && m.program.parts != nil }

// keepable refuses to keep an instance that could never be saved.
func (p *Pool) keepable() error {
	if p.module.isGraph() {
		return fmt.Errorf("app %s: an instance of the component cannot be kept: %w: %w", p.app, ErrNoImage, errGraph)
	}
	return nil
}
