package wasm

import "fmt"

// TableFacts is what a module does with one of its tables.
type TableFacts struct {
	Imported, Exported bool
	// Mutated tells that code may change the table: table.set, grow, fill, init, or copy into it.
	Mutated bool
	// Read tells that code uses the table other than to call: table.get, size, or copy from it.
	Read bool
	// Calls counts call_indirect instructions.
	Calls int
}

// Immutable tells that the table is what the element segments make it, for as long as the instance lives.
func (t TableFacts) Immutable() bool { return !t.Imported && !t.Exported && !t.Mutated }

// Facts is what a scan of the whole module finds.
type Facts struct {
	ImportedFuncs, Funcs       int
	ImportedGlobals, Globals   int
	ImportedMemories, Memories int
	MutableGlobals             int // defined here
	// WideGlobals counts mutable globals defined here whose value does not fit 64 bits or is a reference.
	WideGlobals int
	Tables      []TableFacts // imported ones first

	MemoryMin      uint32 // pages
	MemoryMax      uint32 // pages; meaningful if HasMemoryMax
	HasMemoryMax   bool
	MemoryExported bool
	Start          bool

	ActiveData, PassiveData             int
	ActiveElems, PassiveElems, DeclElem int

	// The instructions found in code.
	Loops, CallIndirects, RefFuncs           int
	MemoryGrows, MemoryInits, DataDrops      int
	BulkCopies, TableInits, ElemDrops, SIMDs int

	HasNames bool
	CodeSize int
}

// Facts scans the module.
func (m *Module) Facts() Facts {
	f := Facts{
		ImportedFuncs: m.imported(KindFunc), Funcs: len(m.Funcs),
		ImportedGlobals: m.imported(KindGlobal), Globals: len(m.Globals),
		ImportedMemories: m.imported(KindMemory), Memories: len(m.Memories),
		Tables: make([]TableFacts, m.tableCount()), Start: m.HasStart, HasNames: m.Names != nil,
	}
	m.declared(&f)
	for i := range m.Funcs {
		f.CodeSize += len(m.Funcs[i].Code)
		s := scan(m.Funcs[i].Code)
		var in instr
		for s.next(&in) {
			f.count(&in)
		}
	}
	return f
}

// declared notes what the sections say.
func (m *Module) declared(f *Facts) {
	for i := range m.imported(KindTable) {
		f.Tables[i].Imported = true
	}
	for _, l := range m.memoryLimits() {
		f.MemoryMin, f.MemoryMax, f.HasMemoryMax = l.Min, l.Max, l.HasMax
	}
	for _, e := range m.Exports {
		switch e.Kind {
		case KindTable:
			f.Tables[e.Index].Exported = true
		case KindMemory:
			f.MemoryExported = true
		default:
		}
	}
	for _, g := range m.Globals {
		if g.Mutable {
			f.MutableGlobals++
			if g.Type == V128 || g.Type.IsRef() {
				f.WideGlobals++
			}
		}
	}
	for _, d := range m.Data {
		add(&f.ActiveData, d.Mode == Active)
		add(&f.PassiveData, d.Mode == Passive)
	}
	for _, e := range m.Elems {
		add(&f.ActiveElems, e.Mode == Active)
		add(&f.PassiveElems, e.Mode == Passive)
		add(&f.DeclElem, e.Mode == Declarative)
	}
}

func add(n *int, ok bool) {
	if ok {
		*n++
	}
}

// memoryLimits gives the limits of all memories, imported ones first.
func (m *Module) memoryLimits() []Limits {
	var out []Limits
	for _, i := range m.Imports {
		if i.Kind == KindMemory {
			out = append(out, i.Memory)
		}
	}
	return append(out, m.Memories...)
}

// count notes one instruction.
func (f *Facts) count(in *instr) {
	switch in.op {
	case opLoop:
		f.Loops++
	case opCallIndirect:
		f.CallIndirects++
		f.Tables[in.b].Calls++
	case opRefFunc:
		f.RefFuncs++
	case opMemoryGrow:
		f.MemoryGrows++
	case opMemoryInit:
		f.MemoryInits++
	case opDataDrop:
		f.DataDrops++
	case opMemoryCopy, opMemoryFill:
		f.BulkCopies++
	case opElemDrop:
		f.ElemDrops++
	case opTableGet, opTableSize:
		f.Tables[in.a].Read = true
	case opTableSet, opTableGrow, opTableFill:
		f.Tables[in.a].Mutated = true
	case opTableCopy:
		f.Tables[in.a].Mutated = true
		f.Tables[in.b].Read = true
	case opTableInit:
		f.TableInits++
		f.Tables[in.a].Mutated = true
	default:
		add(&f.SIMDs, in.op>>8 == 0xfd)
	}
}

// Obstacles says, one line each, what keeps an instance's state outside of its memory and its mutable globals, so
// that writing both back does not bring the instance back. It is empty for modules that can be captured and reset.
func (f Facts) Obstacles() []string {
	var out []string
	note := func(ok bool, format string, args ...any) {
		if ok {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	note(f.ImportedMemories > 0, "its memory is imported")
	note(f.ImportedGlobals > 0, "%d globals are imported", f.ImportedGlobals)
	note(f.ActiveData > 0, "%d data segments are written at instantiation", f.ActiveData)
	note(f.DataDrops > 0, "data segments are dropped at run time")
	note(f.ElemDrops > 0, "element segments are dropped at run time")
	note(f.WideGlobals > 0, "%d mutable globals are vectors or references", f.WideGlobals)
	note(f.Start, "a start function runs at instantiation")
	for i, t := range f.Tables {
		note(t.Imported, "table %d is imported", i)
		note(t.Mutated, "table %d changes at run time", i)
		note(t.Exported && !t.Mutated, "table %d is exported, so that others may change it", i)
	}
	return out
}
