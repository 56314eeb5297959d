package canon

import "math/bits"

// flatMove passes the value at the front of stack, in place, from one guest to another.
type flatMove func(t *transfer, stack []uint64)

// memMove passes the value at src of one guest to dst of another; both areas are checked.
type memMove func(t *transfer, src, dst uint32)

// move is how the values of a type pass in memory.
type move struct {
	run memMove
	// plain tells that all of the value's bytes are to be copied as they are: there is no padding, and every byte is
	// allowed.
	plain bool
}

// compiler makes the moves of types, of each type once: types may be shared many times over.
type compiler struct {
	inMemory map[*Type]move
	inStack  map[*Type]flatMove
	// needsTransfer tells that a flat move needs its transfer.
	needsTransfer bool
}

func newCompiler() *compiler {
	return &compiler{inMemory: map[*Type]move{}, inStack: map[*Type]flatMove{}}
}

// mem gives how values of t pass in memory.
func (c *compiler) mem(t *Type) move {
	if m, ok := c.inMemory[t]; ok {
		return m
	}
	m := c.newMem(t)
	if m.plain {
		m.run = copyMove(t.size)
	}
	c.inMemory[t] = m
	return m
}

func (c *compiler) newMem(t *Type) move {
	switch t.kind {
	case KindBool, KindChar, KindF32, KindF64:
		return move{run: checkedMove(t)}
	case KindString:
		return move{run: textMove}
	case KindList, KindMap:
		return move{run: c.listMove(t.elem)}
	case KindFixedList:
		return c.fixedMove(t)
	case KindRecord, KindTuple:
		return c.productMove(t)
	case KindVariant, KindEnum, KindOption, KindResult:
		return move{run: c.sumMove(t)}
	case KindFlags:
		return flagsMove(t)
	case KindOwn, KindBorrow:
		return move{run: handleMove(t)}
	default:
		return move{plain: true}
	}
}

// copyMove copies size bytes.
func copyMove(size uint32) memMove {
	n := uint64(size)
	return func(t *transfer, src, dst uint32) {
		copy(t.w.mem[dst:uint64(dst)+n], t.l.mem[src:uint64(src)+n])
	}
}

// checkedMove passes a scalar that not all bits are allowed for.
func checkedMove(t *Type) memMove {
	s := scalarOf(t.kind, t.size)
	return func(t *transfer, src, dst uint32) { s.write(t.w.mem[dst:], s.value(s.read(t.l.mem[src:]))) }
}

func textMove(t *transfer, src, dst uint32) {
	b := t.l.mem[src : uint64(src)+8]
	ptr, n := t.text(U32(b, 0), U32(b, 4))
	t.w.putPair(dst, ptr, n)
}

func handleMove(typ *Type) memMove {
	return func(t *transfer, src, dst uint32) { t.w.PutU32(dst, t.handle(typ, U32(t.l.mem[src:], 0))) }
}

// flagsMove passes flags without the bits beyond the labels.
func flagsMove(t *Type) move {
	n := len(t.members)
	if n == 8*int(t.size) {
		return move{plain: true}
	}
	width := min(t.size, 4)
	word, last := integerOf(width), t.size-width
	mask := uint64(1)<<(n-8*int(last)) - 1
	return move{run: func(t *transfer, src, dst uint32) {
		copy(t.w.at(dst, last), t.l.mem[src:])
		word.write(t.w.mem[dst+last:], word.read(t.l.mem[src+last:])&mask)
	}}
}

// step is a member's move at its offset.
type step struct {
	at  uint32
	run memMove
}

// productMove passes members one after the other. Neighbours that are plain are one copy.
func (c *compiler) productMove(t *Type) move {
	var steps []step
	begin, end := uint32(0), uint32(0) // of plain bytes that have no step yet
	flush := func() {
		if end > begin {
			steps = append(steps, step{begin, copyMove(end - begin)})
		}
	}
	for i, f := range t.members {
		m, at := c.mem(f.Type), t.offsets[i]
		switch {
		case !m.plain:
			flush()
			steps = append(steps, step{at, m.run})
			begin, end = 0, 0
		case at == end && end > begin:
			end += f.Type.size
		default:
			flush()
			begin, end = at, at+f.Type.size
		}
	}
	if begin == 0 && end == t.size {
		return move{plain: true}
	}
	flush()
	if len(steps) == 1 && steps[0].at == 0 {
		return move{run: steps[0].run}
	}
	return move{run: func(t *transfer, src, dst uint32) {
		for i := range steps {
			s := &steps[i]
			s.run(t, src+s.at, dst+s.at)
		}
	}}
}

// sumMove passes the number of the case and its payload.
func (c *compiler) sumMove(t *Type) memMove {
	disc, n, what := integerOf(t.disc), uint32(len(t.members)), t.kind.String()
	payload := t.offsets[0]
	cases := make([]memMove, len(t.members))
	some := false
	for i, m := range t.members {
		if m.Type != nil {
			cases[i], some = c.mem(m.Type).run, true
		}
	}
	if !some {
		cases = nil
	}
	return func(t *transfer, src, dst uint32) {
		i := Disc(what, uint32(disc.read(t.l.mem[src:])), n)
		disc.write(t.w.mem[dst:], uint64(i))
		if cases != nil && cases[i] != nil {
			cases[i](t, src+payload, dst+payload)
		}
	}
}

// fixedMove passes the elements of a list of fixed length.
func (c *compiler) fixedMove(t *Type) move {
	m := c.mem(t.elem)
	if m.plain {
		return move{plain: true}
	}
	n, size := t.count, t.elem.size
	return move{run: func(t *transfer, src, dst uint32) {
		for i := range n {
			m.run(t, src+i*size, dst+i*size)
		}
	}}
}

// listMove passes a list's address and count, and its elements.
func (c *compiler) listMove(elem *Type) memMove {
	pass := c.listPass(elem)
	return func(t *transfer, src, dst uint32) {
		b := t.l.mem[src : uint64(src)+8]
		n := U32(b, 4)
		t.w.putPair(dst, pass(t, U32(b, 0), n), n)
	}
}

// listPass passes the n elements at src and gives where they are then.
func (c *compiler) listPass(elem *Type) func(t *transfer, src, n uint32) (dst uint32) {
	m, size, align := c.mem(elem), elem.size, elem.align
	run := m.run
	if scan := scanOf(elem); scan != nil {
		return func(t *transfer, src, n uint32) uint32 {
			dst, total := t.list(src, n, size, align)
			out := t.w.at(dst, total)
			copy(out, t.l.mem[src:])
			scan(out)
			return dst
		}
	}
	if m.plain {
		return func(t *transfer, src, n uint32) uint32 {
			dst, total := t.list(src, n, size, align)
			copy(t.w.at(dst, total), t.l.mem[src:])
			return dst
		}
	}
	return func(t *transfer, src, n uint32) uint32 {
		dst, _ := t.list(src, n, size, align)
		for i := range n {
			run(t, src+i*size, dst+i*size)
		}
		return dst
	}
}

// list checks the list of n elements at src and gets the block for them, of total bytes [Loading,
// load_list_from_range].
func (t *transfer) list(src, n, size, align uint32) (dst, total uint32) {
	hi, lo := bits.Mul32(n, size)
	if hi != 0 || lo > MaxStringBytes {
		trapList(src, n, size)
	}
	t.l.Area(src, lo, align)
	t.charge(uint64(lo))
	return t.w.Alloc(lo, align), lo
}
