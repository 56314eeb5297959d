package canon

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// TestRoundTrip lowers and lifts random values of random types in both directions.
func TestRoundTrip(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		params := make([]Field, r.IntN(5))
		vs := make([]Value, len(params))
		for i := range params {
			params[i] = field("p", randomType(r, 4))
			vs[i] = randomValue(r, params[i].Type)
		}
		result := randomType(r, 4)
		f, err := NewFunc(params, result)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		roundTrip(t, f, vs, randomValue(r, result))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// roundTrip passes vs and result once as an import and once as an export.
func roundTrip(t *testing.T, f *Func, vs []Value, result Value) {
	t.Helper()
	h := newHeap()
	stack := slices.Repeat([]uint64{0xdead0000dead}, f.StackLen())
	w := NewLower(t.Context(), h)
	if err := f.LowerParams(&w, stack, vs); err != nil {
		t.Fatal(err)
	}
	if f.indirect() {
		// As an import: the guest supplies the area.
		stack[f.slots()] = uint64(w.Alloc(f.result.Size(), f.result.Align()))
	}
	l := NewLift(h)
	if got := f.LiftParams(&l, stack); !Elems(got...).Equal(Elems(vs...)) {
		t.Errorf("params: got %v, want %v", got, vs)
	}
	w = NewLower(t.Context(), h)
	if err := f.LowerResult(&w, stack, result); err != nil {
		t.Fatal(err)
	}
	if f.indirect() {
		// As an export: the guest gives the area's address.
		stack[0] = stack[f.slots()]
	}
	l = NewLift(h)
	if got := f.LiftResult(&l, stack); !got.Equal(result) {
		t.Errorf("result: got %v, want %v", got, result)
	}
}

func TestNoResult(t *testing.T) {
	f, err := NewFunc(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, f, nil, Value{})
	if f.StackLen() != 0 || len(f.Params()) != 0 || f.Result() != nil {
		t.Errorf("got %d slots, %v, %v; want nothing", f.StackLen(), f.Params(), f.Result())
	}
}

// TestReturnArea checks that a bad return area traps before a function has effects.
func TestReturnArea(t *testing.T) {
	f, err := NewFunc(nil, Prim(KindString))
	if err != nil {
		t.Fatal(err)
	}
	for ptr, want := range map[uint64]string{2: "multiple of 4", 64: "inside the memory", 0xfffffffc: "inside the memory"} {
		l := NewLift(newHeap(make([]byte, 64)...))
		wantTrap(t, func() { f.LiftParams(&l, []uint64{ptr}) }, want)
		wantTrap(t, func() { f.LiftResult(&l, []uint64{ptr}) }, want)
		w := NewLower(t.Context(), newHeap(make([]byte, 64)...))
		wantTrap(t, func() { _ = f.LowerResult(&w, []uint64{ptr}, Str("x")) }, want)
	}
}

func TestHostileValues(t *testing.T) {
	u8, u32, str := Prim(KindU8), Prim(KindU32), Prim(KindString)
	tests := []struct {
		name string
		t    *Type
		mem  []byte
		want string
	}{
		{"case", must(VariantOf(field("a", u8), field("b", nil))), []byte{2, 0}, "variant: expected a case below 2, found 2"},
		{"label", must(EnumOf(labels(257)...)), []byte{1, 1}, "found 257"},
		{"option", must(OptionOf(u8)), []byte{255, 0}, "found 255"},
		{"char", Prim(KindChar), []byte{0, 0xd8, 0, 0}, "scalar value"},
		{"string past memory", str, []byte{8, 0, 0, 0, 1, 0, 0, 0}, "inside the memory"},
		{"string wraps", str, []byte{0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0}, "inside the memory"},
		{"string not UTF-8", str, []byte{8, 0, 0, 0, 1, 0, 0, 0, 0x80}, "expected UTF-8"},
		{"list misaligned", must(ListOf(u32)), []byte{2, 0, 0, 0, 1, 0, 0, 0}, "multiple of 4"},
		{"list wraps", must(ListOf(u32)), []byte{0, 0, 0, 0, 1, 0, 0, 0x40}, "elements"},
		{"list in list", must(ListOf(must(ListOf(str)))), []byte{8, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0}, "inside the memory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := NewLift(newHeap(tt.mem...))
			wantTrap(t, func() { tt.t.Load(&l, l.Area(0, tt.t.Size(), tt.t.Align())) }, tt.want)
		})
	}
}

// TestIgnoredBits checks what the ABI ignores: bits beyond a type's width, and flags beyond the labels.
func TestIgnoredBits(t *testing.T) {
	l := NewLift(newHeap())
	for name, tt := range map[string]struct {
		t     *Type
		slots []uint64
		want  Value
	}{
		"u8":       {Prim(KindU8), []uint64{0xffffff81}, Uint(0x81)},
		"s8":       {Prim(KindS8), []uint64{0xffffff81}, Int(-127)},
		"s8 plus":  {Prim(KindS8), []uint64{0xffffff01}, Int(1)},
		"s16":      {Prim(KindS16), []uint64{0x8000}, Int(math.MinInt16)},
		"s32":      {Prim(KindS32), []uint64{0xffffffff}, Int(-1)},
		"u32 in64": {Prim(KindU32), []uint64{math.MaxUint64}, Uint(math.MaxUint32)},
		"s64":      {Prim(KindS64), []uint64{math.MaxUint64}, Int(-1)},
		"bool":     {Prim(KindBool), []uint64{2}, BoolOf(true)},
		"flags":    {must(FlagsOf(labels(2)...)), []uint64{0xfffffffe}, Flags(2, 1)},
		"flags 34": {must(FlagsOf(labels(34)...)), []uint64{1, 0xffffffff}, Flags(34, 0, 32, 33)},
		"none":     {must(OptionOf(Prim(KindChar))), []uint64{0, 0xffffffff}, Case(0)},
	} {
		if got := tt.t.liftFlat(&l, tt.slots); !got.Equal(tt.want) {
			t.Errorf("%s: got %+v, want %+v", name, got, tt.want)
		}
	}
	v := Flags(34, 0, 33)
	if !v.Flag(0) || v.Flag(1) || !v.Flag(33) || v.Flag(99) {
		t.Errorf("got flags %x, want the first and the last", v.Str)
	}
}

func TestCheck(t *testing.T) {
	u8, str := Prim(KindU8), Prim(KindString)
	variant := must(VariantOf(field("a", u8), field("b", nil)))
	tests := []struct {
		t    *Type
		v    Value
		want string
	}{
		{u8, Uint(256), "expected a value in range"},
		{Prim(KindBool), Uint(2), "expected a value in range"},
		{Prim(KindS8), Int(128), "expected a value in range"},
		{Prim(KindS8), Uint(0xff), "expected a value in range"},
		{Prim(KindF32), Uint(1 << 32), "expected a value in range"},
		{Prim(KindChar), Uint(0xd800), "expected a value in range"},
		{str, Str("\xff"), "expected UTF-8"},
		{must(ListOf(u8)), Elems(Uint(1)), "expected the bytes in Str"},
		{must(ListOf(str)), Elems(Str("a"), Str("\xff")), "element 1: string"},
		{must(RecordOf(field("a", u8))), Value{}, "expected 1 fields, found 0"},
		{must(RecordOf(field("a", u8))), Elems(Uint(256)), "field a: u8"},
		{variant, Case(2), "expected a case below 2, found 2"},
		{variant, Case(0), "case a: expected 1 payloads, found 0"},
		{variant, Case(1, Uint(1)), "case b: expected 0 payloads, found 1"},
		{variant, Case(0, Uint(256)), "case a: u8"},
		{must(FlagsOf(labels(9)...)), Flags(8), "expected 2 bytes for 9 labels, found 1"},
		{must(FlagsOf(labels(9)...)), Flags(16, 9), "no bit beyond the 9 labels"},
	}
	for _, tt := range tests {
		err := tt.t.Check(tt.v)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %q", tt.t, err, tt.want)
		}
		f, ferr := NewFunc([]Field{field("p", tt.t)}, tt.t)
		if ferr != nil {
			t.Fatal(ferr)
		}
		w, stack := NewLower(t.Context(), newHeap()), make([]uint64, f.StackLen())
		if err := f.LowerParams(&w, stack, []Value{tt.v}); err == nil || !strings.Contains(err.Error(), "parameter p") {
			t.Errorf("%v: got %v, want an error of parameter p", tt.t, err)
		}
		if err := f.LowerParams(&w, stack, nil); err == nil {
			t.Errorf("%v: got no error, want one of the number of parameters", tt.t)
		}
		if err := f.LowerResult(&w, stack, tt.v); err == nil || !strings.Contains(err.Error(), "result") {
			t.Errorf("%v: got %v, want an error of the result", tt.t, err)
		}
	}
}

// TestAllocationBound lifts lists whose elements are all the same big list, which would be terabytes, and measures
// that the host allocates no more than the budget.
func TestAllocationBound(t *testing.T) {
	// list<list<string>>: 1,000 times the same 1,000 times the same string of 1,000 bytes.
	const n = 1000
	mem := make([]byte, n+2*8*n)
	inner, outer := uint32(n), uint32(n+8*n)
	for i := range uint32(n) {
		mem[i] = 'x'
		write32(mem[inner+8*i:], 0)
		write32(mem[inner+8*i+4:], n)
		write32(mem[outer+8*i:], uint64(inner))
		write32(mem[outer+8*i+4:], n)
	}
	typ := must(ListOf(must(ListOf(Prim(KindString)))))
	const budget = 8 << 20
	l := Lift{mem: mem, left: budget}
	if used := allocated(func() {
		wantTrap(t, func() { typ.liftFlat(&l, []uint64{uint64(outer), n}) }, "one call")
	}); used > budget*5/4 {
		t.Errorf("got %d bytes allocated, want at most about %d", used, budget)
	}

	// A list that is over the budget is not allocated at all.
	l = Lift{mem: make([]byte, abi.MaxElements), left: budget}
	if used := allocated(func() {
		wantTrap(t, func() { must(ListOf(Prim(KindBool))).liftFlat(&l, []uint64{0, abi.MaxElements}) }, "one call")
	}); used > 1<<16 {
		t.Errorf("got %d bytes allocated before the trap, want next to none", used)
	}
}

// allocated gives how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestDeepNesting(t *testing.T) {
	typ, v := Prim(KindU8), Uint(7)
	for range MaxTypeDepth - 1 {
		typ, v = must(OptionOf(typ)), Case(1, v)
	}
	f, err := NewFunc(nil, typ)
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, f, nil, v)
}
