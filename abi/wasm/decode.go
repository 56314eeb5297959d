package wasm

import (
	"bytes"
	"fmt"
)

// The sections' numbers.
const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
)

// sectionNames are the names of sections by number; sectionOrder is the order in which they come.
var (
	sectionNames = [...]string{"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "datacount"}
	sectionOrder = [...]byte{secType, secImport, secFunction, secTable, secMemory, secGlobal, secExport, secStart, secElement, secDataCount, secCode, secData}
)

// rank is a section's place in the order, from 1.
func rank(id byte) byte { return byte(bytes.IndexByte(sectionOrder[:], id) + 1) }

var header = []byte("\x00asm\x01\x00\x00\x00")

// decoder is what decoding knows besides the module.
type decoder struct {
	m         *Module
	last      byte // rank of the last section
	types     []uint32
	bodies    int
	dataCount int
	spaces    spaces
	// memories is how many memories the module may have, and dataMemory the memory of each data segment.
	memories   int
	dataMemory []uint32
}

// Decode reads a module and checks its structure: sections, counts, indices, nesting. It does not check operand
// types. The result shares memory with wasm, which must not change any more. Errors are of type [*Error].
func Decode(wasm []byte) (*Module, error) {
	d, err := decode(wasm, MaxMemories)
	if err != nil {
		return nil, err
	}
	return d.m, nil
}

// decode reads a module that has so many memories at most. What [Module] offers is right for one memory only.
func decode(wasm []byte, memories int) (*decoder, error) {
	r := &reader{b: wasm}
	readHeader(r)
	d := &decoder{m: &Module{}, memories: memories}
	for r.left() > 0 && r.err == nil {
		d.section(r)
	}
	if r.err == nil {
		d.complete(r)
	}
	if r.err != nil {
		return nil, r.err
	}
	return d, nil
}

func readHeader(r *reader) {
	if len(r.b) > MaxModuleSize {
		r.failAt(0, fmt.Sprintf("a module of at most %d bytes", MaxModuleSize), "%d", len(r.b))
	} else if !bytes.HasPrefix(r.b, header) {
		r.failAt(0, "the header of a core module (00 61 73 6d 01 00 00 00)", "% x", r.b[:min(len(r.b), len(header))])
	}
	r.pos = min(len(header), len(r.b))
}

// section reads one section.
func (d *decoder) section(r *reader) {
	at := r.pos
	id := r.byte()
	if int(id) >= len(sectionNames) {
		r.failAt(at, "a section of WebAssembly 2.0 (0 to 12)", "%d", id)
		return
	}
	r.section = sectionNames[id]
	body := r.take(r.u32(), "the section")
	s := &reader{b: body, base: r.pos - len(body), section: r.section, err: r.err}
	if id == secCustom {
		d.custom(s)
	} else {
		if n := rank(id); n <= d.last {
			s.failAt(0, "sections in order, each once", "it after the %s section", sectionNames[sectionOrder[d.last-1]])
		} else {
			d.last = n
		}
		d.known(id, s)
		s.end()
	}
	r.section, r.err = "", s.err
}

func (d *decoder) known(id byte, r *reader) {
	switch id {
	case secType:
		vector(r, MaxTypes, "types", "type", func(int) { d.m.Types = append(d.m.Types, funcType(r)) })
	case secImport:
		vector(r, MaxImports, "imports", "import", func(int) { d.importItem(r) })
	case secFunction:
		vector(r, MaxFuncs, "functions", "function", func(int) { d.types = append(d.types, r.index(len(d.m.Types), "type")) })
	case secTable:
		vector(r, MaxTables, "tables", "table", func(int) { d.m.Tables = append(d.m.Tables, table(r)) })
	case secMemory:
		plural := "memories"
		if d.memories == MaxMemories {
			plural = "memories (several are not supported)"
		}
		vector(r, d.memories, plural, "memory", func(int) { d.m.Memories = append(d.m.Memories, memory(r)) })
	case secGlobal:
		d.globals(r)
	case secExport:
		d.exports(r)
	case secStart:
		d.measure()
		d.m.Start, d.m.HasStart = r.index(d.spaces.funcs, "function"), true
	case secElement:
		d.measure()
		vector(r, MaxElems, "element segments", "segment", func(int) { d.m.Elems = append(d.m.Elems, d.elem(r)) })
	case secDataCount:
		d.dataCount, d.m.HasDataCount = int(min(r.u32(), MaxData+1)), true
	case secCode:
		d.code(r)
	case secData:
		d.measure()
		vector(r, MaxData, "data segments", "segment", func(int) { d.m.Data = append(d.m.Data, d.data(r)) })
	}
}

// vector reads a count and so many items.
func vector(r *reader, limit int, plural, item string, f func(i int)) {
	for i := range r.count(limit, plural) {
		if r.err != nil {
			return
		}
		f(i)
		if r.err != nil {
			r.named(item, i)
			return
		}
	}
}

// measure notes the sizes of index spaces once the sections that make them have been read.
func (d *decoder) measure() {
	m := d.m
	d.spaces = spaces{
		types: len(m.Types), funcs: m.imported(KindFunc) + len(d.types), tables: m.tableCount(), memories: m.memoryCount(),
		globals: m.globalCount(), elems: len(m.Elems), data: d.dataCount, hasData: m.HasDataCount,
	}
}

// complete checks what spans sections.
func (d *decoder) complete(r *reader) {
	d.measure()
	m := d.m
	if m.Names != nil {
		m.Names.limit(uint32(d.spaces.funcs))
	}
	switch {
	case len(d.types) != d.bodies:
		r.failAt(len(r.b), fmt.Sprintf("a code section with %d bodies, as the function section says", len(d.types)), "%d", d.bodies)
	case m.HasDataCount && d.dataCount != len(m.Data):
		r.failAt(len(r.b), fmt.Sprintf("%d data segments, as the DataCount section says", d.dataCount), "%d", len(m.Data))
	case d.spaces.funcs > MaxFuncs:
		r.failAt(len(r.b), fmt.Sprintf("at most %d functions with imports", MaxFuncs), "%d", d.spaces.funcs)
	case d.spaces.globals > MaxGlobals:
		r.failAt(len(r.b), fmt.Sprintf("at most %d globals with imports", MaxGlobals), "%d", d.spaces.globals)
	case d.spaces.tables > MaxTables:
		r.failAt(len(r.b), fmt.Sprintf("at most %d tables with imports", MaxTables), "%d", d.spaces.tables)
	case d.spaces.memories > d.memories:
		expected := fmt.Sprintf("at most %d memories with imports", d.memories)
		if d.memories == MaxMemories {
			expected = "one memory (several are not supported)"
		}
		r.failAt(len(r.b), expected, "%d", d.spaces.memories)
	}
}

func (d *decoder) custom(r *reader) {
	name := r.name()
	if r.err != nil {
		return
	}
	if len(d.m.Customs) >= MaxCustoms {
		r.failAt(0, fmt.Sprintf("at most %d custom sections", MaxCustoms), "more")
		return
	}
	if name == nameSection {
		d.m.Names = decodeNames(r.b[r.pos:])
		return
	}
	d.m.Customs = append(d.m.Customs, Custom{Name: name, Bytes: r.b[r.pos:], after: d.last})
}
