package canon

import (
	"context"
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// Lower writes the host's values into a guest's linear memory, for one call, in blocks which it gets from the
// guest's cabi_realloc. It re-fetches its view of the memory after each allocation, since that runs guest code.
// Keep it on the stack: pass a pointer to helpers, never store it.
//
// It panics with an *abi.Trap when the guest cannot supply the memory. The Put methods take an address inside of an
// area that Area checked or that Alloc or List made; another address is a bug of the caller and panics.
type Lower struct {
	ctx context.Context //nolint:containedctx // a Lower is the local state of one call, which the context is for
	g   abi.Guest
	mem []byte
	// arena is the address of the guest's arena, 0 if it has none.
	arena uint32
	// side is the guest if it is a Side: only then it has handles and another encoding than UTF-8.
	side     Side
	encoding Encoding
	// scope counts the handles that were lent to the guest; nil for none yet.
	scope *Scope
	// from is the memory of another guest from which values are copied, if they are: it is not to be used after guest code
	// ran.
	from *Lift
}

// Arena is implemented by an abi.Guest whose guest may offer free memory ahead of need. Each block that is cut from it
// spares a call of cabi_realloc, which costs more than most of the values that are passed.
type Arena interface {
	// Arena gives the address of two u32 in the guest's memory: where the free memory begins, and where it ends. They
	// may change with every run of guest code. 0 means that the guest offers none.
	Arena() uint32
}

// NewLower gives a Lower over g's memory as it is now; ctx bounds the calls of cabi_realloc.
func NewLower(ctx context.Context, g abi.Guest) Lower {
	w := Lower{ctx: ctx, g: g, mem: g.Memory()}
	if a, ok := g.(Arena); ok {
		w.arena = a.Arena()
	}
	if s, ok := g.(Side); ok {
		w.side, w.encoding = s, s.Encoding()
	}
	return w
}

// Area checks an area that the guest supplied, such as a return area: it traps when ptr is not a multiple of align,
// which is a power of two, or the area is not in memory.
func (w *Lower) Area(ptr, size, align uint32) {
	if ptr&(align-1) != 0 || uint64(ptr)+uint64(size) > uint64(len(w.mem)) {
		trapArea(ptr, uint64(size), align, len(w.mem))
	}
}

// Alloc gets a block of size bytes, aligned to align, from the guest. For size 0 it does not call a guest that is no
// Component: the address is align, which is not null, or 0 in a memory that is too small even for that.
func (w *Lower) Alloc(size, align uint32) uint32 {
	if w.arena != 0 && size != 0 {
		if ptr := w.cut(size, align); ptr != 0 {
			return ptr
		}
	}
	if size == 0 {
		if _, ok := w.side.(Component); !ok {
			return w.nowhere(align)
		}
	}
	return w.realloc(0, 0, align, size)
}

// nowhere gives an address of a block of no bytes.
func (w *Lower) nowhere(align uint32) uint32 {
	if uint64(align) > uint64(len(w.mem)) {
		return 0
	}
	return align
}

// realloc calls the guest's cabi_realloc and checks what it gives.
func (w *Lower) realloc(old, oldSize, align, size uint32) uint32 {
	had := len(w.mem)
	ptr := w.g.Realloc(w.ctx, old, oldSize, align, size)
	renew(&w.mem, w.g.Memory())
	if len(w.mem) < had {
		// The areas that were checked before have to stay inside of memory.
		trapShrunk(had, len(w.mem))
	}
	w.Area(ptr, size, align)
	if w.from != nil {
		w.from.again()
	}
	return ptr
}

// cut takes a block of size bytes, aligned to align, off the guest's arena; 0 if that has not as much. What the guest
// says of its arena is believed as far as it lies in memory: it harms nobody else.
func (w *Lower) cut(size, align uint32) uint32 {
	at := uint64(w.arena)
	if at+8 > uint64(len(w.mem)) {
		return 0
	}
	arena := w.mem[at : at+8]
	next, end := binary.LittleEndian.Uint32(arena), binary.LittleEndian.Uint32(arena[4:])
	ptr := (uint64(next) + uint64(align) - 1) &^ (uint64(align) - 1)
	if ptr+uint64(size) > uint64(end) || uint64(end) > uint64(len(w.mem)) {
		return 0
	}
	binary.LittleEndian.PutUint32(arena, uint32(ptr)+size)
	return uint32(ptr)
}

// String copies s into the guest and gives its address and its length in code units, as the guest's Encoding counts
// them. What is not UTF-8 in s is replaced by U+FFFD, since a guest may rely on getting valid strings.
func (w *Lower) String(s string) (ptr, n uint32) {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	if w.encoding != UTF8 {
		return w.stringOf(s)
	}
	ptr, n = w.List(len(s), 1, 1)
	copy(w.at(ptr, n), s)
	return ptr, n
}

// Bytes copies b, a list<u8>, into the guest and gives its address and length.
func (w *Lower) Bytes(b []byte) (ptr, n uint32) {
	ptr, n = w.List(len(b), 1, 1)
	copy(w.at(ptr, n), b)
	return ptr, n
}

// List gets the block for a list of count elements of size bytes each, aligned to align, and gives its address and
// the count: element i is to be stored at ptr+i*size. It traps when the list is as large as a memory can be.
func (w *Lower) List(count int, size, align uint32) (ptr, n uint32) {
	if uint64(count) > math.MaxUint32 || uint64(count)*uint64(size) > math.MaxUint32 {
		abi.Trapf("list for the guest: expected less than 4 GiB, found %d elements of %d bytes", count, size)
	}
	return w.Alloc(uint32(count)*size, align), uint32(count)
}

// PutString copies s into the guest and stores its pointer and length at at.
func (w *Lower) PutString(at uint32, s string) {
	ptr, n := w.String(s)
	w.putPair(at, ptr, n)
}

// PutBytes copies b, a list<u8>, into the guest and stores its pointer and length at at.
func (w *Lower) PutBytes(at uint32, b []byte) {
	ptr, n := w.Bytes(b)
	w.putPair(at, ptr, n)
}

// PutList is List that stores pointer and length at at and gives the address of the elements.
func (w *Lower) PutList(at uint32, count int, size, align uint32) uint32 {
	ptr, n := w.List(count, size, align)
	w.putPair(at, ptr, n)
	return ptr
}

func (w *Lower) putPair(at, ptr, n uint32) {
	b := w.at(at, 8)
	binary.LittleEndian.PutUint32(b, ptr)
	binary.LittleEndian.PutUint32(b[4:], n)
}

// at gives the view of n bytes at ptr.
func (w *Lower) at(ptr, n uint32) []byte {
	return w.mem[ptr : uint64(ptr)+uint64(n)]
}

// PutBool stores a bool at at.
func (w *Lower) PutBool(at uint32, v bool) { w.mem[at] = byte(BoolBits(v)) }

// PutU8 stores a u8 at at.
func (w *Lower) PutU8(at uint32, v uint8) { w.mem[at] = v }

// PutU16 stores a u16 at at.
func (w *Lower) PutU16(at uint32, v uint16) { binary.LittleEndian.PutUint16(w.mem[at:], v) }

// PutU32 stores a u32 at at.
func (w *Lower) PutU32(at, v uint32) { binary.LittleEndian.PutUint32(w.mem[at:], v) }

// PutU64 stores a u64 at at.
func (w *Lower) PutU64(at uint32, v uint64) { binary.LittleEndian.PutUint64(w.mem[at:], v) }

// PutS8 stores an s8 at at.
func (w *Lower) PutS8(at uint32, v int8) { w.mem[at] = byte(v) }

// PutS16 stores an s16 at at.
func (w *Lower) PutS16(at uint32, v int16) { w.PutU16(at, uint16(v)) }

// PutS32 stores an s32 at at.
func (w *Lower) PutS32(at uint32, v int32) { w.PutU32(at, uint32(v)) }

// PutS64 stores an s64 at at.
func (w *Lower) PutS64(at uint32, v int64) { w.PutU64(at, uint64(v)) }

// PutF32 stores an f32 at at; every NaN becomes the canonical one.
func (w *Lower) PutF32(at uint32, v float32) { w.PutU32(at, uint32(F32Bits(v))) }

// PutF64 stores an f64 at at; every NaN becomes the canonical one.
func (w *Lower) PutF64(at uint32, v float64) { w.PutU64(at, F64Bits(v)) }

// PutChar stores a char at at; a rune that is no Unicode scalar value becomes U+FFFD.
func (w *Lower) PutChar(at uint32, v rune) { w.PutU32(at, uint32(CharBits(v))) }
