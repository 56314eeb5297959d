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

// rewrite applies passes to a copy of the module.
func rewrite(t *testing.T, b *Builder, passes ...wasm.Pass) *wasm.Module {
	t.Helper()
	m, err := wasm.Decode(b.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if err := wasm.Rewrite(m, passes...); err != nil {
		t.Fatal(err)
	}
	if _, err := wasm.Decode(m.Encode()); err != nil {
		t.Fatalf("the rewritten module is refused: %v", err)
	}
	return m
}

func TestTakeData(t *testing.T) {
	b := &Builder{}
	void := b.Type("", "")
	b.Memory(1)
	b.Globals = append(b.Globals, wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.I32}, Init: wasm.ConstI32(40)})
	b.DataAt(8, "abc")
	b.DataPassive("one")
	b.DataAt(9, "overlap")
	b.Data = append(b.Data, wasm.Data{Offset: Code(GlobalGet, 0, I32Const, 2, I32Add, End), Bytes: []byte("extended")})
	b.DataPassive("two")
	drop := func(i int) []byte { return Code(Bulk, DataDrop, i) }
	b.Func("f", void, "", drop(0), drop(1), drop(2), drop(4), I32Const, 0, I32Const, 0, I32Const, 0, Bulk, MemoryInit, 4, 0)
	var image []wasm.Segment
	m := rewrite(t, b, wasm.TakeData(&image))
	want := []wasm.Segment{{Offset: 8, Bytes: []byte("abc")}, {Offset: 9, Bytes: []byte("overlap")}, {Offset: 42, Bytes: []byte("extended")}}
	if !reflect.DeepEqual(image, want) {
		t.Errorf("want the image %v, got %v", want, image)
	}
	if len(m.Data) != 3 || string(m.Data[0].Bytes) != "one" || string(m.Data[1].Bytes) != "two" || m.Data[2].Mode != wasm.Passive || len(m.Data[2].Bytes) != 0 {
		t.Errorf("want the passive segments and an empty one, got %+v", m.Data)
	}
	code := Code(drop(2), drop(0), drop(2), drop(1), I32Const, 0, I32Const, 0, I32Const, 0, Bulk, MemoryInit, 1, 0, End)
	if !bytes.Equal(m.Funcs[0].Code, code) {
		t.Errorf("want segments renumbered:\n% x\ngot\n% x", code, m.Funcs[0].Code)
	}
	if f := m.Facts(); f.DataDrops != 4 || f.MemoryInits != 1 || !slices.Contains(f.Obstacles(), "data segments are dropped at run time") {
		t.Errorf("want facts about data segments, got %+v", f)
	}
}

func TestTakeDataLeavesNothing(t *testing.T) {
	b := &Builder{}
	b.Memory(1)
	b.DataAt(0, "x")
	b.HasDataCount = true
	var image []wasm.Segment
	m := rewrite(t, b, wasm.TakeData(&image))
	if len(m.Data) != 0 || m.HasDataCount {
		t.Errorf("want no data and no DataCount section, got %+v %t", m.Data, m.HasDataCount)
	}
}

func TestPassesRefuse(t *testing.T) {
	importedMemory := func(b *Builder) {
		b.Imports = append(b.Imports, wasm.Import{Module: "env", Name: "memory", Kind: wasm.KindMemory, Memory: wasm.Limits{Min: 1}})
	}
	importedGlobal := func(b *Builder) {
		b.Imports = append(b.Imports, wasm.Import{Module: "env", Name: "base", Kind: wasm.KindGlobal, Global: wasm.GlobalType{Type: wasm.I32}})
	}
	indirect := func(b *Builder) {
		b.Func("f", b.Type("", ""), "", I32Const, 0, CallIndirect, 0, 0)
	}
	var image []wasm.Segment
	var globals []wasm.GlobalExport
	var stats wasm.Dispatch
	var fuel wasm.Fuel
	var found bool
	take, limit := wasm.TakeData(&image), wasm.LimitMemory(2)
	devirtualise := wasm.Devirtualise(&stats)
	export := func(name string) func(b *Builder) {
		return func(b *Builder) { b.Memory(1); b.Exports[0].Name = name }
	}
	tests := []struct {
		name  string
		build func(b *Builder)
		pass  wasm.Pass
		want  string
		unfit bool
	}{
		{"data in an imported memory", func(b *Builder) { importedMemory(b); b.DataAt(0, "x") }, take, "the memory is imported", true},
		{"data at an imported offset", func(b *Builder) {
			importedGlobal(b)
			b.Memory(1)
			b.Data = append(b.Data, wasm.Data{Offset: Code(GlobalGet, 0, End), Bytes: []byte("x")})
		}, take, "the offset of data segment 0 is not a constant of the module", true},
		{"data outside of memory", func(b *Builder) { b.Memory(1); b.DataAt(65535, "xy") }, take, "data segment 0 (2 bytes at 65535) ends outside of the initial memory of 65536 bytes", false},
		{"data at a negative offset", func(b *Builder) { b.Memory(1); b.DataAt(-1, "x") }, take, "(1 bytes at 4294967295) ends outside", false},
		{"data before a start function", func(b *Builder) {
			b.Memory(1)
			b.DataAt(0, "x")
			b.Start, b.HasStart = b.Func("", b.Type("", ""), ""), true
		}, take, "a start function would run before the image is in memory", true},
		{"limit of an imported memory", importedMemory, limit, "the memory is imported", true},
		{"limit below the minimum", func(b *Builder) { b.Memory(3) }, limit, "starts with 3 pages (192 KiB) of memory, more than its limit of 2 pages (128 KiB)", false},
		{"taken global name", export("mrt:g12"), wasm.ExportGlobals(&globals), `exports "mrt:g12"`, false},
		{"taken start name", export("mrt:start"), wasm.ExportStart(&found), `exports "mrt:start"`, false},
		{"taken fuel name", export("mrt:fuel"), wasm.Meter(&fuel), `exports "mrt:fuel"`, false},
		{"taken fuel import", func(b *Builder) { b.Import(wasm.FuelModule, "yield", b.Type("", "")) }, wasm.Meter(&fuel), `imports "mrt:engine/fuel" "yield"`, false},
		{"imported table", func(b *Builder) {
			b.Imports = append(b.Imports, wasm.Import{Module: "env", Name: "t", Kind: wasm.KindTable, Table: wasm.Table{Type: wasm.FuncRef}})
			indirect(b)
		}, devirtualise, "table 0 may change: imported true, exported false, changed by code false", true},
		{"exported table", func(b *Builder) {
			b.Table(1)
			b.Exports = append(b.Exports, wasm.Export{Name: "t", Kind: wasm.KindTable})
			indirect(b)
		}, devirtualise, "imported false, exported true, changed by code false", true},
		{"changed table", func(b *Builder) {
			b.Table(1)
			indirect(b)
			b.Func("g", 0, "", I32Const, 0, RefNull, FuncRefType, TableSet, 0)
		}, devirtualise, "imported false, exported false, changed by code true", true},
		{"elements at an imported offset", func(b *Builder) {
			importedGlobal(b)
			b.Table(1)
			indirect(b)
			b.Elems(0, 0, 0)
			b.Module.Elems[0].Offset = Code(GlobalGet, 0, End)
		}, devirtualise, "the offset of element segment 0 is not a constant of the module", true},
		{
			"elements outside of the table", func(b *Builder) { b.Table(1); indirect(b); b.Elems(0, 1, 0) }, devirtualise,
			"element segment 0 (1 elements at 1) ends outside of table 0 of 1 elements", false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &Builder{}
			tt.build(b)
			m, err := wasm.Decode(b.Encode())
			if err != nil {
				t.Fatal(err)
			}
			err = wasm.Rewrite(m, tt.pass)
			var u *wasm.Unfit
			if err == nil || !strings.Contains(err.Error(), tt.want) || errors.As(err, &u) != tt.unfit {
				t.Errorf("want an error with %q (unfit %t), got %v", tt.want, tt.unfit, err)
			}
		})
	}
}

func TestLimitMemory(t *testing.T) {
	tests := []struct {
		min, max uint32
		hasMax   bool
		limit    uint32
		want     uint32
	}{
		{1, 0, false, 10, 10},
		{1, 5, true, 10, 5},
		{1, 50, true, 10, 10},
		{10, 0, false, 10, 10},
		{1, 0, false, 1 << 20, wasm.MaxMemoryPages},
	}
	for _, tt := range tests {
		b := &Builder{}
		b.Memory(tt.min)
		b.Memories[0].Max, b.Memories[0].HasMax = tt.max, tt.hasMax
		m := rewrite(t, b, wasm.LimitMemory(tt.limit))
		if got := m.Memories[0]; got.Max != tt.want || !got.HasMax || got.Min != tt.min {
			t.Errorf("%+v: want a maximum of %d, got %+v", tt, tt.want, got)
		}
	}
}

func TestExportGlobals(t *testing.T) {
	b := &Builder{}
	b.Imports = append(b.Imports, wasm.Import{Module: "env", Name: "g", Kind: wasm.KindGlobal, Global: wasm.GlobalType{Type: wasm.I32, Mutable: true}})
	b.Global(5)
	b.Globals = append(b.Globals,
		wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.I64}, Init: wasm.ConstI64(1)},
		wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.I64, Mutable: true}, Init: wasm.ConstI64(1)},
		wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.ExternRef, Mutable: true}, Init: Code(RefNull, 0x6f, End)})
	b.Exports = append(b.Exports, wasm.Export{Name: "mrt:gas", Kind: wasm.KindGlobal, Index: 1}) // not reserved: no digits
	var fuel wasm.Fuel
	var got []wasm.GlobalExport
	m := rewrite(t, b, wasm.Meter(&fuel), wasm.ExportGlobals(&got))
	want := []wasm.GlobalExport{{Name: "mrt:g1", Index: 1, Type: wasm.I32}, {Name: "mrt:g3", Index: 3, Type: wasm.I64}, {Name: "mrt:g4", Index: 4, Type: wasm.ExternRef}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("want %+v, got %+v", want, got)
	}
	if fuel.Global != 5 || m.Exports[1].Name != wasm.FuelExport || m.Exports[1].Index != 5 {
		t.Errorf("want the fuel counter exported as global 5, got %+v %+v", fuel, m.Exports)
	}
	if o := m.Facts().Obstacles(); len(o) != 2 {
		t.Errorf("want the imported global and the reference as obstacles, got %q", o)
	}
	if err := wasm.Rewrite(m, wasm.ExportGlobals(&got)); !errors.Is(err, wasm.ErrRewritten) {
		t.Errorf("want ErrRewritten for a second application, got %v", err)
	}
}

// TestMeterRenumbers checks every place that names a function.
func TestMeterRenumbers(t *testing.T) {
	b := &Builder{}
	void := b.Type("", "")
	b.Import("env", "host", void)
	b.Table(2)
	b.Globals = append(b.Globals, wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.FuncRef}, Init: Code(RefFunc, 1, End)})
	b.Func("f", void, "", Call, 0, RefFunc, 2, Drop)
	b.Func("g", void, "")
	b.Exports = append(b.Exports, wasm.Export{Name: "host", Kind: wasm.KindFunc, Index: 0})
	b.Start, b.HasStart = 2, true
	b.Elems(0, 0, 0, 2)
	b.Module.Elems = append(b.Module.Elems, wasm.Elem{Mode: wasm.Declarative, Type: wasm.FuncRef, UsesExprs: true, Exprs: []wasm.ConstExpr{Code(RefFunc, 2, End), Code(RefFunc, 0, End)}})
	b.Names = &wasm.Names{Funcs: []wasm.Name{{Index: 0, Name: "host"}, {Index: 2, Name: "g"}}}
	b.Customs = []wasm.Custom{{Name: ".debug_line"}, {Name: "producers"}}
	var fuel wasm.Fuel
	m := rewrite(t, b, wasm.Meter(&fuel))
	check := func(what string, got, want any) {
		t.Helper()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: want %+v, got %+v", what, want, got)
		}
	}
	check("import", m.Imports[1].Name, wasm.FuelFunc)
	check("code", m.Funcs[0].Code, Code(Call, 0, RefFunc, 3, Drop, End))
	check("global", m.Globals[0].Init, wasm.ConstExpr(Code(RefFunc, 2, End)))
	check("exports", []uint32{m.Exports[0].Index, m.Exports[1].Index, m.Exports[2].Index}, []uint32{2, 3, 0})
	check("start", m.Start, uint32(3))
	check("elements", m.Elems[0].Funcs, []uint32{0, 3})
	check("element expressions", m.Elems[1].Exprs, []wasm.ConstExpr{Code(RefFunc, 3, End), Code(RefFunc, 0, End)})
	check("names", m.Names.Funcs, []wasm.Name{{Index: 0, Name: "host"}, {Index: 1, Name: "mrt:engine/fuel.yield"}, {Index: 3, Name: "g"}})
	check("custom sections", len(m.Customs), 1)
}

func TestDevirtualiseRemovesTables(t *testing.T) {
	b := &Builder{}
	void, unary := b.Type("", ""), b.Type("i", "i")
	b.Table(4)   // called only
	b.Table(3)   // read: stays
	b.Table(2)   // exported: stays
	b.Table(500) // sparse
	f := b.Func("f", void, "", I32Const, 1, I32Const, 0, CallIndirect, 1, 0, Drop, I32Const, 2, Nop, CallIndirect, 0, 3)
	g := b.Func("g", unary, "", I32Const, 0, TableGet, 1, Drop, RefFunc, 1, Drop, LocalGet, 0, I32Const, 0, CallIndirect, 0, 2)
	b.Exports = append(b.Exports, wasm.Export{Name: "t", Kind: wasm.KindTable, Index: 2})
	b.Elems(0, 1, f, g)
	b.Elems(1, 0, g)
	b.Elems(2, 0, f)
	b.Elems(3, 2, f)
	b.Elems(3, 400, f)
	var stats wasm.Dispatch
	m := rewrite(t, b, wasm.Devirtualise(&stats))
	if want := (wasm.Dispatch{Sites: 2, Dispatchers: 2, Targets: 3, Tables: 2}); stats != want {
		t.Errorf("want %+v, got %+v", want, stats)
	}
	if len(m.Tables) != 2 || m.Tables[0].Min != 3 || m.Tables[1].Min != 2 || m.Exports[2].Index != 1 {
		t.Errorf("want the second and third table to stay, got %+v, exports %+v", m.Tables, m.Exports)
	}
	if len(m.Elems) != 3 || m.Elems[0].Table != 0 || m.Elems[1].Table != 1 || m.Elems[2].Mode != wasm.Declarative || !slices.Equal(m.Elems[2].Funcs, []uint32{1}) {
		t.Errorf("want segments for the tables that stay and a declaration for ref.func, got %+v", m.Elems)
	}
	if want := Code(I32Const, 0, TableGet, 0, Drop, RefFunc, 1, Drop, LocalGet, 0, I32Const, 0, CallIndirect, 0, 1, End); !bytes.Equal(m.Funcs[1].Code, want) {
		t.Errorf("want tables renumbered:\n% x\ngot\n% x", want, m.Funcs[1].Code)
	}
	names := map[string]bool{}
	for _, n := range m.Names.Funcs {
		names[n.Name] = true
	}
	for _, want := range []string{wasm.TrapNull, wasm.TrapOutOfRange, wasm.TrapSignature, "mrt:call_indirect[][]", "mrt:call_indirect[i32][i32]"} {
		if !names[want] {
			t.Errorf("want a function named %q, got %v", want, m.Names.Funcs)
		}
	}
}

// TestDevirtualiseKeepsNamedElements: code that names element segments keeps them and their tables.
func TestDevirtualiseKeepsNamedElements(t *testing.T) {
	b := &Builder{}
	b.Table(1)
	f := b.Func("f", b.Type("", ""), "", I32Const, 0, CallIndirect, 0, 0, Bulk, ElemDrop, 0)
	b.Elems(0, 0, f)
	var stats wasm.Dispatch
	m := rewrite(t, b, wasm.Devirtualise(&stats))
	if stats.Sites != 1 || stats.Tables != 0 || len(m.Tables) != 1 || len(m.Elems) != 1 {
		t.Errorf("want the call replaced and the table kept, got %+v, %d tables, %d segments", stats, len(m.Tables), len(m.Elems))
	}
}

// TestDevirtualiseBounded: a short module with a wide type and many functions makes no endless dispatcher.
func TestDevirtualiseBounded(t *testing.T) {
	b := &Builder{}
	wide := b.Type(strings.Repeat("i", 999), "")
	full := b.Type(strings.Repeat("i", 1000), "")
	const n = 50_000
	funcs := make([]uint32, n)
	for i := range funcs {
		funcs[i] = b.Func("", wide, "")
	}
	call := func(typ uint32, params int) []byte {
		return append(bytes.Repeat(Code(I32Const, 0), params+1), Code(Nop, CallIndirect, U(typ), 0)...)
	}
	b.Func("f", b.Type("", ""), "", call(wide, 999), call(full, 1000))
	b.Table(n)
	b.Elems(0, 0, funcs...)
	var stats wasm.Dispatch
	m := rewrite(t, b, wasm.Devirtualise(&stats))
	if stats.Sites != 0 || len(m.Tables) != 1 {
		t.Errorf("want both calls to stay, got %+v", stats)
	}
}
