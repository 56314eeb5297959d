package canon

import (
	"context"
	"slices"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// logged gives a resource that logs what its destructor gets.
func logged(name string, host bool) (*Resource, *[]Rep) {
	log := new([]Rep)
	return &Resource{Name: name, Host: host, Drop: func(_ context.Context, rep Rep) { *log = append(*log, rep) }}, log
}

func num(n uint32) Rep { return Rep{Num: n} }

// TestHandleNumbers checks the numbers of handles, which are the specification's: from 1 on, the last freed first.
func TestHandleNumbers(t *testing.T) {
	r, log := logged("r", false)
	var h Handles
	add := func(n, want uint32) {
		t.Helper()
		if got := h.Add(r, num(n)); got != want {
			t.Errorf("add: got handle %d, want %d", got, want)
		}
	}
	add(100, 1)
	add(200, 2)
	add(300, 3)
	h.Drop(t.Context(), r, 2)
	add(400, 2)
	for i, want := range []uint32{100, 400, 300} {
		if got := h.Get(r, uint32(i+1)).Num; got != want {
			t.Errorf("handle %d: got %d, want %d", i+1, got, want)
		}
	}
	h.Drop(t.Context(), r, 1)
	if got := h.Take(r, 2).Num; got != 400 {
		t.Errorf("take: got %d, want 400", got)
	}
	h.Drop(t.Context(), r, 3)
	if h.Len() != 0 {
		t.Errorf("got %d handles, want 0", h.Len())
	}
	add(500, 3)
	add(600, 2)
	add(700, 1)
	add(800, 4)
	if want := []Rep{num(200), num(100), num(300)}; !slices.Equal(*log, want) {
		t.Errorf("destructors: got %v, want %v", *log, want)
	}
}

func TestHandleTraps(t *testing.T) {
	a, _ := logged("ns:p/i/a", false)
	b, _ := logged("ns:p/i/b", false)
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		do   func(h *Handles, scope *Scope)
		want string
	}{
		{"get 0", func(h *Handles, _ *Scope) { h.Get(a, 0) }, "found 0, which is none"},
		{"get never made", func(h *Handles, _ *Scope) { h.Get(a, 5) }, "found 5, which is none"},
		{"get max", func(h *Handles, _ *Scope) { h.Get(a, 1<<32-1) }, "found 4294967295, which is none"},
		{"get wrong type", func(h *Handles, _ *Scope) { h.Get(b, h.Add(a, num(1))) }, "expected a ns:p/i/b, found a ns:p/i/a"},
		{"drop wrong type", func(h *Handles, _ *Scope) { h.Drop(ctx, b, h.Add(a, num(1))) }, "expected a ns:p/i/b"},
		{"take wrong type", func(h *Handles, _ *Scope) { h.Take(b, h.Add(a, num(1))) }, "expected a ns:p/i/b"},
		{"lend wrong type", func(h *Handles, _ *Scope) { h.Lend(b, h.Add(a, num(1))) }, "expected a ns:p/i/b"},
		{"double drop", func(h *Handles, _ *Scope) {
			i := h.Add(a, num(1))
			h.Drop(ctx, a, i)
			h.Drop(ctx, a, i)
		}, "which is none"},
		{"get after take", func(h *Handles, _ *Scope) {
			i := h.Add(a, num(1))
			h.Take(a, i)
			h.Get(a, i)
		}, "which is none"},
		{"take twice", func(h *Handles, _ *Scope) {
			i := h.Add(a, num(1))
			h.Take(a, i)
			h.Take(a, i)
		}, "which is none"},
		{"drop lent", func(h *Handles, _ *Scope) {
			i := h.Add(a, num(1))
			h.Lend(a, i)
			h.Drop(ctx, a, i)
		}, "not lent"},
		{"take lent twice and returned once", func(h *Handles, _ *Scope) {
			i := h.Add(a, num(1))
			h.Lend(a, i)
			h.Lend(a, i)
			h.Return(i)
			h.Take(a, i)
		}, "not lent"},
		{"take borrowed", func(h *Handles, s *Scope) { h.Take(a, h.Borrow(a, num(1), s)) }, "which is borrowed"},
		{"drop borrowed that is lent on", func(h *Handles, s *Scope) {
			i := h.Borrow(a, num(1), s)
			h.Lend(a, i)
			h.Drop(ctx, a, i)
		}, "not lent"},
		{"borrowed at the end", func(h *Handles, s *Scope) {
			h.Borrow(a, num(1), s)
			h.Drop(ctx, a, h.Borrow(a, num(1), s))
			s.End()
		}, "1 borrowed handles"},
	} {
		t.Run(tt.name, func(t *testing.T) { wantTrap(t, func() { tt.do(new(Handles), new(Scope)) }, tt.want) })
	}
}

func TestHandleBorrow(t *testing.T) {
	r, log := logged("r", false)
	var h Handles
	var scope Scope
	i := h.Borrow(r, num(7), &scope)
	if got := h.Get(r, i).Num; got != 7 {
		t.Errorf("got %d, want 7", got)
	}
	h.Lend(r, i)
	h.Return(i)
	h.Drop(t.Context(), r, i)
	scope.End()
	if len(*log) != 0 {
		t.Errorf("a borrowed handle's drop destroyed %v", *log)
	}
	h.Return(i) // of a handle that is gone
	h.Return(0)
	h.Return(99)
}

// TestHandleLimit fills a table.
func TestHandleLimit(t *testing.T) {
	r, _ := logged("r", false)
	var h Handles
	for range MaxHandles {
		h.Add(r, num(1))
	}
	wantTrap(t, func() { h.Add(r, num(1)) }, "expected at most")
	h.Drop(t.Context(), r, 5)
	if got := h.Add(r, num(1)); got != 5 {
		t.Errorf("got handle %d, want 5", got)
	}
}

// shared is an object that instances have in common.
type shared struct{ name string }

func (s *shared) SharedResource() string { return s.name }

func TestHandleReset(t *testing.T) {
	host, hostLog := logged("wasi:io/streams@0.2/input-stream", true)
	guest, guestLog := logged("ns:p/i/r", false)
	var h Handles
	out := &shared{"stdout"}
	h.Add(host, Rep{Obj: out})
	saved, held := h.Save()
	if held != nil {
		t.Fatalf("a table of shared objects is not saved: %v", held)
	}
	h.Add(host, num(1))
	h.Add(guest, num(2))
	h.Borrow(host, num(3), new(Scope))
	const want = "1 of ns:p/i/r, 2 of wasi:io/streams@0.2/input-stream"
	if _, held := h.Save(); held.String() != want {
		t.Errorf("got a table that holds %q, want %q", held, want)
	}
	h.Restore(t.Context(), saved)
	if want := []Rep{{Obj: out}, num(1)}; !slices.Equal(*hostLog, want) || len(*guestLog) != 0 {
		t.Errorf("destructors: got %v and %v, want %v and none", *hostLog, *guestLog, want)
	}
	if h.Len() != 1 || h.Get(host, 1).Obj != out {
		t.Errorf("got %d handles, want the saved one", h.Len())
	}
	if got := h.Add(guest, num(4)); got != 2 {
		t.Errorf("got handle %d, want 2", got)
	}
	wantTrap(t, func() { h.Get(guest, 3) }, "which is none")
	h.Restore(t.Context(), nil)
	if h.Len() != 0 {
		t.Errorf("got %d handles, want 0", h.Len())
	}
}

func TestResourceIs(t *testing.T) {
	a, b := &Resource{Name: "r"}, &Resource{Name: "r"}
	hostA, hostB := &Resource{Name: "r", Host: true}, &Resource{Name: "r", Host: true}
	other := &Resource{Name: "o", Host: true}
	for _, tt := range []struct {
		a, b *Resource
		want bool
	}{{a, a, true}, {a, b, false}, {hostA, hostB, true}, {hostA, a, false}, {a, hostA, false}, {hostA, other, false}} {
		if got := tt.a.Is(tt.b); got != tt.want {
			t.Errorf("%+v and %+v: got %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

// TestObjects checks what generated glue calls for resources of the host.
func TestObjects(t *testing.T) {
	r, _ := logged("ns:p/i/r", true)
	g := newInstance(UTF8)
	obj := &shared{"x"}
	i := AddObject(g, r, obj)
	if got := Object[*shared](g, r, i); got != obj {
		t.Errorf("got %v, want %v", got, obj)
	}
	if got := Object[Shared](g, r, i); got != obj {
		t.Errorf("got %v, want %v", got, obj)
	}
	wantTrap(t, func() { Object[chan int](g, r, i) }, "ns:p/i/r", "found *canon.shared")
	if got := TakeObject[*shared](g, r, i); got != obj || g.handles.Len() != 0 {
		t.Errorf("got %v and %d handles, want %v and 0", got, g.handles.Len(), obj)
	}
	var scope Scope
	i = LendObject(g, r, obj, &scope)
	wantTrap(t, func() { TakeObject[*shared](g, r, i) }, "borrowed")
	wantTrap(t, scope.End, "1 borrowed")
	HandlesOf(g).Drop(t.Context(), r, i)
	scope.End()
	wantTrap(t, func() { HandlesOf(newHeap()) }, "handle table")
	var bare abi.Guest = newHeap()
	wantTrap(t, func() { AddObject(bare, r, obj) }, "handle table")
}

// TestHandleValues passes handles by the dynamic layer.
func TestHandleValues(t *testing.T) {
	host, _ := logged("ns:p/i/host", true)
	plan, own := &Resource{Name: "guest"}, &Resource{Name: "guest"}
	g := newInstance(UTF8)
	g.identities = map[*Resource]*Resource{plan: own}
	obj := &shared{"x"}

	call := func(f *Func, vs ...Value) ([]uint64, *Lower) {
		t.Helper()
		w, stack := NewLower(t.Context(), g), make([]uint64, f.StackLen())
		if err := f.LowerParams(&w, stack, vs); err != nil {
			t.Fatal(err)
		}
		return stack, &w
	}
	lift := func(f *Func, stack []uint64) []Value {
		l := NewLift(g)
		return f.LiftParams(&l, stack)
	}
	fn := func(types ...*Type) *Func {
		var fields []Field
		for _, typ := range types {
			fields = append(fields, field("p", typ))
		}
		f, err := NewFunc(fields, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}

	f := fn(OwnOf(host), must(ListOf(OwnOf(plan))))
	want := []Value{HandleOf(Rep{Obj: obj}), Elems(HandleOf(num(7)), HandleOf(num(8)))}
	stack, w := call(f, want...)
	w.End()
	if got := g.handles.Get(own, 3).Num; got != 8 {
		t.Errorf("got %d behind handle 3, want 8 of the instance's resource", got)
	}
	if got := lift(f, stack); !Elems(got...).Equal(Elems(want...)) || g.handles.Len() != 0 {
		t.Errorf("got %v and %d handles, want %v and 0", got, g.handles.Len(), want)
	}

	// A borrow is a handle that the guest has to drop, or for the guest that defines the resource what it stands for.
	f = fn(BorrowOf(host), BorrowOf(plan))
	want = []Value{HandleOf(Rep{Obj: obj}), HandleOf(num(7))}
	stack, w = call(f, want...)
	if got := lift(f, stack); !Elems(got...).Equal(Elems(want...)) {
		t.Errorf("got %v, want %v", got, want)
	}
	wantTrap(t, w.End, "2 borrowed")
	g.handles.Drop(t.Context(), host, uint32(stack[0]))
	g.here = []*Resource{plan}
	g.handles.Drop(t.Context(), own, uint32(stack[1]))
	w.End()
	if stack, _ := call(fn(BorrowOf(plan)), HandleOf(num(9))); stack[0] != 9 {
		t.Errorf("got %d, want what the handle stands for, 9", stack[0])
	}

	i := uint64(g.handles.Add(host, num(1)))
	wantTrap(t, func() { lift(fn(BorrowOf(host), OwnOf(host)), []uint64{i, i}) }, "not lent")
	i = uint64(g.handles.Add(host, num(1)))
	wantTrap(t, func() { lift(fn(OwnOf(host), OwnOf(host)), []uint64{i, i}) }, "which is none")
	l := NewLift(newHeap())
	wantTrap(t, func() { fn(OwnOf(host)).LiftParams(&l, []uint64{1}) }, "handle table")
	low := NewLower(t.Context(), newHeap())
	wantTrap(t, func() { _ = fn(OwnOf(host)).LowerParams(&low, []uint64{1}, []Value{HandleOf(num(1))}) }, "handle table")
}
