package canon

import (
	"context"
	"testing"
)

// TestFusedAreas checks the addresses that are given for a result in memory.
func TestFusedAreas(t *testing.T) {
	f, err := NewFunc(nil, must(TupleOf(Prim(KindU32), Prim(KindU32))))
	if err != nil {
		t.Fatal(err)
	}
	u := NewFused(f)
	give := func(ptr uint64) *Callee {
		callee := newInstance(UTF8)
		return &Callee{Side: callee, Call: func(_ context.Context, stack []uint64) error { stack[0] = ptr; return nil }}
	}
	if err := u.Call(t.Context(), newInstance(UTF8), give(0), []uint64{0}); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []uint64{1, 4, 0xfffffffc} {
		wantTrap(t, func() { _ = u.Call(t.Context(), newInstance(UTF8), give(0), []uint64{bad}) }, "expected")
		wantTrap(t, func() { _ = u.Call(t.Context(), newInstance(UTF8), give(bad), []uint64{0}) }, "expected")
	}
}

// TestFusedReallocLies checks what cabi_realloc of the callee gives.
func TestFusedReallocLies(t *testing.T) {
	for name, tt := range map[string]struct {
		typ  *Type
		gave uint32
		n    uint64
		want string
	}{
		"past memory":           {must(ListOf(Prim(KindU8))), 0xffffffff, 1, "inside the memory"},
		"past memory, no bytes": {must(ListOf(Prim(KindU8))), 0xffffffff, 0, "inside the memory"},
		"misaligned":            {must(ListOf(Prim(KindU32))), 2, 1, "multiple of 4"},
		"misaligned, no bytes":  {must(ListOf(Prim(KindU32))), 2, 0, "multiple of 4"},
		"string":                {Prim(KindString), 8, 1, "inside the memory"},
		"strings":               {must(ListOf(Prim(KindString))), 4, 1, "inside the memory"},
	} {
		t.Run(name, func(t *testing.T) {
			caller, callee := newInstance(UTF8), newInstance(UTF8)
			caller.mem = append(caller.mem, 8, 0, 0, 0, 1, 0, 0, 0)
			callee.lie = func(uint32, uint32) uint32 { return tt.gave }
			wantTrap(t, func() {
				_ = fuse(t, tt.typ).Call(t.Context(), caller, &Callee{Side: callee, Call: noCall}, []uint64{8, tt.n})
			}, tt.want)
		})
	}
	shrinks := newInstance(UTF8)
	shrinks.shrink = true
	shrinks.lie = nil
	wantTrap(t, func() {
		_ = fuse(t, must(ListOf(Prim(KindU8)))).Call(t.Context(), newInstance(UTF8), &Callee{Side: shrinks, Call: noCall}, []uint64{0, 0})
	}, "expected")
}

// TestFusedBudget has a list whose elements are all the same long list or string, into a memory that is given out over
// and over.
func TestFusedBudget(t *testing.T) {
	const n = 1 << 16
	caller, callee := newInstance(UTF8), newInstance(UTF8)
	caller.mem = make([]byte, 8*n)
	for i := range n {
		write32(caller.mem[8*i+4:], n)
	}
	callee.mem = make([]byte, 8*n)
	callee.lie = func(uint32, uint32) uint32 { return 0 }
	for _, elem := range []*Type{must(ListOf(Prim(KindU64))), Prim(KindString)} {
		u := fuse(t, must(ListOf(elem)))
		wantTrap(t, func() {
			_ = u.Call(t.Context(), caller, &Callee{Side: callee, Call: noCall}, []uint64{0, n})
		}, "one call")
	}
}
