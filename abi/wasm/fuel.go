package wasm

import "fmt"

// Fuel tells what [Meter] did.
type Fuel struct {
	// Global is the index of the counter.
	Global uint32
	// Charges counts the places where fuel is charged, Entries those of them at the entry of a function.
	Charges, Entries int
}

// entryCharge is charged at the entry of a function that is checked there.
const entryCharge = 8

const fuelName = "fuel"

// Meter injects fuel. A mutable i64 global, exported as [FuelExport] and zero at first, counts down; when it falls
// below zero the import [FuelModule] [FuelFunc] is called with it, and gives its new value. That import may also end
// the call by a panic.
//
// One unit of fuel is about one instruction on the longest path through the code, so what is spent is an estimate from
// above of what ran, though not a strict one where functions call each other in cycles. Charges stand where a program
// can go round: before branches back to a loop's header, each for about one round, and at the entry of functions chosen
// so that every cycle of calls, direct or not, has one of them. They also stand wherever more than a thousand
// instructions would be pending, so that calls which fan out cannot run for long either, and before copies and fills of
// many bytes. Functions called from outside are host functions: a cycle through an import is the host's to bound.
//
// Where a jump goes through a dispatch at the start of a function, as all do in standard Go, and its target is known and
// lies ahead, it goes there at once: that makes up for some of what fuel costs.
//
// The new import comes behind the others, so function indices shift by one; exports, elements, names and all else are
// renumbered.
func Meter(out *Fuel) Pass { return meterPass(out, false) }

// MeterLinked is [Meter] for a module that is linked to other modules, without the host in between: a call of an import
// may come back, and so may an indirect call through a table that others can fill. Such calls are charged before each,
// so that a cycle through several modules is charged as often as it leaves one of them. Each module counts its own fuel.
func MeterLinked(out *Fuel) Pass { return meterPass(out, true) }

func meterPass(out *Fuel, linked bool) Pass {
	return Pass{Name: fuelName, Apply: func(m *Module) error {
		if _, again := m.fuelGlobal(); again || m.exports(FuelExport) {
			return fmt.Errorf("%w: it exports %q", ErrRewritten, FuelExport)
		}
		for _, i := range m.Imports {
			if i.Module == FuelModule {
				return fmt.Errorf("%w: it imports %q %q", ErrRewritten, i.Module, i.Name)
			}
		}
		f := newMeter(m)
		f.choose(linked)
		if err := f.inject(); err != nil {
			return err
		}
		*out = f.stats
		return nil
	}}
}

// meter is the state of one application of the pass.
type meter struct {
	m       *Module
	imports uint32 // imported functions, before the new one
	rules   chargeRules
	types   []uint32 // by function
	entry   []bool   // by defined function: checked at entry
	sigs    []uint32 // canonical types that are called indirectly: nodes of the call graph behind the functions
	sigNode map[uint32]uint32
	targets [][]uint32 // by sigs: defined functions
	stats   Fuel
}

func newMeter(m *Module) *meter {
	f := &meter{m: m, imports: uint32(m.imported(KindFunc)), types: m.funcTypes(), sigNode: map[uint32]uint32{}}
	f.rules = chargeRules{
		residual: make([]int64, len(f.types)), canonical: m.canonicalTypes(),
		sigs: make([]int64, len(m.Types)), meteredBy: make([]bool, len(m.Types)),
	}
	return f
}

// choose finds the functions and signatures that are checked, and what each call leaves to its caller.
func (f *meter) choose(linked bool) {
	g := f.callGraph()
	n := uint32(len(f.m.Funcs))
	cut := cutCycles(g)
	if linked {
		f.link(cut[n:])
	}
	f.entry = cut[:n]
	for node, ok := range cut {
		if i := uint32(node); ok && i < n {
			f.rules.residual[f.imports+i] = cutPending
		} else if ok {
			f.rules.sigs[f.sigs[i-n]], f.rules.meteredBy[f.sigs[i-n]] = cutPending, true
		}
	}
	w := &fuelWalk{rules: &f.rules}
	eachComponent(g, cut, func(nodes []uint32) { // one each, callees first
		node := nodes[0]
		if node >= n {
			f.measureSig(node - n)
			return
		}
		w.run(f.m.Funcs[node].Code, 0)
		f.rules.residual[f.imports+node] = w.residual
	})
}

// link makes calls that may leave the module charged before each.
func (f *meter) link(sigs []bool) {
	f.rules.leaves = f.imports
	for fn := range f.imports {
		f.rules.residual[fn] = cutPending
	}
	for _, t := range f.m.Facts().Tables {
		if t.Calls > 0 && !t.Immutable() {
			for i := range sigs {
				sigs[i] = true
			}
		}
	}
}

func (f *meter) measureSig(i uint32) {
	most := int64(0)
	for _, fn := range f.targets[i] {
		most = max(most, f.rules.residual[f.imports+fn])
	}
	f.rules.sigs[f.sigs[i]] = most
}

// callGraph makes the graph of calls: a node for each function and behind them one for each signature that is called
// indirectly, with edges to the functions that may be meant.
func (f *meter) callGraph() *graph {
	g := &graph{first: make([]uint32, 1, len(f.m.Funcs)+1)}
	n := uint32(len(f.m.Funcs))
	for i := range f.m.Funcs {
		s := scan(f.m.Funcs[i].Code)
		var in instr
		for s.next(&in) {
			if in.op == opCall && in.a >= f.imports {
				g.to = append(g.to, in.a-f.imports)
			}
			if in.op == opCallIndirect {
				g.to = append(g.to, n+f.sig(f.rules.canonical[in.a]))
			}
		}
		g.first = append(g.first, uint32(len(g.to)))
	}
	f.findTargets()
	for i := range f.sigs {
		g.to = append(g.to, f.targets[i]...)
		g.first = append(g.first, uint32(len(g.to)))
	}
	return g
}

func (f *meter) sig(canonical uint32) uint32 {
	i, ok := f.sigNode[canonical]
	if !ok {
		i = uint32(len(f.sigs))
		f.sigNode[canonical] = i
		f.sigs = append(f.sigs, canonical)
	}
	return i
}

// findTargets finds the functions that an indirect call may mean: those whose reference is taken anywhere, and those
// exported, which the host may put into a table.
func (f *meter) findTargets() {
	f.targets = make([][]uint32, len(f.sigs))
	if len(f.sigs) == 0 {
		return
	}
	taken := make([]bool, len(f.m.Funcs))
	take := func(fn uint32) {
		if fn >= f.imports {
			taken[fn-f.imports] = true
		}
	}
	for _, e := range f.m.Exports {
		if e.Kind == KindFunc {
			take(e.Index)
		}
	}
	for _, fn := range f.m.refFuncs() {
		take(fn)
	}
	f.m.eachConst(func(e ConstExpr) ConstExpr {
		if fn, null, ok := e.funcOf(); ok && !null {
			take(fn)
		}
		return e
	})
	for i := range f.m.Elems {
		for _, fn := range f.m.Elems[i].Funcs {
			take(fn)
		}
	}
	for fn, ok := range taken {
		if i, called := f.sigNode[f.rules.canonical[f.types[f.imports+uint32(fn)]]]; ok && called {
			f.targets[i] = append(f.targets[i], uint32(fn))
		}
	}
}

// eachConst changes every constant expression of the module.
func (m *Module) eachConst(change func(ConstExpr) ConstExpr) {
	for i := range m.Globals {
		m.Globals[i].Init = change(m.Globals[i].Init)
	}
	for i := range m.Elems {
		e := &m.Elems[i]
		if e.Mode == Active {
			e.Offset = change(e.Offset)
		}
		for k := range e.Exprs {
			e.Exprs[k] = change(e.Exprs[k])
		}
	}
}
