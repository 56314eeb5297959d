package wasm

import "slices"

// dispatchGen writes the code of a dispatcher: it takes the parameters of the signature and then the index, and
// calls the function at that index. Dense runs of indices become a br_table; several runs are found by bisection.
type dispatchGen struct {
	out     []byte
	params  uint32 // number of parameters, and the local of the index
	fail    uint32
	targets int
}

// A cluster of entries spans at most clusterSlack indices more than clusterSpread times its entries, so the code is
// bounded by the entries however sparse they are.
const (
	clusterSpread = 4
	clusterSlack  = 8
)

// body writes the dispatcher for entries of one signature, sorted by index.
func (g *dispatchGen) body(entries []entry) {
	if c := clusters(entries); len(c) > 0 {
		g.bisect(c)
	}
	g.out = appendIndexed(g.out, opLocalGet, g.params)
	g.out = appendIndexed(g.out, opCall, g.fail)
	g.out = append(g.out, byte(opUnreachable), byte(opEnd))
}

func clusters(entries []entry) [][]entry {
	var out [][]entry
	for start := 0; start < len(entries); {
		end := start + 1
		for end < len(entries) && int(entries[end].index-entries[start].index) < clusterSpread*(end-start+1)+clusterSlack {
			end++
		}
		out = append(out, entries[start:end])
		start = end
	}
	return out
}

// bisect finds the cluster. It recurses to the logarithm of their number.
func (g *dispatchGen) bisect(c [][]entry) {
	if len(c) == 1 {
		g.cluster(c[0])
		return
	}
	mid := len(c) / 2
	g.out = appendIndexed(g.out, opLocalGet, g.params)
	g.out = appendI32(g.out, int32(c[mid][0].index))
	g.out = append(g.out, byte(opI32LtU), byte(opIf), blockVoid)
	g.bisect(c[:mid])
	g.out = append(g.out, byte(opElse))
	g.bisect(c[mid:])
	g.out = append(g.out, byte(opEnd))
}

// cluster writes a br_table over the cluster's indices; what is not in it falls through.
func (g *dispatchGen) cluster(c []entry) {
	cases, order := map[uint32]uint32{}, []uint32(nil)
	for _, e := range c {
		if _, ok := cases[e.fn]; !ok {
			cases[e.fn] = uint32(len(order))
			order = append(order, e.fn)
		}
	}
	none := uint32(len(order))
	for range none + 1 {
		g.out = append(g.out, byte(opBlock), blockVoid)
	}
	first, last := c[0].index, c[len(c)-1].index
	g.out = appendIndexed(g.out, opLocalGet, g.params)
	g.out = appendI32(g.out, int32(first))
	g.out = append(g.out, byte(opI32Sub))
	g.out = appendIndexed(g.out, opBrTable, last-first+1)
	at := first
	for _, e := range c {
		for ; at < e.index; at++ {
			g.out = appendUnsigned(g.out, none)
		}
		g.out = appendUnsigned(g.out, cases[e.fn])
		at++
	}
	g.out = appendUnsigned(g.out, none)
	for _, fn := range order {
		g.out = append(g.out, byte(opEnd))
		for p := range g.params {
			g.out = appendIndexed(g.out, opLocalGet, p)
		}
		g.out = append(appendIndexed(g.out, opCall, fn), byte(opReturn))
	}
	g.out = append(g.out, byte(opEnd))
	g.targets += len(order)
}

// trapFuncs are the functions in which failing calls end.
type trapFuncs struct{ outOfRange, null, signature uint32 }

// failFunc makes the function that takes an index at which a table has no function of the wanted signature, and
// traps under the name of the reason.
func (d *devirt) failFunc(t *dispatchTable) uint32 {
	if d.traps == nil {
		trap := func(name string) uint32 {
			return d.addFunc(FuncType{}, []byte{byte(opUnreachable), byte(opEnd)}, name)
		}
		d.traps = &trapFuncs{trap(TrapOutOfRange), trap(TrapNull), trap(TrapSignature)}
	}
	when := func(b []byte, fn uint32) []byte {
		return append(appendIndexed(append(b, byte(opIf), blockVoid), opCall, fn), byte(opEnd))
	}
	code := appendI32(appendIndexed(nil, opLocalGet, 0), int32(t.size))
	code = when(append(code, byte(opI32GeU)), d.traps.outOfRange)
	for start := 0; start < len(t.entries); {
		end := start + 1
		for end < len(t.entries) && t.entries[end].index == t.entries[end-1].index+1 {
			end++
		}
		code = appendI32(appendIndexed(code, opLocalGet, 0), int32(t.entries[start].index))
		code = appendI32(append(code, byte(opI32Sub)), int32(end-start))
		code = when(append(code, byte(opI32LtU)), d.traps.signature)
		start = end
	}
	code = append(appendIndexed(code, opCall, d.traps.null), byte(opEnd))
	return d.addFunc(FuncType{Params: []ValType{I32}}, code, "mrt:call_indirect failed")
}

// removeTables removes the tables that nothing uses any more, with the segments that filled them.
func (d *devirt) removeTables() {
	m := d.m
	if d.facts.TableInits+d.facts.ElemDrops > 0 {
		return // code names element segments: they and their tables stay
	}
	to := make([]uint32, len(d.facts.Tables))
	kept := uint32(0)
	const gone = ^uint32(0)
	for i, f := range d.facts.Tables {
		to[i] = gone
		if d.tables[i] == nil || f.Read || f.Calls > 0 {
			to[i] = kept
			kept++
		}
	}
	d.stats.Tables = len(to) - int(kept)
	if d.stats.Tables == 0 {
		return
	}
	before := len(m.Elems)
	m.Elems = slices.DeleteFunc(m.Elems, func(e Elem) bool { return e.Mode == Active && to[e.Table] == gone })
	for i := range m.Elems {
		if m.Elems[i].Mode == Active {
			m.Elems[i].Table = to[m.Elems[i].Table]
		}
	}
	if len(m.Elems) < before && d.facts.RefFuncs > 0 {
		m.Elems = append(m.Elems, Elem{Mode: Declarative, Type: FuncRef, Funcs: m.refFuncs()})
	}
	tables := m.Tables[:0:0]
	for i, t := range m.Tables {
		if to[i+d.imports] != gone {
			tables = append(tables, t)
		}
	}
	m.Tables = tables
	m.renumberTables(to)
}

// renumberTables changes the table indices in exports and code.
func (m *Module) renumberTables(to []uint32) {
	m.codeChanged()
	if m.tableCount() == 0 {
		return
	}
	for i := range m.Exports {
		if m.Exports[i].Kind == KindTable {
			m.Exports[i].Index = to[m.Exports[i].Index]
		}
	}
	for i := range m.Funcs {
		m.Funcs[i].Code = rewriteCode(m.Funcs[i].Code, func(e *editor, in *instr) {
			switch in.shape {
			case shapeTable:
				e.instead(in)
				e.out = appendIndexed(e.out, in.op, to[in.a])
			case shapeTables:
				e.instead(in)
				e.out = appendUnsigned(appendIndexed(e.out, in.op, to[in.a]), to[in.b])
			case shapeIndirect:
				e.instead(in)
				e.out = appendUnsigned(appendIndexed(e.out, in.op, in.a), to[in.b])
			default:
			}
		})
	}
}

// refFuncs gives the functions of all ref.func instructions in code, sorted.
func (m *Module) refFuncs() []uint32 {
	var out []uint32
	for i := range m.Funcs {
		s := scan(m.Funcs[i].Code)
		var in instr
		for s.next(&in) {
			if in.op == opRefFunc {
				out = append(out, in.a)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
