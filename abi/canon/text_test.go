package canon

import (
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

func TestText(t *testing.T) {
	stream := &Resource{Name: "wasi:io/streams@0.2/input-stream", Host: true}
	str, u8 := Prim(KindString), Prim(KindU8)
	variant := must(VariantOf(field("last-operation-failed", OwnOf(stream)), field("closed", nil)))
	for _, tt := range []struct {
		params []Field
		result *Type
		want   string
	}{
		{nil, nil, "func()"},
		{
			[]Field{field("a", Prim(KindU32)), field("b", must(ListOf(str)))},
			must(ResultOf(nil, str)),
			"func(a: u32, b: list<string>) -> result<_, string>",
		},
		{
			[]Field{field("self", BorrowOf(stream)), field("len", Prim(KindU64))},
			must(ResultOf(must(ListOf(u8)), variant)),
			"func(self: borrow<wasi:io/streams@0.2/input-stream>, len: u64) -> result<list<u8>, " +
				"variant { last-operation-failed(own<wasi:io/streams@0.2/input-stream>), closed }>",
		},
		{
			[]Field{field("a", must(FixedListOf(u8, 4))), field("b", must(MapOf(str, u8))), field("c", must(TupleOf(u8, str)))},
			must(ResultOf(nil, nil)), "func(a: list<u8, 4>, b: map<string, u8>, c: tuple<u8, string>) -> result",
		},
		{
			[]Field{field("a", must(RecordOf(field("x", u8), field("y", must(OptionOf(u8))))))},
			must(ResultOf(u8, nil)),
			"func(a: record { x: u8, y: option<u8> }) -> result<u8>",
		},
		{
			[]Field{field("a", must(EnumOf("x", "y"))), field("b", must(FlagsOf("r", "w")))},
			Prim(KindChar),
			"func(a: enum { x, y }, b: flags { r, w }) -> char",
		},
	} {
		f, err := NewFunc(tt.params, tt.result)
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Text(); got != tt.want || f.IsAsync() {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
		if got := f.Async(); got.Text() != "async "+tt.want || !got.IsAsync() {
			t.Errorf("got %s, want it to be async", got.Text())
		}
	}
}

// TestTextLong checks that a text of 1 MiB is whole, and that one that is cut off equals no other.
func TestTextLong(t *testing.T) {
	name := strings.Repeat("x", 1<<20)
	plan := func(typ *Type) *Func {
		f, err := NewFunc([]Field{field("p", typ)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if got, want := plan(must(EnumOf(name))).Text(), "func(p: enum { "+name+" })"; got != want {
		t.Errorf("got a text of %d bytes, want the whole of %d", len(got), len(want))
	}
	shared := Prim(KindU8)
	for range 45 {
		list := must(ListOf(shared))
		shared = must(TupleOf(list, list))
	}
	a, b := plan(shared), plan(shared)
	if a.Text() == b.Text() {
		t.Error("two texts that are cut off are equal")
	}
	if len(a.Text()) > 2*maxText || len(shared.String()) > 2*maxMessageText {
		t.Errorf("got texts of %d and %d bytes, want them to be cut off", len(a.Text()), len(shared.String()))
	}
}

func TestHandleAndFixedListLayout(t *testing.T) {
	r := &Resource{Name: "r"}
	for _, typ := range []*Type{OwnOf(r), BorrowOf(r)} {
		if typ.Size() != 4 || typ.Align() != 4 || len(typ.Flat()) != 1 || typ.Flat()[0] != abi.I32 || typ.Resource() != r {
			t.Errorf("%v: got size %d align %d flat %v", typ, typ.Size(), typ.Align(), typ.Flat())
		}
	}
	pair := must(RecordOf(field("a", Prim(KindU8)), field("b", Prim(KindU32))))
	list := must(FixedListOf(pair, 3))
	if list.Size() != 24 || list.Align() != 4 || len(list.Flat()) != 6 || list.Len() != 3 || list.Elem() != pair {
		t.Errorf("%v: got size %d align %d flat %v", list, list.Size(), list.Align(), list.Flat())
	}
	if flat := must(FixedListOf(Prim(KindU8), 1<<20)).Flat(); len(flat) != MaxFlatParams+1 {
		t.Errorf("got %d core values, want %d", len(flat), MaxFlatParams+1)
	}
	m := must(MapOf(Prim(KindString), Prim(KindU8)))
	if m.Size() != 8 || m.Align() != 4 || len(m.Flat()) != 2 || m.Elem().Size() != 12 {
		t.Errorf("%v: got size %d align %d flat %v elements of %d", m, m.Size(), m.Align(), m.Flat(), m.Elem().Size())
	}
	for name, err := range map[string]error{
		"no elements":  errorOf(FixedListOf(pair, 0)),
		"no type":      errorOf(FixedListOf(nil, 1)),
		"too large":    errorOf(FixedListOf(Prim(KindU8), 1<<28)),
		"wraps":        errorOf(FixedListOf(Prim(KindU64), 1<<29)),
		"list of none": errorOf(ListOf(nil)),
		"map of none":  errorOf(MapOf(Prim(KindU8), nil)),
	} {
		if err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%s: got %v, want an error", name, err)
		}
	}
	if _, err := FixedListOf(Prim(KindU8), 1<<28-1); err != nil {
		t.Errorf("the longest list: %v", err)
	}
	if err := list.Check(Elems(Elems(Uint(1), Uint(2)))); err == nil {
		t.Error("got no error of a list that is too short")
	}
	if err := must(FixedListOf(Prim(KindU8), 3)).Check(Str("ab")); err == nil {
		t.Error("got no error of bytes that are too few")
	}
}

func errorOf(_ *Type, err error) error { return err }

// TestDynamicAllocations checks that scalars stay off the heap, given that the caller keeps the Lift, the Lower and the
// slices.
func TestDynamicAllocations(t *testing.T) {
	f, err := NewFunc([]Field{field("a", Prim(KindU32)), field("b", Prim(KindF64)), field("c", Prim(KindChar))}, Prim(KindS16))
	if err != nil {
		t.Fatal(err)
	}
	g := newHeap()
	var guest abi.Guest = g
	l, w, vs, stack := new(Lift), new(Lower), make([]Value, 3), make([]uint64, f.StackLen())
	ctx := t.Context()
	if got := testing.AllocsPerRun(100, func() {
		*l = NewLift(guest)
		vs = f.AppendParams(vs[:0], l, stack)
		*w = NewLower(ctx, guest)
		if err := f.LowerResult(w, stack, Int(-1)); err != nil {
			t.Fatal(err)
		}
		if err := f.LowerParams(w, stack, vs); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}
