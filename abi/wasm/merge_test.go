package wasm_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	. "github.com/mrt-wasm/mrt-wasm/abi/wasm/wasmtest"
)

// links resolves imports: of the module "host" by the host, of a part's number by that part.
func links(module, name string, _ wasm.Kind) (wasm.Target, bool) {
	if module == "host" {
		return wasm.FromHost("env", name), true
	}
	if len(module) == 1 && module[0] >= '0' && module[0] <= '9' {
		return wasm.FromPart(int(module[0]-'0'), name), true
	}
	return wasm.Target{}, false
}

// merge merges parts named a, b, ... and decodes the result.
func merge(t *testing.T, exports []wasm.MergeExport, parts ...*Builder) *wasm.Module {
	t.Helper()
	b, err := mergeBytes(exports, parts...)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Decode(b)
	if err != nil {
		t.Fatalf("the merged module is refused: %v", err)
	}
	return m
}

func mergeBytes(exports []wasm.MergeExport, parts ...*Builder) ([]byte, error) {
	var list []wasm.Part
	for i, b := range parts {
		list = append(list, wasm.Part{Name: string(rune('a' + i)), Wasm: b.Encode(), Imports: links})
	}
	return wasm.Merge(list, exports)
}

// importOf adds an import of another kind than function.
func importOf(b *Builder, module, name string, i wasm.Import) {
	i.Module, i.Name = module, name
	b.Imports = append(b.Imports, i)
}

func export(b *Builder, name string, kind wasm.Kind, index uint32) {
	b.Exports = append(b.Exports, wasm.Export{Name: name, Kind: kind, Index: index})
}

var (
	i32Global = wasm.GlobalType{Type: wasm.I32}
	mutGlobal = wasm.GlobalType{Type: wasm.I32, Mutable: true}
)

// provider defines and exports one of each kind, with something before each, so that indices differ.
func provider() *Builder {
	b := &Builder{}
	b.Type("dd", "d")
	unary := b.Type("i", "i")
	b.Import("host", "f", unary)
	b.Memory(2)
	b.Memories[0].Max, b.Memories[0].HasMax = 9, true
	b.Table(1)
	b.Table(5)
	b.Globals = []wasm.Global{
		{GlobalType: wasm.GlobalType{Type: wasm.I64}, Init: wasm.ConstI64(7)},
		{GlobalType: i32Global, Init: wasm.ConstI32(100)},
		{GlobalType: mutGlobal, Init: Code(GlobalGet, 1, I32Const, 28, I32Add, End)},
	}
	b.Func("", b.Type("", ""), "")
	b.Func("fn", unary, "", LocalGet, 0, Call, 0)
	b.DataAt(8, "provider")
	b.DataPassive("passive")
	export(b, "t", wasm.KindTable, 1)
	export(b, "base", wasm.KindGlobal, 1)
	export(b, "sp", wasm.KindGlobal, 2)
	export(b, "again", wasm.KindFunc, 0) // a re-export of the import
	return b
}

// user imports everything of part 0 and the same host function, under another name, and uses it in all ways.
func user() *Builder {
	b := &Builder{}
	void, unary := b.Type("", ""), b.Type("i", "i")
	b.Type("", "ii")
	b.Import("0", "fn", unary)
	b.Import("host", "f", unary)
	b.Import("0", "again", unary)
	importOf(b, "0", "memory", wasm.Import{Kind: wasm.KindMemory, Memory: wasm.Limits{Min: 1, Max: 10, HasMax: true}})
	importOf(b, "0", "t", wasm.Import{Kind: wasm.KindTable, Table: wasm.Table{Type: wasm.FuncRef, Limits: wasm.Limits{Min: 5}}})
	importOf(b, "0", "base", wasm.Import{Kind: wasm.KindGlobal, Global: i32Global})
	importOf(b, "0", "sp", wasm.Import{Kind: wasm.KindGlobal, Global: mutGlobal})
	b.Table(3)
	b.Globals = []wasm.Global{
		{GlobalType: i32Global, Init: Code(GlobalGet, 0, I32Const, 2, I32Mul, End)},
		{GlobalType: wasm.GlobalType{Type: wasm.FuncRef}, Init: Code(RefFunc, 2, End)},
	}
	f := uint32(3)
	b.Funcs = []wasm.Func{{Type: void, Code: Code(
		I32Const, 1, Call, 0, Call, 1, Call, 2, Drop, GlobalGet, 0, GlobalSet, 1, GlobalGet, 3, Drop,
		Block, 2, I32Const, 0, I32Const, 0, End, Drop, Drop,
		I32Const, 0, CallIndirect, 0, 0, I32Const, 0, CallIndirect, 0, 1,
		I32Const, 0, I32Const, 0, I32Const, 0, Bulk, TableCopy, 1, 0,
		I32Const, 0, I32Const, 0, I32Const, 0, Bulk, TableInit, 1, 0,
		Bulk, ElemDrop, 1, Bulk, TableSize, 1, Drop,
		I32Const, 0, I32Const, 0, I32Const, 0, Bulk, MemoryInit, 0, 0, Bulk, DataDrop, 1,
		RefFunc, 3, Drop, RefNull, FuncRefType, Drop, End)}}
	export(b, "run", wasm.KindFunc, f)
	b.Elems(0, 1, f, 0)
	b.Module.Elems = append(b.Module.Elems,
		wasm.Elem{Mode: wasm.Passive, Type: wasm.FuncRef, Funcs: []uint32{f}},
		wasm.Elem{Table: 1, Offset: Code(GlobalGet, 2, End), Type: wasm.FuncRef, UsesExprs: true, Exprs: []wasm.ConstExpr{Code(RefFunc, 1, End), Code(GlobalGet, 3, End)}})
	b.HasDataCount = true
	b.DataPassive("user's passive")
	b.Data = append(b.Data, wasm.Data{Offset: Code(GlobalGet, 0, I32Const, 4, I32Add, End), Bytes: []byte("user")})
	b.Names = &wasm.Names{Module: "user", Funcs: []wasm.Name{{Index: 0, Name: "imported"}, {Index: 3, Name: "run()"}}}
	b.Customs = []wasm.Custom{{Name: "producers"}}
	return b
}

func TestMerge(t *testing.T) {
	b, u := provider(), user()
	exports := []wasm.MergeExport{{Name: "memory", Part: 0, Export: "memory"}, {Name: "iface#run", Part: 2, Export: "run"}, {Name: "host", Part: 0, Export: "again"}}
	m := merge(t, exports, b, u, u)
	check := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\nwant %+v\ngot  %+v", what, want, got)
		}
	}
	check("imports", m.Imports, []wasm.Import{{Module: "env", Name: "f", Kind: wasm.KindFunc, Func: 1}})
	check("types", len(m.Types), 4)
	// Functions: 0 the import, 1 and 2 of a, 3 of b, 4 of c. Tables: 0 and 1 of a, 2 of b, 3 of c. Globals: 0 to 2, 3 and 4, 5 and 6.
	check("exports", m.Exports, []wasm.Export{{Name: "memory", Kind: wasm.KindMemory}, {Name: "iface#run", Index: 4}, {Name: "host", Index: 0}})
	check("code of a", m.Funcs[1].Code, Code(LocalGet, 0, Call, 0, End))
	code := func(own, table, global, elem, data int) []byte {
		return Code(I32Const, 1, Call, 2, Call, 0, Call, 0, Drop, GlobalGet, 1, GlobalSet, 2, GlobalGet, global+1, Drop,
			Block, 3, I32Const, 0, I32Const, 0, End, Drop, Drop,
			I32Const, 0, CallIndirect, 2, 1, I32Const, 0, CallIndirect, 2, table,
			I32Const, 0, I32Const, 0, I32Const, 0, Bulk, TableCopy, table, 1,
			I32Const, 0, I32Const, 0, I32Const, 0, Bulk, TableInit, elem+1, 1,
			Bulk, ElemDrop, elem+1, Bulk, TableSize, table, Drop,
			I32Const, 0, I32Const, 0, I32Const, 0, Bulk, MemoryInit, data, 0, Bulk, DataDrop, data+1,
			RefFunc, own, Drop, RefNull, FuncRefType, Drop, End)
	}
	check("code of b", m.Funcs[2].Code, code(3, 2, 3, 0, 2))
	check("code of c", m.Funcs[3].Code, code(4, 3, 5, 3, 4))
	var inits []wasm.ConstExpr
	for _, g := range m.Globals {
		inits = append(inits, g.Init)
	}
	check("globals", inits, []wasm.ConstExpr{
		wasm.ConstI64(7), wasm.ConstI32(100), wasm.ConstI32(128),
		wasm.ConstI32(200), Code(RefFunc, 0, End), wasm.ConstI32(200), Code(RefFunc, 0, End),
	})
	check("elements of b", m.Elems[:3], []wasm.Elem{
		{Table: 1, Offset: wasm.ConstI32(1), Type: wasm.FuncRef, Funcs: []uint32{3, 2}},
		{Mode: wasm.Passive, Type: wasm.FuncRef, Funcs: []uint32{3}},
		{Table: 2, Offset: wasm.ConstI32(200), Type: wasm.FuncRef, UsesExprs: true, Exprs: []wasm.ConstExpr{Code(RefFunc, 0, End), Code(RefFunc, 0, End)}},
	})
	check("elements of c", []uint32{m.Elems[3].Table, m.Elems[5].Table, m.Elems[3].Funcs[0]}, []uint32{1, 3, 4})
	check("data", m.Data[3], wasm.Data{Offset: wasm.ConstI32(104), Bytes: []byte("user")})
	check("counts", []int{len(m.Elems), len(m.Data), len(m.Tables), len(m.Memories), len(m.Customs)}, []int{6, 6, 4, 1, 0})
	check("names", m.Names, &wasm.Names{Funcs: []wasm.Name{{Index: 2, Name: "a!fn"}, {Index: 3, Name: "b!run()"}, {Index: 4, Name: "c!run()"}}})
}

// TestMergeStart: one start function calls those of the parts in order.
func TestMergeStart(t *testing.T) {
	with := func(start bool, imported bool) *Builder {
		b := &Builder{}
		void := b.Type("", "")
		b.Import("host", "f", void)
		f := b.Func("", void, "", Nop)
		if b.HasStart = start; imported {
			f = 0
		}
		b.Start = f
		return b
	}
	m := merge(t, nil, with(true, false), with(false, false), with(true, true), with(true, false))
	if want := Code(Call, 1, Call, 0, Call, 4, End); !m.HasStart || m.Start != 5 || !bytes.Equal(m.Funcs[4].Code, want) {
		t.Errorf("want a start function that calls 1, 0 and 4, got %d: % x", m.Start, m.Funcs[m.Start-1].Code)
	}
	m = merge(t, nil, with(false, false), with(true, false))
	if !m.HasStart || m.Start != 2 || len(m.Funcs) != 2 {
		t.Errorf("want the only start function, got %d of %d", m.Start, len(m.Funcs))
	}
	m = merge(t, nil, with(false, false))
	if m.HasStart {
		t.Error("want no start function")
	}
}

// TestMergeDeclares: a function that an export of a part declared for ref.func is declared when the export is gone.
func TestMergeDeclares(t *testing.T) {
	b := &Builder{}
	void := b.Type("", "")
	b.Func("f", void, "", RefFunc, 0, Drop, RefFunc, 1, Drop, RefFunc, 2, Drop)
	b.Func("g", void, "")
	h := b.Func("", void, "")
	b.Module.Elems = append(b.Module.Elems, wasm.Elem{Mode: wasm.Declarative, Type: wasm.FuncRef, Funcs: []uint32{h}})
	m := merge(t, []wasm.MergeExport{{Name: "g", Part: 0, Export: "g"}}, b)
	if len(m.Elems) != 2 || m.Elems[1].Mode != wasm.Declarative || !slices.Equal(m.Elems[1].Funcs, []uint32{0}) {
		t.Errorf("want function 0 declared, got %+v", m.Elems)
	}
}

// TestMergeHostImports: equal imports are one, others stay apart, and limits get narrower.
func TestMergeHostImports(t *testing.T) {
	part := func(params string, limits wasm.Limits, g wasm.GlobalType) *Builder {
		b := &Builder{}
		b.Import("host", "f", b.Type(params, ""))
		b.Import("host", "f", 0)
		b.Import("host", "g", 0)
		importOf(b, "host", "m", wasm.Import{Kind: wasm.KindMemory, Memory: limits})
		importOf(b, "host", "t", wasm.Import{Kind: wasm.KindTable, Table: wasm.Table{Type: wasm.FuncRef, Limits: limits}})
		importOf(b, "host", "v", wasm.Import{Kind: wasm.KindGlobal, Global: g})
		b.Globals = []wasm.Global{{GlobalType: i32Global, Init: Code(GlobalGet, 0, I32Const, 1, I32Add, End)}}
		b.Globals = append(b.Globals, wasm.Global{GlobalType: i32Global, Init: Code(GlobalGet, 1, GlobalGet, 1, I32Add, End)})
		return b
	}
	a, b := part("i", wasm.Limits{Min: 2}, i32Global), part("i", wasm.Limits{Min: 1, Max: 5, HasMax: true}, i32Global)
	c := part("l", wasm.Limits{Min: 1, Max: 6, HasMax: true}, i32Global)
	m := merge(t, nil, a, b, c)
	limits := wasm.Limits{Min: 2, Max: 5, HasMax: true}
	want := []wasm.Import{
		{Module: "env", Name: "f", Func: 0},
		{Module: "env", Name: "g", Func: 0},
		{Module: "env", Name: "m", Kind: wasm.KindMemory, Memory: limits},
		{Module: "env", Name: "t", Kind: wasm.KindTable, Table: wasm.Table{Type: wasm.FuncRef, Limits: limits}},
		{Module: "env", Name: "v", Kind: wasm.KindGlobal, Global: i32Global},
		{Module: "env", Name: "f", Func: 1},
		{Module: "env", Name: "g", Func: 1},
	}
	if !reflect.DeepEqual(m.Imports, want) {
		t.Errorf("want %+v\ngot  %+v", want, m.Imports)
	}
	sum := wasm.ConstExpr(Code(GlobalGet, 0, I32Const, 1, I32Add, GlobalGet, 0, I32Const, 1, I32Add, I32Add, End))
	if !bytes.Equal(m.Globals[5].Init, sum) {
		t.Errorf("want the host's global in place of what depends on it: % x, got % x", sum, m.Globals[5].Init)
	}
}

func TestMergeRefuses(t *testing.T) {
	imports := func(i wasm.Import, module, name string) func() []*Builder {
		return func() []*Builder {
			b := &Builder{}
			b.Type("l", "i")
			importOf(b, module, name, i)
			return []*Builder{provider(), b}
		}
	}
	memory := func(l wasm.Limits) wasm.Import { return wasm.Import{Kind: wasm.KindMemory, Memory: l} }
	table := func(typ wasm.ValType, l wasm.Limits) wasm.Import {
		return wasm.Import{Kind: wasm.KindTable, Table: wasm.Table{Type: typ, Limits: l}}
	}
	global := func(g wasm.GlobalType) wasm.Import { return wasm.Import{Kind: wasm.KindGlobal, Global: g} }
	constant := func(code ...any) func() []*Builder {
		return func() []*Builder {
			b := &Builder{}
			importOf(b, "0", "sp", global(mutGlobal))
			importOf(b, "host", "v", global(i32Global))
			b.Globals = []wasm.Global{{GlobalType: i32Global, Init: Code(append(code, End)...)}}
			return []*Builder{provider(), b}
		}
	}
	tests := []struct {
		name    string
		parts   func() []*Builder
		exports []wasm.MergeExport
		want    string
	}{
		{"no such module", imports(wasm.Import{}, "other", "f"), nil, `part 1 (b): import "other" "f": expected a function to resolve it to, found nothing`},
		{"no such export", imports(wasm.Import{}, "0", "f"), nil, `expected an export "f" of part 0 (a), found none`},
		{"a part to come", imports(wasm.Import{}, "1", "f"), nil, "expected an export of a part before this one, found part 1"},
		{"other kind", imports(wasm.Import{}, "0", "t"), nil, `expected a function, found "t" of part 0 (a), which is a table`},
		{"other function type", imports(wasm.Import{}, "0", "fn"), nil, `expected a function (i64) -> (i32), found (i32) -> (i32) ("fn" of part 0, a)`},
		{"other function type of a re-export", imports(wasm.Import{}, "0", "again"), nil, "expected a function (i64) -> (i32), found (i32) -> (i32)"},
		{"memory too small", imports(memory(wasm.Limits{Min: 3}), "0", "memory"), nil, "expected at least 3 pages, found 2"},
		{"memory may grow too large", imports(memory(wasm.Limits{Max: 8, HasMax: true}), "0", "memory"), nil, "expected a maximum of at most 8 pages, found 9"},
		{"table without maximum", imports(table(wasm.FuncRef, wasm.Limits{Max: 8, HasMax: true}), "0", "t"), nil, "expected a maximum of at most 8 elements, found none"},
		{"table of another type", imports(table(wasm.ExternRef, wasm.Limits{}), "0", "t"), nil, "expected a table of externref, found one of funcref"},
		{"global of another mutability", imports(global(i32Global), "0", "sp"), nil, "expected a global i32, found (mut i32)"},
		{"global of another type", imports(global(wasm.GlobalType{Type: wasm.I64}), "0", "base"), nil, "expected a global i64, found i32"},
		{"mutable global in a constant", constant(GlobalGet, 0), nil, "part 1 (b): global 0: expected only immutable globals in a constant expression, found a mutable one"},
		{"limits that exclude each other", func() []*Builder {
			a, b := &Builder{}, &Builder{}
			importOf(a, "host", "m", memory(wasm.Limits{Min: 2}))
			importOf(b, "host", "m", memory(wasm.Limits{Min: 1, Max: 1, HasMax: true}))
			return []*Builder{a, b}
		}, nil, "found limits that exclude each other"},
		{"no such part to export", func() []*Builder { return nil }, []wasm.MergeExport{{Name: "x", Part: 0}}, `export "x": expected a part below 0, found 0`},
		{"nothing to export", func() []*Builder { return []*Builder{provider()} }, []wasm.MergeExport{{Name: "x", Export: "y"}}, `export "x": expected an export "y" of part 0 (a), found none`},
		{"exported twice", func() []*Builder { return []*Builder{provider()} }, []wasm.MergeExport{{Name: "x", Export: "fn"}, {Name: "x", Export: "t"}}, "expected a name that is exported once"},
		{"sum of sums", func() []*Builder {
			b := &Builder{}
			importOf(b, "host", "v", global(i32Global))
			for i := range 50 {
				b.Globals = append(b.Globals, wasm.Global{GlobalType: i32Global, Init: Code(GlobalGet, i, GlobalGet, i, I32Add, End)})
			}
			return []*Builder{b}
		}, nil, "global 8: expected a constant expression of at most 1000 instructions"},
		{"reserved name", func() []*Builder {
			b := &Builder{}
			b.Func(wasm.FuelExport, b.Type("", ""), "")
			return []*Builder{b}
		}, nil, wasm.ErrRewritten.Error()},
		{"tables", func() []*Builder {
			b := &Builder{}
			for range wasm.MaxTables {
				b.Table(0)
			}
			return []*Builder{b, b}
		}, nil, "expected at most 100 tables in all parts together, found 200"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := mergeBytes(tt.exports, tt.parts()...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want an error with %q, got %v", tt.want, err)
			}
		})
	}
	if _, err := wasm.Merge([]wasm.Part{{Name: "x", Wasm: user().Encode()}}, nil); err == nil || !strings.Contains(err.Error(), "said to have no imports") {
		t.Errorf("want an error without a function for imports, got %v", err)
	}
	if _, err := wasm.Merge([]wasm.Part{{Name: "x", Wasm: []byte("no wasm")}}, nil); !errors.As(err, new(*wasm.Error)) {
		t.Errorf("want an error of the decoder, got %v", err)
	}
	if _, err := wasm.Merge(make([]wasm.Part, wasm.MaxParts+1), nil); err == nil {
		t.Error("want too many parts to be refused")
	}
	_, err := mergeBytes(nil, provider(), provider())
	if u := new(wasm.Unfit); !errors.As(err, &u) || u.Reason != "expected parts with one memory among them, found 2" {
		t.Errorf("want Unfit for two memories, got %v", err)
	}
}

// TestMergeEvaluates: sums of globals that depend on nothing are numbers, however deep.
func TestMergeEvaluates(t *testing.T) {
	b := &Builder{}
	b.Globals = []wasm.Global{{GlobalType: i32Global, Init: wasm.ConstI32(3)}, {GlobalType: wasm.GlobalType{Type: wasm.I64}, Init: wasm.ConstI64(3)}}
	for i := range 80 { // each is made of the one before of its type
		if i%2 == 0 {
			b.Globals = append(b.Globals, wasm.Global{GlobalType: i32Global, Init: Code(GlobalGet, i, GlobalGet, i, I32Add, I32Const, 1, I32Sub, End)})
			continue
		}
		b.Globals = append(b.Globals, wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.I64}, Init: Code(GlobalGet, i, GlobalGet, i, 0x7e, I64Const, 1, 0x7d, End)})
	}
	m := merge(t, nil, b)
	narrow, wide := int32(3), int64(3)
	for i := 2; i < len(m.Globals); i += 2 {
		narrow, wide = narrow*2-1, wide*wide-1
		if !bytes.Equal(m.Globals[i].Init, wasm.ConstI32(narrow)) || !bytes.Equal(m.Globals[i+1].Init, wasm.ConstI64(wide)) {
			t.Fatalf("globals %d and %d: want %d and %d, got % x and % x", i, i+1, narrow, wide, m.Globals[i].Init, m.Globals[i+1].Init)
		}
	}
}

// TestMergeLongNames: names of parts and functions make no name section that nobody reads.
func TestMergeLongNames(t *testing.T) {
	b := &Builder{}
	b.Func(strings.Repeat("é", wasm.MaxNameLength/2), b.Type("", ""), "")
	out, err := wasm.Merge([]wasm.Part{{Name: "x\xff" + strings.Repeat("ü", 100), Wasm: b.Encode()}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Decode(out)
	if err != nil || m.Names == nil || !strings.HasPrefix(m.Names.Funcs[0].Name, "x?ü") || len(m.Names.Funcs[0].Name) > wasm.MaxNameLength {
		t.Errorf("want a name that fits, got %v", err)
	}
}
