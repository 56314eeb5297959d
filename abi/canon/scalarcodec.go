package canon

import (
	"encoding/binary"
	"math"
)

// integer reads and writes unsigned integers of one width.
type integer struct {
	read  func(b []byte) uint64
	write func(b []byte, v uint64)
}

// integerOf gives the integer of size bytes, 1, 2, 4 or 8.
func integerOf(size uint32) integer {
	switch size {
	case 1:
		return integer{read8, write8}
	case 2:
		return integer{read16, write16}
	case 4:
		return integer{read32, write32}
	default:
		return integer{read64, write64}
	}
}

func read8(b []byte) uint64  { return uint64(b[0]) }
func read16(b []byte) uint64 { return uint64(binary.LittleEndian.Uint16(b)) }
func read32(b []byte) uint64 { return uint64(binary.LittleEndian.Uint32(b)) }
func read64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

func write8(b []byte, v uint64)  { b[0] = byte(v) }
func write16(b []byte, v uint64) { binary.LittleEndian.PutUint16(b, uint16(v)) }
func write32(b []byte, v uint64) { binary.LittleEndian.PutUint32(b, uint32(v)) }
func write64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }

// scalarCodec is the codec of the types that are one core value.
type scalarCodec struct {
	integer
	// value makes a Value's bits of a core value, of which it ignores the bits beyond the type's width.
	value func(core uint64) uint64
	// core makes a core value of a Value's bits: signed integers below 32 bits are sign-extended to 32, and there is one
	// NaN.
	core func(bits uint64) uint64
}

func (c scalarCodec) load(_ *Lift, b []byte) Value { return Value{Bits: c.value(c.read(b))} }

func (c scalarCodec) lift(_ *Lift, stack []uint64) Value { return Value{Bits: c.value(stack[0])} }

func (c scalarCodec) store(w *Lower, at uint32, v Value) { c.write(w.mem[at:], c.core(v.Bits)) }

func (c scalarCodec) lower(_ *Lower, stack []uint64, v Value) { stack[0] = c.core(v.Bits) }

// scalarOf gives the codec of a scalar type of size bytes.
func scalarOf(k Kind, size uint32) scalarCodec {
	c := scalarCodec{integer: integerOf(size), core: same}
	switch k {
	case KindBool:
		c.value = func(v uint64) uint64 { return BoolBits(FlatBool(v)) }
	case KindS8:
		c.value, c.core = func(v uint64) uint64 { return uint64(int64(int8(v))) }, low32
	case KindS16:
		c.value, c.core = func(v uint64) uint64 { return uint64(int64(int16(v))) }, low32
	case KindS32:
		c.value, c.core = func(v uint64) uint64 { return uint64(int64(int32(v))) }, low32
	case KindU8:
		c.value = func(v uint64) uint64 { return uint64(uint8(v)) }
	case KindU16:
		c.value = func(v uint64) uint64 { return uint64(uint16(v)) }
	case KindU32:
		c.value = low32
	case KindF32:
		c.value, c.core = canonical32, canonical32
	case KindF64:
		c.value, c.core = canonical64, canonical64
	case KindChar:
		c.value = func(v uint64) uint64 { return uint64(FlatChar(v)) }
	default:
		c.value = same
	}
	return c
}

func same(v uint64) uint64  { return v }
func low32(v uint64) uint64 { return uint64(uint32(v)) }

// canonical32 gives the bits of an f32 with every NaN made the canonical one.
func canonical32(v uint64) uint64 { return F32Bits(math.Float32frombits(uint32(v))) }

// canonical64 is canonical32 for an f64.
func canonical64(v uint64) uint64 { return F64Bits(math.Float64frombits(v)) }
