package canon

import (
	"unicode/utf8"
	"unsafe"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// Lift reads what a guest left in its linear memory, for one call. It holds a view of the memory, so it is dead as
// soon as guest code runs again (abi.Guest.Realloc, abi.Guest.Call, a Lower that allocates), and the budget of the
// call. Keep it on the stack: pass a pointer to helpers, never store it.
//
// Each method panics with an *abi.Trap when the guest breaks the ABI; nothing that it returns points into the
// guest's memory except for the views, which are named so.
type Lift struct {
	mem []byte
	// left is what the call may still allocate on the host's side, in bytes.
	left int64
	// side is the guest if it is a Side: only then it has handles and another encoding than UTF-8.
	side     Side
	encoding Encoding
	// lent are the handles that were lent to the host for the call.
	lent []uint32
}

// NewLift gives a Lift over g's memory as it is now, with a budget of abi.MaxCallBytes.
func NewLift(g abi.Guest) Lift {
	l := Lift{mem: g.Memory(), left: abi.MaxCallBytes}
	if s, ok := g.(Side); ok {
		l.side, l.encoding = s, s.Encoding()
	}
	return l
}

// again takes a new view of the memory of a Side, after guest code has run. It traps when there is less memory than
// before: what was checked has to stay inside.
func (l *Lift) again() {
	had := len(l.mem)
	renew(&l.mem, l.side.Memory())
	if len(l.mem) < had {
		trapShrunk(had, len(l.mem))
	}
}

// Area gives a view of size bytes at ptr: one record, tuple or variant, such as a return area. It traps when ptr is
// not a multiple of align, which is a power of two, or the area is not in memory.
func (l *Lift) Area(ptr, size, align uint32) []byte {
	if ptr&(align-1) != 0 || uint64(ptr)+uint64(size) > uint64(len(l.mem)) {
		trapArea(ptr, uint64(size), align, len(l.mem))
	}
	return l.mem[ptr : uint64(ptr)+uint64(size)]
}

// String copies the string of n code units at ptr out, n as the guest's Encoding counts them. It traps when they are not
// in memory, not aligned, not valid, more than abi.MaxBytes, or more than the rest of the budget.
func (l *Lift) String(ptr, n uint32) string {
	if l.encoding != UTF8 {
		return l.stringOf(ptr, n)
	}
	b := l.take(ptr, n)
	if !valid8(b) {
		trapUTF8(ptr, b)
	}
	return string(b)
}

// Bytes copies the n bytes at ptr out: a list<u8>. It is never nil, and traps as String does but for its encoding.
func (l *Lift) Bytes(ptr, n uint32) []byte {
	b := l.take(ptr, n)
	out := make([]byte, len(b))
	copy(out, b)
	return out
}

// StringAt copies out the string whose pointer and length are at offset off of the view b.
func (l *Lift) StringAt(b []byte, off int) string {
	b = b[off : off+8]
	return l.String(U32(b, 0), U32(b, 4))
}

// BytesAt copies out the list<u8> whose pointer and length are at offset off of the view b.
func (l *Lift) BytesAt(b []byte, off int) []byte {
	b = b[off : off+8]
	return l.Bytes(U32(b, 0), U32(b, 4))
}

// List makes the slice for a list of n elements, not nil, and gives the view of the elements, which take size bytes
// each and are aligned to align: element i is at i*size. It traps when they are not in memory, ptr is not aligned,
// n is more than abi.MaxElements, or the slice is more than the rest of the budget.
func List[T any](l *Lift, ptr, n, size, align uint32) ([]T, []byte) {
	var zero T
	view := l.elements(ptr, n, size, align, uint64(unsafe.Sizeof(zero)))
	return make([]T, n), view
}

// ListAt is List for the list whose pointer and length are at offset off of the view b.
func ListAt[T any](l *Lift, b []byte, off int, size, align uint32) ([]T, []byte) {
	b = b[off : off+8]
	return List[T](l, U32(b, 0), U32(b, 4), size, align)
}

// take checks a string or byte list and gives its view.
func (l *Lift) take(ptr, n uint32) []byte {
	if n > abi.MaxBytes || uint64(ptr)+uint64(n) > uint64(len(l.mem)) {
		trapBytes(ptr, n, len(l.mem))
	}
	l.charge(uint64(n))
	return l.mem[ptr : uint64(ptr)+uint64(n)]
}

// elements checks a list, charges its slice of elements of host bytes each and gives the view of the elements.
func (l *Lift) elements(ptr, n, size, align uint32, host uint64) []byte {
	if n > abi.MaxElements {
		abi.Trapf("list at %#x: expected at most %d elements, found %d", ptr, abi.MaxElements, n)
	}
	// Both factors are below 2^32, so the product fits.
	total := uint64(n) * uint64(size)
	if ptr&(align-1) != 0 || uint64(ptr)+total > uint64(len(l.mem)) {
		trapArea(ptr, total, align, len(l.mem))
	}
	// An element that takes no memory still takes time: lists of such lists would be free otherwise.
	l.charge(uint64(n) * max(host, 1))
	return l.mem[ptr : uint64(ptr)+total]
}

// charge takes n bytes, less than 2^63, off the budget.
func (l *Lift) charge(n uint64) {
	l.left -= int64(n)
	if l.left < 0 {
		trapBudget()
	}
}

// Disc gives the discriminant v of a variant, enum, option or result of n cases. It traps when v is not below n;
// what names the type for the message.
func Disc(what string, v, n uint32) uint32 {
	if v >= n {
		trapDisc(what, v, n)
	}
	return v
}

// The trap functions are apart from their callers, and kept so, for those to be small enough to be inlined.

//go:noinline
func trapShrunk(had, has int) {
	abi.Trapf("memory: expected at least %d bytes after cabi_realloc, found %d", had, has)
}

//go:noinline
func trapNoHandles() {
	abi.Trapf("resource: expected a guest with a handle table, found one without")
}

//go:noinline
func trapArea(ptr uint32, size uint64, align uint32, mem int) {
	if ptr&(align-1) != 0 {
		abi.Trapf("pointer %#x: expected a multiple of %d", ptr, align)
	}
	abi.Trapf("%d bytes at %#x: expected them inside the memory of %d bytes, found the end at %#x",
		size, ptr, mem, uint64(ptr)+size)
}

//go:noinline
func trapBytes(ptr, n uint32, mem int) {
	if n > abi.MaxBytes {
		abi.Trapf("string or byte list at %#x: expected at most %d bytes, found %d", ptr, abi.MaxBytes, n)
	}
	trapArea(ptr, uint64(n), 1, mem)
}

//go:noinline
func trapUTF8(ptr uint32, b []byte) {
	i := 0
	for i < len(b) {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			break
		}
		i += n
	}
	abi.Trapf("string at %#x of %d bytes: expected UTF-8, found the bytes % x at offset %d",
		ptr, len(b), b[i:min(i+4, len(b))], i)
}

//go:noinline
func trapBudget() {
	abi.Trapf("one call: expected at most %d bytes in all, found more", abi.MaxCallBytes)
}

//go:noinline
func trapDisc(what string, v, n uint32) {
	abi.Trapf("%s: expected a case below %d, found %d", what, n, v)
}

//go:noinline
func trapChar(v uint32) {
	abi.Trapf("char: expected a Unicode scalar value, found %#x", v)
}
