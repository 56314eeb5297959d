package wasm

// What functions do that no instruction does by itself. These numbers are no opcodes.
const (
	// opCheck traps unless so many bytes from an address on are within the memory.
	opCheck opcode = 0xff00 + iota
	// opReadBlock and opWriteBlock pass blockSize bytes.
	opReadBlock
	opWriteBlock
	// opCopyBetween copies from memory b to memory a.
	opCopyBetween
	// opDropAll drops data segment a here and in the modules of other memories.
	opDropAll
)

const (
	blockWords = 4
	blockSize  = 8 * blockWords
)

const (
	opI32Eqz    opcode = 0x45
	opI32Load8U opcode = 0x2d
	opI64Load   opcode = 0x29
	opI32Store8 opcode = 0x3a
	opI64Store  opcode = 0x37
	opI64GtU    opcode = 0x56
)

// collect notes the functions that code needs.
func (s *splitter) collect(code []byte) {
	sc := scan(code)
	sc.multi = true
	var in instr
	for sc.next(&in) {
		switch in.shape {
		case shapeData:
			s.dropped[in.a] = true
		case shapeDataMem:
			if s.same[in.b] == 0 {
				s.own[in.a] = true
				continue
			}
			s.find(code, &in)
		default:
			s.find(code, &in)
		}
	}
}

// find gives the function that stands for an instruction, and adds it if it is new; none is there for what needs none.
func (s *splitter) find(code []byte, in *instr) (funcRef, bool) {
	switch in.shape {
	case shapeMemArg, shapeMemLane:
		a := access{op: in.op, align: uint32(in.value), offset: in.b}
		if in.shape == shapeMemLane {
			a.a = uint32(code[in.end-1])
		}
		return s.other(s.same[in.a], a)
	case shapeMemory:
		return s.other(s.same[in.a], access{op: in.op})
	case shapeDataMem:
		return s.other(s.same[in.b], access{op: in.op, a: in.a})
	case shapeMemMem:
		to, from := s.same[in.a], s.same[in.b]
		if to == from {
			return s.other(to, access{op: in.op})
		}
		return s.copyBetween(to, from), true
	case shapeData:
		n, ok := s.helper[access{op: opDropAll, a: in.a}]
		return funcRef{true, n}, ok
	default:
		return funcRef{}, false
	}
}

// funcRef is a function that is added or imported; n counts those.
type funcRef struct {
	added bool
	n     uint32
}

// index gives the function's index in the module that is left.
func (s *splitter) index(f funcRef) uint32 {
	if f.added {
		return s.imported + uint32(len(s.accessors)+s.funcs) + f.n
	}
	return s.imported + f.n
}

// other gives the function for a use of a memory, none for memory 0.
func (s *splitter) other(memory uint32, a access) (funcRef, bool) {
	if memory == 0 {
		return funcRef{}, false
	}
	return s.use(memory, a), true
}

// use gives the function for a use of a memory.
func (s *splitter) use(memory uint32, a access) funcRef {
	if memory == 0 {
		return s.help(a)
	}
	key := memoryAccess{memory, a}
	n, ok := s.accessor[key]
	if !ok {
		n = uint32(len(s.accessors))
		s.accessor[key] = n
		s.accessors = append(s.accessors, key)
		if a.op == opMemoryInit {
			s.users[a.a] = append(s.users[a.a], memory)
		}
	}
	return funcRef{false, n}
}

func (s *splitter) help(a access) funcRef {
	n, ok := s.helper[a]
	if !ok {
		n = uint32(len(s.helpers))
		s.helper[a] = n
		s.helpers = append(s.helpers, a)
	}
	return funcRef{true, n}
}

// copyBetween gives the function that copies from one memory to another.
func (s *splitter) copyBetween(to, from uint32) funcRef {
	a := access{op: opCopyBetween, a: to, b: from}
	if n, ok := s.helper[a]; ok {
		return funcRef{true, n}
	}
	for _, op := range []opcode{opCheck, opWriteBlock, opI32Store8} {
		s.use(to, access{op: op})
	}
	for _, op := range []opcode{opCheck, opReadBlock, opI32Load8U} {
		s.use(from, access{op: op})
	}
	return s.help(a)
}

// collectDrops adds what drops the segments of which there are several copies.
func (s *splitter) collectDrops() {
	for seg := range s.m.Data {
		i := uint32(seg)
		if !s.dropped[i] || len(s.users[i]) == 0 {
			continue
		}
		s.help(access{op: opDropAll, a: i})
		for _, memory := range s.users[i] {
			s.use(memory, access{op: opDataDrop, a: i})
		}
	}
}

// code writes a function's code for one memory.
func (s *splitter) code(code []byte) []byte {
	e := &editor{src: code}
	sc := scan(code)
	sc.multi = true
	var in instr
	for sc.next(&in) {
		if f, ok := s.find(code, &in); ok {
			e.instead(&in)
			e.out = appendIndexed(e.out, opCall, s.index(f))
			continue
		}
		switch in.shape {
		case shapeFunc:
			if in.a >= s.imported {
				e.instead(&in)
				e.out = appendIndexed(e.out, in.op, in.a+uint32(len(s.accessors)))
			}
		case shapeMemArg, shapeMemLane, shapeMemory, shapeMemMem, shapeDataMem:
			e.instead(&in)
			e.out = appendMemory(e.out, &in, code[in.end-1])
		default:
		}
	}
	return e.finish()
}

// appendMemory appends an instruction that uses memory 0.
func appendMemory(b []byte, in *instr, lane byte) []byte {
	switch in.shape {
	case shapeMemory:
		return appendIndexed(b, in.op, 0)
	case shapeMemMem:
		return append(appendIndexed(b, in.op, 0), 0)
	case shapeDataMem:
		return append(appendIndexed(b, in.op, in.a), 0)
	default:
		b = appendUnsigned(appendIndexed(b, in.op, uint32(in.value)), in.b)
		if in.shape == shapeMemLane {
			b = append(b, lane)
		}
		return b
	}
}

// body gives the code of a function that is added or that a module of another memory has; segments are the indices
// that data segments have there.
func (s *splitter) body(a access, segments map[uint32]uint32) []byte {
	switch a.op {
	case opCheck:
		return checkCode()
	case opReadBlock:
		var b []byte
		for i := range uint32(blockWords) {
			b = appendUnsigned(append(appendIndexed(b, opLocalGet, 0), byte(opI64Load), 0), 8*i)
		}
		return append(b, byte(opEnd))
	case opWriteBlock:
		var b []byte
		for i := range uint32(blockWords) {
			b = appendIndexed(appendIndexed(b, opLocalGet, 0), opLocalGet, i+1)
			b = appendUnsigned(append(b, byte(opI64Store), 0), 8*i)
		}
		return append(b, byte(opEnd))
	case opCopyBetween:
		return s.copyCode(a.a, a.b)
	case opDropAll:
		b := appendIndexed(nil, opDataDrop, a.a)
		for _, memory := range s.users[a.a] {
			b = s.appendCall(b, memory, access{op: opDataDrop, a: a.a})
		}
		return append(b, byte(opEnd))
	default:
		return a.instruction(segments)
	}
}

// instruction gives the code of a function that does what one instruction does.
func (a access) instruction(segments map[uint32]uint32) []byte {
	var b []byte
	for i := range a.signature().Params {
		b = appendIndexed(b, opLocalGet, uint32(i))
	}
	in := &instr{op: a.op, shape: shapeOf(a.op), a: a.a, value: int64(a.align), b: a.offset}
	switch in.shape {
	case shapeDataMem:
		in.a = segments[a.a]
	case shapeData:
		return append(appendIndexed(b, a.op, segments[a.a]), byte(opEnd))
	default:
	}
	return append(appendMemory(b, in, byte(a.a)), byte(opEnd))
}

func (s *splitter) appendCall(b []byte, memory uint32, a access) []byte {
	return appendIndexed(b, opCall, s.index(s.use(memory, a)))
}

// checkCode traps, as a load out of bounds does, unless parameter 1 bytes from address parameter 0 on are there.
func checkCode() []byte {
	const nowhere = 0xffff_ffff
	b := append(appendIndexed(nil, opLocalGet, 0), byte(opI64ExtendU))
	b = append(appendIndexed(b, opLocalGet, 1), byte(opI64ExtendU), byte(opI64Add))
	b = append(appendIndexed(b, opMemorySize, 0), byte(opI64ExtendU))
	b = append(appendI64(b, PageSize), byte(opI64Mul), byte(opI64GtU), byte(opIf), blockVoid)
	b = appendUnsigned(append(appendI32(b, -1), byte(opI32Load8U), 0), nowhere)
	return append(b, byte(opDrop), byte(opEnd), byte(opEnd))
}

// copyCode copies parameter 2 bytes from address parameter 1 of one memory to address parameter 0 of another.
func (s *splitter) copyCode(to, from uint32) []byte {
	const dst, src, n = 0, 1, 2
	var b []byte
	get := func(locals ...uint32) {
		for _, l := range locals {
			b = appendIndexed(b, opLocalGet, l)
		}
	}
	step := func(local uint32, op opcode, by int32) {
		get(local)
		b = appendIndexed(append(appendI32(b, by), byte(op)), opLocalSet, local)
	}
	// loop passes pieces until the condition before the branch out holds.
	loop := func(done func(), read, write opcode, size int32) {
		b = append(b, byte(opBlock), blockVoid, byte(opLoop), blockVoid)
		done()
		b = appendIndexed(b, opBrIf, 1)
		get(dst, src)
		b = s.appendCall(b, from, access{op: read})
		b = s.appendCall(b, to, access{op: write})
		step(dst, opI32Add, size)
		step(src, opI32Add, size)
		step(n, opI32Sub, size)
		b = append(appendIndexed(b, opBr, 0), byte(opEnd), byte(opEnd))
	}
	get(dst, n)
	b = s.appendCall(b, to, access{op: opCheck})
	get(src, n)
	b = s.appendCall(b, from, access{op: opCheck})
	loop(func() {
		get(n)
		b = append(appendI32(b, blockSize), byte(opI32LtU))
	}, opReadBlock, opWriteBlock, blockSize)
	loop(func() {
		get(n)
		b = append(b, byte(opI32Eqz))
	}, opI32Load8U, opI32Store8, 1)
	return append(b, byte(opEnd))
}
