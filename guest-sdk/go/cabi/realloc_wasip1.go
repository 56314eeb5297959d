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

// started begins the first chunk and makes the first Calls, so that they are in the app's image. It is not inlined, else
// ready would be set in the module's data.
//
//go:noinline
func started() bool {
	newChunk()
	pending = make([]unsafe.Pointer, 0, bootKept)
	for range bootCalls {
		unused = &Call{keep: make([]unsafe.Pointer, 0, bootKept), next: unused}
	}
	return true
}

const (
	bootCalls = 3  // an export, an import in it, and one more
	bootKept  = 64 // blocks that a call keeps
)

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
