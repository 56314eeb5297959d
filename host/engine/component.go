package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/tetratelabs/wazero"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// compileComponent compiles a component: as one core module if its core modules share a memory, else as a graph of them.
func (e *Engine) compileComponent(ctx context.Context, name string, file []byte, deps map[string][]byte) (*Module, error) {
	plan, err := e.plan(ctx, file, deps)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if !e.cfg.Graph {
		if m := e.compileMerged(ctx, name, plan); m != nil {
			return m, nil
		}
	}
	return e.compileGraph(ctx, name, plan)
}

// Bounds on what each instance of a component takes of the host.
const (
	maxOptions    = 10_000
	maxPartTables = 256
)

// plan decodes, checks and links a component. A panic of that on a strange component does not end the process.
func (e *Engine) plan(ctx context.Context, file []byte, deps map[string][]byte) (plan *link.Plan, err error) {
	defer func() {
		if r := recover(); r != nil {
			e.log.ErrorContext(ctx, "the linker panicked on a component; this is a bug of the host", "panic", fmt.Sprint(r),
				"stack", string(debug.Stack()))
			err = fmt.Errorf("the linker panicked: %v", r)
		}
	}()
	root, err := component.Parse(file)
	if err != nil {
		return nil, fmt.Errorf("not a valid component: %w", err)
	}
	trees := make(map[string]*component.Component, len(deps))
	for iface, file := range deps {
		if trees[iface], err = component.Parse(file); err != nil {
			return nil, fmt.Errorf("the component that provides %s: not a valid component: %w", iface, err)
		}
	}
	if plan, err = link.Compose(root, trees); err != nil {
		return nil, fmt.Errorf("the component cannot be linked: %w", err)
	}
	if n := len(plan.Options); n > maxOptions {
		return nil, fmt.Errorf("the component cannot be linked: want at most %d sets of canonical options, found %d", maxOptions, n)
	}
	used := make(map[*byte]bool, len(plan.Modules))
	for _, m := range plan.Modules {
		if len(m) > 0 {
			used[&m[0]] = true
		}
	}
	return plan, e.checkUnused(ctx, root, used)
}

// checkUnused checks the code of the core modules of a component that are not instantiated: the others are checked when
// they are compiled. What else the runtime does not like in them may be valid, and does not matter.
func (e *Engine) checkUnused(ctx context.Context, c *component.Component, used map[*byte]bool) error {
	for _, d := range c.Defs {
		var err error
		switch d := d.(type) {
		case *component.ComponentDef:
			err = e.checkUnused(ctx, d.Component, used)
		case *component.CoreModuleDef:
			if len(d.Bytes) > 0 && !used[&d.Bytes[0]] {
				err = e.checkCore(ctx, d.Bytes)
			}
		default:
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) checkCore(ctx context.Context, module []byte) error {
	module, err := prepare(module)
	if err != nil {
		return err
	}
	compiled, err := e.tryCompile(ctx, e.checked, module)
	if err != nil {
		if !strings.Contains(err.Error(), "invalid function") {
			return nil
		}
		return fmt.Errorf("not a valid component: a core module that is not instantiated: %w", err)
	}
	return compiled.Close(ctx)
}

// compileMerged makes one core module of a component's; it gives nil if they are to be linked as a graph.
func (e *Engine) compileMerged(ctx context.Context, name string, plan *link.Plan) *Module {
	if ok, why := plan.Mergeable(); !ok {
		e.log.DebugContext(ctx, "component runs as a graph", "component", name, "reason", why)
		return nil
	}
	merged, err := plan.Merge()
	var m *Module
	if err == nil {
		m, err = e.compileCore(ctx, name, merged.Wasm)
	}
	if err != nil {
		// As a graph the same component gives an error that names the core module.
		e.log.DebugContext(ctx, "component runs as a graph", "component", name, "reason", err)
		return nil
	}
	m.program = newProgram(plan, func(d link.CoreDef) coreRef { return coreRef{name: merged.ExportOf(d)} })
	m.program.describe(m)
	return m
}

// part is the core module of a core instance.
type part struct {
	compiled wazero.CompiledModule
	// fuel tells that it exports a counter of fuel.
	fuel bool
}

// compileGraph compiles the core modules of a component each for itself.
func (e *Engine) compileGraph(ctx context.Context, name string, plan *link.Plan) (*Module, error) {
	m := &Module{engine: e, name: name, runner: e.metered}
	bound := make([][]byte, len(plan.Instances))
	h := sha256.New()
	needs := &partNeeds{}
	for k, in := range plan.Instances {
		b, err := needs.bind(plan.Modules[in.Module], in.Args)
		if err == nil {
			b, err = prepare(b)
		}
		if err != nil {
			return nil, compileError(partName(name, plan, k), err)
		}
		bound[k] = b
		h.Write(b)
	}
	if err := needs.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	m.minMemory = needs.memory
	h.Sum(m.key[:0])
	m.program = newProgram(plan, func(d link.CoreDef) coreRef {
		if d.Instance < 0 {
			return coreRef{part: noPart, name: strconv.Itoa(d.Trampoline)}
		}
		return coreRef{part: d.Instance, name: d.Name}
	})
	m.program.describe(m)
	metered := e.cfg.Images != ImagesOff && e.meterParts(ctx, name, bound)
	if !metered {
		m.runner = e.checked
	}
	compiled := map[[sha256.Size]byte]wazero.CompiledModule{}
	m.program.parts = make([]part, len(bound))
	for k, b := range bound {
		key := sha256.Sum256(b)
		c := compiled[key]
		if c == nil {
			var err error
			if c, err = e.compile(ctx, m.runner, b); err != nil {
				return nil, errors.Join(compileError(partName(name, plan, k), err), m.closeCode(ctx))
			}
			compiled[key] = c
			m.code = append(m.code, c)
		}
		m.program.parts[k] = part{compiled: c, fuel: metered && !e.cfg.Uninterruptible}
	}
	return m, nil
}

// partName names a core module in errors.
func partName(name string, plan *link.Plan, k int) string {
	if in := plan.Instances[k].Name; in != "" {
		return name + ": core module " + in
	}
	return fmt.Sprintf("%s: core module %d", name, plan.Instances[k].Module)
}

// meterParts has all parts count their fuel; it is false if one of them cannot, and then none does.
func (e *Engine) meterParts(ctx context.Context, name string, parts [][]byte) bool {
	metered := make([][]byte, len(parts))
	done := map[string][]byte{}
	for k, b := range parts {
		if metered[k] = done[string(b)]; metered[k] != nil {
			continue
		}
		var err error
		if metered[k], err = meterPart(b, wasm.Options{NoFuel: e.cfg.Uninterruptible}); err != nil {
			e.log.DebugContext(ctx, "component runs without fuel", "component", name, "reason", err)
			return false
		}
		done[string(b)] = metered[k]
	}
	copy(parts, metered)
	return true
}

// meterPart has one part count its fuel.
func meterPart(b []byte, options wasm.Options) (_ []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the rewriter panicked: %v\n%s", r, debug.Stack())
		}
	}()
	result, err := wasm.TransformPart(b, options)
	switch {
	case err != nil:
		return nil, err
	case result.FuelGlobal == "" && !options.NoFuel:
		return nil, fmt.Errorf("fuel cannot be injected: %v", result.Skipped)
	}
	return result.Wasm, nil
}
