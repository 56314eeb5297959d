package rewritetest

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero/api"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	. "github.com/mrt-wasm/mrt-wasm/abi/wasm/wasmtest"
)

// step is one call of an export.
type step struct {
	fn   string
	args []uint64
}

// outcome is all that can be seen of an instance after some steps.
type outcome struct {
	results []string // of each step: values, or the trap
	memory  []byte
	globals map[string]uint64
}

// The traps of indirect calls, before and after the rewrite.
const (
	badTable     = "invalid table access"
	badSignature = "indirect call type mismatch"
)

// trapName says why a call failed, in the words of a module that is not rewritten.
func trapName(err error) string {
	text := err.Error()
	switch {
	case strings.Contains(text, wasm.TrapOutOfRange), strings.Contains(text, wasm.TrapNull):
		return badTable
	case strings.Contains(text, wasm.TrapSignature):
		return badSignature
	}
	_, trap, _ := strings.Cut(firstLine(err), "wasm error: ")
	return cmp.Or(trap, firstLine(err))
}

// observe instantiates a module and takes the steps. The exports named in globals are read at the end.
func observe(t testing.TB, h *host, r *wasm.Result, f tank, globals []string, steps []step) outcome {
	t.Helper()
	var o outcome
	i, err := h.start(t, r)
	if err != nil {
		o.results = append(o.results, "start: "+trapName(err))
		return o
	}
	defer i.Close(t.Context())
	return observeInstance(i, f, globals, steps)
}

// observeInstance takes the steps with an instance.
func observeInstance(i *instance, f tank, globals []string, steps []step) (o outcome) {
	for _, s := range steps {
		got, err := i.call(f, s.fn, s.args...)
		if err != nil {
			o.results = append(o.results, trapName(err))
		} else {
			o.results = append(o.results, fmt.Sprint(got))
		}
	}
	if len(i.ExportedMemoryDefinitions()) > 0 {
		view, _ := i.Memory().Read(0, i.Memory().Size())
		o.memory = bytes.Clone(view)
	}
	o.globals = map[string]uint64{}
	for _, g := range globals {
		o.globals[g] = i.ExportedGlobal(g).Get()
	}
	return o
}

// differ compares two outcomes.
func differ(t testing.TB, what string, want, got outcome) {
	t.Helper()
	if !slices.Equal(want.results, got.results) {
		t.Errorf("%s: want the results\n%q\ngot\n%q", what, want.results, got.results)
	}
	if !bytes.Equal(want.memory, got.memory) {
		at := 0
		for at < min(len(want.memory), len(got.memory)) && want.memory[at] == got.memory[at] {
			at++
		}
		t.Errorf("%s: memory differs at %d, sizes %d and %d", what, at, len(want.memory), len(got.memory))
	}
	for name, v := range want.globals {
		if got.globals[name] != v {
			t.Errorf("%s: global %s: want %d, got %d", what, name, v, got.globals[name])
		}
	}
}

// calls makes steps of one export with one argument each.
func calls(fn string, args ...int32) []step {
	var out []step
	for _, a := range args {
		out = append(out, step{fn, []uint64{api.EncodeI32(a)}})
	}
	return out
}

// module is a hand-made module with what is done to it and what is to come of it.
type module struct {
	name  string
	build func(b *Builder)
	steps []step
	want  []string
}

var modules = []module{
	{"indirect calls", func(b *Builder) {
		unary, binary, other := b.Type("i", "i"), b.Type("ii", "i"), b.Type("l", "l")
		same := b.Type("i", "i")
		double := b.Func("", unary, "", LocalGet, 0, I32Const, 2, I32Mul)
		inc := b.Func("", same, "", LocalGet, 0, I32Const, 1, I32Add)
		sum := b.Func("", binary, "", LocalGet, 0, LocalGet, 1, I32Add)
		b.Func("", other, "", LocalGet, 0)
		b.Table(12)
		b.Elems(0, 2, double, inc, sum, double, 3)
		b.Elems(0, 3, inc, sum) // over the one before
		b.Func("one", unary, "", I32Const, 20, LocalGet, 0, CallIndirect, U(same), 0)
		b.Func("two", unary, "", I32Const, 20, I32Const, 3, LocalGet, 0, CallIndirect, U(binary), 0)
	}, append(calls("one", 2, 3, 5, 4, 6, 7, 11, 12, -1, 0), calls("two", 4, 2, 6, 1, 100)...), []string{
		"[40]", "[21]", "[40]", badSignature, badSignature, badTable, badTable, badTable, badTable, badTable,
		"[23]", badSignature, badSignature, badTable, badTable,
	}},
	{"sparse table and null", func(b *Builder) {
		get := b.Type("", "i")
		var fs []uint32
		for i := range 40 {
			fs = append(fs, b.Func("", get, "", I32Const, i))
		}
		b.Table(100_000)
		for i, f := range fs {
			b.Elems(0, int32(i*i*60+i), f)
		}
		b.Module.Elems = append(b.Module.Elems, wasm.Elem{
			Offset: wasm.ConstI32(61), Type: wasm.FuncRef, UsesExprs: true,
			Exprs: []wasm.ConstExpr{Code(RefNull, FuncRefType, End), Code(RefFunc, 5, End)},
		})
		b.Func("at", b.Type("i", "i"), "", LocalGet, 0, CallIndirect, U(get), 0)
	}, calls("at", 0, 61, 62, 63, 242, 243, 39*39*60+39, 38*38*60+38, 99_999, 100_000, -1), []string{
		"[0]", badTable, "[5]", badTable, "[2]", badTable, "[39]", "[38]", badTable, badTable, badTable,
	}},
	{"many values", func(b *Builder) {
		swap := b.Type("ilfd", "dfli")
		f := b.Func("", swap, "", LocalGet, 3, LocalGet, 2, LocalGet, 1, LocalGet, 0)
		b.Table(1)
		b.Elems(0, 0, f)
		b.Func("swap", b.Type("i", "dfli"), "", LocalGet, 0, I64Const, S(1<<40), 0x43, 0, 0, 0, 0x40, 0x44, 0, 0, 0, 0, 0, 0, 8, 0x40,
			I32Const, 0, CallIndirect, U(swap), 0)
	}, calls("swap", 7), []string{fmt.Sprint([]uint64{api.EncodeF64(3), api.EncodeF32(2), 1 << 40, 7})}},
	{"start function", func(b *Builder) {
		void := b.Type("", "")
		b.Memory(1)
		b.DataAt(4, "*")
		b.Global(1)
		b.Start, b.HasStart = b.Func("", void, "", I32Const, 4, I32Load8U, 0, 0, GlobalSet, 0), true
		b.Func("get", b.Type("", "i"), "", GlobalGet, 0)
	}, []step{{fn: "get"}}, []string{"[42]"}},
	{"start function from the host", func(b *Builder) {
		b.Start, b.HasStart = b.Import("env", "started", b.Type("", "")), true
		b.Func("count", b.Type("", "i"), "", Call, U(b.Import("env", "count", 1)))
	}, []step{{fn: "count"}}, []string{"[1]"}},
	{"start function that traps", func(b *Builder) {
		b.Start, b.HasStart = b.Func("", b.Type("", ""), "", Unreachable), true
	}, nil, []string{"start: unreachable"}},
	{"data segments", func(b *Builder) {
		b.Memory(1)
		b.DataAt(10, "active one")
		b.DataPassive("passive")
		b.DataAt(14, "OVER")
		init := b.Type("iii", "")
		b.Func("one", init, "", LocalGet, 0, LocalGet, 1, LocalGet, 2, Bulk, MemoryInit, 1, 0)
		b.Func("drop", b.Type("", ""), "", Bulk, DataDrop, 0, Bulk, DataDrop, 1)
		b.Func("load", b.Type("i", "i"), "", LocalGet, 0, I32Load, 0, 0)
	}, []step{
		{"load", []uint64{14}},
		{"one", []uint64{100, 1, 4}},
		{"load", []uint64{100}},
		{"one", []uint64{0, 4, 4}},
		{"drop", nil},
		{"one", []uint64{0, 0, 0}},
		{"one", []uint64{0, 0, 1}},
		{"load", []uint64{100}},
	}, []string{
		"[1380275791]", "[]", "[1769173857]", "out of bounds memory access", "[]", "[]", "out of bounds memory access", "[1769173857]",
	}},
	{"memory growth", func(b *Builder) {
		b.Memory(1)
		b.Memories[0].Max, b.Memories[0].HasMax = 5, true
		b.Func("grow", b.Type("i", "i"), "", LocalGet, 0, MemoryGrow, 0)
	}, calls("grow", 2, 0, 3, 2, 0), []string{"[1]", "[3]", fmt.Sprint([]uint64{1<<32 - 1}), "[3]", "[5]"}},
	{"loops", func(b *Builder) {
		unary := b.Type("i", "i")
		pair := b.Type("ii", "ii")
		// sum of n down to 1, with a branch back by br_if
		b.Func("if", unary, "i", Loop, Void, LocalGet, 1, LocalGet, 0, I32Add, LocalSet, 1,
			LocalGet, 0, I32Const, 1, I32Sub, LocalTee, 0, BrIf, 0, End, LocalGet, 1)
		// the same with br out of an inner block, and a result of the loop
		b.Func("br", unary, "i", Block, I32Type, Loop, I32Type, LocalGet, 1, LocalGet, 0, I32Eqz, BrIf, 1, LocalGet, 0, I32Add, LocalSet, 1,
			LocalGet, 0, I32Const, 1, I32Sub, LocalSet, 0, Br, 0, End, End)
		// a loop with parameters: the sum is on the stack
		b.Func("params", unary, "", I32Const, 0, LocalGet, 0, Loop, U(pair), LocalTee, 0, I32Add, LocalGet, 0, I32Const, 1, I32Sub, LocalTee, 0,
			LocalGet, 0, BrIf, 0, End, Drop)
		// nested loops left through br_table, which also goes back to both
		b.Func("table", unary, "ii", Block, Void, Loop, Void, LocalGet, 2, I32Const, 1, I32Add, LocalSet, 2, Loop, Void,
			LocalGet, 1, I32Const, 1, I32Add, LocalSet, 1, LocalGet, 0, I32Const, 1, I32Sub, LocalTee, 0,
			BrTable, 3, 2, 1, 0, 1, 0, End, End, End, LocalGet, 1, I32Const, 100, I32Mul, LocalGet, 2, I32Add)
		// a dispatch on a local at the header, as standard Go has it: 0 goes to 2, then 1, then out
		b.Func("dispatch", unary, "ii", Loop, Void, Block, Void, Block, Void, Block, Void, LocalGet, 1, BrTable, 2, 0, 1, 2,
			End, LocalGet, 2, I32Const, 1, I32Add, LocalSet, 2, I32Const, 2, LocalSet, 1, Br, 2,
			End, LocalGet, 0, I32Const, 1, I32Sub, LocalTee, 0, I32Eqz, If, Void, I32Const, 2, LocalSet, 1, Br, 2, End, I32Const, 0, LocalSet, 1, Br, 1,
			End, End, LocalGet, 2)
		// a loop with two results
		b.Func("two", unary, "i", Loop, U(b.Type("", "ii")), LocalGet, 1, LocalGet, 0, I32Add, LocalSet, 1, LocalGet, 0, I32Const, 1, I32Sub, LocalTee, 0, BrIf, 0,
			LocalGet, 0, LocalGet, 1, End, I32Sub)
		// a loop that returns from the middle, inside of another
		b.Func("return", unary, "i", Loop, Void, Loop, Void, LocalGet, 1, I32Const, 3, I32Add, LocalTee, 1, LocalGet, 0, I32LtU, BrIf, 0, LocalGet, 1, Return, End, Br, 0, End, Unreachable)
	}, slices.Concat(calls("if", 1, 1000), calls("br", 0, 1000), calls("params", 1, 1000), calls("table", 1, 2, 3, 4, 5, 6, 50), calls("dispatch", 1, 2, 9), calls("two", 1, 40), calls("return", 1000)), nil},
	{"calls", func(b *Builder) {
		unary := b.Type("i", "i")
		b.Func("fib", unary, "", LocalGet, 0, I32Const, 2, I32LtU, If, I32Type, LocalGet, 0, Else,
			LocalGet, 0, I32Const, 1, I32Sub, Call, 0, LocalGet, 0, I32Const, 2, I32Sub, Call, 0, I32Add, End)
		b.Func("even", unary, "", LocalGet, 0, I32Eqz, If, I32Type, I32Const, 1, Else, LocalGet, 0, I32Const, 1, I32Sub, Call, 2, End)
		b.Func("odd", unary, "", LocalGet, 0, I32Eqz, If, I32Type, I32Const, 0, Else, LocalGet, 0, I32Const, 1, I32Sub, I32Const, 0, CallIndirect, 0, 0, End)
		b.Table(1)
		b.Elems(0, 0, 1)
	}, slices.Concat(calls("fib", 1, 20), calls("even", 1001, 1000), calls("odd", 1001)), []string{"[1]", "[6765]", "[0]", "[1]", "[1]"}},
	{"bulk copies", func(b *Builder) {
		three := b.Type("iii", "")
		b.Memory(2)
		b.Func("fill", three, "", LocalGet, 0, LocalGet, 1, LocalGet, 2, Bulk, MemoryFill, 0)
		b.Func("copy", three, "", LocalGet, 0, LocalGet, 1, LocalGet, 2, Bulk, MemoryCopy, 0, 0)
	}, []step{
		{"fill", []uint64{5, 0x61, 1000}},
		{"fill", []uint64{2000, 0x62, 256}},
		{"copy", []uint64{300, 5, 2300}},
		{"copy", []uint64{0, 100_000, 40_000}},
		{"fill", []uint64{131_072, 1, 0}},
		{"fill", []uint64{131_073, 1, 0}},
	}, []string{"[]", "[]", "[]", "out of bounds memory access", "[]", "out of bounds memory access"}},
	{"tables that stay", func(b *Builder) {
		get := b.Type("", "i")
		set := b.Type("i", "")
		three := b.Type("iii", "")
		a := b.Func("", get, "", I32Const, 7)
		c := b.Func("", get, "", I32Const, 9)
		b.Table(3)
		b.Table(3)
		b.Elems(0, 0, a, c)
		b.Elems(1, 0, a, c)
		b.Module.Elems = append(b.Module.Elems, wasm.Elem{Mode: wasm.Passive, Type: wasm.FuncRef, Funcs: []uint32{c, a}})
		b.Func("set", set, "", LocalGet, 0, RefFunc, U(a), TableSet, 0)
		b.Func("init", three, "", LocalGet, 0, LocalGet, 1, LocalGet, 2, Bulk, TableInit, 2, 0)
		b.Func("copy", three, "", LocalGet, 0, LocalGet, 1, LocalGet, 2, Bulk, TableCopy, 0, 1)
		b.Func("drop", b.Type("", ""), "", Bulk, ElemDrop, 1, Bulk, ElemDrop, 2)
		b.Func("zero", b.Type("i", "i"), "", LocalGet, 0, CallIndirect, U(get), 0)
		b.Func("one", b.Type("i", "i"), "", LocalGet, 0, CallIndirect, U(get), 1)
		b.Func("size", get, "", Bulk, TableSize, 1)
	}, slices.Concat(calls("zero", 0, 1, 2), calls("one", 0, 1, 2), calls("set", 1), calls("zero", 1), []step{{"init", []uint64{0, 0, 2}}}, calls("zero", 0, 1),
		[]step{{"copy", []uint64{1, 0, 2}}}, calls("zero", 0, 1, 2), []step{{"drop", nil}, {"init", []uint64{0, 0, 2}}, {"size", nil}}), nil},
	{"SIMD and references", func(b *Builder) {
		b.Memory(1)
		b.DataAt(16, "0123456789abcdef")
		b.Func("lanes", b.Type("i", "i"), "vx", LocalGet, 0, 0xfd, 0, 0, 0, LocalTee, 1, LocalGet, 1, 0xfd, 13, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0,
			LocalSet, 1, LocalGet, 0, LocalGet, 1, 0xfd, 88, 0, 1, 3, LocalGet, 1, 0xfd, 27, 2)
		b.Func("isnull", b.Type("i", "i"), "x", LocalGet, 1, Drop, RefNull, FuncRefType, 0xd1)
	}, slices.Concat(calls("lanes", 16, 17)), nil},
}

// TestModules runs each hand-made module as it is, with each pass and with all, compiled and interpreted.
func TestModules(t *testing.T) {
	for _, engine := range []string{compiled, interpreted} {
		h := newHost(t, engine)
		for _, m := range modules {
			t.Run(engine+"/"+m.name, func(t *testing.T) {
				b := &Builder{}
				m.build(b)
				var globals []string
				for i := range b.Globals {
					name := fmt.Sprint("global", i)
					b.Exports = append(b.Exports, wasm.Export{Name: name, Kind: wasm.KindGlobal, Index: uint32(i)})
					globals = append(globals, name)
				}
				in := b.Encode()
				want := observe(t, h, plain(in), tank{}, globals, m.steps)
				if m.want != nil && !slices.Equal(want.results, m.want) {
					t.Fatalf("unchanged: want %q, got %q", m.want, want.results)
				}
				for _, v := range variants {
					r := transform(t, in, v.options)
					for _, slice := range []int64{0, 7, 1_000_000} {
						got := observe(t, h, r, tank{slice: slice, budget: -1}, globals, m.steps)
						differ(t, fmt.Sprintf("%s, slices of %d", v.name, slice), want, got)
					}
				}
			})
		}
	}
}

// TestDroppedSegment wants memory.init of an active segment to find it dropped, as the specification has it. The
// runtime keeps such segments, so this cannot be compared with the module as it was.
func TestDroppedSegment(t *testing.T) {
	b := &Builder{}
	b.Memory(1)
	b.DataAt(0, "active")
	b.DataPassive("passive")
	b.Func("init", b.Type("iii", ""), "", LocalGet, 0, LocalGet, 1, LocalGet, 2, Bulk, MemoryInit, 0, 0)
	b.Func("drop", b.Type("", ""), "", Bulk, DataDrop, 0)
	const outside = "out of bounds memory access"
	for _, engine := range []string{compiled, interpreted} {
		got := observe(t, newHost(t, engine), transform(t, b.Encode(), wasm.Options{}), tank{slice: 10, budget: -1}, nil, []step{
			{"init", []uint64{0, 0, 0}},
			{"init", []uint64{65536, 0, 0}},
			{"init", []uint64{65537, 0, 0}},
			{"init", []uint64{0, 0, 1}},
			{"init", []uint64{0, 1, 0}},
			{"drop", nil},
			{"init", []uint64{0, 0, 0}},
			{"init", []uint64{0, 0, 1}},
		})
		if want := []string{"[]", "[]", outside, outside, outside, "[]", "[]", outside}; !slices.Equal(got.results, want) {
			t.Errorf("%s: want %q, got %q", engine, want, got.results)
		}
	}
}
