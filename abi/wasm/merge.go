package wasm

import (
	"fmt"
	"slices"
)

// MaxParts bounds the parts of a merge. Their bytes together are bounded by [MaxModuleSize].
const MaxParts = 10_000

const mergeName = "merge"

// Part is one instance of a core module that goes into a merge.
type Part struct {
	// Name stands in front of the names of the part's functions, so that stack traces tell the parts apart:
	// "main!memcpy".
	Name string
	// Wasm is the module. It must not change while the result of the merge is in use. Several parts may have the same
	// one: each is an instance with its own globals, tables and segments.
	Wasm []byte
	// Imports tells what an import resolves to; it is called for each. false means that there is nothing, which is an
	// error. It may be nil for a part without imports.
	Imports func(module, name string, kind Kind) (Target, bool)
}

// Target is what an import resolves to: an export of a part before, or an import of the merged module.
type Target struct {
	// Host tells that it is the import Module Name of the merged module, else it is the export Name of the part Part.
	Host         bool
	Module, Name string
	Part         int
}

// FromHost gives the target that is an import of the merged module.
func FromHost(module, name string) Target { return Target{Host: true, Module: module, Name: name} }

// FromPart gives the target that is an export of a part, counted from 0. Export is its name.
func FromPart(part int, export string) Target { return Target{Part: part, Name: export} }

// MergeExport is an export of the merged module: the export Export of the part Part, under the name Name.
type MergeExport struct {
	Name   string
	Part   int
	Export string
}

// Merge makes one module of several that share at most one memory. It behaves as their instances would, made one
// after the other and linked; imports between the parts are gone, and equal imports of the host are one. What the parts
// export is visible only as exports say: so a table that one part exports for another to fill is as good as constant
// afterwards, and [Devirtualise] turns calls through it into direct ones. Custom sections are dropped but for the names
// of functions.
//
// Three things differ from instances that are made one after the other:
//
//   - All element and data segments are written before any start function runs, in the order of the parts; then the
//     start functions run in that order. A start function may so see what a later part writes.
//   - Sizes are compared as the modules declare them: what a start function adds to a memory or table by growing it
//     neither makes room for the segments of a later part nor satisfies its imports.
//   - Constant expressions may use the immutable globals of all parts before, and are evaluated where they depend on
//     no import of the host.
//
// It fails with [*Unfit] if the parts are sound but cannot be one module: they have more than one memory. All else that
// fails is an error of the parts: an import that resolves to nothing or to something of another type, or limits.
func Merge(parts []Part, exports []MergeExport) ([]byte, error) {
	m, err := mergeParts(parts, exports)
	if err != nil {
		return nil, err
	}
	return m.Encode(), nil
}

func mergeParts(parts []Part, exports []MergeExport) (*Module, error) {
	if len(parts) > MaxParts {
		return nil, fmt.Errorf("wasm: merge: expected at most %d parts, found %d", MaxParts, len(parts))
	}
	size := 0
	for _, p := range parts {
		if size += len(p.Wasm); size > MaxModuleSize {
			return nil, fmt.Errorf("wasm: merge: expected parts of at most %d bytes together, found more", MaxModuleSize)
		}
	}
	g := &merger{out: &Module{}, hosts: map[hostKey]place{}, room: maxConstBytes}
	g.types = newTypeTable(g.out)
	for _, p := range parts {
		if err := g.add(p); err != nil {
			return nil, fmt.Errorf("wasm: merge: part %d (%s): %w", len(g.parts), p.Name, err)
		}
	}
	if err := g.fits(); err != nil {
		return nil, err
	}
	for i, p := range g.parts {
		if err := g.move(p); err != nil {
			return nil, fmt.Errorf("wasm: merge: part %d (%s): %w", i, p.name, err)
		}
	}
	if err := g.export(exports); err != nil {
		return nil, fmt.Errorf("wasm: merge: %w", err)
	}
	g.start()
	g.names()
	g.declare()
	return g.out, nil
}

// kinds is the number of index spaces that imports and exports have.
const kinds = 4

// merger is the state of one merge. First all parts are added, which resolves their imports and tells how many imports
// stay; then what they define is moved to its new indices.
type merger struct {
	out   *Module // Imports are those that stay
	types *typeTable
	parts []*mergePart
	hosts map[hostKey]place
	host  [kinds][]int // imports that stay, as indices of out.Imports
	inits []constInit  // of the globals of out, once they have been moved
	room  int          // bytes that values of globals may still add to constant expressions
	entry uint32       // the function that calls several start functions; 0 for none
}

// mergePart is a part while it is merged.
type mergePart struct {
	name    string
	m       *Module
	exports map[string]Export
	types   []uint32
	spaces  [kinds][]place
	first   [kinds]uint32   // the number of its first definition among those of out
	index   [kinds][]uint32 // new indices, once they are known
	elems   uint32          // new index of its first element segment
	data    uint32
}

// place is where a function, table, memory or global is: the index counts the imports that stay, or the definitions.
type place struct {
	host  bool
	index uint32
}

// add decodes a part, resolves its imports, and puts its definitions behind those of the parts before.
func (g *merger) add(part Part) error {
	m, err := Decode(part.Wasm)
	if err != nil {
		return err
	}
	if err := m.checkReserved(); err != nil {
		return err
	}
	p := &mergePart{name: part.Name, m: m, exports: make(map[string]Export, len(m.Exports))}
	for _, e := range m.Exports {
		p.exports[e.Name] = e
	}
	for _, t := range m.Types {
		p.types = append(p.types, g.types.index(t))
	}
	for i := range m.Imports {
		imp := &m.Imports[i]
		at, err := g.resolve(p, imp, part.Imports)
		if err != nil {
			return fmt.Errorf("import %q %q: %w", imp.Module, imp.Name, err)
		}
		p.spaces[imp.Kind] = append(p.spaces[imp.Kind], at)
	}
	g.define(p)
	g.parts = append(g.parts, p)
	return nil
}

// define gives the definitions of a part their numbers.
func (g *merger) define(p *mergePart) {
	out, m := g.out, p.m
	counts := [kinds][2]int{
		KindFunc: {len(out.Funcs), len(m.Funcs)}, KindTable: {len(out.Tables), len(m.Tables)},
		KindMemory: {len(out.Memories), len(m.Memories)}, KindGlobal: {len(out.Globals), len(m.Globals)},
	}
	for kind, c := range counts {
		p.first[kind] = uint32(c[0])
		for i := range c[1] {
			p.spaces[kind] = append(p.spaces[kind], place{index: uint32(c[0] + i)})
		}
	}
	for _, f := range m.Funcs {
		f.Type = p.types[f.Type]
		out.Funcs = append(out.Funcs, f)
	}
	out.Tables = append(out.Tables, m.Tables...)
	out.Memories = append(out.Memories, m.Memories...)
	out.Globals = append(out.Globals, m.Globals...)
	out.HasDataCount = out.HasDataCount || m.HasDataCount
}

// fits checks what is bounded for a module as a whole.
func (g *merger) fits() error {
	out := g.out
	if n := out.memoryCount(); n > MaxMemories {
		return unfit(mergeName, "expected parts with one memory among them, found %d", n)
	}
	elems, data := 0, 0
	for _, p := range g.parts {
		elems, data = elems+len(p.m.Elems), data+len(p.m.Data)
	}
	for _, l := range []struct {
		what       string
		count, max int
	}{
		{"types", len(out.Types), MaxTypes},
		{"imports", len(out.Imports), MaxImports},
		{"functions", out.funcCount() + 1, MaxFuncs}, // one more to start
		{"tables", out.tableCount(), MaxTables},
		{"globals", out.globalCount(), MaxGlobals},
		{"element segments", elems + 1, MaxElems}, // one more to declare
		{"data segments", data, MaxData},
	} {
		if l.count > l.max {
			return fmt.Errorf("wasm: merge: expected at most %d %s in all parts together, found %d", l.max, l.what, l.count)
		}
	}
	return nil
}

// export makes the exports that are asked for.
func (g *merger) export(exports []MergeExport) error {
	seen := make(map[string]bool, len(exports))
	if len(exports) > MaxExports {
		return fmt.Errorf("expected at most %d exports, found %d", MaxExports, len(exports))
	}
	for _, e := range exports {
		if seen[e.Name] {
			return fmt.Errorf("export %q: expected a name that is exported once, found it twice", e.Name)
		}
		seen[e.Name] = true
		if e.Part < 0 || e.Part >= len(g.parts) {
			return fmt.Errorf("export %q: expected a part below %d, found %d", e.Name, len(g.parts), e.Part)
		}
		p := g.parts[e.Part]
		x, ok := p.exports[e.Export]
		if !ok {
			return fmt.Errorf("export %q: expected an export %q of part %d (%s), found none", e.Name, e.Export, e.Part, p.name)
		}
		g.out.Exports = append(g.out.Exports, Export{Name: e.Name, Kind: x.Kind, Index: p.index[x.Kind][x.Index]})
	}
	return nil
}

// start makes one start function out of those of the parts.
func (g *merger) start() {
	var code []byte
	out, calls := g.out, 0
	for _, p := range g.parts {
		if p.m.HasStart {
			out.Start, out.HasStart = p.index[KindFunc][p.m.Start], true
			code = appendIndexed(code, opCall, out.Start)
			calls++
		}
	}
	if calls > 1 {
		out.Start = uint32(out.funcCount())
		g.entry = out.Start
		out.Funcs = append(out.Funcs, Func{Type: g.types.index(FuncType{}), Code: append(code, byte(opEnd))})
	}
}

// declare declares the functions that code refers to and that only an export of a part declared.
func (g *merger) declare() {
	refs := g.out.refFuncs()
	if len(refs) == 0 {
		return
	}
	declared := map[uint32]bool{}
	for _, e := range g.out.Exports {
		if e.Kind == KindFunc {
			declared[e.Index] = true
		}
	}
	for i := range g.out.Elems {
		for _, fn := range g.out.Elems[i].Funcs {
			declared[fn] = true
		}
	}
	g.out.eachConst(func(e ConstExpr) ConstExpr {
		if fn, null, ok := e.funcOf(); ok && !null {
			declared[fn] = true
		}
		return e
	})
	refs = slices.DeleteFunc(refs, func(fn uint32) bool { return declared[fn] })
	if len(refs) > 0 {
		g.out.Elems = append(g.out.Elems, Elem{Mode: Declarative, Type: FuncRef, Funcs: refs})
	}
}
