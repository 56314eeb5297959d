package rewritetest

import (
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	. "github.com/mrt-wasm/mrt-wasm/abi/wasm/wasmtest"
)

// statement makes something that leaves nothing on the stack. It tells whether what follows can be reached.
func (g *generator) statement(depth int) bool {
	if depth > genDepth || g.left < 0 {
		g.emit(Nop)
		return true
	}
	switch g.pick(14) {
	case 0:
		g.emit(Nop)
	case 1, 2:
		t := g.locals[g.pick(len(g.locals))]
		g.expr(t, depth+1)
		g.emit(LocalSet, g.localOf(t))
	case 3:
		i := g.pick(len(g.globals))
		if i == globalBudget {
			return true
		}
		g.expr(g.globals[i], depth+1)
		g.emit(GlobalSet, i)
	case 4:
		g.expr(wasm.I32, depth+1)
		g.expr(wasm.I32, depth+1)
		g.emit([][]byte{Code(I32Store, 2, 0), Code(I32Store8, 0, U(3000))}[g.pick(2)])
	case 5, 6:
		g.block(nil, depth)
	case 7:
		g.callFor(nil, depth)
	case 8:
		g.dispatch(depth)
	case 9:
		g.bulk(depth)
	case 10:
		g.conditional(depth)
	case 11:
		return g.jump(depth)
	default:
		g.expr(wasm.I32, depth+1)
		g.emit(Drop)
	}
	return true
}

// conditional is a br_if to any label.
func (g *generator) conditional(depth int) {
	to := g.pick(len(g.labels))
	takes := g.labels[len(g.labels)-1-to].takes
	for _, t := range takes {
		g.expr(t, depth+1)
	}
	g.expr(wasm.I32, depth+1)
	g.emit(BrIf, to)
	for range takes {
		g.emit(Drop)
	}
}

// jump ends the straight line: br, br_table, return or a trap.
func (g *generator) jump(depth int) bool {
	to := g.pick(len(g.labels))
	takes := g.labels[len(g.labels)-1-to].takes
	switch kind := g.pick(8); {
	case kind == 0 && len(g.labels) == 1:
		g.emit(Unreachable)
	case kind <= 2:
		g.args(g.result, depth)
		g.emit(Return)
	case kind <= 4:
		g.args(takes, depth)
		g.emit(Br, to)
	default:
		g.args(takes, depth)
		g.expr(wasm.I32, depth+1)
		n := g.pick(4)
		g.emit(BrTable, n)
		for range n {
			g.out = append(g.out, Code(g.labelLike(takes, to))...)
		}
		g.out = append(g.out, byte(to))
	}
	return false
}

// labelLike gives a label that takes the same values.
func (g *generator) labelLike(takes []wasm.ValType, to int) int {
	other := g.pick(len(g.labels))
	if slices.Equal(g.labels[len(g.labels)-1-other].takes, takes) {
		return other
	}
	return to
}

// dispatch is a loop that starts with a br_table on a local, as functions of standard Go do.
func (g *generator) dispatch(depth int) {
	n := 2 + g.pick(3)
	local := g.localOf(wasm.I32)
	g.emit(Loop, Void)
	g.labels = append(g.labels, genLabel{})
	for range n {
		g.emit(Block, Void)
		g.labels = append(g.labels, genLabel{})
	}
	g.emit(LocalGet, local, BrTable, n)
	for range n {
		g.out = append(g.out, byte(g.pick(n)))
	}
	g.out = append(g.out, byte(g.pick(n)))
	for i := range n {
		g.emit(End)
		g.labels = g.labels[:len(g.labels)-1]
		g.countDown()
		g.body(nil, depth+2)
		g.expr(wasm.I32, depth+2)
		g.emit(If, Void, I32Const, g.pick(n+2), LocalSet, local, Br, n-i, End)
		if g.pick(2) == 0 {
			g.emit(I32Const, g.pick(n+2), LocalSet, local, Br, n-1-i)
		}
	}
	g.emit(End)
	g.labels = g.labels[:len(g.labels)-1]
}

// bulk is a bulk memory instruction.
func (g *generator) bulk(depth int) {
	kind := g.pick(4)
	if kind >= 2 && len(g.passive) == 0 {
		kind -= 2
	}
	if kind == 3 {
		g.emit(Bulk, DataDrop, U(g.passive[g.pick(len(g.passive))]))
		return
	}
	g.args(Types("iii"), depth)
	switch kind {
	case 0:
		g.emit(Bulk, MemoryFill, 0)
	case 1:
		g.emit(Bulk, MemoryCopy, 0, 0)
	default:
		g.emit(Bulk, MemoryInit, U(g.passive[g.pick(len(g.passive))]), 0)
	}
}
