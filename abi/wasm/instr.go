package wasm

// instr is one decoded instruction. What a and b hold depends on the opcode's shape.
type instr struct {
	op         opcode
	shape      shape
	start, end int // within the code
	a, b       uint32
	value      int64 // of i32.const, i64.const, and block types (-64 is none, negative a value type, else an index); an alignment
	labels     int   // where the labels of br_table start; a counts them without the default
}

const (
	blockTypeVoid = -64
	expectOpcode  = "an instruction of WebAssembly 2.0"
)

// scanner goes through the instructions of code.
type scanner struct {
	reader
	multi bool // instructions may name other memories than 0
}

// scan starts at the first instruction of code that has been checked.
func scan(code []byte) *scanner { return &scanner{reader: reader{b: code, section: "code"}} }

// next decodes the next instruction into in. It ends at the end of the code and at a failure.
func (s *scanner) next(in *instr) bool {
	if s.pos >= len(s.b) {
		return false
	}
	in.start = s.pos
	first := s.b[s.pos]
	s.pos++
	in.op = opcode(first)
	if first >= 0xfb {
		in.op = s.prefixed(first)
	}
	in.shape = shapeOf(in.op)
	if in.shape == shapeBad {
		s.failAt(in.start, expectOpcode, "%s", refusal(first))
		return false
	}
	if in.shape != shapeNone {
		s.immediates(in)
	}
	in.end = s.pos
	return s.err == nil
}

func (s *scanner) prefixed(first byte) opcode {
	if first != 0xfc && first != 0xfd {
		s.failAt(s.pos-1, expectOpcode, "%s", refusal(first))
		return opcode(first)
	}
	at := s.pos
	sub := s.u32()
	if sub > 0xff {
		s.failAt(at, expectOpcode, "%#x %d", first, sub)
	}
	return opcode(first)<<8 | opcode(sub&0xff)
}

func (s *scanner) immediates(in *instr) {
	switch in.shape {
	case shapeLabel, shapeFunc, shapeLocal, shapeGlobal, shapeTable, shapeData:
		in.a = s.u32()
	case shapeBlock:
		in.value = s.blockType()
	case shapeI32:
		in.value = s.signed(32)
	case shapeI64:
		in.value = s.signed(64)
	case shapeMemArg:
		s.memArg(in)
	case shapeIndirect, shapeTables:
		in.a, in.b = s.u32(), s.u32()
	case shapeElemTable:
		in.b, in.a = s.u32(), s.u32()
	case shapeElem:
		in.b = s.u32()
	case shapeLabels:
		in.a = uint32(s.count(MaxBodySize, "labels"))
		in.labels = s.pos
		for range in.a + 1 {
			s.u32()
		}
	default:
		s.plainImmediates(in)
	}
}

func (s *scanner) plainImmediates(in *instr) {
	switch in.shape {
	case shapeMemory:
		in.a = s.memory()
	case shapeDataMem:
		in.a = s.u32()
		in.b = s.memory()
	case shapeMemMem:
		in.a = s.memory()
		in.b = s.memory()
	case shapeF32:
		s.take(4, "a constant")
	case shapeF64:
		s.take(8, "a constant")
	case shapeV128:
		s.take(16, "a constant")
	case shapeLane:
		s.byte()
	case shapeMemLane:
		s.memArg(in)
		s.byte()
	case shapeRef:
		s.refType()
	case shapeTypes:
		for range s.count(MaxResults, "types") {
			s.valType()
		}
	default:
	}
}

func (s *scanner) memory() uint32 {
	at := s.pos
	i := s.u32()
	if i != 0 && !s.multi {
		s.failAt(at, "memory 0 (several memories are not supported)", "memory %d", i)
	}
	return i
}

// memArgIndex is the bit of an alignment that tells that the index of a memory follows.
const memArgIndex = 1 << 6

func (s *scanner) memArg(in *instr) {
	at := s.pos
	align := s.u32()
	in.a = 0
	if s.multi && align&memArgIndex != 0 {
		align &^= memArgIndex
		in.a = s.u32()
	}
	if align >= 32 {
		s.failAt(at, "an alignment below 2^32 of memory 0", "%#x", align)
	}
	in.value, in.b = int64(align), s.u32()
}

func (s *scanner) blockType() int64 {
	at := s.pos
	v := s.signed(33)
	if v < 0 && v != blockTypeVoid && !ValType(v&0x7f).known() {
		s.failAt(at, "a block type", "%d", v)
	}
	return v
}

// eachLabel calls f with every label of a br_table, the default last.
func (in *instr) eachLabel(code []byte, f func(label uint32)) {
	r := reader{b: code, pos: in.labels}
	for range in.a + 1 {
		f(r.u32())
	}
}

// editor makes new code out of old: what it is not told to replace stays as it is.
type editor struct {
	src, out []byte
	done     int // src up to here is in out
}

// before copies everything up to the instruction, so that what is appended to out comes before it.
func (e *editor) before(in *instr) {
	e.out = append(e.out, e.src[e.done:in.start]...)
	e.done = in.start
}

// instead is before, and leaves the instruction out.
func (e *editor) instead(in *instr) {
	e.before(in)
	e.done = in.end
}

// finish gives the new code; it is the old one if nothing was edited.
func (e *editor) finish() []byte {
	if e.done == 0 && len(e.out) == 0 {
		return e.src
	}
	e.out = append(e.out, e.src[e.done:]...)
	e.done = len(e.src)
	return e.out
}

// appendIndexed appends an instruction with one unsigned immediate.
func appendIndexed(b []byte, op opcode, index uint32) []byte {
	if op > 0xff {
		b = appendUnsigned(append(b, byte(op>>8)), uint32(op&0xff))
		return appendUnsigned(b, index)
	}
	return appendUnsigned(append(b, byte(op)), index)
}

func appendI32(b []byte, v int32) []byte { return appendSigned(append(b, byte(opI32Const)), int64(v)) }

func appendI64(b []byte, v int64) []byte { return appendSigned(append(b, byte(opI64Const)), v) }
