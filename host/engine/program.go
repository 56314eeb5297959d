package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
)

// program is a component whose core modules are compiled: all that its instances have in common.
type program struct {
	plan *link.Plan
	// refs are where the core functions and memories of the plan are.
	refs func(link.CoreDef) coreRef
	// exports are what the host can call, by name, with the clean-ups of the functions that have one.
	exports map[string]export
	// resources are the indices of the plan's resources by their identity in types, and names of those that the
	// component defines by their names.
	resources map[*canon.Resource]int
	names     map[string]int
	// main is the side of the first export, -1 if there is none.
	main int
	// fused are the plans of the calls from one component instance to another.
	fused map[*link.Lifted]*canon.Fused
	// parts are the core modules of a graph, one for each core instance; nil for a component that is one module.
	parts []part
}

// export is a core function that the host calls.
type export struct {
	ref coreRef
	// side is the function's, and entered are the component instances that a call enters.
	side    int
	entered []int
	sig     signature
	// post tells that it is a clean-up.
	post bool
	fn   *canon.Func
	// typ is its component type as text.
	typ string
}

// noSide stands for a side that is not there.
const noSide = -1

// newProgram prepares what the plan says for instances whose core definitions are where refs tells.
func newProgram(plan *link.Plan, refs func(link.CoreDef) coreRef) *program {
	p := &program{
		plan: plan, refs: refs, exports: map[string]export{},
		resources: map[*canon.Resource]int{}, names: map[string]int{}, main: noSide,
		fused: map[*link.Lifted]*canon.Fused{},
	}
	for _, t := range plan.Trampolines {
		if t.Kind == link.CallLifted && p.fused[t.Callee] == nil {
			p.fused[t.Callee] = canon.NewFused(t.Callee.Func)
		}
	}
	for k, r := range plan.Resources {
		p.resources[r.Type] = k
		if r.Component >= 0 {
			p.names[r.Type.Name] = k
		}
	}
	for _, e := range plan.Exports {
		if e.Lifted == nil {
			continue // a function of the host, which the host need not call through a guest
		}
		p.nameResource(e)
		if p.main == noSide {
			p.main = e.Lifted.Options
		}
		f := abi.Func{Module: e.Interface, Name: e.Name}
		x := export{
			typ: e.Type,
			ref: refs(e.Lifted.Core), side: e.Lifted.Options, fn: e.Func,
			entered: p.entered(hostCaller, plan.Options[e.Lifted.Options].Component),
		}
		x.sig.params, x.sig.results = e.Func.Signature(canon.Export)
		p.exports[f.ExportName()] = x
		if e.Lifted.PostReturn != nil {
			x.ref, x.post, x.fn = refs(*e.Lifted.PostReturn), true, nil
			x.sig = signature{params: x.sig.results}
			p.exports[f.PostReturnName()] = x
		}
	}
	return p
}

// nameResource has the resource of an exported method or constructor found by that name, whatever else has the name.
func (p *program) nameResource(e link.Export) {
	name := resourceOf(e.Name)
	var t *canon.Type
	switch params := e.Func.Params(); {
	case name == "" || strings.HasPrefix(e.Name, "[static]"):
		return
	case strings.HasPrefix(e.Name, "[method]") && len(params) > 0:
		t = params[0].Type
	default:
		if t = e.Func.Result(); t != nil && t.Kind() == canon.KindResult {
			t = t.Members()[0].Type
		}
	}
	if t == nil {
		return
	}
	if k, ok := p.resources[t.Resource()]; ok && p.plan.Resources[k].Component >= 0 {
		p.names[resourceKey(e.Interface, name)] = k
	}
}

// ancestors gives a component instance and those in which it lies.
func (p *program) ancestors(c int) []int {
	var all []int
	for ; c >= 0; c = p.plan.Parents[c] {
		all = append(all, c)
	}
	return all
}

// hostCaller stands for the host as a caller.
const hostCaller = -1

// entered gives the component instances that a call from one to another enters: those that both lie in are not left.
func (p *program) entered(caller, callee int) []int {
	inside := p.ancestors(caller)
	return slices.DeleteFunc(p.ancestors(callee), func(c int) bool { return slices.Contains(inside, c) })
}

// describe tells the module what the component imports and exports.
func (p *program) describe(m *Module) {
	m.exports, m.types, m.imports = map[string]signature{}, map[string]string{}, nil
	for _, i := range p.plan.Imports {
		imp := Import{Module: i.Interface, Name: i.Name, Type: i.Type}
		imp.Params, imp.Results = i.Func.Signature(canon.Import)
		m.imports = append(m.imports, imp)
	}
	for name, x := range p.exports {
		m.exports[name] = x.sig
		if x.fn != nil {
			m.types[name] = x.typ
		}
	}
	m.index()
}

// prepare gives an instance what a component's has besides its core instances.
func (p *program) prepare(i *Instance) {
	plan := p.plan
	i.components = make([]componentState, plan.Components)
	i.caller = hostCaller
	i.resources = make([]*canon.Resource, len(plan.Resources))
	for k := range plan.Resources {
		i.resources[k] = i.resource(p, k)
	}
	i.sides = make([]side, len(plan.Options))
	for k, o := range plan.Options {
		s := &i.sides[k]
		*s = side{Instance: i, comp: &i.components[o.Component], index: o.Component, encoding: o.Encoding}
		if o.Realloc != nil {
			s.allocator = p.refs(*o.Realloc)
		}
		if o.Memory != nil && p.parts == nil {
			s.mem = i.mem
		}
	}
	// Where nobody asks for a side, the instance is as its first export sees it.
	first := side{comp: &i.components[0]}
	if p.main >= 0 {
		first = i.sides[p.main]
	}
	i.main.comp, i.main.encoding, i.main.mem, i.main.allocator = first.comp, first.encoding, first.mem, first.allocator
}

// resource gives the identity that a resource of the plan has in one instance.
func (i *Instance) resource(p *program, k int) *canon.Resource {
	r := p.plan.Resources[k]
	if r.Component < 0 {
		return r.Type
	}
	id := &canon.Resource{Name: r.Type.Name}
	if r.Dtor == nil {
		return id
	}
	dtor := p.refs(*r.Dtor)
	name := dtorPrefix + r.Type.Name
	id.Drop = func(ctx context.Context, rep canon.Rep) {
		caller := i.caller
		i.caller = hostCaller
		if i.trap != nil {
			panic(i.trap)
		}
		entered := p.entered(caller, r.Component)
		i.enterAll(entered, name)
		i.destroy(ctx, dtor, name, rep)
		i.leaveAll(entered)
	}
	return id
}

// enterAll enters component instances, which leaveAll leaves. It traps if one of them is in a call.
func (i *Instance) enterAll(components []int, name string) {
	for _, c := range components {
		if i.components[c].entered {
			trapEntered(name)
		}
	}
	for _, c := range components {
		i.components[c].entered = true
	}
}

func (i *Instance) leaveAll(components []int) {
	for _, c := range components {
		i.components[c].entered = false
	}
}

func trapEntered(name string) {
	abi.Trapf("%s: cannot enter component instance: expected one that is in no call, found that it is entered again "+
		"while a call of it waits", name)
}

// Defines implements canon.Component.
func (s *side) Defines(r *canon.Resource) (id *canon.Resource, here bool) {
	p := s.pool.module.program
	k, ok := p.resources[r]
	if !ok {
		return r, false
	}
	return s.resources[k], p.plan.Resources[k].Component == s.index
}

var _ canon.Component = (*side)(nil)

// Export implements canon.Exports.
func (i *Instance) Export(name string) abi.Guest {
	m := i.pool.module
	if m.program == nil {
		return i
	}
	if export, ok := m.find(name); ok {
		return &i.sides[m.program.exports[export].side]
	}
	return i
}
