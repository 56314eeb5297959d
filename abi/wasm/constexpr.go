package wasm

import "fmt"

// constExpr reads a constant expression: constants, globals, function references, and the arithmetic of the extended
// constant expressions. It keeps it as it is encoded.
func (d *decoder) constExpr(r *reader) ConstExpr {
	start := r.pos
	s := &scanner{reader: reader{b: r.b, pos: r.pos, base: r.base, section: r.section, err: r.err}}
	var in instr
	for n := 0; s.next(&in); n++ {
		switch {
		case in.op == opEnd:
			r.pos = s.pos
			return ConstExpr(r.b[start:s.pos:s.pos])
		case n >= MaxConstInstrs:
			s.failAt(in.start, fmt.Sprintf("at most %d instructions in a constant expression", MaxConstInstrs), "more")
		case !constant(in.op):
			s.failAt(in.start, "an instruction of a constant expression", "opcode %#x", int(in.op))
		case in.op == opGlobalGet:
			below(s, &in, in.a, d.spaces.globals, "global")
		case in.op == opRefFunc:
			below(s, &in, in.a, d.spaces.funcs, "function")
		}
	}
	s.failAt(len(s.b), "the end of a constant expression", "the end of the section")
	r.err, r.pos = s.err, len(r.b)
	return nil
}

func constant(op opcode) bool {
	switch op {
	case opI32Const, opI64Const, opF32Const, opF64Const, opV128Const, opGlobalGet, opRefNull, opRefFunc,
		opI32Add, opI32Sub, opI32Mul, opI64Add, opI64Sub, opI64Mul:
		return true
	default:
		return false
	}
}

// constants are the values of the i32 globals that depend on no import and never change.
type constants map[uint32]uint32

// constants finds them in order: a global's initial value may name those before it only.
func (m *Module) constants() constants {
	c := constants{}
	first := uint32(m.imported(KindGlobal))
	for i, g := range m.Globals {
		if g.Type != I32 || g.Mutable {
			continue
		}
		if v, ok := c.eval(g.Init); ok {
			c[first+uint32(i)] = v
		}
	}
	return c
}

// eval gives the value of an i32 expression if it depends on no import.
func (c constants) eval(e ConstExpr) (uint32, bool) {
	var stack []uint32
	s := scan(e)
	var in instr
	for s.next(&in) {
		n := len(stack) - 2
		switch in.op {
		case opI32Const:
			stack = append(stack, uint32(int32(in.value)))
		case opGlobalGet:
			v, ok := c[in.a]
			if !ok {
				return 0, false
			}
			stack = append(stack, v)
		case opI32Add, opI32Sub, opI32Mul:
			if n < 0 {
				return 0, false
			}
			stack = append(stack[:n], arithmetic(in.op, stack[n], stack[n+1]))
		default:
			return stack0(stack), in.op == opEnd && len(stack) == 1
		}
	}
	return 0, false
}

func stack0(stack []uint32) uint32 {
	if len(stack) == 0 {
		return 0
	}
	return stack[0]
}

func arithmetic(op opcode, a, b uint32) uint32 {
	switch op {
	case opI32Add:
		return a + b
	case opI32Sub:
		return a - b
	default:
		return a * b
	}
}

// funcOf gives the function of a reference expression: null for ref.null. It fails for what depends on a global.
func (e ConstExpr) funcOf() (index uint32, null, ok bool) {
	s := scan(e)
	var in instr
	if !s.next(&in) {
		return 0, false, false
	}
	return in.a, in.op == opRefNull, in.op == opRefNull || in.op == opRefFunc
}
