package canon

import (
	"context"
	"testing"
)

// TestFusedHandles passes handles of a resource that the callee defines, as the reference tests' borrows.wast does, and of
// one of the host.
func TestFusedHandles(t *testing.T) {
	plan, r := &Resource{Name: "r"}, &Resource{Name: "r"}
	host, _ := logged("host", true)
	newPair := func() (caller, callee *instance) {
		caller, callee = newInstance(UTF8), newInstance(UTF8)
		caller.identities = map[*Resource]*Resource{plan: r}
		callee.identities, callee.here = caller.identities, []*Resource{plan}
		return caller, callee
	}
	one := func(params []*Type, result *Type) *Fused {
		var fields []Field
		for _, p := range params {
			fields = append(fields, field("p", p))
		}
		f, err := NewFunc(fields, result)
		if err != nil {
			t.Fatal(err)
		}
		return NewFused(f)
	}
	run := func(u *Fused, caller, callee *instance, body func(stack []uint64), stack ...uint64) uint64 {
		t.Helper()
		stack = append(stack, 0)
		if err := u.Call(t.Context(), caller, &Callee{Side: callee, Call: func(_ context.Context, stack []uint64) error {
			body(stack)
			return nil
		}}, stack); err != nil {
			t.Fatal(err)
		}
		return stack[0]
	}

	t.Run("own result and own parameter", func(t *testing.T) {
		caller, callee := newPair()
		i := run(one(nil, OwnOf(plan)), caller, callee, func(stack []uint64) { stack[0] = uint64(callee.handles.Add(r, num(0x41))) })
		if i != 1 || callee.handles.Len() != 0 || caller.handles.Get(r, 1).Num != 0x41 {
			t.Fatalf("got handle %d and %d left with the callee", i, callee.handles.Len())
		}
		run(one([]*Type{OwnOf(plan)}, nil), caller, callee, func(stack []uint64) {
			if got := callee.handles.Get(r, uint32(stack[0])).Num; got != 0x41 {
				t.Errorf("got %#x, want 0x41", got)
			}
		}, i)
		if caller.handles.Len() != 0 || callee.handles.Len() != 1 {
			t.Errorf("got %d and %d handles, want 0 and 1", caller.handles.Len(), callee.handles.Len())
		}
	})
	t.Run("borrow to the definer", func(t *testing.T) {
		caller, callee := newPair()
		i := caller.handles.Add(r, num(0x41))
		run(one([]*Type{BorrowOf(plan), BorrowOf(plan)}, nil), caller, callee, func(stack []uint64) {
			if stack[0] != 0x41 || stack[1] != 0x41 {
				t.Errorf("got %#x, want what the handles stand for", stack)
			}
			wantTrap(t, func() { caller.handles.Take(r, i) }, "not lent")
		}, uint64(i), uint64(i))
		caller.handles.Take(r, i)
	})
	t.Run("borrow to another", func(t *testing.T) {
		caller, callee := newPair()
		callee.here = nil
		i := caller.handles.Add(r, num(0x41))
		drops := func(stack []uint64) {
			wantTrap(t, func() { callee.handles.Take(r, uint32(stack[0])) }, "borrowed")
			callee.handles.Drop(t.Context(), r, uint32(stack[0]))
		}
		u := one([]*Type{BorrowOf(plan)}, nil)
		run(u, caller, callee, drops, uint64(i))
		wantTrap(t, func() { run(u, caller, callee, func([]uint64) {}, uint64(i)) }, "1 borrowed")
	})
	t.Run("lend trap", func(t *testing.T) {
		caller, callee := newPair()
		i := uint64(caller.handles.Add(r, num(0x41)))
		wantTrap(t, func() {
			run(one([]*Type{BorrowOf(plan), OwnOf(plan)}, nil), caller, callee, func([]uint64) { t.Error("called") }, i, i)
		}, "not lent")
	})
	t.Run("unknown", func(t *testing.T) {
		caller, callee := newPair()
		wantTrap(t, func() { run(one([]*Type{BorrowOf(plan)}, nil), caller, callee, func([]uint64) {}, 3) }, "found 3, which is none")
		wantTrap(t, func() { run(one([]*Type{OwnOf(plan)}, nil), caller, callee, func([]uint64) {}, 3) }, "found 3, which is none")
		caller.handles.Add(host, num(1))
		wantTrap(t, func() { run(one([]*Type{OwnOf(plan)}, nil), caller, callee, func([]uint64) {}, 1) }, "expected a r, found a host")
		wantTrap(t, func() {
			run(one(nil, OwnOf(plan)), caller, callee, func(stack []uint64) { stack[0] = uint64(callee.handles.Add(&Resource{Name: "o"}, num(1))) })
		}, "expected a r, found a o")
		wantTrap(t, func() { run(one(nil, BorrowOf(plan)), caller, callee, func([]uint64) {}) }, "without borrow")
	})
	t.Run("in memory", func(t *testing.T) {
		caller, callee := newPair()
		obj := &shared{"x"}
		write := make([]byte, 16)
		for i := range 4 {
			write32(write[4*i:], uint64(caller.handles.Add(host, Rep{Obj: obj})))
		}
		caller.mem = append(caller.mem, write...)
		list := must(ListOf(must(TupleOf(OwnOf(host), BorrowOf(host)))))
		run(one([]*Type{list}, nil), caller, callee, func(stack []uint64) {
			for i := range uint32(2) {
				at := callee.mem[uint32(stack[0])+8*i:]
				if got := Object[*shared](callee, host, U32(at, 0)); got != obj {
					t.Errorf("got %v, want %v", got, obj)
				}
				callee.handles.Drop(t.Context(), host, U32(at, 4))
			}
		}, 8, 2)
		if caller.handles.Len() != 2 || callee.handles.Len() != 2 {
			t.Errorf("got %d and %d handles, want 2 and 2", caller.handles.Len(), callee.handles.Len())
		}
	})
}
