package rewritetest

import (
	"fmt"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	. "github.com/mrt-wasm/mrt-wasm/abi/wasm/wasmtest"
)

// generator makes a valid module out of any bytes: the bytes are its decisions. Every run of the module ends, since
// functions and loops count down a global and return when it is zero.
type generator struct {
	b       *Builder
	data    []byte
	sigs    []wasm.FuncType // by type index
	funcs   []uint32        // type index of each function
	globals []wasm.ValType
	passive []uint32 // data segments

	// Of the function that is being made:
	out    []byte
	locals []wasm.ValType
	params int
	labels []genLabel // outermost first
	result []wasm.ValType
	left   int // instructions that it may still have
}

// genLabel is a block and what a branch to it takes.
type genLabel struct{ takes []wasm.ValType }

const (
	genFuncSize  = 150
	genDepth     = 7
	genBudget    = 300
	globalBudget = 0 // the global that counts down
)

// pick gives the next decision, below n; zeros at the end of the data.
func (g *generator) pick(n int) int {
	if len(g.data) == 0 || n <= 1 {
		return 0
	}
	v := int(g.data[0])
	g.data = g.data[1:]
	return v % n
}

func (g *generator) emit(parts ...any) {
	g.out = append(g.out, Code(parts...)...)
	g.left--
}

// generate makes a module with exports f0, f1, ... and gives their signatures.
func generate(data []byte) (b *Builder, exports []wasm.FuncType) {
	g := &generator{b: &Builder{}, data: data}
	b = g.b
	for i := range 2 + g.pick(4) {
		params := []string{"i", "", "il", "ii", "ld", "iiil"}[g.pick(6)]
		results := []string{"i", "", "l", "i", "d", "il"}[(g.pick(6)+i)%6]
		b.Type(params, results)
	}
	g.sigs = slices.Clone(b.Types)
	b.Memory(1)
	b.Memories[0].Max, b.Memories[0].HasMax = 3, true
	b.Global(genBudget)
	g.globals = []wasm.ValType{wasm.I32}
	for range g.pick(4) {
		t := []wasm.ValType{wasm.I32, wasm.I64}[g.pick(2)]
		init := wasm.ConstI32(int32(g.pick(256)))
		if t == wasm.I64 {
			init = wasm.ConstI64(-int64(g.pick(256)))
		}
		b.Globals = append(b.Globals, wasm.Global{GlobalType: wasm.GlobalType{Type: t, Mutable: true}, Init: init})
		g.globals = append(g.globals, t)
	}
	g.segments()
	for range 2 + g.pick(5) {
		g.funcs = append(g.funcs, uint32(g.pick(len(g.sigs))))
	}
	g.table()
	for i, sig := range g.funcs {
		g.function(i, sig)
		exports = append(exports, g.sigs[sig])
	}
	for i := range g.globals {
		b.Exports = append(b.Exports, wasm.Export{Name: fmt.Sprint("global", i), Kind: wasm.KindGlobal, Index: uint32(i)})
	}
	return b, exports
}

func (g *generator) segments() {
	for i := range g.pick(4) {
		if g.pick(2) == 0 {
			g.b.DataAt(int32(g.pick(256)*200), "active segment")
			continue
		}
		g.passive = append(g.passive, uint32(i))
		g.b.DataPassive(fmt.Sprint(i, " passive segment"))
	}
}

func (g *generator) table() {
	size := 1 + g.pick(12)
	g.b.Table(uint32(size))
	for range g.pick(5) {
		g.b.Elems(0, int32(g.pick(size)), uint32(g.pick(len(g.funcs))))
	}
}

func (g *generator) function(i int, sig uint32) {
	ft := g.sigs[sig]
	g.out, g.left, g.labels = nil, genFuncSize, nil
	g.locals, g.params, g.result = slices.Clone(ft.Params), len(ft.Params), ft.Results
	letters := []string{"", "il", "iil", "lidd"}[g.pick(4)] + "iild"
	g.locals = append(g.locals, Types(letters)...)
	g.labels = []genLabel{{takes: ft.Results}}
	g.countDown()
	g.body(ft.Results, 0)
	name := fmt.Sprint("f", i)
	if g.pick(5) == 4 {
		g.emit(Return)
	}
	g.b.Func(name, sig, letters, g.out)
}

// countDown ends the function when the budget is used up.
func (g *generator) countDown() {
	g.emit(GlobalGet, globalBudget, I32Eqz, If, Void)
	for _, t := range g.result {
		g.constant(t)
	}
	g.emit(Return, End, GlobalGet, globalBudget, I32Const, 1, I32Sub, GlobalSet, globalBudget)
}

// body is some statements and values of the wanted types.
func (g *generator) body(want []wasm.ValType, depth int) {
	for range g.pick(5) {
		if !g.statement(depth) {
			return // what follows is never reached, and any types will do
		}
	}
	for _, t := range want {
		g.expr(t, depth)
	}
}

func (g *generator) constant(t wasm.ValType) {
	switch t {
	case wasm.I32:
		g.emit(I32Const, S([]int32{0, 1, -1, 7, 65535, 1 << 30, 260, -70000}[g.pick(8)]))
	case wasm.I64:
		g.emit(I64Const, S([]int64{0, 1, -1, 1 << 40}[g.pick(4)]))
	default:
		g.emit(0x44, 0, 0, 0, 0, 0, 0, []int{0, 8, 0xf0}[g.pick(3)], 0x40)
	}
}

// ops are instructions by result type: the operands' types and the code.
var ops = map[wasm.ValType][]struct {
	takes string
	code  []byte
}{
	wasm.I32: {
		{"ii", Code(I32Add)},
		{"ii", Code(I32Sub)},
		{"ii", Code(I32Mul)},
		{"i", Code(I32Eqz)},
		{"ii", Code(I32LtU)},
		{"ii", Code(I32DivU)},
		{"ii", Code(0x6d)},
		{"l", Code(0xa7)},
		{"ll", Code(0x53)},
		{"dd", Code(0x63)},
		{"i", Code(0xc0)},
		{"ii", Code(0x71)},
		{"iii", Code(Select)},
		{"", Code(MemorySize, 0)},
		{"i", Code(MemoryGrow, 0)},
		{"i", Code(I32Load, 2, U(1000))},
		{"i", Code(I32Load8U, 0, 0)},
		{"d", Code(Bulk, 2)},
	},
	wasm.I64: {
		{"ll", Code(I64Add)}, {"ll", Code(0x7e)}, {"i", Code(0xac)}, {"ll", Code(0x80)}, {"d", Code(Bulk, 6)}, {"lli", Code(Select)}, {"i", Code(0x29, 3, 8)}, {"l", Code(0xc4)},
	},
	wasm.F64: {{"dd", Code(0xa0)}, {"dd", Code(0xa2)}, {"i", Code(0xb7)}, {"l", Code(0xb9)}, {"d", Code(0x9f)}, {"d", Code(0x9c)}},
}

// expr makes one value.
func (g *generator) expr(t wasm.ValType, depth int) {
	if depth > genDepth || g.left < 0 {
		g.constant(t)
		return
	}
	switch g.pick(9) {
	case 0:
		g.constant(t)
	case 1, 2:
		g.localGet(t)
	case 3:
		g.globalGet(t)
	case 4, 5:
		list := ops[t]
		op := list[g.pick(len(list))]
		for _, p := range Types(op.takes) {
			g.expr(p, depth+1)
		}
		g.emit(op.code)
	case 6:
		g.callFor([]wasm.ValType{t}, depth)
	case 7:
		g.block([]wasm.ValType{t}, depth)
	case 8:
		g.expr(t, depth+1)
		g.emit(LocalTee, g.localOf(t))
	}
}

// localOf gives a local of a type: functions have at least one of each.
func (g *generator) localOf(t wasm.ValType) U {
	var fit []int
	for i, l := range g.locals {
		if l == t {
			fit = append(fit, i)
		}
	}
	return U(fit[g.pick(len(fit))])
}

func (g *generator) localGet(t wasm.ValType) { g.emit(LocalGet, g.localOf(t)) }

func (g *generator) globalGet(t wasm.ValType) {
	var fit []int
	for i, gt := range g.globals {
		if gt == t {
			fit = append(fit, i)
		}
	}
	if len(fit) == 0 {
		g.constant(t)
		return
	}
	g.emit(GlobalGet, fit[g.pick(len(fit))])
}

// callFor calls a function with the wanted results, directly or through the table.
func (g *generator) callFor(want []wasm.ValType, depth int) {
	var direct, types []int
	for i, sig := range g.funcs {
		if slices.Equal(g.sigs[sig].Results, want) {
			direct = append(direct, i)
		}
	}
	for i, sig := range g.sigs {
		if slices.Equal(sig.Results, want) {
			types = append(types, i)
		}
	}
	choice := g.pick(2)
	switch {
	case len(types) == 0 || choice == 0 && len(direct) == 0:
		for _, t := range want {
			g.constant(t)
		}
	case choice == 0:
		f := direct[g.pick(len(direct))]
		g.args(g.sigs[g.funcs[f]].Params, depth)
		g.emit(Call, f)
	default:
		sig := types[g.pick(len(types))]
		g.args(g.sigs[sig].Params, depth)
		if g.pick(3) > 0 {
			g.emit(I32Const, g.pick(14)) // in the table, mostly
		} else {
			g.expr(wasm.I32, depth+1)
		}
		g.emit(CallIndirect, sig, 0)
	}
}

func (g *generator) args(params []wasm.ValType, depth int) {
	for _, p := range params {
		g.expr(p, depth+1)
	}
}

// blockType encodes the type of a block with at most one result, or makes a type for it.
func (g *generator) blockType(params, results []wasm.ValType) any {
	switch {
	case len(params) == 0 && len(results) == 0:
		return Void
	case len(params) == 0 && len(results) == 1:
		return int(results[0])
	}
	g.b.Types = append(g.b.Types, wasm.FuncType{Params: params, Results: results})
	return S(len(g.b.Types) - 1)
}

// block makes a block, loop or if with the wanted results.
func (g *generator) block(want []wasm.ValType, depth int) {
	kind := g.pick(5)
	var params []wasm.ValType
	if kind == 4 {
		params = want // a loop that passes its parameters on
	}
	switch kind {
	case 0:
		g.emit(Block, g.blockType(nil, want))
		g.inside(want, want, depth)
	case 1:
		g.expr(wasm.I32, depth+1)
		g.emit(If, g.blockType(nil, want))
		g.inside(want, want, depth)
		if len(want) > 0 || g.pick(2) == 0 {
			g.emit(Else)
			g.inside(want, want, depth)
		}
	default:
		for _, t := range params {
			g.expr(t, depth+1)
		}
		g.emit(Loop, g.blockType(params, want))
		for range params {
			g.emit(Drop)
		}
		g.countDown()
		g.inside(params, want, depth)
	}
	g.emit(End)
}

// inside makes the inside of a block whose label takes some values.
func (g *generator) inside(takes, want []wasm.ValType, depth int) {
	g.labels = append(g.labels, genLabel{takes})
	g.body(want, depth+1)
	g.labels = g.labels[:len(g.labels)-1]
}
