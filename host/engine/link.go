package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/mrt-wasm/mrt-wasm/abi"
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
	offered, err := offer(r.wasi, cfg.Funcs)
	if err != nil {
		return nil, fmt.Errorf("app %s: %w", cfg.App, err)
	}
	problems := append(checkImports(m, offered), checkExports(m, cfg.Exports)...)
	if len(problems) > 0 {
		return nil, &LinkError{App: cfg.App, Module: m.name, Problems: problems}
	}
	builders := map[string]wazero.HostModuleBuilder{}
	for _, imp := range dedupe(m.imports) {
		if imp.Module == wasi_snapshot_preview1.ModuleName {
			continue
		}
		b, ok := builders[imp.Module]
		if !ok {
			b = r.runtime.NewHostModuleBuilder(imp.Module)
			builders[imp.Module] = b
		}
		fn := offered[imp.Module][imp.Name].fn
		b.NewFunctionBuilder().
			WithGoModuleFunction(&hostFunc{fn: fn, name: fn.ExportName()}, apiTypes(fn.Params), apiTypes(fn.Results)).
			Export(imp.Name)
	}
	linked := map[string]hostModule{}
	for name, b := range builders {
		h, err := r.instantiateHost(ctx, b)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("app %s: link %s: %w", cfg.App, name, err), closeLinked(ctx, linked))
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

// provided is a host function and its signature; fn is empty for WASI.
type provided struct {
	fn  abi.Func
	sig signature
}

// offer gives all that the host provides, by module and name.
func offer(wasi hostModule, funcs []abi.Func) (map[string]map[string]provided, error) {
	offered := map[string]map[string]provided{wasi_snapshot_preview1.ModuleName: {}}
	for name, d := range wasi.compiled.ExportedFunctions() {
		offered[wasi_snapshot_preview1.ModuleName][name] = provided{sig: signatureOf(d)}
	}
	for _, f := range funcs {
		byName, ok := offered[f.Module]
		if !ok {
			byName = map[string]provided{}
			offered[f.Module] = byName
		}
		if _, dup := byName[f.Name]; dup {
			return nil, fmt.Errorf("the host function %s is provided twice", f.ExportName())
		}
		if f.Call == nil {
			return nil, fmt.Errorf("the host function %s has no code", f.ExportName())
		}
		byName[f.Name] = provided{fn: f, sig: signature{params: f.Params, results: f.Results}}
	}
	return offered, nil
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

func checkImports(m *Module, offered map[string]map[string]provided) []string {
	var problems []string
	unknown := map[string]bool{}
	for _, imp := range dedupe(m.imports) {
		byName, ok := offered[imp.Module]
		if !ok {
			if !unknown[imp.Module] {
				unknown[imp.Module] = true
				problems = append(problems, unknownInterface(imp.Module, imp.Name, slices.Sorted(maps.Keys(offered))))
			}
			continue
		}
		p, ok := byName[imp.Name]
		if !ok {
			problems = append(problems, unknownFunc(imp, slices.Sorted(maps.Keys(byName))))
			continue
		}
		if want := (signature{params: imp.Params, results: imp.Results}); !want.equal(p.sig) {
			problems = append(problems, fmt.Sprintf("import %s#%s: the host's function is %s, the module expects %s; "+
				"generate the bindings of the guest anew", imp.Module, imp.Name, p.sig, want))
		}
	}
	return problems
}

// unknownInterface describes an import of which the host knows not even the interface.
func unknownInterface(iface, fn string, have []string) string {
	s := fmt.Sprintf("import %s#%s: nobody provides the interface %s", iface, fn, iface)
	switch iface {
	case "gojs", "go":
		return s + "; the module is built for the browser: build it with GOOS=wasip1"
	case "env":
		return s + "; the linker left a symbol undefined"
	}
	base, _, _ := strings.Cut(iface, "@")
	for _, h := range have {
		if hb, version, _ := strings.Cut(h, "@"); hb == base {
			return s + "; the host has version " + version
		}
	}
	if near := nearest(iface, have); near != "" {
		return s + "; did you mean " + near + "?"
	}
	return s + "; the host has " + strings.Join(have, ", ")
}

func unknownFunc(imp Import, have []string) string {
	s := fmt.Sprintf("import %s#%s: the interface has no such function", imp.Module, imp.Name)
	if near := nearest(imp.Name, have); near != "" {
		return s + "; did you mean " + near + "?"
	}
	return s + "; it has " + strings.Join(have, ", ")
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
	exported := m.Interfaces()
	for _, f := range expected {
		if !slices.Contains(exported, f.Module) {
			continue
		}
		if _, ok := m.exports[f.ExportName()]; !ok {
			problems = append(problems, fmt.Sprintf("export %s: the module exports other functions of the interface, "+
				"but not this one", f.ExportName()))
			continue
		}
		check(f.ExportName(), signature{params: f.Params, results: f.Results})
		if _, ok := m.exports[f.PostReturnName()]; ok {
			check(f.PostReturnName(), signature{params: f.Results})
		}
	}
	return problems
}

// hostFunc is a host function as the runtime calls it.
type hostFunc struct {
	fn   abi.Func
	name string
}

// Call implements api.GoModuleFunction. It allocates nothing. The caller is found by the context and not by the
// module argument, which may be a module between.
func (h *hostFunc) Call(ctx context.Context, _ api.Module, stack []uint64) {
	inst := instanceOf(ctx)
	defer h.recovered(ctx, inst)
	if inst.mayNotLeave {
		abi.Trapf("called while the guest allocates memory for the host (%s); that must not call imports", reallocName)
	}
	inst.outside = true
	h.fn.Call(ctx, inst, stack)
	inst.outside = false
	if inst.trap != nil {
		// A nested call ended the instance and the host function went on.
		panic(inst.trap)
	}
}

// recovered turns every panic of a host function into a trap of the one guest that called it.
func (h *hostFunc) recovered(ctx context.Context, inst *Instance) {
	r := recover()
	if r == nil {
		return
	}
	if trap, ok := r.(*abi.Trap); ok {
		if trap.Func == "" {
			t := *trap
			t.Func = h.name
			trap = &t
		}
		panic(trap)
	}
	panic(hostPanic(ctx, inst.pool.log, h.name, r))
}

// hostPanic logs a panic of the host's code with its stack and makes it a trap.
func hostPanic(ctx context.Context, log *slog.Logger, name string, r any) *abi.Trap {
	log.ErrorContext(ctx, "a host function panicked; this is a bug of the host", "func", name, "panic", fmt.Sprint(r),
		"stack", string(debug.Stack()))
	cause, _ := r.(error)
	return &abi.Trap{Kind: abi.TrapHost, Func: name, Reason: fmt.Sprintf("the host panicked: %v", r), Cause: cause}
}
