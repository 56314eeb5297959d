package canon

import (
	"math/rand/v2"
	"testing"
)

// FuzzLift lifts from hostile memory by random types. Whatever the guest wrote, the host gets a value of the type
// or an *abi.Trap (trapOf lets other panics pass), within its budget.
func FuzzLift(f *testing.F) {
	for seed := range uint64(16) {
		r := rand.New(rand.NewPCG(seed, 2))
		typ := randomType(r, 5)
		h := newHeap(make([]byte, typ.Size())...)
		w := NewLower(f.Context(), h)
		typ.Store(&w, 0, randomValue(r, typ))
		f.Add(seed, uint32(0), typ.Size(), h.mem)
	}
	f.Add(uint64(1), uint32(0xfffffff8), uint32(0xffffffff), []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, seed uint64, ptr, n uint32, mem []byte) {
		const budget = 1 << 20
		r := rand.New(rand.NewPCG(seed, 2))
		typ := randomType(r, 5)
		list := must(ListOf(typ))
		fn, err := NewFunc([]Field{field("a", typ), field("b", list)}, typ)
		if err != nil {
			t.Fatal(err)
		}
		stack := make([]uint64, fn.StackLen())
		for i := range stack {
			stack[i] = []uint64{uint64(ptr), uint64(n), r.Uint64(), 0, 1}[r.IntN(5)]
		}
		for _, lift := range []func(*Lift) Value{
			func(l *Lift) Value { return typ.Load(l, l.Area(0, typ.Size(), typ.Align())) },
			func(l *Lift) Value { return Elems(list.liftFlat(l, []uint64{uint64(ptr), uint64(n)})) },
			func(l *Lift) Value { return Elems(fn.LiftParams(l, stack)...) },
			func(l *Lift) Value { return fn.LiftResult(l, stack) },
		} {
			l := Lift{mem: mem, left: budget}
			var v Value
			if trapOf(func() { v = lift(&l) }) != nil {
				continue
			}
			// The wrapping of a list above is on top.
			if got := hostBytes(v); got > budget+int(valueSize) {
				t.Errorf("%v: got a value of %d bytes, want at most %d", typ, got, budget)
			}
		}
		l := Lift{mem: mem, left: budget}
		var v Value
		if trapOf(func() { v = typ.Load(&l, l.Area(0, typ.Size(), typ.Align())) }) != nil {
			return
		}
		if err := typ.Check(v); err != nil {
			t.Fatalf("%v: lifted what is not of the type: %v", typ, err)
		}
		// What was lifted can be lowered and lifted again.
		again, err := NewFunc([]Field{field("a", typ)}, typ)
		if err != nil {
			t.Fatal(err)
		}
		roundTrip(t, again, []Value{v}, v)
	})
}

// hostBytes gives what v takes beside itself.
func hostBytes(v Value) int {
	n := len(v.Str) + len(v.Elems)*int(valueSize)
	for _, e := range v.Elems {
		n += hostBytes(e)
	}
	return n
}

// FuzzPrimitives calls what generated glue calls with hostile pointers, counts and values.
func FuzzPrimitives(f *testing.F) {
	f.Add(uint32(0), uint32(3), uint32(4), uint8(2), []byte("grün"))
	f.Add(uint32(0xffffffff), uint32(0xffffffff), uint32(0xffffffff), uint8(3), []byte{})
	f.Add(uint32(0), uint32(0xffffffff), uint32(0), uint8(0), []byte{0xed, 0xa0, 0x80})
	f.Fuzz(func(t *testing.T, ptr, n, size uint32, shift uint8, mem []byte) {
		align := uint32(1) << (shift % 4)
		l := Lift{mem: mem, left: 1 << 20}
		calls := []func(){
			func() { _ = l.String(ptr, n) },
			func() { _ = l.Bytes(ptr, n) },
			func() { l.Area(ptr, n, align) },
			func() {
				out, b := List[uint64](&l, ptr, n, size, align)
				for i := range out {
					_ = b[i*int(size) : (i+1)*int(size)]
				}
			},
			func() { l.StringAt(l.Area(ptr, 8, align), 0) },
			func() { ListAt[struct{}](&l, l.Area(ptr, 8, align), 0, size, align) },
			func() { Char(l.Area(ptr, 4, align), 0) },
			func() { Disc("variant", U32(l.Area(ptr, 4, align), 0), n) },
			func() {
				h := newHeap(mem...)
				h.lie = func(_, size uint32) uint32 { return ptr }
				w := NewLower(t.Context(), h)
				w.PutString(w.Alloc(8, align), string(mem))
			},
		}
		for _, call := range calls {
			_ = trapOf(call)
		}
	})
}
