package canon

import (
	"context"
	"fmt"
	"sync"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// Fused is the plan of calls from one component instance to another: values are copied from memory to memory, with no Go
// value in between [canon lower, canon lift]. It is safe for concurrent use by different instances.
type Fused struct {
	f *Func
	// params converts flat parameters in place, from the caller's to the callee's; nil if they stay as they are.
	params flatMove
	// area copies the parameters' tuple if they go through memory.
	area memMove
	// result converts a flat result, and resultArea copies one that goes through memory, from the callee's to the caller's.
	result     flatMove
	resultArea memMove
	// memory tells that values are more than scalars, so that a transfer is needed, resultMemory that the result is.
	memory, resultMemory bool
	pool                 sync.Pool // of *transfer
}

// Callee is a function of a component instance, as its callers know it. It belongs to the instance.
type Callee struct {
	// Side is the instance with the options with which the function was lifted.
	Side Side
	// Call runs the core function: parameters are at the front of stack and results go there, as for abi.Guest.Call.
	Call func(ctx context.Context, stack []uint64) error
	// PostReturn runs the core function that cleans up, with the core results as parameters; nil if there is none.
	PostReturn func(ctx context.Context, stack []uint64) error
}

// transfer is the state of one call.
type transfer struct {
	l     Lift
	w     Lower
	scope Scope
	// lent are the caller's handles that are lent for the call.
	lent []uint32
	// results tells that results are copied, which hold no borrow.
	results bool
}

// NewFused plans calls of f.
func NewFused(f *Func) *Fused {
	c := newCompiler()
	u := &Fused{f: f}
	if f.area != nil {
		u.area = c.mem(f.area).run
	} else if len(f.params) > 0 {
		u.params = c.flatProduct(f.params)
	}
	u.memory = f.area != nil || c.needsTransfer
	c = newCompiler()
	if f.indirect() {
		u.resultArea, u.resultMemory = c.mem(f.result).run, true
	} else if f.result != nil {
		u.result = c.flat(f.result)
		u.resultMemory = c.needsTransfer
	}
	u.memory = u.memory || u.resultMemory
	return u
}

// Func gives the function.
func (u *Fused) Func() *Func { return u.f }

// Call calls the function from the core code of caller: stack is that of the lowered function, with the parameters at the
// front, and gets its results; it is Func.StackLen() long.
//
// It fails with the error of callee's functions. It panics with an *abi.Trap when one of both breaks the ABI. After
// either, neither is to be called again as it is.
func (u *Fused) Call(ctx context.Context, caller Side, callee *Callee, stack []uint64) error {
	if u.memory {
		return u.callMemory(ctx, caller, callee, stack)
	}
	if u.params != nil {
		u.params(nil, stack)
	}
	if err := callee.Call(ctx, stack); err != nil {
		return err
	}
	if callee.PostReturn == nil {
		if u.result != nil {
			u.result(nil, stack)
		}
		return nil
	}
	return u.finish(ctx, callee, stack, nil)
}

// callMemory is Call for values that are more than scalars.
func (u *Fused) callMemory(ctx context.Context, caller Side, callee *Callee, stack []uint64) error {
	t, _ := u.pool.Get().(*transfer)
	if t == nil {
		t = new(transfer)
	}
	t.begin(ctx, caller, callee.Side)
	var ret uint32
	if u.resultArea != nil {
		ret = uint32(stack[u.f.slots()])
		t.l.Area(ret, u.f.result.size, u.f.result.align)
	}
	u.passParams(t, stack)
	if err := callee.Call(ctx, stack); err != nil {
		return err
	}
	t.scope.End()
	if u.resultMemory {
		t.turn(ctx, caller, callee.Side)
	}
	if u.resultArea != nil {
		u.passResult(t, uint32(stack[0]), ret)
	}
	if err := u.finish(ctx, callee, stack, t); err != nil {
		return err
	}
	t.end(caller)
	u.pool.Put(t)
	return nil
}

// passParams passes the parameters on stack.
func (u *Fused) passParams(t *transfer, stack []uint64) {
	if u.area == nil {
		if u.params != nil {
			u.params(t, stack)
		}
		return
	}
	area := u.f.area
	src := uint32(stack[0])
	t.l.Area(src, area.size, area.align)
	t.charge(uint64(area.size))
	dst := t.w.Alloc(area.size, area.align)
	u.area(t, src, dst)
	stack[0] = uint64(dst)
}

// passResult passes a result that goes through memory.
func (u *Fused) passResult(t *transfer, src, dst uint32) {
	r := u.f.result
	t.l.Area(src, r.size, r.align)
	t.w.Area(dst, r.size, r.align)
	t.charge(uint64(r.size))
	u.resultArea(t, src, dst)
}

// finish passes a flat result and runs the clean-up, which gets the core results as they were.
func (u *Fused) finish(ctx context.Context, callee *Callee, stack []uint64, t *transfer) error {
	if u.f.result == nil {
		if callee.PostReturn == nil {
			return nil
		}
		return callee.PostReturn(ctx, stack)
	}
	core := stack[0]
	if u.result != nil {
		u.result(t, stack)
	}
	if callee.PostReturn == nil {
		return nil
	}
	passed := stack[0]
	stack[0] = core
	err := callee.PostReturn(ctx, stack)
	stack[0] = passed
	return err
}

// begin readies t for parameters.
func (t *transfer) begin(ctx context.Context, caller, callee Side) {
	t.between(ctx, caller, callee)
	t.w.scope = &t.scope
	t.results = false
}

// turn readies t for results.
func (t *transfer) turn(ctx context.Context, caller, callee Side) {
	t.between(ctx, callee, caller)
	t.results = true
}

// between readies t for values of from that pass to to.
func (t *transfer) between(ctx context.Context, from, to Side) {
	t.l = Lift{mem: from.Memory(), left: abi.MaxCallBytes, side: from, encoding: from.Encoding()}
	t.w = NewLower(ctx, to)
	t.w.from = &t.l
}

// end returns what was lent and forgets the instances.
func (t *transfer) end(caller Side) {
	for _, i := range t.lent {
		caller.Handles().Return(i)
	}
	*t = transfer{lent: t.lent[:0]}
}

// charge takes n bytes off the budget: copying costs time, even into memory that the callee gives out over and over.
func (t *transfer) charge(n uint64) { t.l.charge(n) }

// text passes a string of n code units at ptr.
func (t *transfer) text(ptr, n uint32) (dst, units uint32) {
	s := t.l.source(ptr, n, MaxStringBytes)
	t.charge(uint64(len(s.b)))
	s.check()
	s.from = &t.l
	return t.w.text(&s)
}

// handle passes a handle [lift_own, lift_borrow, lower_own, lower_borrow].
func (t *transfer) handle(typ *Type, i uint32) uint32 {
	id, _ := defines(t.l.side, typ.res)
	to, here := defines(t.w.side, typ.res)
	if typ.kind == KindOwn {
		return t.w.side.Handles().Add(to, t.l.side.Handles().Take(id, i))
	}
	if t.results {
		abi.Trapf("%s: expected a result without borrow, found one", typ.res.Name)
	}
	rep := t.l.side.Handles().Lend(id, i)
	t.lent = append(t.lent, i)
	if here {
		return rep.Num
	}
	return t.w.side.Handles().Borrow(to, rep, t.w.scope)
}

// String gives the function's type, for messages.
func (u *Fused) String() string { return fmt.Sprintf("fused %.200s", u.f.Text()) }
