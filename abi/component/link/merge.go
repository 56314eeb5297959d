package link

import (
	"fmt"
	"strconv"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// TrampolineModule is the module name under which a merged module imports trampolines; their names are their indices
// in Plan.Trampolines, in decimal.
const TrampolineModule = "mrt:link"

// The names of what a merged module exports besides the functions.
const (
	memoryName  = "memory"
	reallocName = "cabi_realloc"
)

// Merged is a plan's core instances as one core module, which looks like a module that was built as one: it exports its
// memory, cabi_realloc and the functions under their canonical names. Its start function starts the instances.
type Merged struct {
	Wasm    []byte
	exports map[CoreDef]string
}

// ExportOf gives the name under which the merged module exports d; empty if it does not. All that a plan names is
// exported: memories and reallocs of options, lifted functions with what cleans up after them, destructors.
func (m *Merged) ExportOf(d CoreDef) string { return m.exports[d] }

// Mergeable tells whether the core instances can be one module as far as that can be told without a look at their
// code: not if there are several memories among them, or one of a kind that the rewriter does not know. why says why
// not.
func (p *Plan) Mergeable() (ok bool, why string) {
	memories := 0
	facts := make([]*coreModule, len(p.Modules))
	for _, in := range p.Instances {
		m := facts[in.Module]
		if m == nil {
			m = &coreModule{bytes: p.Modules[in.Module], exports: map[string]component.Sort{}}
			if err := m.read(); err != nil {
				return false, fmt.Sprintf("%s: %v", in.Name, err)
			}
			facts[in.Module] = m
		}
		if m.odd != "" {
			return false, fmt.Sprintf("%s has %s", in.Name, m.odd)
		}
		memories += m.memories
	}
	if memories > 1 {
		return false, fmt.Sprintf("its core modules have %d memories", memories)
	}
	return true, ""
}

// Merge makes one core module of the plan's core instances. It fails with a *wasm.Unfit among its causes if they are
// sound but cannot be one; the instances are then to be linked as they are.
func (p *Plan) Merge() (*Merged, error) {
	m := &merger{
		plan: p, out: &Merged{exports: map[CoreDef]string{}}, forward: wasm.Module{},
		taken: map[string]bool{}, forwarded: map[int]bool{},
	}
	parts := make([]wasm.Part, len(p.Instances), len(p.Instances)+1)
	for i, in := range p.Instances {
		parts[i] = wasm.Part{Name: in.Name, Wasm: p.Modules[in.Module], Imports: resolver(in.Args)}
	}
	m.exports()
	if len(m.forward.Imports) > 0 {
		parts = append(parts, wasm.Part{
			Name: TrampolineModule, Wasm: m.forward.Encode(),
			Imports: func(module, name string, _ wasm.Kind) (wasm.Target, bool) { return wasm.FromHost(module, name), true },
		})
	}
	var err error
	if m.out.Wasm, err = wasm.Merge(parts, m.list); err != nil {
		return nil, fmt.Errorf("merging the component's core modules: %w", err)
	}
	return m.out, nil
}

type importName struct {
	module, name string
	kind         wasm.Kind
}

// resolver gives what the imports of a core instance resolve to.
func resolver(args []CoreArg) func(module, name string, kind wasm.Kind) (wasm.Target, bool) {
	targets := make(map[importName]wasm.Target, len(args))
	for _, a := range args {
		t := wasm.FromPart(a.Def.Instance, a.Def.Name)
		if a.Def.Instance < 0 {
			t = wasm.FromHost(TrampolineModule, strconv.Itoa(a.Def.Trampoline))
		}
		targets[importName{a.Module, a.Name, wasm.Kind(a.Def.Sort)}] = t
	}
	return func(module, name string, kind wasm.Kind) (wasm.Target, bool) {
		t, ok := targets[importName{module, name, kind}]
		return t, ok
	}
}

// merger collects what a merged module exports.
type merger struct {
	plan  *Plan
	out   *Merged
	list  []wasm.MergeExport
	taken map[string]bool
	// forward is a part that exports the trampolines that the plan names like functions of a core instance: a function
	// that is lowered and then lifted again, for example.
	forward   wasm.Module
	forwarded map[int]bool
}

// exports names what the plan needs: first the names that a module has which was built as one, in the order in which
// they matter.
func (m *merger) exports() {
	p := m.plan
	for _, i := range m.optionsByUse() {
		if o := p.Options[i]; o.Memory != nil {
			m.add(memoryName, *o.Memory, false)
		}
	}
	m.anyMemory()
	for _, i := range m.optionsByUse() {
		if o := p.Options[i]; o.Realloc != nil {
			m.add(reallocName, *o.Realloc, false)
		}
	}
	for _, e := range p.Exports {
		if e.Lifted == nil {
			continue
		}
		f := abi.Func{Module: e.Interface, Name: e.Name}
		m.add(f.ExportName(), e.Lifted.Core, true)
		if e.Lifted.PostReturn != nil {
			m.add(f.PostReturnName(), *e.Lifted.PostReturn, true)
		}
	}
	for i, t := range p.Trampolines {
		if t.Kind != CallLifted {
			continue
		}
		m.add(fmt.Sprintf("%s/callee.%d", TrampolineModule, i), t.Callee.Core, false)
		if t.Callee.PostReturn != nil {
			m.add(fmt.Sprintf("%s/post.%d", TrampolineModule, i), *t.Callee.PostReturn, false)
		}
	}
	for i, r := range p.Resources {
		if r.Dtor != nil {
			m.add(fmt.Sprintf("%s/dtor.%d", TrampolineModule, i), *r.Dtor, false)
		}
	}
}

// optionsByUse gives the indices of the options, those of the root's exports first: they are the primary ones.
func (m *merger) optionsByUse() []int {
	seen := make([]bool, len(m.plan.Options))
	var out []int
	use := func(i int) {
		if !seen[i] {
			seen[i] = true
			out = append(out, i)
		}
	}
	for _, e := range m.plan.Exports {
		if e.Lifted != nil {
			use(e.Lifted.Options)
		}
	}
	for i := range m.plan.Options {
		use(i)
	}
	return out
}

// anyMemory exports the memory that no options name, if an instance exports it.
func (m *merger) anyMemory() {
	if m.taken[memoryName] {
		return
	}
	for i, in := range m.plan.Instances {
		c := &coreModule{bytes: m.plan.Modules[in.Module], exports: map[string]component.Sort{}}
		if c.read() != nil || c.memory == "" {
			continue
		}
		m.add(memoryName, CoreDef{Sort: component.SortCoreMemory, Instance: i, Name: c.memory}, false)
		return
	}
}

// add exports d as name, or, if that is taken, as name with a number. Unless it must have that very name, it is not
// exported again if it is already.
func (m *merger) add(name string, d CoreDef, must bool) {
	have, ok := m.out.exports[d]
	if ok && (!must || have == name) {
		return
	}
	unique := name
	for i := 1; m.taken[unique]; i++ {
		unique = name + "." + strconv.Itoa(i)
	}
	m.taken[unique] = true
	if !ok {
		m.out.exports[d] = unique
	}
	part, export := d.Instance, d.Name
	if part < 0 {
		part, export = len(m.plan.Instances), strconv.Itoa(d.Trampoline)
		m.forwardTo(d.Trampoline, export)
	}
	m.list = append(m.list, wasm.MergeExport{Name: unique, Part: part, Export: export})
}

// forwardTo makes the part of forwarded trampolines export one.
func (m *merger) forwardTo(i int, name string) {
	if m.forwarded[i] {
		return
	}
	m.forwarded[i] = true
	t, f := &m.plan.Trampolines[i], &m.forward
	f.Types = append(f.Types, wasm.FuncType{Params: coreTypes(t.Params), Results: coreTypes(t.Results)})
	n := uint32(len(f.Imports))
	f.Imports = append(f.Imports, wasm.Import{Module: TrampolineModule, Name: name, Kind: wasm.KindFunc, Func: n})
	f.Exports = append(f.Exports, wasm.Export{Name: name, Kind: wasm.KindFunc, Index: n})
}

func coreTypes(from []abi.ValType) []wasm.ValType {
	out := make([]wasm.ValType, len(from))
	for i, t := range from {
		out[i] = wasm.ValType(t)
	}
	return out
}
