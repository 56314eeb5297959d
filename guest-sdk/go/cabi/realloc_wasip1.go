//go:build wasip1

package cabi

import "unsafe"

// earlySize serves an adapter from preview 1 to preview 2, which allocates 64 KiB each for its state and its stack
// while the Go runtime starts.
const earlySize = 192 << 10

var (
	// early serves cabi_realloc before the heap works.
	early    [earlySize]byte
	earlyEnd uint32
	// ready is set when packages are initialised, so the heap works.
	ready = started()
)

// started is not inlined, else ready would be set in the module's data.
//
//go:noinline
func started() bool { return true }

// cabiRealloc allocates for the host: for the result of the import that is being called, or else for the parameters
// of an export to come.
//
//go:wasmexport cabi_realloc
func cabiRealloc(old, oldSize, align, size uint32) uint32 {
	if !ready {
		return earlyAlloc(align, size)
	}
	if size == 0 {
		return align
	}
	reallocating = true
	var p uint32
	if size <= maxSmall && align <= 8 {
		p = smallAlloc(align, size)
	} else {
		p = largeAlloc(align, size)
	}
	reallocating = false
	if old != 0 && oldSize != 0 {
		n := min(oldSize, size)
		copy(view(p, n), view(old, n))
	}
	return p
}

// keep keeps what the host allocated until it is lifted: for the call that is with the host, or else for the export
// to come.
func keep(p unsafe.Pointer) {
	if current != nil {
		current.keep = append(current.keep, p)
	} else {
		pending = append(pending, p)
	}
}

// largeAlloc gives a block of its own.
func largeAlloc(align, size uint32) uint32 {
	words := (size + 7) / 8
	if align > 8 {
		words += align / 8
	}
	p := unsafe.Pointer(unsafe.SliceData(make([]uint64, words)))
	keep(p)
	return (address(p) + align - 1) &^ (align - 1)
}

// Small blocks are cut from chunks, which costs a fraction of an allocation: most of what the host passes are short
// texts. A chunk lives as long as one of its texts, so it is not large.
const (
	chunkSize = 1 << 10
	maxSmall  = 128
)

// chunk is the one that is being cut up, from next to end.
var chunk struct {
	words     *[chunkSize / 8]uint64
	next, end uint32
}

// smallAlloc gives a part of the chunk.
func smallAlloc(align, size uint32) uint32 {
	at := (chunk.next + align - 1) &^ (align - 1)
	if at+size > chunk.end || chunk.end == 0 {
		if chunk.words != nil {
			// What the host allocated in it for this call is not lifted yet.
			keep(unsafe.Pointer(chunk.words))
		}
		chunk.words = new([chunkSize / 8]uint64)
		at = address(unsafe.Pointer(chunk.words))
		chunk.end = at + chunkSize
	}
	chunk.next = at + size
	return at
}

// earlyAlloc hands out the static arena; the blocks are never freed.
func earlyAlloc(align, size uint32) uint32 {
	base := address(unsafe.Pointer(&early))
	at := (base + earlyEnd + align - 1) &^ (align - 1)
	end := at - base + size
	if end > earlySize {
		panic("cabi_realloc: more than 192 KiB were asked for before Go's heap works")
	}
	earlyEnd = end
	return at
}

// view gives the n bytes at p.
func view(p, n uint32) []byte { return unsafe.Slice((*byte)(at(p)), n) }

// at is the pointer for a 32-bit address.
func at(p uint32) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(nil), uintptr(p)) }
