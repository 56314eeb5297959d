package component

// Instructions of core code that only take and give operands are described by signatures: the operands, an arrow, the
// results; i and I are i32 and i64, f and F f32 and f64, V is v128.

// opRange are the opcodes from the one after the range before, to last.
type opRange struct {
	last byte
	sig  string
}

// numericOps are the numeric instructions from 0x45 on.
var numericOps = []opRange{
	{0x45, "i>i"},
	{0x4f, "ii>i"},
	{0x50, "I>i"},
	{0x5a, "II>i"},
	{0x60, "ff>i"},
	{0x66, "FF>i"},
	{0x69, "i>i"},
	{0x78, "ii>i"},
	{0x7b, "I>I"},
	{0x8a, "II>I"},
	{0x91, "f>f"},
	{0x98, "ff>f"},
	{0x9f, "F>F"},
	{0xa6, "FF>F"},
	{0xa7, "I>i"},
	{0xa9, "f>i"},
	{0xab, "F>i"},
	{0xad, "i>I"},
	{0xaf, "f>I"},
	{0xb1, "F>I"},
	{0xb3, "i>f"},
	{0xb5, "I>f"},
	{0xb6, "F>f"},
	{0xb8, "i>F"},
	{0xba, "I>F"},
	{0xbb, "f>F"},
	{0xbc, "f>i"},
	{0xbd, "F>I"},
	{0xbe, "i>f"},
	{0xbf, "I>F"},
	{0xc1, "i>i"},
	{0xc4, "I>I"},
}

// memoryOps are loads and stores from 0x28 on; the address comes in addition.
var memoryOps = []opRange{
	{0x28, ">i"},
	{0x29, ">I"},
	{0x2a, ">f"},
	{0x2b, ">F"},
	{0x2f, ">i"},
	{0x35, ">I"},
	{0x36, "i>"},
	{0x37, "I>"},
	{0x38, "f>"},
	{0x39, "F>"},
	{0x3b, "i>"},
	{0x3e, "I>"},
}

// saturatingOps are the instructions from 0xfc 0 on.
var saturatingOps = []opRange{{1, "f>i"}, {3, "F>i"}, {5, "f>I"}, {7, "F>I"}}

// vectorOps are the instructions from 0xfd 0 on; an empty one is read apart, or is none.
var vectorOps = []opRange{
	{13, ""},
	{14, "VV>V"},
	{17, "i>V"},
	{18, "I>V"},
	{19, "f>V"},
	{20, "F>V"},
	{22, "V>i"},
	{23, "Vi>V"},
	{25, "V>i"},
	{26, "Vi>V"},
	{27, "V>i"},
	{28, "Vi>V"},
	{29, "V>I"},
	{30, "VI>V"},
	{31, "V>f"},
	{32, "Vf>V"},
	{33, "V>F"},
	{34, "VF>V"},
	{76, "VV>V"},
	{77, "V>V"},
	{81, "VV>V"},
	{82, "VVV>V"},
	{83, "V>i"},
	{93, ""},
	{98, "V>V"},
	{100, "V>i"},
	{102, "VV>V"},
	{106, "V>V"},
	{109, "Vi>V"},
	{115, "VV>V"},
	{117, "V>V"},
	{121, "VV>V"},
	{122, "V>V"},
	{123, "VV>V"},
	{129, "V>V"},
	{130, "VV>V"},
	{132, "V>i"},
	{134, "VV>V"},
	{138, "V>V"},
	{141, "Vi>V"},
	{147, "VV>V"},
	{148, "V>V"},
	{153, "VV>V"},
	{154, ""},
	{159, "VV>V"},
	{161, "V>V"},
	{162, ""},
	{164, "V>i"},
	{166, ""},
	{170, "V>V"},
	{173, "Vi>V"},
	{174, "VV>V"},
	{176, ""},
	{177, "VV>V"},
	{180, ""},
	{186, "VV>V"},
	{187, ""},
	{191, "VV>V"},
	{193, "V>V"},
	{194, ""},
	{196, "V>i"},
	{198, ""},
	{202, "V>V"},
	{205, "Vi>V"},
	{206, "VV>V"},
	{208, ""},
	{209, "VV>V"},
	{212, ""},
	{223, "VV>V"},
	{225, "V>V"},
	{226, ""},
	{227, "V>V"},
	{235, "VV>V"},
	{237, "V>V"},
	{238, ""},
	{239, "V>V"},
	{247, "VV>V"},
	{255, "V>V"},
}

func signatureOf(ops []opRange, op byte) string {
	for _, r := range ops {
		if op <= r.last {
			return r.sig
		}
	}
	return ""
}

func operand(c byte) CoreValType {
	switch c {
	case 'i':
		return coreI32
	case 'I':
		return coreI64
	case 'f':
		return coreF32
	case 'F':
		return coreF64
	default:
		return coreV128
	}
}

// apply takes the operands of a signature and gives its results.
func (c *coreChecker) apply(sig string) {
	arrow := 0
	for sig[arrow] != '>' {
		arrow++
	}
	for i := arrow - 1; i >= 0; i-- {
		c.pop(operand(sig[i]))
	}
	for i := arrow + 1; i < len(sig); i++ {
		c.push(operand(sig[i]))
	}
}

func (c *coreChecker) numeric(op byte) {
	switch op {
	case 0x41:
		skipLEB(c.r)
		c.push(coreI32)
	case 0x42:
		skipLEB(c.r)
		c.push(coreI64)
	case 0x43:
		c.r.take(4, "a constant")
		c.push(coreF32)
	case 0x44:
		c.r.take(8, "a constant")
		c.push(coreF64)
	default:
		c.apply(signatureOf(numericOps, op))
	}
}

// address gives the type of addresses of a memory or indices of a table.
func (c *coreChecker) address(t CoreExternType) CoreValType {
	if t.Is64 {
		return coreI64
	}
	return coreI32
}

// memArg reads the alignment and offset of an access, and gives the type of the address.
func (c *coreChecker) memArg() CoreValType {
	at := c.r.pos
	align := c.r.u32()
	space := c.spaces[SortCoreMemory]
	index := uint32(0)
	if align&0x40 != 0 {
		index = c.r.u32()
	}
	if uint64(index) >= uint64(len(space)) {
		c.r.failAt(at, "a memory", "none with index %d", index)
		return coreI32
	}
	c.r.unsigned(64)
	return c.address(space[index])
}

func (c *coreChecker) memory(op byte) {
	if op >= 0x3f { // memory.size, memory.grow
		t := c.address(c.indexed(SortCoreMemory))
		if op == 0x40 {
			c.pop(t)
		}
		c.push(t)
		return
	}
	if op < 0x28 {
		c.skip = true
		return
	}
	address := c.memArg()
	sig := signatureOf(memoryOps, op)
	if sig[0] != '>' {
		c.pop(operand(sig[0]))
		c.pop(address)
		return
	}
	c.pop(address)
	c.push(operand(sig[1]))
}

func (c *coreChecker) variable(op byte) {
	switch op {
	case 0x20: // local.get
		c.push(c.local())
	case 0x21: // local.set
		c.pop(c.local())
	case 0x22: // local.tee
		t := c.local()
		c.pop(t)
		c.push(t)
	case 0x23: // global.get
		c.push(c.indexed(SortCoreGlobal).Content)
	case 0x24: // global.set
		at := c.r.pos
		g := c.indexed(SortCoreGlobal)
		if !g.Mutable && !c.r.failed() {
			c.r.failAt(at, "a mutable global", "a constant one")
		}
		c.pop(g.Content)
	case 0x25: // table.get
		t := c.indexed(SortCoreTable)
		c.pop(c.address(t))
		c.push(t.Elem)
	default: // table.set
		t := c.indexed(SortCoreTable)
		c.pop(c.address(t), t.Elem)
	}
}

func (c *coreChecker) reference(op byte) {
	switch op {
	case 0xd0: // ref.null
		heap, _ := c.r.typeCode()
		if heap == 0 {
			c.skip = true
		}
		c.push(CoreValType(heap))
	case 0xd1: // ref.is_null
		if t := c.popAny(); t >= coreV128 && !c.r.failed() {
			c.r.failAt(c.r.pos, "a reference", "%s", t)
		}
		c.push(coreI32)
	default: // ref.func
		c.indexed(SortCoreFunc)
		c.push(coreFuncRef)
	}
}

func (c *coreChecker) bulk(op uint32) {
	switch op {
	case 8: // memory.init
		c.r.u32()
		c.pop(c.address(c.indexed(SortCoreMemory)), coreI32, coreI32)
	case 9, 13: // data.drop, elem.drop
		c.r.u32()
	case 10: // memory.copy
		c.copied(SortCoreMemory)
	case 11: // memory.fill
		t := c.address(c.indexed(SortCoreMemory))
		c.pop(t, coreI32, t)
	case 12: // table.init
		c.r.u32()
		c.pop(c.address(c.indexed(SortCoreTable)), coreI32, coreI32)
	case 14: // table.copy
		c.copied(SortCoreTable)
	case 15, 16, 17: // table.grow, table.size, table.fill
		t := c.indexed(SortCoreTable)
		address := c.address(t)
		switch op {
		case 15:
			c.pop(t.Elem, address)
			c.push(address)
		case 16:
			c.push(address)
		default:
			c.pop(address, t.Elem, address)
		}
	default:
		if op > 7 {
			c.skip = true
			return
		}
		c.apply(signatureOf(saturatingOps, byte(op)))
	}
}

// copied checks memory.copy or table.copy: the length is of the smaller address type.
func (c *coreChecker) copied(sort Sort) {
	to, from := c.indexed(sort), c.indexed(sort)
	n := to
	if to.Is64 {
		n = from
	}
	c.same(from.Elem, to.Elem)
	c.pop(c.address(to), c.address(from), c.address(n))
}

func (c *coreChecker) vector(op uint32) {
	switch {
	case op <= 10, op == 92, op == 93: // loads
		c.pop(c.memArg())
		c.push(coreV128)
	case op == 11: // store
		c.pop(c.memArg(), coreV128)
	case op == 12: // const
		c.r.take(16, "a constant")
		c.push(coreV128)
	case op == 13: // shuffle
		c.r.take(16, "lanes")
		c.apply("VV>V")
	case op >= 84 && op <= 91: // loads and stores of a lane
		address := c.memArg()
		c.r.byte()
		c.pop(address, coreV128)
		if op < 88 {
			c.push(coreV128)
		}
	case op > 255:
		c.skip = true
	default:
		if op >= 21 && op <= 34 {
			c.r.byte()
		}
		sig := signatureOf(vectorOps, byte(op))
		if sig == "" {
			c.skip = true
			return
		}
		c.apply(sig)
	}
}
