package engine

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/tetratelabs/wazero/api"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// The names of what a core module imports and exports for the resources of an interface that it exports.
const (
	intrinsicPrefix = "[export]"
	resourceNew     = "[resource-new]"
	resourceRep     = "[resource-rep]"
	resourceDrop    = "[resource-drop]"
	dtorPrefix      = "[dtor]"
)

// intrinsicKind gives the built-in that an import names, and its resource.
func intrinsicKind(name string) (kind, resource string) {
	for _, kind := range []string{resourceNew, resourceRep, resourceDrop} {
		if resource, ok := strings.CutPrefix(name, kind); ok && resource != "" {
			return kind, resource
		}
	}
	return "", ""
}

// checkIntrinsics refuses imports that are no built-ins of an exported resource.
func (m *Module) checkIntrinsics() []string {
	var problems []string
	for _, imp := range dedupe(m.intrinsics) {
		kind, _ := intrinsicKind(imp.Name)
		want := signature{params: []abi.ValType{abi.I32}}
		if kind != resourceDrop {
			want.results = want.params
		}
		switch {
		case kind == "":
			problems = append(problems, fmt.Sprintf("import %s: want %sNAME, %sNAME or %sNAME for an exported resource NAME",
				imp.label(), resourceNew, resourceRep, resourceDrop))
		case !imp.signature().equal(want):
			problems = append(problems, fmt.Sprintf("import %s: want %s, the module expects %s; generate the bindings of the guest anew",
				imp.label(), want, imp.signature()))
		}
	}
	return problems
}

// findResources gives the resources that a core module exports their identities.
func (m *Module) findResources() {
	m.resources = map[string]*canon.Resource{}
	for _, imp := range m.intrinsics {
		if kind, name := intrinsicKind(imp.Name); kind != "" {
			m.addResource(strings.TrimPrefix(imp.Module, intrinsicPrefix), name)
		}
	}
	for export := range m.exports {
		iface, fn, ok := strings.Cut(export, "#")
		if name := resourceOf(fn); ok && name != "" {
			m.addResource(iface, name)
		}
	}
}

// resourceOf gives the resource to which an exported function belongs, "" if it belongs to none.
func resourceOf(fn string) string {
	for _, kind := range []string{"[constructor]", dtorPrefix} {
		if name, ok := strings.CutPrefix(fn, kind); ok {
			return name
		}
	}
	for _, kind := range []string{"[method]", "[static]"} {
		if rest, ok := strings.CutPrefix(fn, kind); ok {
			name, _, _ := strings.Cut(rest, ".")
			return name
		}
	}
	return ""
}

// resourceKey is a resource's name among all.
func resourceKey(iface, name string) string {
	if iface == "" {
		return name
	}
	return abi.Track(iface) + "/" + name
}

func (m *Module) addResource(iface, name string) {
	key := resourceKey(iface, name)
	if m.resources[key] != nil {
		return
	}
	res := &canon.Resource{Name: key}
	dtor := abi.Func{Module: iface, Name: dtorPrefix + name}.ExportName()
	if sig, ok := m.exports[dtor]; ok && sig.equal(signature{params: []abi.ValType{abi.I32}}) {
		res.Drop = func(ctx context.Context, rep canon.Rep) {
			if inst := m.instanceIn(ctx); inst != nil {
				inst.destroy(ctx, coreRef{name: dtor}, dtor, rep)
			}
		}
	}
	m.resources[key] = res
}

// Resource implements canon.Side.
func (i *Instance) Resource(iface, name string) *canon.Resource {
	m, key := i.pool.module, resourceKey(iface, name)
	if m.program == nil {
		return m.resources[key]
	}
	if k, ok := m.program.names[key]; ok {
		return i.resources[k]
	}
	return nil
}

// moduleKey is the context key of the innermost instance of a module.
type moduleKey struct{ module *Module }

// instanceIn gives the innermost instance of the module whose call ctx belongs to; nil if there is none.
func (m *Module) instanceIn(ctx context.Context) *Instance {
	inst, _ := ctx.Value(moduleKey{m}).(*Instance)
	return inst
}

// destroy runs the destructor of a resource that the guest defines.
func (i *Instance) destroy(ctx context.Context, dtor coreRef, name string, rep canon.Rep) {
	if i.trap != nil {
		panic(i.trap)
	}
	switch {
	case !i.serves(ctx):
		abi.Trapf("%s: the host drops a resource of the guest after the call in which it got it; this is a bug of the host", name)
	case i.outside:
		abi.Trapf("%s: the host drops a resource of the guest while the guest is in a call; a guest is not entered twice", name)
	case i.calling.CompareAndSwap(false, true):
		defer i.calling.Store(false)
	}
	stack := [1]uint64{uint64(rep.Num)}
	f := i.core(dtor)
	if f == nil {
		abi.Trapf("%s: the guest does not export its destructor", name)
	}
	if err := i.enter(i.carriedBy(ctx), name, f, stack[:]); err != nil {
		panic(i.trap)
	}
}

// intrinsic is a built-in for a resource that a core module exports.
type intrinsic struct {
	kind, name string
	res        *canon.Resource
}

// intrinsic makes what an import needs that checkIntrinsics has accepted.
func (m *Module) intrinsic(imp Import) *intrinsic {
	kind, name := intrinsicKind(imp.Name)
	iface := strings.TrimPrefix(imp.Module, intrinsicPrefix)
	return &intrinsic{kind: kind, name: imp.label(), res: m.resources[resourceKey(iface, name)]}
}

// Call implements api.GoModuleFunction.
func (f *intrinsic) Call(ctx context.Context, mod api.Module, stack []uint64) {
	inst := callerOf(ctx, mod)
	defer recovered(ctx, inst, f.name)
	if f.kind != resourceRep {
		inst.components[0].leave()
	}
	handles, value := inst.Handles(), uint32(stack[0])
	switch f.kind {
	case resourceNew:
		stack[0] = uint64(handles.Add(f.res, canon.Rep{Num: value}))
	case resourceRep:
		stack[0] = uint64(handles.Get(f.res, value).Num)
	default:
		handles.Drop(ctx, f.res, value)
	}
}

// checkHandles bounds the handles that a component of many component instances has altogether.
func (i *Instance) checkHandles(c *componentState) {
	if most := canon.MaxHandles / len(i.components); c.handles.Len() > most {
		abi.Trapf("handles: expected at most %d in one of %d component instances, found more", most, len(i.components))
	}
}

// resetHandles drops what the guest has handles of, and gives it those of saved.
func (i *Instance) resetHandles(saved []*canon.Saved) {
	i.caller, i.nested = hostCaller, 0
	for k := range i.components {
		c := &i.components[k]
		c.mayNotLeave, c.entered = false, false
		var s *canon.Saved
		if k < len(saved) {
			s = saved[k]
		}
		if s != nil || c.handles.Len() > 0 {
			i.restoreHandles(c, s)
		} else {
			// The numbers of its next handles are not to depend on what was.
			c.handles.Reset(i.pool.base)
		}
	}
}

// restoreHandles gives the component instance other handles. It keeps a host object whose Drop panics from harming more than its own table.
func (i *Instance) restoreHandles(c *componentState, saved *canon.Saved) {
	defer func() {
		if r := recover(); r != nil {
			c.handles = canon.Handles{}
			i.pool.log.ErrorContext(i.pool.base, "a host object panicked when it was dropped; this is a bug of the host",
				"panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
	}()
	c.handles.Restore(i.between, saved)
}

// saveHandles gives the handles of all component instances, nil if none had any, unless there are some of what cannot be
// shared.
func (i *Instance) saveHandles() (saved []*canon.Saved, held canon.Held) {
	for k := range i.components {
		s, own := i.components[k].handles.Save()
		held = held.Plus(own)
		if s != nil && saved == nil {
			saved = make([]*canon.Saved, len(i.components))
		}
		if s != nil {
			saved[k] = s
		}
	}
	return saved, held
}

// held counts the handles of what cannot be shared.
func (i *Instance) held() (held canon.Held) {
	for k := range i.components {
		held = held.Plus(i.components[k].handles.Held())
	}
	return held
}
