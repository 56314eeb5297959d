package canon

import (
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// Direction tells which side of a core function the guest is on.
type Direction uint8

// The directions.
const (
	// Import is a function that the guest calls and the host implements (canon lower).
	Import Direction = iota
	// Export is a function that the guest implements and the host calls (canon lift).
	Export
)

// Func is the plan of a function: how its parameters and result pass the boundary. It is immutable and safe for
// concurrent use.
type Func struct {
	params []Field
	result *Type
	// flat are the parameters' core types; nil if they go through memory.
	flat []abi.ValType
	// area is the parameters' tuple if they go through memory; nil if they are flat.
	area *Type
	// async tells that it is an async function.
	async bool
}

// NewFunc plans a function; result is nil for none. It fails when a parameter has no type, or all of them together
// are beyond the limits of a type.
func NewFunc(params []Field, result *Type) (*Func, error) {
	f := &Func{params: params, result: result}
	if len(params) == 0 {
		return f, nil
	}
	tuple, err := product(KindTuple, params)
	if err != nil {
		return nil, fmt.Errorf("parameters: %w", err)
	}
	if len(tuple.flat) > MaxFlatParams {
		f.area = tuple
	} else {
		f.flat = tuple.flat
	}
	return f, nil
}

// Async gives f as an async function, which differs in its text.
func (f *Func) Async() *Func {
	a := *f
	a.async = true
	return &a
}

// IsAsync tells whether it is an async function.
func (f *Func) IsAsync() bool { return f.async }

// Params gives the parameters. The slice is not to be changed.
func (f *Func) Params() []Field { return f.params }

// Result gives the result's type; nil if there is none.
func (f *Func) Result() *Type { return f.result }

// Signature gives the core function's type.
func (f *Func) Signature(d Direction) (params, results []abi.ValType) {
	params = append(params, f.flat...)
	if f.area != nil {
		params = append(params, abi.I32)
	}
	switch {
	case f.result == nil:
	case !f.indirect():
		results = append(results, f.result.flat...)
	case d == Import:
		params = append(params, abi.I32)
	default:
		results = append(results, abi.I32)
	}
	return params, results
}

// StackLen gives how many slots a stack for the function has at least, in either direction.
func (f *Func) StackLen() int {
	if f.result == nil {
		return f.slots()
	}
	return max(f.slots()+1, MaxFlatResults)
}

// LiftParams lifts the parameters of an import's call from stack. It also checks the return area, so that a bad one
// traps before the function has effects. The stack is StackLen() long. A handle may not be both lent and passed on.
func (f *Func) LiftParams(l *Lift, stack []uint64) []Value {
	if len(f.params) == 0 {
		f.checkReturnArea(l, stack)
		return nil
	}
	l.charge(uint64(len(f.params)) * valueSize)
	return f.AppendParams(make([]Value, 0, len(f.params)), l, stack)
}

// AppendParams is LiftParams that appends to vs, for callers that keep a slice.
func (f *Func) AppendParams(vs []Value, l *Lift, stack []uint64) []Value {
	f.checkReturnArea(l, stack)
	if f.area != nil {
		b := l.Area(uint32(stack[0]), f.area.size, f.area.align)
		for i, p := range f.params {
			vs = append(vs, p.Type.codec.load(l, b[f.area.offsets[i]:]))
		}
	} else {
		for _, p := range f.params {
			vs = append(vs, p.Type.codec.lift(l, stack))
			stack = stack[len(p.Type.flat):]
		}
	}
	l.returnLent()
	return vs
}

// checkReturnArea checks the address that a guest gives for the result, if it does.
func (f *Func) checkReturnArea(l *Lift, stack []uint64) {
	if f.indirect() {
		l.Area(uint32(stack[f.slots()]), f.result.size, f.result.align)
	}
}

// returnLent returns the handles that were lent.
func (l *Lift) returnLent() {
	for _, i := range l.lent {
		l.side.Handles().Return(i)
	}
	l.lent = l.lent[:0]
}

// LowerResult lowers the result of an import's call: to stack, or to the return area whose address is still there
// since LiftParams. It fails when v is not of the result's type; without result it ignores v.
func (f *Func) LowerResult(w *Lower, stack []uint64, v Value) error {
	if f.result == nil {
		return nil
	}
	if err := f.result.Check(v); err != nil {
		return fmt.Errorf("result: %w", err)
	}
	if !f.indirect() {
		f.result.lowerFlat(w, stack, v)
		return nil
	}
	at := uint32(stack[f.slots()])
	w.Area(at, f.result.size, f.result.align)
	f.result.Store(w, at, v)
	return nil
}

// LowerParams lowers the parameters of an export's call to stack, which is StackLen() long. It fails when they are
// not of the parameters' types. With parameters that hold a borrow, the caller calls w.End after the call.
func (f *Func) LowerParams(w *Lower, stack []uint64, vs []Value) error {
	if len(vs) != len(f.params) {
		return fmt.Errorf("parameters: expected %d, found %d", len(f.params), len(vs))
	}
	for i, p := range f.params {
		if err := p.Type.Check(vs[i]); err != nil {
			return fmt.Errorf("parameter %s: %w", p.Name, err)
		}
	}
	if f.area != nil {
		at := w.Alloc(f.area.size, f.area.align)
		f.area.Store(w, at, Value{Elems: vs})
		stack[0] = uint64(at)
		return nil
	}
	for i, p := range f.params {
		p.Type.lowerFlat(w, stack, vs[i])
		stack = stack[len(p.Type.flat):]
	}
	return nil
}

// LiftResult lifts the result of an export's call from stack or the area whose address is there. l is to be made
// after the call. Without result it gives the zero Value.
func (f *Func) LiftResult(l *Lift, stack []uint64) Value {
	switch {
	case f.result == nil:
		return Value{}
	case f.indirect():
		return f.result.Load(l, l.Area(uint32(stack[0]), f.result.size, f.result.align))
	default:
		return f.result.liftFlat(l, stack)
	}
}

// End ends the call for which w lowered parameters. It traps when the guest has not dropped a handle that it was lent.
func (w *Lower) End() {
	if w.scope != nil {
		w.scope.End()
	}
}

// indirect tells whether the result goes through memory.
func (f *Func) indirect() bool { return f.result != nil && len(f.result.flat) > MaxFlatResults }

// slots gives how many slots the parameters take.
func (f *Func) slots() int {
	if f.area != nil {
		return 1
	}
	return len(f.flat)
}
