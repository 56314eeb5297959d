package wasm

import "fmt"

// spaces are the sizes of the index spaces that code may name.
type spaces struct {
	types, funcs, tables, memories, globals, elems, data int
	hasData                                              bool // a DataCount section is there
}

// checker checks the bodies of functions: that every instruction is known, every index in range, and every block
// closed. It keeps its stack from body to body.
type checker struct {
	spaces
	open []opcode // block, loop, if, else
}

// body checks code, which starts at the given offset of the module, of a function with so many locals.
func (c *checker) body(code []byte, offset int, locals int) *Error {
	s := &scanner{reader: reader{b: code, base: offset, section: "code"}, multi: c.memories > MaxMemories}
	c.open = append(c.open[:0], opBlock)
	var in instr
	for s.next(&in) {
		switch in.op {
		case opBlock, opLoop, opIf:
			if len(c.open) > MaxNesting {
				s.failAt(in.start, fmt.Sprintf("at most %d blocks in each other", MaxNesting), "more")
				return s.err
			}
			c.open = append(c.open, in.op)
		case opElse:
			if c.open[len(c.open)-1] != opIf {
				s.failAt(in.start, "else only in an if", "it elsewhere")
				return s.err
			}
			c.open[len(c.open)-1] = opElse
		case opEnd:
			c.open = c.open[:len(c.open)-1]
			if len(c.open) == 0 {
				s.end()
				return s.err
			}
		default:
		}
		if in.shape != shapeNone && !c.inRange(s, &in, locals) {
			return s.err
		}
	}
	s.failAt(len(code), "the function's end", "%d open blocks", len(c.open))
	return s.err
}

// inRange checks an instruction's indices.
func (c *checker) inRange(s *scanner, in *instr, locals int) bool {
	switch in.shape {
	case shapeLabel:
		return below(s, in, in.a, len(c.open), "label")
	case shapeLabels:
		in.eachLabel(s.b, func(label uint32) { below(s, in, label, len(c.open), "label") })
		return s.err == nil
	case shapeBlock:
		return in.value < 0 || below(s, in, uint32(in.value), c.types, "type")
	case shapeFunc:
		return below(s, in, in.a, c.funcs, "function")
	case shapeIndirect:
		return below(s, in, in.a, c.types, "type") && below(s, in, in.b, c.tables, "table")
	case shapeLocal:
		return below(s, in, in.a, locals, "local")
	case shapeGlobal:
		return below(s, in, in.a, c.globals, "global")
	case shapeTable:
		return below(s, in, in.a, c.tables, "table")
	case shapeTables:
		return below(s, in, in.a, c.tables, "table") && below(s, in, in.b, c.tables, "table")
	case shapeElemTable:
		return below(s, in, in.a, c.tables, "table") && below(s, in, in.b, c.elems, "element segment")
	case shapeElem:
		return below(s, in, in.b, c.elems, "element segment")
	case shapeData, shapeDataMem:
		if !c.hasData {
			s.failAt(in.start, "a DataCount section in a module with memory.init or data.drop", "none")
			return false
		}
		return below(s, in, in.a, c.data, "data segment") && (in.shape == shapeData || c.hasMemory(s, in, in.b))
	case shapeMemArg, shapeMemLane, shapeMemory:
		return c.hasMemory(s, in, in.a)
	case shapeMemMem:
		return c.hasMemory(s, in, in.a) && c.hasMemory(s, in, in.b)
	default:
		return true
	}
}

func (c *checker) hasMemory(s *scanner, in *instr, index uint32) bool {
	if c.memories == 0 {
		s.failAt(in.start, "a memory in a module that uses one", "none")
		return false
	}
	return below(s, in, index, c.memories, "memory")
}

func below(s *scanner, in *instr, index uint32, n int, what string) bool {
	if uint64(index) >= uint64(n) {
		s.failAt(in.start, fmt.Sprintf("a %s index below %d", what, n), "%d", index)
		return false
	}
	return true
}
