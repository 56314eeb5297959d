//go:build wasip1

package cabi

import (
	"runtime"
	"unsafe"
)

// areaWords is how much of a return area a Call has in itself, in words of 8 bytes.
const areaWords = 16

// Call is one call across the boundary, in either direction: its return area and everything that has to stay
// reachable while the host may look at it. Calls are reused; a generated function holds one from Begin or Accept
// until End or Return.
type Call struct {
	area [areaWords]uint64
	// keep holds what the host was given an address of, and what it allocated itself.
	keep []unsafe.Pointer
	// outer is the call that was with the host when this one went there.
	outer *Call
	// next links the unused ones.
	next *Call
}

// A module is one thread, and goroutines switch only where something is allocated or blocks, so these need no lock.
var (
	// unused are the Calls to be taken again.
	unused *Call
	// current is the innermost call that is with the host now; cabi_realloc allocates for it.
	current *Call
	// pending is what the host allocated for the parameters of the export that it is going to call.
	pending []unsafe.Pointer
	// reallocating tells that the host waits for cabi_realloc.
	reallocating bool
	// returned is the call whose result the host reads until its clean-up or the next export.
	returned *Call
)

// maxKept is the capacity of keep beyond which it is not kept for the next use.
const maxKept = 1 << 12

// Begin starts a call of an import.
func Begin() *Call {
	c := unused
	if c == nil {
		return new(Call)
	}
	unused = c.next
	c.next = nil
	return c
}

// Wait is called right before an import. The host may not be called while it waits for cabi_realloc, where the
// collector may have switched to the caller's goroutine.
func Wait() {
	for reallocating {
		runtime.Gosched()
	}
}

// Enter is Wait for an import for whose result the host allocates. It is called after the arguments are complete,
// with no allocation in between.
func (c *Call) Enter() {
	Wait()
	c.outer = current
	current = c
}

// Leave is called right after the import.
func (c *Call) Leave() {
	current = c.outer
	c.outer = nil
}

// End ends a call when its result is lifted.
func (c *Call) End() {
	c.Lifted()
	c.next = unused
	unused = c
}

// Lifted lets go of everything that c kept.
func (c *Call) Lifted() {
	clear(c.keep)
	if cap(c.keep) > maxKept {
		c.keep = nil
	}
	c.keep = c.keep[:0]
}

// Accept starts a call of an export and takes over what the host allocated for its parameters.
func Accept() *Call {
	PostReturn()
	c := Begin()
	c.keep, pending = pending, c.keep
	return c
}

// Return ends a call of an export, but keeps its result until PostReturn.
func (c *Call) Return() { returned = c }

// PostReturn lets go of the result of the last export.
func PostReturn() {
	if c := returned; c != nil {
		returned = nil
		c.End()
	}
}

// Area gives the address of the call's area of size bytes, aligned to 8, for a result or for parameters.
func (c *Call) Area(size uint32) uint32 {
	if size > areaWords*8 {
		return c.Alloc(size)
	}
	return address(unsafe.Pointer(&c.area))
}

// Alloc gives the address of a new zeroed block of size bytes, aligned to 8, that c keeps.
func (c *Call) Alloc(size uint32) uint32 {
	if size == 0 {
		return 8
	}
	if at := (arena.next + 7) &^ 7; size <= maxSmall && at+size <= arena.end {
		// Each byte of a chunk is handed out once, so it is zero.
		arena.next = at + size
		c.keepChunk()
		return at
	}
	p := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	c.keep = append(c.keep, p)
	return address(p)
}

// keepChunk keeps the chunk that a block of the call was cut from, since the host may have it replaced.
func (c *Call) keepChunk() {
	p := unsafe.Pointer(chunk)
	if n := len(c.keep); n == 0 || c.keep[n-1] != p {
		c.keep = append(c.keep, p)
	}
}

// String gives the address of the bytes of s, which c keeps.
func (c *Call) String(s string) uint32 {
	if s == "" {
		return 1
	}
	p := unsafe.Pointer(unsafe.StringData(s))
	c.keep = append(c.keep, p)
	return address(p)
}

// Bytes gives the address of the bytes of b, which c keeps.
func (c *Call) Bytes(b []byte) uint32 {
	if len(b) == 0 {
		return 1
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	c.keep = append(c.keep, p)
	return address(p)
}

// Number is a type whose slices have one layout in Go and in the ABI.
type Number interface {
	~int8 | ~uint8 | ~int16 | ~uint16 | ~int32 | ~uint32 | ~int64 | ~uint64 | ~float32 | ~float64
}

// Numbers gives the address of the elements of s, which c keeps.
func Numbers[T Number](c *Call, s []T) uint32 {
	if len(s) == 0 {
		return 8
	}
	p := unsafe.Pointer(unsafe.SliceData(s))
	c.keep = append(c.keep, p)
	return address(p)
}

// address is p as the host sees it.
func address(p unsafe.Pointer) uint32 { return uint32(uintptr(p)) }
