package canon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// through calls f from one instance in another through a Fused, with vs as parameters and result as result, and gives
// what arrives on either side.
func through(t *testing.T, f *Func, caller, callee *instance, vs []Value, result Value) ([]Value, Value) {
	t.Helper()
	ctx := t.Context()
	stack := slices.Repeat([]uint64{0xdead0000dead}, f.StackLen())
	w := NewLower(ctx, caller)
	if err := f.LowerParams(&w, stack, vs); err != nil {
		t.Fatal(err)
	}
	if f.indirect() {
		stack[f.slots()] = uint64(w.Alloc(f.result.Size(), f.result.Align()))
	}
	ret := uint64(0)
	if f.indirect() {
		ret = stack[f.slots()]
	}
	var got []Value
	var core uint64
	posted := false
	target := &Callee{
		Side: callee,
		Call: func(ctx context.Context, stack []uint64) error {
			got = calleeLifts(f, callee, stack)
			calleeLowers(ctx, t, f, callee, stack, result)
			if len(stack) > 0 {
				core = stack[0]
			}
			return nil
		},
		PostReturn: func(_ context.Context, stack []uint64) error {
			posted = true
			if f.result != nil && stack[0] != core {
				t.Errorf("post-return: got %#x, want the core result %#x", stack[0], core)
			}
			return nil
		},
	}
	if err := NewFused(f).Call(ctx, caller, target, stack); err != nil {
		t.Fatal(err)
	}
	if !posted {
		t.Error("post-return was not called")
	}
	if f.indirect() {
		stack[0] = ret
	}
	l := NewLift(caller)
	return got, f.LiftResult(&l, stack)
}

// calleeLifts lifts the parameters of an export's core function.
func calleeLifts(f *Func, callee *instance, stack []uint64) []Value {
	g, err := NewFunc(f.params, nil)
	if err != nil {
		panic(err)
	}
	l := NewLift(callee)
	return g.LiftParams(&l, stack)
}

// calleeLowers lowers the result of an export's core function.
func calleeLowers(ctx context.Context, t *testing.T, f *Func, callee *instance, stack []uint64, v Value) {
	if f.result == nil {
		return
	}
	w := NewLower(ctx, callee)
	if f.indirect() {
		at := w.Alloc(f.result.size, f.result.align)
		f.result.Store(&w, at, v)
		stack[0] = uint64(at)
		return
	}
	if err := f.result.Check(v); err != nil {
		t.Fatal(err)
	}
	f.result.lowerFlat(&w, stack, v)
}

// TestFusedDifferential passes random values of random types between instances of all encodings: the moves are to give
// what lowering and lifting with Go values between gives.
func TestFusedDifferential(t *testing.T) {
	eachPair(t, func(t *testing.T, from, to Encoding) {
		for seed := range uint64(500) {
			r := rand.New(rand.NewPCG(seed, 3))
			params := make([]Field, r.IntN(5))
			vs := make([]Value, len(params))
			for i := range params {
				params[i] = field("p", randomType(r, 4))
				vs[i] = randomValue(r, params[i].Type)
			}
			var typ *Type
			var v Value
			if r.IntN(5) > 0 {
				typ = randomType(r, 4)
				v = randomValue(r, typ)
			}
			f, err := NewFunc(params, typ)
			if err != nil {
				t.Fatal(err)
			}
			caller, callee := newInstance(from), newInstance(to)
			if from == to && seed%2 == 0 {
				callee = caller // The memory that is read moves too.
			}
			got, res := through(t, f, caller, callee, vs, v)
			if !Elems(got...).Equal(Elems(vs...)) {
				t.Fatalf("seed %d: %s\ngot  %v\nwant %v", seed, f.Text(), got, vs)
			}
			if !res.Equal(v) {
				t.Fatalf("seed %d: %s\ngot result %v\nwant       %v", seed, f.Text(), res, v)
			}
		}
	})
}

// fuse gives a Fused of a function with one parameter and no result.
func fuse(t *testing.T, typ *Type) *Fused {
	t.Helper()
	f, err := NewFunc([]Field{field("p", typ)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return NewFused(f)
}

// noCall is a core function that does nothing.
func noCall(context.Context, []uint64) error { return nil }

// TestFusedFlat checks what becomes of core values that have more bits than their type.
func TestFusedFlat(t *testing.T) {
	variant := must(VariantOf(field("a", Prim(KindU8)), field("b", Prim(KindU64)), field("c", nil), field("d", Prim(KindF32))))
	for _, tt := range []struct {
		typ      *Type
		in, want []uint64
	}{
		{Prim(KindBool), []uint64{0x200000002}, []uint64{1}},
		{Prim(KindBool), []uint64{1 << 32}, []uint64{0}},
		{Prim(KindU8), []uint64{0xff00}, []uint64{0}},
		{Prim(KindS8), []uint64{0xff}, []uint64{0xffffffff}},
		{Prim(KindU16), []uint64{0xff0001}, []uint64{1}},
		{Prim(KindS16), []uint64{0x8000}, []uint64{0xffff8000}},
		{Prim(KindU32), []uint64{0x1_0000_0001}, []uint64{1}},
		{Prim(KindS32), []uint64{0xffff_ffff_ffff_ffff}, []uint64{0xffffffff}},
		{Prim(KindU64), []uint64{0xffff_ffff_ffff_ffff}, []uint64{0xffff_ffff_ffff_ffff}},
		{Prim(KindF32), []uint64{0xff_ffc1_2345}, []uint64{nan32}},
		{Prim(KindF64), []uint64{0xfff8000000000001}, []uint64{nan64}},
		{Prim(KindChar), []uint64{0x10ffff}, []uint64{0x10ffff}},
		{must(EnumOf("a", "b")), []uint64{0x1_0000_0001}, []uint64{1}},
		{must(FlagsOf(labels(9)...)), []uint64{0xffffff11}, []uint64{0x111}},
		{must(FlagsOf(labels(32)...)), []uint64{0xff_ffffffff}, []uint64{0xffffffff}},
		{must(FlagsOf(labels(34)...)), []uint64{0xff_ffffffff, 0xff}, []uint64{0xffffffff, 3}},
		{variant, []uint64{0, 0xff00000004}, []uint64{0, 4}},
		{variant, []uint64{1, 0xff00000004}, []uint64{1, 0xff00000004}},
		{variant, []uint64{2, 0xff00000004}, []uint64{2, 0}},
		{variant, []uint64{3, 0xffffffff40490fdb}, []uint64{3, 0x40490fdb}},
		{must(FixedListOf(Prim(KindU8), 3)), []uint64{0x101, 0x102, 0x103}, []uint64{1, 2, 3}},
		{must(RecordOf(field("a", Prim(KindU64)), field("b", Prim(KindU8)))), []uint64{1 << 40, 0x101}, []uint64{1 << 40, 1}},
	} {
		u := fuse(t, tt.typ)
		if u.memory {
			t.Errorf("%v: got a plan that needs memory, want none", tt.typ)
		}
		stack := append(slices.Clone(tt.in), 0)[:u.f.StackLen()]
		err := u.Call(t.Context(), newInstance(UTF8), &Callee{Side: newInstance(UTF8), Call: noCall}, stack)
		if err != nil || !slices.Equal(stack, tt.want) {
			t.Errorf("%v: %#x: got %#x and %v, want %#x", tt.typ, tt.in, stack, err, tt.want)
		}
	}
}

// TestFusedMemory checks what becomes of bytes in memory: what a type ignores and its padding are not passed.
func TestFusedMemory(t *testing.T) {
	u8, u16, u32 := Prim(KindU8), Prim(KindU16), Prim(KindU32)
	for _, tt := range []struct {
		elem     *Type
		in, want []byte
	}{
		{u16, []byte{1, 2, 3, 4}, []byte{1, 2, 3, 4}},
		{Prim(KindBool), []byte{0, 1, 2, 255}, []byte{0, 1, 1, 1}},
		{Prim(KindF32), []byte{1, 2, 0xc3, 0xff}, []byte{0, 0, 0xc0, 0x7f}},
		{Prim(KindF64), []byte{1, 2, 3, 4, 5, 6, 0xff, 0xff}, []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f}},
		{must(RecordOf(field("a", u8), field("b", u16), field("c", u8))), []byte{1, 9, 2, 3, 4, 9}, []byte{1, 0, 2, 3, 4, 0}},
		{must(RecordOf(field("a", u16), field("b", u8), field("c", u8))), []byte{1, 2, 3, 4}, []byte{1, 2, 3, 4}},
		{must(RecordOf(field("a", Prim(KindBool)), field("b", u8), field("c", u16))), []byte{7, 2, 3, 4}, []byte{1, 2, 3, 4}},
		{must(OptionOf(u16)), []byte{0, 9, 9, 9, 1, 9, 2, 3}, []byte{0, 0, 0, 0, 1, 0, 2, 3}},
		{must(FlagsOf(labels(3)...)), []byte{0xff}, []byte{7}},
		{must(FlagsOf(labels(8)...)), []byte{0xff}, []byte{0xff}},
		{must(FlagsOf(labels(34)...)), bytes.Repeat([]byte{0xff}, 8), []byte{0xff, 0xff, 0xff, 0xff, 3, 0, 0, 0}},
		{must(FixedListOf(must(RecordOf(field("a", u8), field("b", u16))), 2)), []byte{1, 9, 2, 3, 4, 9, 5, 6}, []byte{1, 0, 2, 3, 4, 0, 5, 6}},
		{must(FixedListOf(u32, 2)), []byte{1, 2, 3, 4, 5, 6, 7, 8}, []byte{1, 2, 3, 4, 5, 6, 7, 8}},
	} {
		u := fuse(t, must(ListOf(tt.elem)))
		caller, callee := newInstance(UTF8), newInstance(UTF8)
		caller.mem = append(caller.mem, tt.in...)
		n := uint32(len(tt.in)) / tt.elem.size
		stack := []uint64{8, uint64(n)}
		if err := u.Call(t.Context(), caller, &Callee{Side: callee, Call: noCall}, stack); err != nil {
			t.Fatal(err)
		}
		if got := callee.mem[stack[0]:]; stack[1] != uint64(n) || !bytes.Equal(got, tt.want) {
			t.Errorf("%v: % x: got % x, want % x", tt.elem, tt.in, got, tt.want)
		}
	}
}

// TestFusedTraps checks that what the caller, or for a result the callee, gives wrongly traps.
func TestFusedTraps(t *testing.T) {
	str, u32 := Prim(KindString), Prim(KindU32)
	big := must(TupleOf(slices.Repeat([]*Type{u32}, 17)...))
	for _, tt := range []struct {
		name  string
		typ   *Type
		mem   []byte
		stack []uint64
		want  string
	}{
		{"case", must(OptionOf(u32)), nil, []uint64{2, 0}, "expected a case below 2"},
		{"enum", must(EnumOf("a", "b")), nil, []uint64{2}, "expected a case below 2"},
		{"char", Prim(KindChar), nil, []uint64{0xd800}, "scalar value"},
		{"chars", must(ListOf(Prim(KindChar))), []byte{0, 0, 0x11, 0}, []uint64{8, 1}, "scalar value"},
		{"string past memory", str, nil, []uint64{8, 1}, "inside the memory"},
		{"string wraps", str, nil, []uint64{0xffffffff, 2}, "inside the memory"},
		{"string too long", str, nil, []uint64{0, 1 << 28}, "at most"},
		{"string not UTF-8", str, []byte{0xff}, []uint64{8, 1}, "expected UTF-8"},
		{"string cut", str, []byte{0xc3}, []uint64{8, 1}, "expected UTF-8"},
		{"empty string past memory", str, nil, []uint64{0xdeadbeef, 0}, "inside the memory"},
		{"list misaligned", must(ListOf(u32)), nil, []uint64{2, 1}, "multiple of 4"},
		{"empty list misaligned", must(ListOf(u32)), nil, []uint64{2, 0}, "multiple of 4"},
		{"list past memory", must(ListOf(u32)), nil, []uint64{4, 2}, "inside the memory"},
		{"list wraps", must(ListOf(u32)), nil, []uint64{0, 1 << 30}, "expected at most"},
		{"list too long", must(ListOf(u32)), nil, []uint64{0, 1 << 26}, "expected at most"},
		{"string in list", must(ListOf(str)), []byte{0, 0, 1, 0, 1, 0, 0, 0}, []uint64{8, 1}, "inside the memory"},
		{"case in list", must(ListOf(must(OptionOf(u32)))), []byte{3, 0, 0, 0, 0, 0, 0, 0}, []uint64{8, 1}, "expected a case below 2"},
		{"area misaligned", big, nil, []uint64{1}, "multiple of 4"},
		{"area past memory", big, nil, []uint64{8}, "inside the memory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := fuse(t, tt.typ)
			caller := newInstance(UTF8)
			caller.mem = append(caller.mem, tt.mem...)
			callee := &Callee{Side: newInstance(UTF8), Call: func(context.Context, []uint64) error {
				t.Error("the function was called")
				return nil
			}}
			wantTrap(t, func() { _ = u.Call(t.Context(), caller, callee, slices.Clone(tt.stack)) }, tt.want)

			// The same as a result.
			f, err := NewFunc(nil, tt.typ)
			if err != nil {
				t.Fatal(err)
			}
			if f.indirect() {
				return
			}
			giver := newInstance(UTF8)
			giver.mem = append(giver.mem, tt.mem...)
			give := &Callee{Side: giver, Call: func(_ context.Context, stack []uint64) error {
				copy(stack, tt.stack)
				return nil
			}}
			wantTrap(t, func() { _ = NewFused(f).Call(t.Context(), newInstance(UTF8), give, make([]uint64, 1)) }, tt.want)
		})
	}
}

// TestFusedShared compiles types that are the same one over and over.
func TestFusedShared(t *testing.T) {
	typ := Prim(KindU8)
	for range 60 {
		typ = must(ResultOf(typ, typ))
	}
	u := fuse(t, typ)
	if u.area == nil && u.params == nil {
		t.Error("got no plan")
	}
	if text := u.f.Text(); len(text) < maxText || !strings.Contains(text, "too long") {
		t.Errorf("got a text of %d bytes, want one that is cut off", len(text))
	}
	_ = fmt.Sprint(u)
}

func TestFusedErrors(t *testing.T) {
	want := errors.New("the callee's")
	f, err := NewFunc([]Field{field("s", Prim(KindString))}, Prim(KindU32))
	if err != nil {
		t.Fatal(err)
	}
	fails := func(context.Context, []uint64) error { return want }
	for _, typ := range []*Func{f, fuse(t, Prim(KindU32)).f} {
		for _, callee := range []*Callee{
			{Side: newInstance(UTF8), Call: fails},
			{Side: newInstance(UTF8), Call: noCall, PostReturn: fails},
		} {
			if err := NewFused(typ).Call(t.Context(), newInstance(UTF8), callee, make([]uint64, 3)); !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", typ.Text(), err, want)
			}
		}
	}
}

// TestFusedAllocations checks that calls stay off the host's heap.
func TestFusedAllocations(t *testing.T) {
	for _, typ := range []*Type{Prim(KindU32), must(OptionOf(Prim(KindU64))), Prim(KindString), must(ListOf(Prim(KindString)))} {
		u := fuse(t, typ)
		caller, callee := newInstance(UTF8), quietInstance{newInstance(UTF8)}
		caller.mem = make([]byte, 64)
		callee.mem = make([]byte, 64)
		target := &Callee{Side: callee, Call: noCall}
		stack := make([]uint64, 2)
		ctx := t.Context()
		if got := testing.AllocsPerRun(100, func() {
			stack[0], stack[1] = 0, 1
			if err := u.Call(ctx, caller, target, stack); err != nil {
				t.Fatal(err)
			}
		}); got != 0 {
			t.Errorf("%v: got %v allocations, want 0", typ, got)
		}
	}
}

// quietInstance gives the same block out over and over.
type quietInstance struct{ *instance }

func (quietInstance) Realloc(context.Context, uint32, uint32, uint32, uint32) uint32 { return 32 }

var _ abi.Guest = quietInstance{}
