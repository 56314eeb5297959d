package engine

import (
	"context"

	"github.com/tetratelabs/wazero/api"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
)

// liftedFunc calls a function of one component instance for another: values are copied from memory to memory.
type liftedFunc struct {
	fused          *canon.Fused
	name           string
	caller, callee int // sides
	core, post     coreRef
	entered        []int
	index          int // among the instance's callees
}

func (p *program) liftedFunc(k int, t *link.Trampoline) *liftedFunc {
	l := t.Callee
	f := &liftedFunc{
		fused: canon.NewFused(l.Func), name: t.Name, index: k,
		caller: t.Options, callee: l.Options, core: p.refs(l.Core),
		entered: p.entered(p.plan.Options[t.Options].Component, p.plan.Options[l.Options].Component),
	}
	if l.PostReturn != nil {
		f.post = p.refs(*l.PostReturn)
	}
	return f
}

// Call implements api.GoModuleFunction.
func (f *liftedFunc) Call(ctx context.Context, mod api.Module, stack []uint64) {
	inst := callerOf(ctx, mod)
	defer recovered(ctx, inst, f.name)
	caller := &inst.sides[f.caller]
	caller.comp.leave()
	inst.enterAll(f.entered, f.name)
	if err := f.fused.Call(ctx, caller, f.calleeOf(inst), stack); err != nil {
		panic(inst.ended(ctx, f.name, err))
	}
	inst.leaveAll(f.entered)
}

// calleeOf gives the function as it is called in the instance.
func (f *liftedFunc) calleeOf(i *Instance) *canon.Callee {
	c := &i.callees[f.index]
	if c.Side != nil {
		return &c.Callee
	}
	s := &i.sides[f.callee]
	c.Side = s
	c.Call = func(ctx context.Context, stack []uint64) error {
		return i.callInside(ctx, &c.core, f.core, f.name, stack)
	}
	if f.post.name != "" {
		c.PostReturn = func(ctx context.Context, stack []uint64) error {
			s.comp.mayNotLeave = true
			err := i.callInside(ctx, &c.post, f.post, postReturn+f.name, stack)
			s.comp.mayNotLeave = false
			return err
		}
	}
	return &c.Callee
}

// callee is a function that another component instance calls.
type callee struct {
	canon.Callee
	core, post functions
}

// functions are the function objects of one core function that is called from inside of calls. Each has a stack of its
// own and must not be entered twice; the function may be.
type functions struct{ free []api.Function }

// callInside calls a core function from inside of a call.
func (i *Instance) callInside(ctx context.Context, fs *functions, ref coreRef, name string, stack []uint64) error {
	var f api.Function
	if n := len(fs.free); n > 0 {
		f, fs.free = fs.free[n-1], fs.free[:n-1]
	} else if f = i.core(ref); f == nil {
		abi.Trapf("%s: the component has no such core function", name)
	}
	if err := i.enter(ctx, name, f, stack); err != nil {
		return err
	}
	fs.free = append(fs.free, f)
	return nil
}
