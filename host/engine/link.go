package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// hostModule is a module of host functions.
type hostModule struct {
	compiled wazero.CompiledModule
	module   api.Module
}

func (h hostModule) close(ctx context.Context) error {
	return errors.Join(h.module.Close(ctx), h.compiled.Close(ctx))
}

// instantiateHost makes an anonymous host module, so that every app can have its own functions of one name.
func (r *runner) instantiateHost(ctx context.Context, b wazero.HostModuleBuilder) (hostModule, error) {
	compiled, err := b.Compile(ctx)
	if err != nil {
		return hostModule{}, err
	}
	module, err := r.runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		return hostModule{}, errors.Join(err, compiled.Close(ctx))
	}
	return hostModule{compiled: compiled, module: module}, nil
}

// link checks a module's imports and exports against what the host provides and expects, and makes the host modules.
func (r *runner) link(ctx context.Context, m *Module, cfg PoolConfig) (map[string]hostModule, error) {
	offered, err := newOffer(r.wasi, cfg.Funcs)
	if err != nil {
		return nil, fmt.Errorf("app %s: %w", cfg.App, err)
	}
	imports := m.imports
	if m.program == nil {
		imports = dedupe(imports)
	}
	chosen, problems := offered.choose(imports)
	problems = append(problems, m.checkIntrinsics()...)
	problems = append(problems, checkExports(m, cfg.Exports)...)
	if len(problems) > 0 {
		return nil, &LinkError{App: cfg.App, Module: m.name, Problems: problems}
	}
	b := builders{r: r, modules: map[string]wazero.HostModuleBuilder{}}
	if m.program != nil {
		m.program.trampolines(b, chosen, offered)
	}
	for k, imp := range imports {
		if m.program != nil {
			break
		}
		if fn := chosen[k].fn; fn.Call != nil {
			b.add(imp, &hostFunc{fn: fn, name: fn.ExportName(), side: mainSide})
		}
	}
	for _, imp := range dedupe(m.intrinsics) {
		b.add(imp, m.intrinsic(imp))
	}
	linked, err := b.build(ctx)
	if err != nil {
		return nil, fmt.Errorf("app %s: %w", cfg.App, err)
	}
	return linked, nil
}

// builders make host modules.
type builders struct {
	r       *runner
	modules map[string]wazero.HostModuleBuilder
}

// add adds what provides an import.
func (b builders) add(imp Import, fn api.GoModuleFunction) {
	m, ok := b.modules[imp.Module]
	if !ok {
		m = b.r.runtime.NewHostModuleBuilder(imp.Module)
		b.modules[imp.Module] = m
	}
	m.NewFunctionBuilder().WithGoModuleFunction(fn, apiTypes(imp.Params), apiTypes(imp.Results)).Export(imp.Name)
}

// build makes the modules.
func (b builders) build(ctx context.Context) (map[string]hostModule, error) {
	linked := map[string]hostModule{}
	for name, m := range b.modules {
		h, err := b.r.instantiateHost(ctx, m)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("link %s: %w", name, err), closeLinked(ctx, linked))
		}
		linked[name] = h
	}
	return linked, nil
}

func closeLinked(ctx context.Context, linked map[string]hostModule) error {
	var errs []error
	for _, h := range linked {
		errs = append(errs, h.close(ctx))
	}
	return errors.Join(errs...)
}

// dedupe takes out repeated imports: standard Go imports fd_write twice.
func dedupe(imports []Import) []Import {
	seen := map[[2]string]bool{}
	return slices.DeleteFunc(slices.Clone(imports), func(i Import) bool {
		key := [2]string{i.Module, i.Name}
		defer func() { seen[key] = true }()
		return seen[key]
	})
}

func apiTypes(vs []abi.ValType) []api.ValueType {
	out := make([]api.ValueType, len(vs))
	for i, v := range vs {
		out[i] = api.ValueType(v)
	}
	return out
}

// LinkError says all that keeps a module from being linked.
type LinkError struct {
	// App and Module name who wanted to run what.
	App, Module string
	// Problems are sentences, one for each import or export that does not fit.
	Problems []string
}

// Error lists all problems, one a line.
func (e *LinkError) Error() string {
	return fmt.Sprintf("app %s: the module %s cannot be linked:\n\t%s", e.App, e.Module, strings.Join(e.Problems, "\n\t"))
}

// checkExports checks the handlers that the module exports, and the functions that the Canonical ABI needs.
func checkExports(m *Module, expected []abi.Func) []string {
	var problems []string
	check := func(name string, want signature) {
		if found, ok := m.exports[name]; ok && !found.equal(want) {
			problems = append(problems, fmt.Sprintf("export %s: want %s, found %s; generate the bindings of the guest anew",
				name, want, found))
		}
	}
	check(initializeName, signature{})
	check(warmUpName, signature{})
	check(arenaName, signature{results: []abi.ValType{abi.I32}})
	check(reallocName, signature{
		params:  []abi.ValType{abi.I32, abi.I32, abi.I32, abi.I32},
		results: []abi.ValType{abi.I32},
	})
	exported := map[string]bool{}
	for _, iface := range m.Interfaces() {
		exported[abi.Track(iface)] = true
	}
	for _, f := range expected {
		if !exported[abi.Track(f.Module)] {
			continue
		}
		name, ok := m.find(f.ExportName())
		if !ok {
			problems = append(problems, fmt.Sprintf("export %s: the module exports other functions of the interface, "+
				"but not this one", f.ExportName()))
			continue
		}
		if found := m.types[name]; found != "" && f.Type != "" && found != f.Type {
			problems = append(problems, fmt.Sprintf("export %s: want %s, found %s; build the component with the host's version "+
				"of the interface", name, f.Type, found))
			continue
		}
		check(name, signature{params: f.Params, results: f.Results})
		if post, ok := m.find(f.PostReturnName()); ok {
			check(post, signature{params: f.Results})
		}
	}
	return problems
}

// mainSide stands for the instance itself.
const mainSide = -1

// hostFunc is a host function as the runtime calls it.
type hostFunc struct {
	fn   abi.Func
	name string
	// side is the caller's.
	side int
}

// Call implements api.GoModuleFunction. It allocates nothing. The caller is found by the context and not by the
// module argument, which may be a module between.
func (h *hostFunc) Call(ctx context.Context, mod api.Module, stack []uint64) {
	inst := callerOf(ctx, mod)
	if inst.hostCalls++; inst.hostCalls%callsPerCheck == 0 {
		checkDeadline(ctx)
	}
	defer recovered(ctx, inst, h.name)
	s, g := &inst.main, canon.Side(inst)
	if h.side != mainSide {
		s = &inst.sides[h.side]
		g = s
	}
	s.comp.leave()
	inst.outside = true
	h.fn.Call(ctx, g, stack)
	inst.outside = false
	inst.checkHandles(s.comp)
	if inst.trap != nil {
		// A nested call ended the instance and the host function went on.
		panic(inst.trap)
	}
}

// callsPerCheck is after how many calls of host functions the deadline is looked at: a guest that has the host copy large
// strings uses hardly any fuel.
const callsPerCheck = 64

func checkDeadline(ctx context.Context) {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
}

// leave traps where the component instance may call nothing outside of it.
func (c *componentState) leave() {
	if c.mayNotLeave {
		abi.Trapf("called while the guest allocates memory for its caller (%s) or cleans up after a call (post-return); "+
			"that must not call imports", reallocName)
	}
}

// recovered turns every panic of the host function name into a trap of the one guest that called it.
func recovered(ctx context.Context, inst *Instance, name string) {
	r := recover()
	if r == nil {
		return
	}
	if trap, ok := r.(*abi.Trap); ok {
		if trap.Func == "" {
			t := *trap
			t.Func = name
			trap = &t
		}
		panic(trap)
	}
	panic(hostPanic(ctx, inst.pool.log, name, r))
}

// hostPanic logs a panic of the host's code with its stack and makes it a trap.
func hostPanic(ctx context.Context, log *slog.Logger, name string, r any) *abi.Trap {
	log.ErrorContext(ctx, "a host function panicked; this is a bug of the host", "func", name, "panic", fmt.Sprint(r),
		"stack", string(debug.Stack()))
	cause, _ := r.(error)
	return &abi.Trap{Kind: abi.TrapHost, Func: name, Reason: fmt.Sprintf("the host panicked: %v", r), Cause: cause}
}
