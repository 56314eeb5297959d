package wasm

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// The names of functions in which an indirect call ends that fails. They stand in the stack trace of the trap.
const (
	TrapOutOfRange = "mrt:indirect call: index out of range"
	TrapNull       = "mrt:indirect call: null element"
	TrapSignature  = "mrt:indirect call: wrong signature"
)

// Dispatch counts what [Devirtualise] did.
type Dispatch struct {
	// Sites counts replaced call_indirect instructions, Direct those of them that became a direct call because the index
	// is a constant, Dispatchers the functions that replace the others, Targets the calls in those, and Tables the tables
	// that were removed.
	Sites, Direct, Dispatchers, Targets, Tables int
	// Forwarded counts direct calls that now go past a function which only calls another one with the same arguments.
	Forwarded int
}

const devirtName = "devirtualise"

// What dispatchers may take in all, and what one target takes at most: a short module can name a type with a
// thousand parameters in a table of a million functions.
const (
	maxDispatchBytes = 64 << 20
	bytesPerParam    = 3
	bytesPerTarget   = 40
	noDispatcher     = ^uint32(0)
)

// Devirtualise replaces call_indirect through tables that never change by calls of generated functions, one for each
// table and signature, which branch on the index to direct calls. Tables that nothing else uses are removed with
// their element segments. An instance then needs no table, which in a standard Go guest has thousands of elements.
// Where the index is a constant the call is a direct one, and calls of functions that only call another one with the
// same arguments go there at once: so nothing is left of the shim through which a component's modules reach each other.
//
// Failing calls trap as before, but as unreachable: see the package comment. It fails with [*Unfit] if there are
// indirect calls but no table is immutable, and with another error if an element segment lies outside of its table,
// since such a module cannot be instantiated.
func Devirtualise(stats *Dispatch) Pass {
	return Pass{Name: devirtName, Apply: func(m *Module) error {
		d := &devirt{m: m, facts: m.Facts(), types: newTypeTable(m), next: uint32(m.funcCount()), budget: maxDispatchBytes}
		d.imports = m.imported(KindTable)
		d.tables = make([]*dispatchTable, len(d.facts.Tables))
		if err := d.readTables(); err != nil {
			return err
		}
		d.replaceCalls()
		d.removeTables()
		d.stats.Forwarded = m.skipForwarders()
		*stats = d.stats
		return nil
	}}
}

// devirt is the state of one application of the pass.
type devirt struct {
	m       *Module
	facts   Facts
	imports int // imported tables
	types   *typeTable
	tables  []*dispatchTable // nil for tables that stay
	traps   *trapFuncs
	next    uint32 // index of the next function
	budget  int    // bytes of code that may still be made
	stats   Dispatch
}

// dispatchTable is an immutable table.
type dispatchTable struct {
	size    uint32
	entries []entry           // by ascending index, without null elements
	byType  map[uint32]uint32 // canonical type to dispatcher
	bySig   map[uint32][]entry
	fail    uint32 // function that traps with the right name, made with the first dispatcher
}

// entry is a function in a table.
type entry struct{ index, fn uint32 }

// readTables finds the tables whose calls can be replaced.
func (d *devirt) readTables() error {
	var reason error
	types, known := d.m.funcTypes(), d.m.constants()
	for i, f := range d.facts.Tables {
		if !f.Immutable() {
			if f.Calls > 0 {
				reason = unfit(devirtName, "table %d may change: imported %t, exported %t, changed by code %t", i, f.Imported, f.Exported, f.Mutated)
			}
			continue
		}
		t := &dispatchTable{size: d.m.Tables[i-d.imports].Min, byType: map[uint32]uint32{}}
		var err error
		if t.entries, err = d.m.tableEntries(uint32(i), t.size, known); err != nil {
			if u := new(Unfit); !errors.As(err, &u) {
				return err
			}
			reason = err
			continue
		}
		d.tables[i] = t
		if f.Calls > 0 {
			t.group(types, d.types.canonical)
		}
	}
	if d.facts.CallIndirects == 0 || slices.ContainsFunc(d.tables, func(t *dispatchTable) bool { return t != nil }) {
		return nil
	}
	return reason
}

// group sorts the entries by signature.
func (t *dispatchTable) group(types, canonical []uint32) {
	t.bySig = map[uint32][]entry{}
	for _, e := range t.entries {
		sig := canonical[types[e.fn]]
		t.bySig[sig] = append(t.bySig[sig], e)
	}
}

// tableEntries gives what the active element segments put into a table.
func (m *Module) tableEntries(table, size uint32, known constants) ([]entry, error) {
	var all []entry
	for i := range m.Elems {
		e := &m.Elems[i]
		if e.Mode != Active || e.Table != table {
			continue
		}
		offset, ok := known.eval(e.Offset)
		if !ok {
			return nil, unfit(devirtName, "the offset of element segment %d is not a constant of the module", i)
		}
		n := len(e.Funcs) + len(e.Exprs)
		if uint64(offset)+uint64(n) > uint64(size) {
			return nil, fmt.Errorf("element segment %d (%d elements at %d) ends outside of table %d of %d elements: the module cannot be instantiated", i, n, offset, table, size)
		}
		if all, ok = e.appendEntries(all, offset); !ok {
			return nil, unfit(devirtName, "element segment %d depends on an import", i)
		}
	}
	slices.SortStableFunc(all, func(a, b entry) int { return int(a.index) - int(b.index) })
	out := all[:0]
	for i, e := range all {
		if i+1 < len(all) && all[i+1].index == e.index || e.fn == nullEntry {
			continue // overwritten by a later segment, or empty
		}
		out = append(out, e)
	}
	return out, nil
}

const nullEntry = ^uint32(0)

// appendEntries gives the segment's items at their places. It fails if one depends on a global.
func (e *Elem) appendEntries(all []entry, offset uint32) (out []entry, ok bool) {
	for k, fn := range e.Funcs {
		all = append(all, entry{offset + uint32(k), fn})
	}
	for k, x := range e.Exprs {
		fn, isNull, ok := x.funcOf()
		if !ok {
			return nil, false
		}
		if isNull {
			fn = nullEntry
		}
		all = append(all, entry{offset + uint32(k), fn})
	}
	return all, true
}

// replaceCalls replaces the indirect calls and makes dispatchers as they are needed.
func (d *devirt) replaceCalls() {
	for i := range d.m.Funcs { // dispatchers are added behind, and have no indirect calls
		var last instr
		code := rewriteCode(d.m.Funcs[i].Code, func(e *editor, in *instr) {
			index := last
			last = *in
			if in.op != opCallIndirect || d.tables[in.b] == nil {
				return
			}
			sig := d.types.canonical[in.a]
			fn, direct := d.constant(in.b, sig, &index)
			if direct {
				e.instead(&index)
				e.done = in.end
				d.stats.Direct++
			} else {
				var ok bool
				if fn, ok = d.dispatcher(in.b, sig); !ok {
					return
				}
				e.instead(in)
			}
			e.out = appendIndexed(e.out, opCall, fn)
			d.stats.Sites++
			d.facts.Tables[in.b].Calls--
		})
		d.m.Funcs[i].Code = code // not in one statement: dispatchers make Funcs move
	}
	if d.stats.Sites > 0 {
		d.m.codeChanged()
	}
}

// constant gives the function that is called through a table if the instruction before the call is a constant index of
// a function of that signature. No branch can end between the two: only a block's end or start is a label.
func (d *devirt) constant(table, sig uint32, index *instr) (fn uint32, ok bool) {
	if index.op != opI32Const {
		return 0, false
	}
	list := d.tables[table].bySig[sig]
	at, ok := slices.BinarySearchFunc(list, uint32(int32(index.value)), func(e entry, i uint32) int { return cmp.Compare(e.index, i) })
	if !ok {
		return 0, false // it traps, for which the dispatcher has the reasons
	}
	return list[at].fn, true
}

// dispatcher gives the function for calls of a type through a table. There is none if the type has no room for the
// index or the code would become too long: such calls stay, and so does the table.
func (d *devirt) dispatcher(table, sig uint32) (fn uint32, ok bool) {
	t := d.tables[table]
	if fn, ok := t.byType[sig]; ok {
		return fn, fn != noDispatcher
	}
	params := len(d.m.Types[sig].Params)
	d.budget -= len(t.bySig[sig]) * (params*bytesPerParam + bytesPerTarget)
	if params >= MaxParams || d.budget < 0 {
		t.byType[sig] = noDispatcher
		return 0, false
	}
	if t.fail == 0 {
		t.fail = d.failFunc(t)
	}
	ft := d.m.Types[sig]
	with := FuncType{Params: append(slices.Clone(ft.Params), I32), Results: ft.Results}
	g := &dispatchGen{params: uint32(len(ft.Params)), fail: t.fail}
	g.body(t.bySig[sig])
	fn = d.addFunc(with, g.out, fmt.Sprintf("mrt:call_indirect%v%v", ft.Params, ft.Results))
	t.byType[sig] = fn
	d.stats.Dispatchers++
	d.stats.Targets += g.targets
	return fn, true
}

func (d *devirt) addFunc(t FuncType, code []byte, name string) uint32 {
	fn := d.next
	d.next++
	d.m.Funcs = append(d.m.Funcs, Func{Type: d.types.index(t), Code: code})
	d.m.setFunc(fn, name)
	return fn
}

// typeTable finds types and adds them.
type typeTable struct {
	m         *Module
	byKey     map[string]uint32
	canonical []uint32 // of the types that were there at first
}

func newTypeTable(m *Module) *typeTable {
	t := &typeTable{m: m, byKey: make(map[string]uint32, len(m.Types)), canonical: m.canonicalTypes()}
	for i, c := range t.canonical {
		if uint32(i) == c {
			t.byKey[m.Types[i].key()] = c
		}
	}
	return t
}

func (t *typeTable) index(ft FuncType) uint32 {
	k := ft.key()
	i, ok := t.byKey[k]
	if !ok {
		i = uint32(len(t.m.Types))
		t.m.Types = append(t.m.Types, ft)
		t.byKey[k] = i
	}
	return i
}
