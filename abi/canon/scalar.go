package canon

import (
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// The bits of the only NaN of each float type that is passed on, in both directions: a guest sees no other NaN's
// sign or payload, and runs are repeatable (the spec's deterministic profile).
const (
	nan32 = 0x7fc00000
	nan64 = 0x7ff8000000000000
)

// Bool loads the bool at offset off of the view b: every byte but 0 is true.
func Bool(b []byte, off int) bool { return b[off] != 0 }

// U8 loads the u8 at offset off of the view b.
func U8(b []byte, off int) uint8 { return b[off] }

// U16 loads the u16 at offset off of the view b.
func U16(b []byte, off int) uint16 { return binary.LittleEndian.Uint16(b[off:]) }

// U32 loads the u32 at offset off of the view b.
func U32(b []byte, off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }

// U64 loads the u64 at offset off of the view b.
func U64(b []byte, off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }

// S8 loads the s8 at offset off of the view b.
func S8(b []byte, off int) int8 { return int8(b[off]) }

// S16 loads the s16 at offset off of the view b.
func S16(b []byte, off int) int16 { return int16(U16(b, off)) }

// S32 loads the s32 at offset off of the view b.
func S32(b []byte, off int) int32 { return int32(U32(b, off)) }

// S64 loads the s64 at offset off of the view b.
func S64(b []byte, off int) int64 { return int64(U64(b, off)) }

// F32 loads the f32 at offset off of the view b; every NaN becomes the canonical one.
func F32(b []byte, off int) float32 { return FlatF32(uint64(U32(b, off))) }

// F64 loads the f64 at offset off of the view b; every NaN becomes the canonical one.
func F64(b []byte, off int) float64 { return FlatF64(U64(b, off)) }

// Char loads the char at offset off of the view b. It traps when that is no Unicode scalar value.
func Char(b []byte, off int) rune { return FlatChar(uint64(U32(b, off))) }

// FlatBool lifts the bool in a core i32: every value but 0 is true.
func FlatBool(v uint64) bool { return uint32(v) != 0 }

// FlatF32 lifts the f32 whose bits are the low half of v; every NaN becomes the canonical one.
func FlatF32(v uint64) float32 {
	f := math.Float32frombits(uint32(v))
	if f != f {
		f = math.Float32frombits(nan32)
	}
	return f
}

// FlatF64 lifts the f64 whose bits are v; every NaN becomes the canonical one.
func FlatF64(v uint64) float64 {
	f := math.Float64frombits(v)
	if f != f {
		f = math.Float64frombits(nan64)
	}
	return f
}

// FlatChar lifts the char in a core i32. It traps when that is no Unicode scalar value.
func FlatChar(v uint64) rune {
	c := uint32(v)
	if c > utf8.MaxRune || c-0xd800 < 0x800 {
		trapChar(c)
	}
	return rune(c)
}

// BoolBits lowers a bool to a core i32.
func BoolBits(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

// F32Bits lowers an f32 to a core f32, or to the joined i32 or i64 of a variant; every NaN becomes the canonical one.
func F32Bits(v float32) uint64 {
	if v != v {
		return nan32
	}
	return uint64(math.Float32bits(v))
}

// F64Bits lowers an f64 to a core f64, or to the joined i64 of a variant; every NaN becomes the canonical one.
func F64Bits(v float64) uint64 {
	if v != v {
		return nan64
	}
	return math.Float64bits(v)
}

// CharBits lowers a char to a core i32; a rune that is no Unicode scalar value becomes U+FFFD.
func CharBits(v rune) uint64 {
	if !utf8.ValidRune(v) {
		return utf8.RuneError
	}
	return uint64(v)
}
