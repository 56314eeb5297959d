package canon

import (
	"context"
	"fmt"
	"unsafe"

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
}

// Callee is a function of a component instance, as its callers know it. It belongs to the instance.
type Callee struct {
	// Side is the instance with the options with which the function was lifted.
	Side Side
	// Call runs the core function: parameters are at the front of stack and results go there, as for abi.Guest.Call.
	Call func(ctx context.Context, stack []uint64) error
	// PostReturn runs the core function that cleans up, with the core results as parameters; nil if there is none.
	PostReturn func(ctx context.Context, stack []uint64) error
	// spare is what the last call has left for the next one; nil while a call is in flight.
	spare *transfer
}

// transfer is the state of one call.
type transfer struct {
	caller, callee end
	// reads is the one of both that l is of.
	reads *end
	// l and w are the two guests: of the parameters the caller is read and the callee written, of results the other way.
	l     Lift
	w     Lower
	scope Scope
	// lent are the caller's handles that are lent for the call.
	lent []uint32
	// results tells that results are copied, which hold no borrow.
	results bool
}

// end is one of the guests of a transfer, with what stays the same from call to call.
type end struct {
	side     Side
	encoding Encoding
	arena    Arena // nil if it has none
}

func newEnd(s Side) end {
	e := end{side: s, encoding: s.Encoding()}
	e.arena, _ = s.(Arena)
	return e
}

// transferFrom gives the state of a call by caller. It is made once for a callee that is called by one caller at a time.
func (c *Callee) transferFrom(caller Side) *transfer {
	t := c.spare
	c.spare = nil
	if t == nil || t.caller.side != caller || t.callee.side != c.Side {
		t = &transfer{caller: newEnd(caller), callee: newEnd(c.Side)}
	}
	return t
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
	t := callee.transferFrom(caller)
	t.between(ctx, &t.caller, &t.callee)
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
		t.results = true
		t.between(ctx, &t.callee, &t.caller)
	}
	if u.resultArea != nil {
		u.passResult(t, uint32(stack[0]), ret)
	}
	if err := u.finish(ctx, callee, stack, t); err != nil {
		return err
	}
	t.end()
	callee.spare = t
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

// between readies t for values of from that pass to to. It sets no more than has changed since the last call.
func (t *transfer) between(ctx context.Context, from, to *end) {
	l, w := &t.l, &t.w
	if t.reads != from {
		t.reads = from
		l.side, l.encoding = from.side, from.encoding
		w.g, w.side, w.encoding = to.side, to.side, to.encoding
		w.from, w.scope = l, &t.scope
	}
	l.left, w.ctx = abi.MaxCallBytes, ctx
	renew(&l.mem, from.side.Memory())
	renew(&w.mem, to.side.Memory())
	if to.arena != nil {
		w.arena = to.arena.Arena()
	} else {
		w.arena = 0
	}
}

// renew makes *view the memory as it is now, and writes nothing if that is what it is already, as it nearly always is:
// while the garbage collector runs a pointer that is written costs as much as the copy of a short string.
func renew(view *[]byte, mem []byte) {
	if len(*view) != len(mem) || unsafe.SliceData(*view) != unsafe.SliceData(mem) {
		*view = mem
	}
}

// end returns what was lent and forgets the call.
func (t *transfer) end() {
	if len(t.lent) > 0 {
		handles := t.caller.side.Handles()
		for _, i := range t.lent {
			handles.Return(i)
		}
		t.lent = t.lent[:0]
	}
	t.w.ctx = nil
	t.scope, t.results = Scope{}, false
}

// charge takes n bytes off the budget: copying costs time, even into memory that the callee gives out over and over.
func (t *transfer) charge(n uint64) { t.l.charge(n) }

// text passes a string of n code units at ptr.
func (t *transfer) text(ptr, n uint32) (dst, units uint32) {
	if t.l.encoding == UTF8 && t.w.encoding == UTF8 {
		return t.text8(ptr, n)
	}
	s := source{from: &t.l}
	t.l.source(&s, ptr, n, MaxStringBytes)
	t.charge(uint64(len(s.b)))
	s.check()
	return t.w.text(&s)
}

// text8 is text where both have UTF-8.
func (t *transfer) text8(ptr, n uint32) (dst, units uint32) {
	if n > MaxStringBytes {
		trapString(ptr, uint64(n), MaxStringBytes)
	}
	b := t.l.Area(ptr, n, 1)
	t.charge(uint64(n))
	if !valid8(b) {
		trapUTF8(ptr, b)
	}
	dst = t.w.Alloc(n, 1)
	copy(t.w.at(dst, n), t.l.mem[ptr:uint64(ptr)+uint64(n)]) // where it is after guest code has run
	return dst, n
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
