//go:build wasip1

package cabi

import (
	"runtime"
	"unsafe"
)

// Small blocks are cut from chunks, which costs a fraction of an allocation: most of what the host passes are short
// texts. A chunk lives as long as one of its texts, so it is not large. Seven of this size fill a span of Go's heap.
const (
	chunkSize = 6912
	maxSmall  = 2 << 10
)

// arena is the free part of the chunk, from next to end. The host cuts blocks off it by itself, and calls cabi_realloc
// only for those that do not fit.
var arena struct{ next, end uint32 }

// chunk is the one that is being cut up.
var chunk *[chunkSize / 8]uint64

// cabiArena tells the host where the arena is. The host asks when the app has started and before it takes the image;
// the place is the same in all instances.
//
//go:wasmexport cabi_arena
func cabiArena() uint32 {
	settle()
	return address(unsafe.Pointer(&arena))
}

// settle leaves Go's heap as a call finds it best, since every call begins with the heap of the image: no collection is
// under way, and for each size there is a span with free room, which would cost a call microseconds to get.
func settle() {
	runtime.GC()
	for _, size := range sizes {
		for range maxTries {
			b := make([]byte, size)
			if sunk = unsafe.Pointer(unsafe.SliceData(b)); firstFrom(sunk, 0, headSize) {
				break
			}
		}
		// A span of small objects with pointers has a map of them at its end. With free room only next to that, a call
		// writes to one page and not to two.
		from, within := uint32(0), uint32(headSize)
		if size <= maxMapped {
			from, within = spanSize/2, uint32(size)
		}
		for range maxTries {
			b := make([]unsafe.Pointer, size/8)
			if sunk = unsafe.Pointer(unsafe.SliceData(b)); firstFrom(sunk, from, within) {
				break
			}
		}
	}
	sunk = nil
}

// sizes are Go's size classes up to 2 KiB. If they change, some calls take a little longer.
var sizes = [...]int{
	8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240, 256, 288, 320, 352, 384, 416, 448, 480, 512,
	576, 640, 704, 768, 896, 1024, 1152, 1280, 1408, 1536, 1792, 2048,
}

const (
	// spanSize is the least size of a span of Go's heap, and what its address is a multiple of.
	spanSize = 8 << 10
	// headSize is what may lie before the first object in a span.
	headSize = 8
	// maxMapped is the size of the largest objects whose pointers are mapped at the end of their span.
	maxMapped = 512
	// maxTries is more than a span has objects.
	maxTries = spanSize/8 + 1
)

// sunk has the compiler allocate on the heap.
var sunk unsafe.Pointer

// firstFrom tells whether an object is the first of its span from an offset on.
func firstFrom(p unsafe.Pointer, from, within uint32) bool {
	offset := address(p) % spanSize
	return offset >= from && offset <= from+within
}

// smallAlloc gives a part of the chunk.
func smallAlloc(align, size uint32) uint32 {
	at := (arena.next + align - 1) &^ (align - 1)
	if at+size > arena.end || arena.end == 0 {
		if chunk != nil {
			// What the host allocated in it for this call is not lifted yet.
			keep(unsafe.Pointer(chunk))
		}
		newChunk()
		at = arena.next
	}
	arena.next = at + size
	return at
}

// newChunk begins a chunk.
func newChunk() {
	chunk = new([chunkSize / 8]uint64)
	arena.next = address(unsafe.Pointer(chunk))
	arena.end = arena.next + chunkSize
}
