package engine

import (
	"context"
	"strconv"

	"github.com/tetratelabs/wazero/api"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
)

// trampolines makes the plan's trampolines for an app. chosen are the functions of the plan's imports.
func (p *program) trampolines(b builders, chosen []provided, offered *offer) {
	for k := range p.plan.Trampolines {
		t := &p.plan.Trampolines[k]
		imp := Import{Module: link.TrampolineModule, Name: strconv.Itoa(k), Params: t.Params, Results: t.Results}
		b.add(imp, p.trampoline(k, t, chosen, offered))
	}
}

func (p *program) trampoline(k int, t *link.Trampoline, chosen []provided, offered *offer) api.GoModuleFunction {
	switch t.Kind {
	case link.CallImport:
		return &hostFunc{fn: chosen[t.Import].fn, name: t.Name, side: t.Options}
	case link.CallLifted:
		return p.liftedFunc(k, t)
	case link.ResourceNew, link.ResourceRep, link.ResourceDrop:
		r := p.plan.Resources[t.Resource]
		if r.Component < 0 && t.Kind == link.ResourceDrop {
			if f, ok := offered.drop(r); ok {
				return &hostFunc{fn: f, name: t.Name, side: t.Options}
			}
		}
		return &builtin{t: t, component: p.plan.Options[t.Options].Component}
	default:
		return &alwaysTrap{name: t.Name}
	}
}

// drop gives the host's function that drops a handle of one of its resources.
func (o *offer) drop(r link.Resource) (abi.Func, bool) {
	all := o.byTrack[abi.Track(r.Interface)][resourceDrop+r.Name]
	if len(all) == 0 {
		return abi.Func{}, false
	}
	return all[0].fn, true
}

// builtin is resource.new, resource.rep or resource.drop.
type builtin struct {
	t         *link.Trampoline
	component int
}

// Call implements api.GoModuleFunction.
func (f *builtin) Call(ctx context.Context, mod api.Module, stack []uint64) {
	inst := callerOf(ctx, mod)
	defer recovered(ctx, inst, f.t.Name)
	c := &inst.components[f.component]
	if f.t.Kind != link.ResourceRep {
		c.leave()
	}
	res, value := inst.resources[f.t.Resource], uint32(stack[0])
	switch f.t.Kind {
	case link.ResourceNew:
		stack[0] = uint64(c.handles.Add(res, canon.Rep{Num: value}))
		inst.checkHandles(c)
	case link.ResourceRep:
		stack[0] = uint64(c.handles.Get(res, value).Num)
	default:
		inst.caller = f.component
		c.handles.Drop(ctx, res, value)
		inst.caller = hostCaller
	}
}

// alwaysTrap is a function that cannot be called.
type alwaysTrap struct{ name string }

// Call implements api.GoModuleFunction.
func (f *alwaysTrap) Call(ctx context.Context, _ api.Module, _ []uint64) {
	defer recovered(ctx, instanceOf(ctx), f.name)
	abi.Trapf("the component calls a function that can only trap")
}
