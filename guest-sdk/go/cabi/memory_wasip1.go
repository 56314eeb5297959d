//go:build wasip1

package cabi

import "unsafe"

// Bool converts a bool to its core value.
func Bool(v bool) uint32 {
	if v {
		return 1
	}
	return 0
}

// U8 loads the byte at p.
func U8(p uint32) uint8 { return *(*uint8)(at(p)) }

// U16 loads 2 bytes at p.
func U16(p uint32) uint16 { return *(*uint16)(at(p)) }

// U32 loads 4 bytes at p.
func U32(p uint32) uint32 { return *(*uint32)(at(p)) }

// U64 loads 8 bytes at p.
func U64(p uint32) uint64 { return *(*uint64)(at(p)) }

// F32 loads a float at p.
func F32(p uint32) float32 { return *(*float32)(at(p)) }

// F64 loads a float at p.
func F64(p uint32) float64 { return *(*float64)(at(p)) }

// PutU8 stores a byte at p.
func PutU8(p uint32, v uint8) { *(*uint8)(at(p)) = v }

// PutU16 stores 2 bytes at p.
func PutU16(p uint32, v uint16) { *(*uint16)(at(p)) = v }

// PutU32 stores 4 bytes at p.
func PutU32(p, v uint32) { *(*uint32)(at(p)) = v }

// PutU64 stores 8 bytes at p.
func PutU64(p uint32, v uint64) { *(*uint64)(at(p)) = v }

// PutF32 stores a float at p.
func PutF32(p uint32, v float32) { *(*float32)(at(p)) = v }

// PutF64 stores a float at p.
func PutF64(p uint32, v float64) { *(*float64)(at(p)) = v }

// PutPair stores the pointer and the length of a string or list at p.
func PutPair(p, ptr uint32, n int) {
	PutU32(p, ptr)
	PutU32(p+4, uint32(n))
}

// String gives the n bytes at p, which the host allocated, as a string. Nothing is copied: the block is a Go object.
func String(p, n uint32) string {
	if n == 0 {
		return ""
	}
	return unsafe.String((*byte)(at(p)), n)
}

// StringAt is String for the pointer and length at p.
func StringAt(p uint32) string { return String(U32(p), U32(p+4)) }

// List gives the n numbers at p, which the host allocated, as a slice that may be changed and appended to. Nothing is
// copied. It is nil for n = 0.
func List[T Number](p, n uint32) []T {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(at(p)), n)
}

// ListAt is List for the pointer and length at p.
func ListAt[T Number](p uint32) []T { return List[T](U32(p), U32(p+4)) }
