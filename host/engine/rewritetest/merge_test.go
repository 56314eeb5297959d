package rewritetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	. "github.com/mrt-wasm/mrt-wasm/abi/wasm/wasmtest"
)

// piece is one module of several that are linked: its imports name the others, or the modules of the host.
type piece struct {
	name string
	b    *Builder
}

// merged makes one module of pieces, with the exports of the last one and its memory.
func merged(t testing.TB, pieces []piece) []byte {
	t.Helper()
	index := map[string]int{}
	var parts []wasm.Part
	for i, p := range pieces {
		index[p.name] = i
		parts = append(parts, wasm.Part{Name: p.name, Wasm: p.b.Encode(), Imports: func(module, name string, _ wasm.Kind) (wasm.Target, bool) {
			if from, ok := index[module]; ok {
				return wasm.FromPart(from, name), true
			}
			return wasm.FromHost(module, name), true
		}})
	}
	var exports []wasm.MergeExport
	last := len(pieces) - 1
	for _, e := range pieces[last].b.Exports {
		exports = append(exports, wasm.MergeExport{Name: e.Name, Part: last, Export: e.Name})
	}
	out, err := wasm.Merge(parts, exports)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// startLinked instantiates pieces one after the other, and gives the last one. Only that one may have an image.
func (h *host) startLinked(t testing.TB, pieces []piece, rewrite func([]byte) *wasm.Result) (*instance, error) {
	t.Helper()
	ctx := context.Background()
	*h.fuel = tank{slice: 100_000, budget: -1} // for start functions
	for _, p := range pieces[:len(pieces)-1] {
		mod, err := h.runtime.InstantiateWithConfig(ctx, rewrite(p.b.Encode()).Wasm, wazero.NewModuleConfig().WithName(p.name).WithStartFunctions())
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { mod.Close(ctx) })
	}
	return h.start(t, rewrite(pieces[len(pieces)-1].b.Encode()))
}

// split makes two modules of one: the first has the memory, the tables and the globals, the second all the rest.
func split(b *Builder) []piece {
	base, code := &Builder{}, &Builder{Module: b.Module}
	base.Memories, base.Tables, base.Globals = b.Memories, b.Tables, b.Globals
	code.Memories, code.Tables, code.Globals, code.Imports = nil, nil, nil, slices.Clone(b.Imports)
	share := func(kind wasm.Kind, i int, imp wasm.Import) {
		imp.Module, imp.Name, imp.Kind = "base", fmt.Sprint(kind, i), kind
		code.Imports = append(code.Imports, imp)
		base.Exports = append(base.Exports, wasm.Export{Name: imp.Name, Kind: kind, Index: uint32(i)})
	}
	for i, l := range b.Memories {
		share(wasm.KindMemory, i, wasm.Import{Memory: l})
	}
	for i, table := range b.Tables {
		share(wasm.KindTable, i, wasm.Import{Table: table})
	}
	for i, g := range b.Globals {
		share(wasm.KindGlobal, i, wasm.Import{Global: g.GlobalType})
	}
	return []piece{{"base", base}, {"code", code}}
}

// linkedPart rewrites a module that is linked to others.
func linkedPart(t testing.TB) func([]byte) *wasm.Result {
	return func(b []byte) *wasm.Result {
		r, err := wasm.TransformPart(b, wasm.Options{MaxPages: 100})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// TestMergeRandomModules takes random modules apart, and runs them as they were, merged, and linked.
func TestMergeRandomModules(t *testing.T) {
	h := newHostUncached(t, interpreted)
	for seed := range uint64(200) {
		data := randomBytes(seed, 50+int(seed)*10)
		b, exports := generate(data)
		var steps []step
		for i, ft := range exports {
			s := step{fn: fmt.Sprint("f", i)}
			for range ft.Params {
				s.args = append(s.args, seed+uint64(i))
			}
			steps = append(steps, s, s)
		}
		var globals []string
		for i := range b.Globals {
			globals = append(globals, fmt.Sprint("global", i))
		}
		want := observe(t, h, plain(b.Encode()), tank{}, globals, steps)
		one := merged(t, split(b))
		differ(t, "merged", want, observe(t, h, plain(one), tank{}, globals, steps))
		differ(t, "merged and rewritten", want, observe(t, h, transform(t, one, wasm.Options{}), tank{slice: 100, budget: -1}, globals, steps))
		i, err := h.startLinked(t, split(b), linkedPart(t))
		if err != nil {
			if got := "start: " + trapName(err); len(want.results) != 1 || want.results[0] != got {
				t.Errorf("linked: want %q, got %q", want.results, got)
			}
		} else {
			differ(t, "linked and rewritten", want, observeInstance(i, tank{slice: 100, budget: -1}, globals, steps))
		}
		h.runtime.Module("base").Close(t.Context())
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// composed is the shape of a component's modules: a main module with the memory, an adapter that implements its imports
// with the main module's memory and imports of the host, a shim whose functions call through a table, since main is
// made before the adapter, and a fix-up that fills the table and starts.
func composed() []piece {
	shim := &Builder{}
	binary, void := shim.Type("ii", "i"), shim.Type("", "")
	shim.Table(3)
	shim.Tables[0].Max, shim.Tables[0].HasMax = 3, true
	for i := range 2 {
		shim.Func(fmt.Sprint(i), binary, "", LocalGet, 0, LocalGet, 1, I32Const, i, CallIndirect, U(binary), 0)
	}
	shim.Func("2", void, "", I32Const, 2, CallIndirect, U(void), 0)
	shim.Exports = append(shim.Exports, wasm.Export{Name: "$imports", Kind: wasm.KindTable})

	main := &Builder{}
	binary, void = main.Type("ii", "i"), main.Type("", "")
	unary := main.Type("i", "i")
	main.Import("shim", "0", binary)
	main.Import("shim", "0", binary) // as compilers that do not join equal imports make it
	main.Import("shim", "1", binary)
	main.Import("shim", "2", void)
	main.Memory(1)
	main.Global(1000)
	main.DataAt(16, "\x07")
	double := main.Func("", unary, "", LocalGet, 0, I32Const, 2, I32Mul)
	main.Func("run", unary, "", LocalGet, 0, I32Const, 16, Call, 0, LocalGet, 0, I32Const, 20, Call, 1, I32Add,
		LocalGet, 0, I32Const, 3, Call, 2, I32Add, I32Const, 1, CallIndirect, U(unary), 0)
	main.Func("init", void, "", Call, 3, I32Const, 20, I32Const, 5, I32Store, 2, 0)
	main.Func("trap", unary, "", LocalGet, 0, LocalGet, 0, CallIndirect, U(unary), 0)
	main.Table(2)
	main.Elems(0, 1, double)
	main.Exports = append(main.Exports, wasm.Export{Name: "table", Kind: wasm.KindTable}, wasm.Export{Name: "sp", Kind: wasm.KindGlobal})

	adapter := &Builder{}
	binary = adapter.Type("ii", "i")
	count := adapter.Type("", "i")
	adapter.Import("env", "count", count)
	adapter.Imports = append(adapter.Imports, wasm.Import{Module: "main", Name: "memory", Kind: wasm.KindMemory})
	adapter.Global(3)
	adapter.Func("load", binary, "", LocalGet, 0, LocalGet, 1, I32Load, 2, 0, I32Add, Call, 0, I32Add)
	adapter.Func("state", binary, "", GlobalGet, 0, LocalGet, 1, I32Add, GlobalSet, 0, GlobalGet, 0)

	fixup := &Builder{}
	binary, void = fixup.Type("ii", "i"), fixup.Type("", "")
	unary = fixup.Type("i", "i")
	fixup.Import("adapter", "load", binary)
	fixup.Import("adapter", "state", binary)
	fixup.Import("env", "started", void)
	fixup.Import("main", "init", void)
	fixup.Import("main", "run", unary)
	fixup.Import("main", "trap", unary)
	fixup.Imports = append(fixup.Imports,
		wasm.Import{Module: "shim", Name: "$imports", Kind: wasm.KindTable, Table: wasm.Table{Type: wasm.FuncRef, Limits: wasm.Limits{Min: 3, Max: 3, HasMax: true}}},
		wasm.Import{Module: "main", Name: "memory", Kind: wasm.KindMemory, Memory: wasm.Limits{Min: 1}})
	fixup.Elems(0, 0, 0, 1, 2)
	fixup.Start, fixup.HasStart = 3, true
	fixup.Exports = []wasm.Export{{Name: "run", Index: 4}, {Name: "trap", Index: 5}, {Name: "memory", Kind: wasm.KindMemory}}
	return []piece{{"shim", shim}, {"main", main}, {"adapter", adapter}, {"fixup", fixup}}
}

// TestMergeComponent: the modules of a component, merged, do as they do linked, and are as cheap to make as one module:
// no table, no indirect call, and nothing left of the shim.
func TestMergeComponent(t *testing.T) {
	for _, engine := range []string{compiled, interpreted} {
		t.Run(engine, func(t *testing.T) {
			h := newHostUncached(t, engine)
			steps := slices.Concat(calls("run", 1, 100, -5), calls("trap", 1, 0, 5), calls("run", 7))
			results := []string{"[44]", "[446]", "[32]", "[2]", badTable, badTable, "[86]"}
			one := merged(t, composed())
			r := transform(t, one, wasm.Options{})
			if len(r.Obstacles) > 0 || len(r.Skipped) > 0 || r.Dispatch.Tables != 2 || r.Dispatch.Direct != 4 || r.Source.CallIndirects != 5 {
				t.Errorf("want no obstacle, no table, and direct calls but for one, got %s: %+v", r, r.Dispatch)
			}
			want := observe(t, h, plain(one), tank{}, nil, steps)
			if !slices.Equal(want.results, results) {
				t.Errorf("want %q, got %q", results, want.results)
			}
			differ(t, "rewritten", want, observe(t, h, r, tank{slice: 10, budget: -1}, nil, steps))
			i, err := h.startLinked(t, composed(), linkedPart(t))
			if err != nil {
				t.Fatal(err)
			}
			differ(t, "linked", want, observeInstance(i, tank{slice: 10, budget: -1}, nil, steps))
			i, err = h.start(t, r)
			if err != nil {
				t.Fatal(err)
			}
			_, err = i.call(tank{slice: 1000, budget: -1}, "trap", 5)
			if err == nil || !strings.Contains(err.Error(), "main!trap") || !strings.Contains(err.Error(), wasm.TrapOutOfRange) {
				t.Errorf("want a trace with the part's name and the reason, got %v", err)
			}
		})
	}
}

// TestMergeStartOrder: the start functions of all parts run in order, after all segments are in place.
func TestMergeStartOrder(t *testing.T) {
	part := func(digit int) *Builder {
		b := &Builder{}
		void := b.Type("", "")
		b.Imports = []wasm.Import{{Module: "base", Name: "memory", Kind: wasm.KindMemory}}
		b.Func("start", void, "", I32Const, 0, I32Const, 0, I32Load, 2, 0, I32Const, 10, I32Mul, I32Const, digit, I32Add, I32Store, 2, 0)
		b.HasStart = true
		b.Data = []wasm.Data{{Offset: wasm.ConstI32(int32(4 + digit)), Bytes: []byte{byte(digit)}}}
		return b
	}
	base := &Builder{}
	base.Memory(1)
	last := part(3)
	last.Func("get", last.Type("", "i"), "", I32Const, 0, I32Load, 2, 0)
	pieces := []piece{{"base", base}, {"one", part(1)}, {"two", part(2)}, {"last", last}}
	h := newHostUncached(t, interpreted)
	one := merged(t, pieces)
	for name, r := range map[string]*wasm.Result{"plain": plain(one), "rewritten": transform(t, one, wasm.Options{})} {
		got := observe(t, h, r, tank{slice: 10, budget: -1}, nil, []step{{fn: "get"}})
		if !slices.Equal(got.results, []string{"[123]"}) {
			t.Errorf("%s: want 123, got %q", name, got.results)
		}
	}
}

// TestMergeFuelEndsEverything: modules that never end by themselves end by their fuel when they were taken apart, be
// they merged again or linked.
func TestMergeFuelEndsEverything(t *testing.T) {
	const budget = 3_000_000
	h := newHost(t, compiled)
	for _, s := range spinners {
		b := &Builder{}
		s.build(b)
		one, err := h.start(t, transform(t, merged(t, split(b)), wasm.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		linked, err := h.startLinked(t, split(b), linkedPart(t))
		if err != nil {
			t.Fatal(err)
		}
		for name, i := range map[string]*instance{"merged": one, "linked": linked} {
			if _, err := i.call(tank{slice: 10_000, budget: budget}, "f"); err == nil || !strings.Contains(err.Error(), errNoFuel.Error()) {
				t.Errorf("%s, %s: want the budget used up, got %v after %d", s.name, name, err, h.fuel.spent)
			}
		}
		h.runtime.Module("base").Close(t.Context())
	}
}

// TestLinkedFuelEndsCycles: calls that fan out in a cycle through two modules, none of which has a cycle of its own, end
// by their fuel.
func TestLinkedFuelEndsCycles(t *testing.T) {
	const budget = 3_000_000
	a := &Builder{}
	narrow, wide := a.Type("i", ""), a.Type("l", "")
	a.Table(2)
	a.Exports = append(a.Exports, wasm.Export{Name: "t", Kind: wasm.KindTable})
	out := Code(LocalGet, 0, 0xad, I32Const, 1, CallIndirect, U(wide), 0)
	a.Func("f", narrow, "", LocalGet, 0, If, Void, out, out, End)
	b := &Builder{}
	narrow, wide = b.Type("i", ""), b.Type("l", "")
	b.Import("a", "f", narrow)
	b.Imports = append(b.Imports, wasm.Import{Module: "a", Name: "t", Kind: wasm.KindTable, Table: wasm.Table{Type: wasm.FuncRef}})
	g := b.Func("g", wide, "", LocalGet, 0, 0xa7, I32Const, 1, I32Sub, Call, 0)
	b.Func("f", b.Type("", ""), "", I32Const, 60, Call, 0)
	b.Elems(0, 1, g)
	h := newHost(t, compiled)
	pieces := []piece{{"a", a}, {"b", b}}
	linked, err := h.startLinked(t, pieces, linkedPart(t))
	if err != nil {
		t.Fatal(err)
	}
	one, err := h.start(t, transform(t, merged(t, pieces), wasm.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	for name, i := range map[string]*instance{"merged": one, "linked": linked} {
		if _, err := i.call(tank{slice: 10_000, budget: budget}, "f"); err == nil || !strings.Contains(err.Error(), errNoFuel.Error()) {
			t.Errorf("%s: want the budget used up, got %v after %d", name, err, h.fuel.spent)
		}
	}
}

// BenchmarkShim measures a call from one module of a component to another through the shim: linked, merged, and merged
// and rewritten, against a call within a module.
func BenchmarkShim(b *testing.B) {
	const rounds = 10_000
	h := newHost(b, compiled)
	pieces := func(direct bool) []piece {
		list := composed()[:3]
		main := list[1].b
		fn := uint32(2) // the shim's
		unary := main.Type("i", "i")
		if direct {
			fn = main.Func("", 0, "", GlobalGet, 0, LocalGet, 1, I32Add, GlobalSet, 0, GlobalGet, 0)
		}
		main.Func("spin", unary, "i", Loop, Void, LocalGet, 1, I32Const, 1, Call, U(fn), LocalSet, 1,
			LocalGet, 0, I32Const, 1, I32Sub, LocalTee, 0, BrIf, 0, End, LocalGet, 1)
		fixup := &Builder{}
		binary := fixup.Type("ii", "i")
		fixup.Import("adapter", "state", binary)
		fixup.Import("main", "spin", fixup.Type("i", "i"))
		fixup.Imports = append(fixup.Imports,
			wasm.Import{Module: "shim", Name: "$imports", Kind: wasm.KindTable, Table: wasm.Table{Type: wasm.FuncRef}})
		fixup.Elems(0, 1, 0)
		fixup.Exports = []wasm.Export{{Name: "spin", Index: 1}}
		return append(list, piece{"fixup", fixup})
	}
	noFuel := wasm.Options{NoFuel: true}
	run := func(name string, start func(b *testing.B) (*instance, error)) {
		b.Run(name, func(b *testing.B) {
			i, err := start(b)
			if err != nil {
				b.Fatal(err)
			}
			fn := i.ExportedFunction("spin")
			for b.Loop() {
				if _, err := fn.Call(b.Context(), rounds); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rounds, "ns/call")
		})
	}
	run("direct", func(b *testing.B) (*instance, error) {
		return h.start(b, transform(b, merged(b, pieces(true)), noFuel))
	})
	run("rewritten", func(b *testing.B) (*instance, error) {
		return h.start(b, transform(b, merged(b, pieces(false)), noFuel))
	})
	run("merged", func(b *testing.B) (*instance, error) { return h.start(b, plain(merged(b, pieces(false)))) })
	run("linked", func(b *testing.B) (*instance, error) { return h.startLinked(b, pieces(false), plain) })
}
