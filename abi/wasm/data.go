package wasm

import "fmt"

// Segment is a piece of the initial memory.
type Segment struct {
	// Offset is its address in memory.
	Offset uint32
	// Bytes may share memory with the decoded bytes.
	Bytes []byte
}

// TakeData removes the active data segments and appends them to image, in the order in which they are to be written:
// they may overlap. Passive segments stay, renumbered; for the instructions that name a segment which is gone there
// is an empty passive one, which behaves as a segment that has been dropped. It fails with [*Unfit] if the memory is
// imported, if an offset depends on an import, or if a start function would run before the image is in place
// ([ExportStart] comes first), and with another error if a segment lies outside of the initial memory, since such a
// module cannot be instantiated.
func TakeData(image *[]Segment) Pass {
	const name = "data segments"
	return Pass{Name: name, Apply: func(m *Module) error {
		taken, err := m.activeData(name)
		if err != nil || len(taken) == 0 {
			return err
		}
		renumber, gone := make([]uint32, len(m.Data)), uint32(len(m.Data)-len(taken))
		var kept []Data
		for i, d := range m.Data {
			renumber[i] = gone
			if d.Mode == Passive {
				renumber[i] = uint32(len(kept))
				kept = append(kept, d)
			}
		}
		if m.renumberData(renumber, gone) {
			kept = append(kept, Data{Mode: Passive})
		}
		m.Data = kept
		m.HasDataCount = m.HasDataCount && len(kept) > 0
		*image = append(*image, taken...)
		return nil
	}}
}

// activeData gives the active segments with their addresses.
func (m *Module) activeData(pass string) ([]Segment, error) {
	var out []Segment
	known := m.constants()
	for i, d := range m.Data {
		if d.Mode != Active {
			continue
		}
		if m.HasStart {
			return nil, unfit(pass, "a start function would run before the image is in memory: export it first")
		}
		if len(m.Memories) == 0 {
			return nil, unfit(pass, "the memory is imported")
		}
		offset, ok := known.eval(d.Offset)
		if !ok {
			return nil, unfit(pass, "the offset of data segment %d is not a constant of the module", i)
		}
		if size := uint64(m.Memories[0].Min) * PageSize; uint64(offset)+uint64(len(d.Bytes)) > size {
			return nil, fmt.Errorf("data segment %d (%d bytes at %d) ends outside of the initial memory of %d bytes: the module cannot be instantiated",
				i, len(d.Bytes), offset, size)
		}
		out = append(out, Segment{offset, d.Bytes})
	}
	return out, nil
}

// renumberData changes the segment indices in code. It tells whether the index gone is used.
func (m *Module) renumberData(to []uint32, gone uint32) (used bool) {
	if !m.HasDataCount {
		return false // no instruction may name a segment
	}
	for i := range m.Funcs {
		m.Funcs[i].Code = rewriteCode(m.Funcs[i].Code, func(e *editor, in *instr) {
			if in.shape != shapeData && in.shape != shapeDataMem {
				return
			}
			e.instead(in)
			e.out = appendIndexed(e.out, in.op, to[in.a])
			if in.shape == shapeDataMem {
				e.out = append(e.out, 0)
			}
			used = used || to[in.a] == gone
		})
	}
	if m.Names != nil {
		m.codeChanged()
	}
	return used
}

// rewriteCode goes through code and lets f edit it.
func rewriteCode(code []byte, f func(e *editor, in *instr)) []byte {
	e := &editor{src: code}
	s := scan(code)
	var in instr
	for s.next(&in) {
		f(e, &in)
	}
	return e.finish()
}
