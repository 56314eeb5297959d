package canon

import (
	"bytes"
	"math"
	"testing"
)

// TestLower stores a value of each kind; the test's guest moves its memory with each allocation, so a view which
// is kept would show.
func TestLower(t *testing.T) {
	h := newHeap(make([]byte, 64)...)
	w := NewLower(t.Context(), h)
	w.Area(0, 64, 8)
	w.PutBool(0, true)
	w.PutS8(1, -2)
	w.PutU16(2, 0x0304)
	w.PutString(4, "hi")
	w.PutBytes(12, []byte{7, 8, 9})
	ptr := w.PutList(20, 2, 4, 4)
	w.PutS32(ptr, -1)
	w.PutChar(ptr+4, 'A')
	w.PutString(28, "")
	w.PutU64(40, 0x0102030405060708)
	w.PutF32(48, float32(math.NaN()))
	w.PutS16(52, -1)
	w.PutU8(54, 5)
	w.PutF64(56, 1)
	want := []byte{
		1, 0xfe, 4, 3, 64, 0, 0, 0, 2, 0, 0, 0, 66, 0, 0, 0,
		3, 0, 0, 0, 72, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1,
		0, 0, 0xc0, 0x7f, 0xff, 0xff, 5, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f,
		'h', 'i', 7, 8, 9, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'A', 0, 0, 0,
	}
	if !bytes.Equal(h.mem, want) {
		t.Errorf("got\n% x, want\n% x", h.mem, want)
	}
	if h.allocs != 3 {
		t.Errorf("got %d allocations, want 3: none for the empty string", h.allocs)
	}
	w.PutS64(0, -1)
	if got := U64(h.mem, 0); got != math.MaxUint64 {
		t.Errorf("s64: got %#x", got)
	}
}

func TestLowerRepairsStrings(t *testing.T) {
	h := newHeap()
	w := NewLower(t.Context(), h)
	ptr, n := w.String("a\xffb\xed\xa0\x80")
	if got, want := string(h.mem[ptr:ptr+n]), "a\ufffdb\ufffd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLowerEmpty(t *testing.T) {
	h := newHeap(make([]byte, 64)...)
	w := NewLower(t.Context(), h)
	if ptr, n := w.String(""); ptr != 1 || n != 0 {
		t.Errorf("string: got %d and %d, want 1 and 0", ptr, n)
	}
	if ptr, n := w.List(0, 16, 8); ptr != 8 || n != 0 {
		t.Errorf("list: got %d and %d, want 8 and 0", ptr, n)
	}
	if ptr, n := w.List(5, 0, 1); ptr != 1 || n != 5 {
		t.Errorf("list of nothing: got %d and %d, want 1 and 5", ptr, n)
	}
	none := NewLower(t.Context(), newHeap())
	if ptr, n := none.String(""); ptr != 0 || n != 0 {
		t.Errorf("guest without memory: got %d and %d, want 0 and 0", ptr, n)
	}
	if h.allocs != 0 {
		t.Errorf("got %d allocations, want 0", h.allocs)
	}
}

func TestLowerHostileRealloc(t *testing.T) {
	at := func(ptr uint32) *heap {
		h := newHeap(make([]byte, 64)...)
		h.lie = func(uint32, uint32) uint32 { return ptr }
		return h
	}
	for name, tt := range map[string]struct {
		h    *heap
		want string
	}{
		"misaligned":  {at(4), "multiple of 8"},
		"past memory": {at(56), "inside the memory of 64 bytes, found the end at 0x48"},
		"wraps":       {at(0xfffffff8), "found the end at 0x100000008"},
		"shrinks":     {&heap{mem: make([]byte, 64), shrink: true}, "at least 64 bytes after cabi_realloc, found 0"},
	} {
		t.Run(name, func(t *testing.T) {
			w := NewLower(t.Context(), tt.h)
			wantTrap(t, func() { w.List(2, 8, 8) }, tt.want)
		})
	}
}

func TestLowerTooLarge(t *testing.T) {
	w := NewLower(t.Context(), newHeap())
	wantTrap(t, func() { w.List(1<<29, 8, 8) }, "less than 4 GiB")
	wantTrap(t, func() { w.List(1<<32, 0, 1) }, "less than 4 GiB")
}
