package component

import (
	"bytes"
	"errors"
	"fmt"
)

// The sections of a core module.
const (
	coreSecCustom = iota
	coreSecType
	coreSecImport
	coreSecFunction
	coreSecTable
	coreSecMemory
	coreSecGlobal
	coreSecExport
	coreSecStart
	coreSecElement
	coreSecCode
	coreSecData
	coreSecDataCount
	coreSecTag
	coreSecCount
)

// coreSecOrder is the order in which they come.
var coreSecOrder = []byte{
	coreSecType, coreSecImport, coreSecFunction, coreSecTable, coreSecMemory, coreSecTag, coreSecGlobal, coreSecExport,
	coreSecStart, coreSecElement, coreSecDataCount, coreSecCode, coreSecData,
}

var coreHeader = []byte("\x00asm\x01\x00\x00\x00")

// coreScanner reads what a module is to the outside: its types, imports and exports, and the declarations that exports
// name.
type coreScanner struct {
	types []*CoreFuncType
	// spaces are the index spaces by sort, SortCoreFunc to SortCoreTag.
	spaces [SortCoreTag + 1][]CoreExternType
	module *modType
	funcs  []*CoreFuncType // of the functions that it defines
	bodies int
}

// scanModule gives a module's type, and checks its declarations and its code. Segments, the start function and what
// goes beyond WebAssembly 2.0 in code are not looked into: the engine checks them when it compiles the module.
func scanModule(def *CoreModuleDef) (*modType, error) {
	r := &reader{b: def.Bytes, base: int(def.Offset), q: &quota{maxDefs: MaxCoreDefs}}
	s := &coreScanner{module: newModType()}
	if !bytes.HasPrefix(r.b, coreHeader) {
		r.failAt(0, "the header of a core module (00 61 73 6d 01 00 00 00)", "%d bytes: % x", len(r.b), r.b[:min(len(r.b), len(coreHeader))])
	}
	r.pos = min(len(coreHeader), len(r.b))
	last := -1
	for r.left() > 0 && !r.failed() {
		last = s.section(r, last)
	}
	if !r.failed() && s.bodies != len(s.funcs) {
		r.failAt(len(r.b), fmt.Sprintf("%d function bodies, as the function section says", len(s.funcs)), "%d", s.bodies)
	}
	if r.q.err != nil {
		return nil, r.q.err
	}
	return s.module, nil
}

// section reads one section and gives its rank, or last for a custom one.
func (s *coreScanner) section(r *reader, last int) int {
	at := r.pos
	id := r.byte()
	if id >= coreSecCount {
		r.failAt(at, fmt.Sprintf("a section of a core module (0 to %d)", coreSecCount-1), "%d", id)
		return last
	}
	body := r.sub(r.u32(), "the section")
	if id == coreSecCustom {
		body.name()
		return last
	}
	rank := bytes.IndexByte(coreSecOrder, id)
	if rank <= last {
		r.failAt(at, "sections in order, each once", "section %d after section %d", id, coreSecOrder[last])
		return last
	}
	s.known(id, body)
	return rank
}

func (s *coreScanner) known(id byte, r *reader) {
	r.where = "core module"
	switch id {
	case coreSecType:
		r.vector("type", func(int) {
			s.recType(r)
		})
	case coreSecImport:
		r.vector("import", func(at int) {
			imp := CoreImport{Module: r.name(), Name: r.name(), Type: coreExternType(r, s.funcType)}
			s.declare(imp.Type)
			keep(r, at, s.module.addImport(imp))
		})
	case coreSecFunction:
		r.vector("function", func(int) {
			t := coreFuncIndex(r, s.funcType)
			s.funcs = append(s.funcs, t)
			s.declare(CoreExternType{Sort: SortCoreFunc, Func: t})
		})
	case coreSecTable, coreSecMemory, coreSecTag, coreSecGlobal:
		s.definitions(id, r)
	case coreSecExport:
		r.vector("export", func(at int) {
			e := CoreExportType{Name: r.name(), Type: s.exported(r)}
			keep(r, at, s.module.addExport(e))
		})
	case coreSecCode:
		s.code(r)
	default:
		return
	}
	r.end()
}

// recType reads one type, or a group of types that may refer to each other.
func (s *coreScanner) recType(r *reader) {
	const group = 0x4e
	if r.left() == 0 || r.b[r.pos] != group {
		s.types = append(s.types, coreSubType(r))
		return
	}
	r.byte()
	r.vector("type", func(int) { s.types = append(s.types, coreSubType(r)) })
}

// code checks the function bodies.
func (s *coreScanner) code(r *reader) {
	c := &coreChecker{coreScanner: s}
	for range r.count(MaxSize, "function bodies") {
		if s.bodies >= len(s.funcs) {
			r.failAt(r.pos, fmt.Sprintf("%d function bodies, as the function section says", len(s.funcs)), "more")
		}
		body := r.sub(r.u32(), "a function body")
		if r.failed() {
			return
		}
		body.where = fmt.Sprintf("core module, function body %d", s.bodies)
		c.body(body, s.funcs[s.bodies])
		s.bodies++
	}
}

// keep makes an error about names the reader's.
func keep(r *reader, at int, err error) {
	var e *Error
	if errors.As(err, &e) {
		r.failAt(at, e.Expected, "%s", e.Found)
	}
}

func (s *coreScanner) funcType(index uint32) *CoreFuncType {
	if uint64(index) >= uint64(len(s.types)) {
		return nil
	}
	return s.types[index]
}

func (s *coreScanner) declare(t CoreExternType) {
	s.spaces[t.Sort] = append(s.spaces[t.Sort], t)
}

// definitions reads tables, memories, tags or globals.
func (s *coreScanner) definitions(id byte, r *reader) {
	r.vector("definition", func(at int) {
		var t CoreExternType
		switch id {
		case coreSecTable:
			t = s.table(r)
		case coreSecMemory:
			t = CoreExternType{Sort: SortCoreMemory}
			coreLimits(r, &t)
			checkMemory(r, at, &t)
		case coreSecTag:
			t = CoreExternType{Sort: SortCoreTag}
			r.expect(0, "the attribute of an exception")
			t.Func = coreFuncIndex(r, s.funcType)
		default:
			t = CoreExternType{Sort: SortCoreGlobal, Content: coreValType(r), Mutable: r.flag("mutability")}
			constExpr(r)
		}
		s.declare(t)
	})
}

func (s *coreScanner) table(r *reader) CoreExternType {
	t := CoreExternType{Sort: SortCoreTable}
	initialised := r.left() > 1 && r.b[r.pos] == 0x40
	if initialised {
		r.expect(0x40, "a table with an initial value")
		r.expect(0, "a table with an initial value")
	}
	t.Elem = coreRefType(r)
	coreLimits(r, &t)
	if initialised {
		constExpr(r)
	}
	return t
}

func (s *coreScanner) exported(r *reader) CoreExternType {
	at := r.pos
	sort, index := r.byte(), r.u32()
	if int(sort) >= len(s.spaces) {
		r.failAt(at, "a function, table, memory, global or tag (0x00 to 0x04)", "%#02x", sort)
		return CoreExternType{}
	}
	space := s.spaces[sort]
	if uint64(index) >= uint64(len(space)) {
		r.failAt(at, fmt.Sprintf("a %s index below %d", SortCoreFunc+Sort(sort), len(space)), "%d", index)
		return CoreExternType{}
	}
	return space[index]
}

// constExpr skips a constant expression.
func constExpr(r *reader) {
	for !r.failed() {
		at := r.pos
		switch op := r.byte(); op {
		case 0x0b: // end
			return
		case 0x41, 0x42: // i32.const, i64.const
			skipLEB(r)
		case 0x43: // f32.const
			r.take(4, "a constant")
		case 0x44: // f64.const
			r.take(8, "a constant")
		case 0x23, 0xd2: // global.get, ref.func
			r.u32()
		case 0xd0: // ref.null
			r.typeCode()
		case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e: // add, sub, mul
		case 0xfd: // v128.const
			r.expect(0x0c, "v128.const")
			r.take(16, "a constant")
		default:
			r.failAt(at, "an instruction of a constant expression", "%#02x", op)
		}
	}
}

func skipLEB(r *reader) {
	for range 10 {
		if r.byte() < 0x80 {
			return
		}
	}
	r.failAt(r.pos, "a number of at most 64 bits", "a longer one")
}
