package canon

import (
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// The limits of function flattening (spec: Flattening).
const (
	// MaxFlatParams is how many core parameters a function has at most before they go through memory.
	MaxFlatParams = 16
	// MaxFlatResults is how many core results a function has at most before they go through memory.
	MaxFlatResults = 1
)

// Size gives how many bytes a value takes in memory, always a multiple of Align.
func (t *Type) Size() uint32 { return t.size }

// Align gives the alignment of a value in memory, in bytes: a power of two.
func (t *Type) Align() uint32 { return t.align }

// Offset gives where member i of a record or tuple starts, or the payload of case i; 0 for other kinds.
func (t *Type) Offset(i int) uint32 {
	if len(t.offsets) == 0 {
		return 0
	}
	return t.offsets[i]
}

// DiscSize gives the bytes of the discriminant of a variant, enum, option or result, 1, 2 or 4; 0 for other kinds.
func (t *Type) DiscSize() uint32 { return t.disc }

// Flat gives the core types of a value that is passed flat. If they are more than MaxFlatParams such a value is only
// ever passed in memory, and Flat gives just the first MaxFlatParams+1. The slice is not to be changed.
func (t *Type) Flat() []abi.ValType { return t.flat }

// product makes a record or tuple.
func product(k Kind, fields []Field) (*Type, error) {
	t := &Type{kind: k, members: fields}
	t.codec = productCodec{t}
	if err := t.checkMembers(); err != nil {
		return nil, err
	}
	return t, t.layoutProduct()
}

func (t *Type) layoutProduct() error {
	t.offsets = make([]uint32, len(t.members))
	t.align = 1
	size, depth := uint64(0), 0
	for i, f := range t.members {
		if f.Type == nil {
			return fmt.Errorf("%v: expected a type of field %q, found none", t.kind, f.Name)
		}
		size = alignTo(size, f.Type.align)
		t.offsets[i] = uint32(size)
		size += uint64(f.Type.size)
		if size > MaxTypeSize {
			return t.tooLarge()
		}
		t.align = max(t.align, f.Type.align)
		depth = max(depth, f.Type.depth)
		t.flat = appendFlat(t.flat, f.Type.flat)
	}
	size = alignTo(size, t.align)
	if size > MaxTypeSize {
		return t.tooLarge()
	}
	t.size = uint32(size)
	return t.setDepth(depth)
}

// sum makes a variant, enum, option or result.
func sum(k Kind, cases []Field) (*Type, error) {
	t := &Type{kind: k, members: cases}
	if err := t.checkMembers(); err != nil {
		return nil, err
	}
	return t, t.layoutSum()
}

func (t *Type) layoutSum() error {
	t.disc = discSize(len(t.members))
	t.codec = sumCodec{t, integerOf(t.disc)}
	payloadAlign, payload, depth := uint32(1), uint32(0), 0
	var flat []abi.ValType
	for _, c := range t.members {
		if c.Type == nil {
			continue
		}
		payloadAlign = max(payloadAlign, c.Type.align)
		payload = max(payload, c.Type.size)
		depth = max(depth, c.Type.depth)
		flat = joinFlat(flat, c.Type.flat)
	}
	offset := alignTo(uint64(t.disc), payloadAlign)
	t.align = max(t.disc, payloadAlign)
	size := alignTo(offset+uint64(payload), t.align)
	if size > MaxTypeSize {
		return t.tooLarge()
	}
	t.size = uint32(size)
	t.offsets = make([]uint32, len(t.members))
	for i := range t.offsets {
		t.offsets[i] = uint32(offset)
	}
	t.flat = appendFlat([]abi.ValType{abi.I32}, flat)
	return t.setDepth(depth)
}

// layoutFlags packs the flags into the smallest integer, beyond 32 into one u32 for each 32.
func (t *Type) layoutFlags() {
	words := 1
	switch n := len(t.members); {
	case n <= 8:
		t.size, t.align = 1, 1
	case n <= 16:
		t.size, t.align = 2, 2
	default:
		words = (n + 31) / 32
		t.size, t.align = uint32(words)*4, 4
	}
	t.depth = 1
	for range words {
		t.flat = appendFlat(t.flat, []abi.ValType{abi.I32})
	}
}

func (t *Type) checkMembers() error {
	if n := len(t.members); n == 0 || n > MaxMembers {
		return fmt.Errorf("%v: expected 1 to %d members, found %d", t.kind, MaxMembers, n)
	}
	return nil
}

// setDepth sets the depth, given that of the deepest member.
func (t *Type) setDepth(inner int) error {
	t.depth = inner + 1
	if t.depth > MaxTypeDepth {
		return fmt.Errorf("%v: expected a nesting of at most %d types, found %d", t.kind, MaxTypeDepth, t.depth)
	}
	return nil
}

func (t *Type) tooLarge() error {
	return fmt.Errorf("%v: expected a size of at most %d bytes, found more", t.kind, MaxTypeSize)
}

// discSize gives the bytes of the smallest integer that can number n cases.
func discSize(n int) uint32 {
	switch {
	case n <= 1<<8:
		return 1
	case n <= 1<<16:
		return 2
	default:
		return 4
	}
}

// alignTo rounds n up to a multiple of align, a power of two.
func alignTo(n uint64, align uint32) uint64 {
	a := uint64(align)
	return (n + a - 1) &^ (a - 1)
}

// appendFlat appends up to MaxFlatParams+1 types in all: a nested type can have exponentially many, and all that
// matters beyond the limit is that it is passed.
func appendFlat(to, from []abi.ValType) []abi.ValType {
	return append(to, from[:min(len(from), MaxFlatParams+1-len(to))]...)
}

// joinFlat merges the flat types of one more case of a variant into those of the cases before.
func joinFlat(to, from []abi.ValType) []abi.ValType {
	for i, v := range from {
		if i == len(to) {
			to = append(to, v)
		} else {
			to[i] = join(to[i], v)
		}
	}
	return to
}

// join gives the core type that can hold the bits of either.
func join(a, b abi.ValType) abi.ValType {
	switch {
	case a == b:
		return a
	case a == abi.I32 && b == abi.F32, a == abi.F32 && b == abi.I32:
		return abi.I32
	default:
		return abi.I64
	}
}
