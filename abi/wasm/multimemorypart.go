package wasm

import "strconv"

// part makes the module of another memory.
func (s *splitter) part(memory uint32) (*SplitMemory, error) {
	p := &partBuilder{s: s, m: &Module{}, globals: map[uint32]uint32{}, out: &SplitMemory{
		Index: memory, Module: s.prefix + strconv.Itoa(int(memory)),
	}}
	m := p.m
	if imports := s.memoryImports(); int(memory) < len(imports) {
		p.take(imports[memory])
	} else {
		m.Memories = []Limits{s.m.Memories[int(memory)-len(imports)]}
	}
	m.Exports = []Export{{Name: SplitExport, Kind: KindMemory}}
	segments, err := p.data(memory)
	if err != nil {
		return nil, err
	}
	types := newTypeTable(m)
	for _, a := range s.accessors {
		if a.memory != memory {
			continue
		}
		n := uint32(len(m.Funcs))
		m.Exports = append(m.Exports, Export{Name: SplitFunc(int(n)), Kind: KindFunc, Index: n})
		m.Funcs = append(m.Funcs, Func{Type: types.index(a.signature()), Code: s.body(a.access, segments)})
		m.setFunc(n, a.name())
		m.HasDataCount = m.HasDataCount || a.op == opMemoryInit
	}
	p.out.Wasm = m.Encode()
	return p.out, nil
}

// partBuilder makes the module of a memory.
type partBuilder struct {
	s       *splitter
	m       *Module
	out     *SplitMemory
	globals map[uint32]uint32 // by their indices in the module that is split
}

// take takes over an import.
func (p *partBuilder) take(i int) {
	p.m.Imports = append(p.m.Imports, p.s.m.Imports[i])
	p.out.Imports = append(p.out.Imports, i)
}

// data adds the data segments of the memory, and gives the new indices of those that code names.
func (p *partBuilder) data(memory uint32) (map[uint32]uint32, error) {
	known := p.s.m.constants()
	for i, d := range p.s.m.Data {
		if d.Mode != Active || p.s.same[p.s.dataMemory[i]] != memory {
			continue
		}
		if v, ok := known.eval(d.Offset); ok {
			d.Offset = ConstI32(int32(v))
		} else if d.Offset, ok = p.offset(d.Offset); !ok {
			return nil, unfit(splitName, "expected an offset of data segment %d, which goes to memory %d, from constants and imported globals, found another global",
				i, p.s.dataMemory[i])
		}
		p.m.Data = append(p.m.Data, d)
	}
	segments := map[uint32]uint32{}
	for _, a := range p.s.accessors {
		if a.memory != memory || a.op != opMemoryInit {
			continue
		}
		d := p.s.m.Data[a.a]
		if d.Mode == Active {
			d = Data{Mode: Passive} // it is gone once it has been written
		}
		segments[a.a] = uint32(len(p.m.Data))
		p.m.Data = append(p.m.Data, d)
	}
	return segments, nil
}

// offset gives an expression with the indices that imported globals have here.
func (p *partBuilder) offset(e ConstExpr) (ConstExpr, bool) {
	ok := true
	return rewriteCode(e, func(ed *editor, in *instr) {
		if in.op == opGlobalGet {
			var index uint32
			index, ok = p.global(in.a, ok)
			ed.instead(in)
			ed.out = appendIndexed(ed.out, in.op, index)
		}
	}), ok
}

// global takes over an imported global, unless something went wrong before.
func (p *partBuilder) global(index uint32, ok bool) (uint32, bool) {
	if at, have := p.globals[index]; have || !ok {
		return at, ok
	}
	n := uint32(0)
	for i := range p.s.m.Imports {
		if p.s.m.Imports[i].Kind != KindGlobal {
			continue
		}
		if n == index {
			p.globals[index] = uint32(len(p.globals))
			p.take(i)
			return p.globals[index], true
		}
		n++
	}
	return 0, false
}
