package engine

import (
	"context"
	"fmt"

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
		fused: p.fused[l], name: t.Name, index: k,
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
	inst.checkHandles(caller.comp)
	inst.checkHandles(inst.sides[f.callee].comp)
}

// calleeOf gives the function as it is called in the instance.
func (f *liftedFunc) calleeOf(i *Instance) *canon.Callee {
	if i.callees == nil {
		i.callees = make([]*callee, len(i.pool.module.program.plan.Trampolines))
	}
	if c := i.callees[f.index]; c != nil {
		return &c.Callee
	}
	s := &i.sides[f.callee]
	c := &callee{Callee: canon.Callee{Side: s}}
	i.callees[f.index] = c
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

// maxSpare bounds the function objects that an instance keeps for later calls: each takes more than 10 KiB.
const maxSpare = 64

// functions are the function objects of one core function that is called from inside of calls. Each has a stack of its
// own and must not be entered twice; the function may be.
type functions struct{ free []api.Function }

// callInside calls a core function from inside of a call.
func (i *Instance) callInside(ctx context.Context, fs *functions, ref coreRef, name string, stack []uint64) error {
	var f api.Function
	if n := len(fs.free); n > 0 {
		f, fs.free = fs.free[n-1], fs.free[:n-1]
		i.spare--
	} else if f = i.core(ref); f == nil {
		abi.Trapf("%s: the component has no such core function", name)
	}
	if err := i.enterInside(ctx, name, f, stack); err != nil {
		return err
	}
	if i.spare < maxSpare {
		i.spare++
		fs.free = append(fs.free, f)
	}
	return nil
}

// enter runs guest code, unless ctx has ended.
func (i *Instance) enter(ctx context.Context, name string, f api.Function, stack []uint64) error {
	if err := ctx.Err(); err != nil {
		return i.ended(ctx, name, err)
	}
	return i.enterInside(ctx, name, f, stack)
}

// enterInside is enter for what is called often inside of calls: these end if ctx has ended.
func (i *Instance) enterInside(ctx context.Context, name string, f api.Function, stack []uint64) error {
	if i.nested >= maxNested {
		return i.ended(ctx, name, &abi.Trap{
			Kind: abi.TrapGuest, Reason: fmt.Sprintf("stack overflow: more than %d calls into the guest in each other", maxNested),
		})
	}
	i.nested++
	err := f.CallWithStack(ctx, stack)
	i.nested--
	if err == nil && i.interruptible {
		// A result that comes late is none. And where the runtime watches over ctx, it may be closing the module just
		// now, because ctx ended as the call did.
		err = ctx.Err()
	}
	if err != nil {
		return i.ended(ctx, name, err)
	}
	return nil
}
