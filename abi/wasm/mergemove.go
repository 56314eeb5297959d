package wasm

import (
	"errors"
	"fmt"
)

// maxConstBytes bounds what constant expressions grow by when globals are replaced by values that are no constants.
const maxConstBytes = 16 << 20

// move writes what a part defines with its new indices.
func (g *merger) move(p *mergePart) error {
	for kind := range p.spaces {
		p.index[kind] = make([]uint32, len(p.spaces[kind]))
		for i, at := range p.spaces[kind] {
			p.index[kind][i] = at.index
			if !at.host {
				p.index[kind][i] += uint32(len(g.host[kind]))
			}
		}
	}
	out := g.out
	p.elems, p.data = uint32(len(out.Elems)), uint32(len(out.Data))
	for i := range p.m.Funcs {
		f := &out.Funcs[int(p.first[KindFunc])+i]
		f.Code = p.code(f.Code)
	}
	for i := range p.m.Globals {
		init, err := g.constant(p, p.m.Globals[i].Init)
		if err != nil {
			return fmt.Errorf("global %d: %w", i, err)
		}
		g.inits = append(g.inits, init)
		out.Globals[int(p.first[KindGlobal])+i].Init = init.expr
	}
	for i := range p.m.Elems {
		e, err := g.elem(p, p.m.Elems[i])
		if err != nil {
			return fmt.Errorf("element segment %d: %w", i, err)
		}
		out.Elems = append(out.Elems, e)
	}
	for i, d := range p.m.Data {
		if d.Mode == Active {
			init, err := g.constant(p, d.Offset)
			if err != nil {
				return fmt.Errorf("data segment %d: %w", i, err)
			}
			d.Offset = init.expr
		}
		out.Data = append(out.Data, d)
	}
	return nil
}

// elem gives an element segment its new indices.
func (g *merger) elem(p *mergePart, e Elem) (Elem, error) {
	if e.Mode == Active {
		init, err := g.constant(p, e.Offset)
		if err != nil {
			return Elem{}, err
		}
		e.Offset, e.Table = init.expr, p.index[KindTable][e.Table]
	}
	funcs, exprs := e.Funcs, e.Exprs
	e.Funcs, e.Exprs = nil, nil
	for _, fn := range funcs {
		e.Funcs = append(e.Funcs, p.index[KindFunc][fn])
	}
	for _, x := range exprs {
		init, err := g.constant(p, x)
		if err != nil {
			return Elem{}, err
		}
		e.Exprs = append(e.Exprs, init.expr)
	}
	return e, nil
}

// code gives the instructions of a function their new indices.
func (p *mergePart) code(code []byte) []byte {
	return rewriteCode(code, func(e *editor, in *instr) {
		switch in.shape {
		case shapeFunc:
			p.indexed(e, in, p.index[KindFunc][in.a])
		case shapeGlobal:
			p.indexed(e, in, p.index[KindGlobal][in.a])
		case shapeTable:
			p.indexed(e, in, p.index[KindTable][in.a])
		case shapeElem:
			p.indexed(e, in, in.b+p.elems)
		case shapeData:
			p.indexed(e, in, in.a+p.data)
		case shapeDataMem:
			p.indexed(e, in, in.a+p.data, 0)
		case shapeElemTable:
			p.indexed(e, in, in.b+p.elems, p.index[KindTable][in.a])
		case shapeTables:
			p.indexed(e, in, p.index[KindTable][in.a], p.index[KindTable][in.b])
		case shapeIndirect:
			p.indexed(e, in, p.types[in.a], p.index[KindTable][in.b])
		case shapeBlock:
			if in.value >= 0 {
				e.instead(in)
				e.out = appendSigned(append(e.out, byte(in.op)), int64(p.types[in.value]))
			}
		default:
		}
	})
}

// indexed writes an instruction with its new indices.
func (p *mergePart) indexed(e *editor, in *instr, first uint32, more ...uint32) {
	e.instead(in)
	e.out = appendIndexed(e.out, in.op, first)
	for _, i := range more {
		e.out = appendUnsigned(e.out, i)
	}
}

// constInit is a constant expression of the merged module and the number of its instructions, the end not counted.
type constInit struct {
	expr   ConstExpr
	instrs int
}

// constant gives a part's constant expression in terms of the merged module. Globals that a part defines are replaced
// by their values: engines accept no others than imported ones. What is known is evaluated, so that the result is short
// even where each global is the sum of two others.
func (g *merger) constant(p *mergePart, e ConstExpr) (constInit, error) {
	var out constInit
	s := scan(e)
	var in instr
	for s.next(&in) && in.op != opEnd {
		switch in.op {
		case opGlobalGet:
			if err := g.constGlobal(&out, p.spaces[KindGlobal][in.a]); err != nil {
				return constInit{}, err
			}
			continue
		case opRefFunc:
			out.expr = appendIndexed(out.expr, in.op, p.index[KindFunc][in.a])
		default:
			out.expr = append(out.expr, e[in.start:in.end]...)
		}
		out.instrs++
	}
	out.expr = append(out.expr, byte(opEnd))
	if out.instrs > 1 {
		out = out.fold()
	}
	if out.instrs > MaxConstInstrs {
		return constInit{}, fmt.Errorf("expected a constant expression of at most %d instructions once globals are replaced by their values, found %d", MaxConstInstrs, out.instrs)
	}
	return out, nil
}

// constGlobal appends the value of a global.
func (g *merger) constGlobal(out *constInit, at place) error {
	if at.host {
		if g.hostImportAt(KindGlobal, at.index).Global.Mutable {
			return errMutable
		}
		out.expr = appendIndexed(out.expr, opGlobalGet, at.index)
		out.instrs++
		return nil
	}
	if g.out.Globals[at.index].Mutable {
		return errMutable
	}
	init := g.inits[at.index]
	if out.instrs += init.instrs; out.instrs > 2*MaxConstInstrs {
		return fmt.Errorf("expected a constant expression of at most %d instructions once globals are replaced by their values, found more", MaxConstInstrs)
	}
	if init.instrs > 1 {
		if g.room -= len(init.expr); g.room < 0 {
			return fmt.Errorf("expected constant expressions of at most %d bytes once globals are replaced by their values, found more", maxConstBytes)
		}
	}
	out.expr = append(out.expr, init.expr[:len(init.expr)-1]...)
	return nil
}

var errMutable = errors.New("expected only immutable globals in a constant expression, found a mutable one")

// constValue is an integer on the stack of a constant expression.
type constValue struct {
	typ   ValType
	value int64
}

// fold evaluates an expression if it is one of integers that depend on nothing.
func (c constInit) fold() constInit {
	var stack []constValue
	s := scan(c.expr)
	var in instr
	for s.next(&in) {
		switch in.op {
		case opI32Const:
			stack = append(stack, constValue{I32, in.value})
		case opI64Const:
			stack = append(stack, constValue{I64, in.value})
		case opI32Add, opI32Sub, opI32Mul, opI64Add, opI64Sub, opI64Mul:
			n := len(stack) - 2
			if n < 0 || stack[n].typ != stack[n+1].typ || (stack[n].typ == I32) != (in.op <= opI32Mul) {
				return c // not valid, which is the engine's to say
			}
			stack = append(stack[:n], stack[n].with(in.op, stack[n+1].value))
		case opEnd:
			if len(stack) != 1 {
				return c
			}
			if stack[0].typ == I32 {
				return constInit{ConstI32(int32(stack[0].value)), 1}
			}
			return constInit{ConstI64(stack[0].value), 1}
		default:
			return c
		}
	}
	return c
}

// with applies an operation. Of an i32 the lower half counts.
func (v constValue) with(op opcode, other int64) constValue {
	switch op {
	case opI32Add, opI64Add:
		v.value += other
	case opI32Sub, opI64Sub:
		v.value -= other
	default:
		v.value *= other
	}
	return v
}
