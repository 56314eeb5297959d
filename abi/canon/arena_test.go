package canon

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

// arenaHeap is a guest that offers an arena.
type arenaHeap struct {
	*heap
	at uint32
}

func (h arenaHeap) Arena() uint32 { return h.at }

// newArena gives a guest of 64 bytes of memory, with what it says of its arena at address 0.
func newArena(next, end uint32) arenaHeap {
	mem := make([]byte, 64)
	binary.LittleEndian.PutUint32(mem[8:], next)
	binary.LittleEndian.PutUint32(mem[12:], end)
	return arenaHeap{newHeap(mem...), 8}
}

func TestLowerArena(t *testing.T) {
	h := newArena(17, 48)
	w := NewLower(t.Context(), h)
	ptr, n := w.String("abc")
	if ptr != 17 || n != 3 || h.allocs != 0 {
		t.Errorf("string: got %d bytes at %d and %d allocations, want 3 at 17 and 0", n, ptr, h.allocs)
	}
	if ptr := w.Alloc(16, 8); ptr != 24 {
		t.Errorf("aligned block: got it at %d, want 24", ptr)
	}
	if ptr := w.Alloc(9, 1); ptr != 64 || h.allocs != 1 {
		t.Errorf("what does not fit: got %d and %d allocations, want 64 and 1", ptr, h.allocs)
	}
	if ptr := w.Alloc(8, 1); ptr != 40 || h.allocs != 1 {
		t.Errorf("what just fits: got %d and %d allocations, want 40 and 1", ptr, h.allocs)
	}
	if got := U32(h.mem, 8); got != 48 {
		t.Errorf("the arena begins at %d, want 48", got)
	}
	if !bytes.Equal(h.mem[17:20], []byte("abc")) {
		t.Errorf("got %q", h.mem[17:20])
	}
}

// TestLowerArenaMoves has cabi_realloc, which moves the memory and the arena.
func TestLowerArenaMoves(t *testing.T) {
	h := newArena(60, 64)
	h.lie = func(_, size uint32) uint32 {
		binary.LittleEndian.PutUint32(h.mem[8:], 32)
		return 48
	}
	w := NewLower(t.Context(), h)
	if a, b := w.Alloc(16, 4), w.Alloc(16, 4); a != 48 || b != 32 || h.allocs != 1 {
		t.Errorf("got %d, %d and %d allocations, want 48, 32 and 1", a, b, h.allocs)
	}
}

// FuzzLowerArena has a guest that says anything of its arena: the host gets a block in memory or a trap.
func FuzzLowerArena(f *testing.F) {
	f.Add(uint32(16), uint32(64), uint32(8), uint32(8), uint8(3))
	f.Add(uint32(0), uint32(math.MaxUint32), uint32(60), uint32(4), uint8(0))
	f.Add(uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32), uint32(math.MaxUint32), uint8(3))
	f.Add(uint32(64), uint32(16), uint32(0), uint32(1), uint8(1))
	f.Fuzz(func(t *testing.T, next, end, at, size uint32, align uint8) {
		h := newArena(next, end)
		h.at = at
		h.lie = func(uint32, uint32) uint32 { return 0 }
		w := NewLower(t.Context(), h)
		a := uint32(1) << (align % 4)
		var ptr uint32
		if trapOf(func() { ptr = w.Alloc(size, a) }) != nil {
			return
		}
		if ptr%a != 0 || uint64(ptr)+uint64(size) > uint64(len(h.mem)) {
			t.Errorf("got %d bytes at %#x, aligned to %d, in a memory of %d bytes", size, ptr, a, len(h.mem))
		}
	})
}
