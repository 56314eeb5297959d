package canon

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// FuzzFused calls with hostile memory and core values, by random types: what lifts for the host passes as the same value,
// and what does not traps.
func FuzzFused(f *testing.F) {
	for seed := range uint64(16) {
		r := rand.New(rand.NewPCG(seed, 2))
		typ := randomType(r, 4)
		h := newHeap(make([]byte, typ.Size())...)
		w := NewLower(f.Context(), h)
		typ.Store(&w, 0, randomValue(r, typ))
		f.Add(seed, uint32(0), typ.Size(), h.mem, uint8(seed))
	}
	f.Add(uint64(1), uint32(0xfffffff8), uint32(0xffffffff), []byte{0xff, 0xff, 0xff, 0xff}, uint8(4))
	f.Fuzz(func(t *testing.T, seed uint64, ptr, n uint32, mem []byte, how uint8) {
		r := rand.New(rand.NewPCG(seed, 2))
		typ := randomType(r, 4)
		fn, err := NewFunc([]Field{field("a", typ), field("b", must(ListOf(typ)))}, nil)
		if err != nil {
			t.Fatal(err)
		}
		caller, callee := newInstance(Encoding(how%3)), newInstance(Encoding(how/3%3))
		caller.mem = mem
		stack := make([]uint64, fn.StackLen())
		for i := range stack {
			stack[i] = []uint64{uint64(ptr), uint64(n), r.Uint64(), 0, 1}[r.IntN(5)]
		}
		l := NewLift(caller)
		l.left = 1 << 18
		var want []Value
		wantTrap := trapOf(func() { want = fn.LiftParams(&l, slices.Clone(stack)) })
		if wantTrap != nil && (strings.Contains(wantTrap.Reason, "one call") || strings.Contains(wantTrap.Reason, "at most")) {
			return // The host's bounds are lower.
		}
		var got []Value
		trap := trapOf(func() {
			_ = NewFused(fn).Call(t.Context(), caller, &Callee{Side: callee, Call: func(_ context.Context, stack []uint64) error {
				got = calleeLifts(fn, callee, stack)
				return nil
			}}, stack)
		})
		if (trap == nil) != (wantTrap == nil) {
			t.Fatalf("%s: got trap %v, want %v", fn.Text(), trap, wantTrap)
		}
		if trap == nil && !Elems(got...).Equal(Elems(want...)) {
			t.Fatalf("%s: got %v, want %v", fn.Text(), got, want)
		}
	})
}
