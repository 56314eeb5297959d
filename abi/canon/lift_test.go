package canon

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

func TestLiftString(t *testing.T) {
	h := newHeap([]byte("..grün\x00日\xff\xed\xa0\x80")...)
	size := uint32(len(h.mem))
	tests := []struct {
		name   string
		ptr, n uint32
		want   string
		trap   string
	}{
		{"some", 2, 5, "grün", ""},
		{"zero byte", 7, 4, "\x00日", ""},
		{"empty", 2, 0, "", ""},
		{"empty at the end", size, 0, "", ""},
		{"empty past the end", size + 1, 0, "", "inside the memory"},
		{"past the end", size - 1, 2, "", "inside the memory"},
		{"end wraps to 32 bits", math.MaxUint32, 2, "", "inside the memory"},
		{"longest", 0, math.MaxUint32, "", "at most 67108864 bytes, found 4294967295"},
		{"wraps to a good address", math.MaxUint32 - 9, 12, "", "inside the memory"},
		{"over the limit", 0, abi.MaxBytes + 1, "", "at most 67108864"},
		{"half a character", 2, 3, "", "expected UTF-8, found the bytes c3 at offset 2"},
		{"bad byte", 2, 10, "", "offset 9"},
		{"surrogate", size - 3, 3, "", "expected UTF-8, found the bytes ed a0 80 at offset 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := NewLift(h)
			if tt.trap != "" {
				wantTrap(t, func() { l.String(tt.ptr, tt.n) }, tt.trap)
				return
			}
			if got := l.String(tt.ptr, tt.n); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := string(l.Bytes(tt.ptr, tt.n)); got != tt.want {
				t.Errorf("bytes: got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLiftCopies(t *testing.T) {
	h := newHeap([]byte("abc")...)
	l := NewLift(h)
	s, b := l.String(0, 3), l.Bytes(0, 3)
	copy(h.mem, "xyz")
	if s != "abc" || string(b) != "abc" {
		t.Errorf("got %q and %q after the guest wrote, want abc", s, b)
	}
	if b := l.Bytes(1, 0); b == nil {
		t.Error("empty list: got nil, want an empty slice")
	}
}

func TestLiftArea(t *testing.T) {
	h := newHeap(make([]byte, 64)...)
	tests := []struct {
		name             string
		ptr, size, align uint32
		trap             string
	}{
		{"all", 0, 64, 8, ""},
		{"last", 56, 8, 8, ""},
		{"nothing at the end", 64, 0, 8, ""},
		{"misaligned", 4, 8, 8, "multiple of 8"},
		{"misaligned nothing", 1, 0, 2, "multiple of 2"},
		{"over the end", 60, 8, 4, "found the end at 0x44"},
		{"wraps", 0xfffffff8, 16, 8, "found the end at 0x100000008"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, w := NewLift(h), NewLower(t.Context(), h)
			if tt.trap != "" {
				wantTrap(t, func() { l.Area(tt.ptr, tt.size, tt.align) }, tt.trap)
				wantTrap(t, func() { w.Area(tt.ptr, tt.size, tt.align) }, tt.trap)
				return
			}
			if got := len(l.Area(tt.ptr, tt.size, tt.align)); got != int(tt.size) {
				t.Errorf("got %d bytes, want %d", got, tt.size)
			}
			w.Area(tt.ptr, tt.size, tt.align)
		})
	}
}

func TestLiftList(t *testing.T) {
	h := newHeap(make([]byte, 64)...)
	tests := []struct {
		name                string
		ptr, n, size, align uint32
		trap                string
	}{
		{"all", 0, 16, 4, 4, ""},
		{"empty", 64, 0, 4, 4, ""},
		{"nothing at all, often", 0, abi.MaxElements, 0, 1, ""},
		{"nothing at all, too often", 0, abi.MaxElements + 1, 0, 1, "at most 1048576 elements, found 1048577"},
		{"nothing at all, most often", 0, math.MaxUint32, 0, 1, "at most 1048576 elements"},
		{"product wraps to 0", 0, 1 << 16, 1 << 16, 1, "found the end at 0x100000000"},
		{"product wraps to 32", 0, 1 << 18, 1<<14 + 1, 1, "found the end at 0x100040000"},
		{"misaligned", 2, 1, 4, 4, "multiple of 4"},
		{"misaligned and empty", 2, 0, 4, 4, "multiple of 4"},
		{"one too many", 0, 17, 4, 4, "inside the memory of 64 bytes, found the end at 0x44"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := NewLift(h)
			if tt.trap != "" {
				wantTrap(t, func() { List[uint32](&l, tt.ptr, tt.n, tt.size, tt.align) }, tt.trap)
				return
			}
			out, b := List[uint32](&l, tt.ptr, tt.n, tt.size, tt.align)
			if out == nil || len(out) != int(tt.n) || len(b) != int(tt.n*tt.size) {
				t.Errorf("got %d elements and %d bytes, want %d and %d", len(out), len(b), tt.n, tt.n*tt.size)
			}
		})
	}
}

// TestBudget checks that the budget is of the whole call and checked before memory is taken.
func TestBudget(t *testing.T) {
	h := newHeap(make([]byte, abi.MaxElements)...)
	const reason = "one call: expected at most 268435456 bytes"

	l := NewLift(h)
	for range abi.MaxCallBytes/abi.MaxElements - 1 {
		_ = l.String(0, abi.MaxElements)
	}
	_ = l.Bytes(0, abi.MaxElements)
	wantTrap(t, func() { _ = l.String(0, 1) }, reason)

	// The host's element is 1 KiB, the guest's a byte.
	l = NewLift(h)
	wantTrap(t, func() { List[[1 << 10]byte](&l, 0, abi.MaxElements, 1, 1) }, reason)

	// Elements of no size cost time all the same: without a charge, nested lists of them would be free.
	l = NewLift(h)
	for range abi.MaxCallBytes / abi.MaxElements {
		List[struct{}](&l, 0, abi.MaxElements, 0, 1)
	}
	wantTrap(t, func() { List[struct{}](&l, 0, 1, 0, 1) }, reason)
	wantTrap(t, func() { New[struct{}](&l) }, reason)
}

func TestLiftAt(t *testing.T) {
	h := newHeap(
		24, 0, 0, 0, 2, 0, 0, 0,
		28, 0, 0, 0, 2, 0, 0, 0,
		28, 0, 0, 0, 2, 0, 0, 0,
		'h', 'i', 0, 0, 1, 2, 3, 4)
	l := NewLift(h)
	b := l.Area(0, 24, 4)
	if got := l.StringAt(b, 0); got != "hi" {
		t.Errorf("got %q, want hi", got)
	}
	if got := string(l.BytesAt(b, 8)); got != "\x01\x02" {
		t.Errorf("got %q, want bytes 1 and 2", got)
	}
	out, e := ListAt[uint16](&l, b, 16, 2, 2)
	for i := range out {
		out[i] = U16(e, 2*i)
	}
	if len(out) != 2 || out[0] != 0x0201 || out[1] != 0x0403 {
		t.Errorf("got %x, want 201 and 403", out)
	}
}

func TestScalars(t *testing.T) {
	b := []byte{0, 0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2}
	if Bool(b, 0) || !Bool(b, 1) || !Bool(b, 9) || FlatBool(1<<32) || !FlatBool(2) {
		t.Error("bool: want 0 false and all else true, of the low 32 bits")
	}
	if U8(b, 1) != 0x80 || S8(b, 1) != -128 || U16(b, 0) != 0x8000 || S16(b, 0) != math.MinInt16 {
		t.Error("8 and 16 bits: want little-endian, two's complement")
	}
	if U32(b, 0) != 0xffff8000 || S32(b, 0) != -32768 || U64(b, 1) != math.MaxUint64-0x7f || S64(b, 1) != -128 {
		t.Error("32 and 64 bits: want little-endian, two's complement")
	}
	if BoolBits(true) != 1 || BoolBits(false) != 0 {
		t.Error("BoolBits: want 1 and 0")
	}
}

func TestFloats(t *testing.T) {
	for bits, want := range map[uint32]uint32{
		0x7fc00000: nan32, 0x7fc00001: nan32, 0x7fe00000: nan32, 0x7fffffff: nan32, 0xffffffff: nan32,
		0x7f800001: nan32, 0x7f800000: 0x7f800000, 0x3fc00000: 0x3fc00000, 0x80000000: 0x80000000,
	} {
		// The high half of a joined slot is ignored.
		if got := math.Float32bits(FlatF32(uint64(bits) | 0xff<<32)); got != want {
			t.Errorf("lift f32 %#x: got %#x, want %#x", bits, got, want)
		}
		if got := F32Bits(math.Float32frombits(bits)); got != uint64(want) {
			t.Errorf("lower f32 %#x: got %#x, want %#x", bits, got, want)
		}
	}
	for bits, want := range map[uint64]uint64{
		0x7ff8000000000000: nan64, 0x7ff8000000000001: nan64, 0xffffffffffffffff: nan64, 0x7ff0000000000001: nan64,
		0x7ff0000000000000: 0x7ff0000000000000, 0x3ff0000000000000: 0x3ff0000000000000, 1 << 63: 1 << 63,
	} {
		if got := math.Float64bits(FlatF64(bits)); got != want {
			t.Errorf("lift f64 %#x: got %#x, want %#x", bits, got, want)
		}
		if got := F64Bits(math.Float64frombits(bits)); got != want {
			t.Errorf("lower f64 %#x: got %#x, want %#x", bits, got, want)
		}
	}
	b := []byte{0, 0, 0xc0, 0xff, 1, 0, 0, 0, 0, 0, 0xf0, 0xff}
	if math.Float32bits(F32(b, 0)) != nan32 || math.Float64bits(F64(b, 4)) != nan64 {
		t.Error("load: want the canonical NaN")
	}
}

func TestChars(t *testing.T) {
	for _, c := range []uint32{0, 'A', 0xd7ff, 0xe000, 0x10ffff} {
		if got := FlatChar(uint64(c) | 1<<40); got != rune(c) {
			t.Errorf("got %#x, want %#x", got, c)
		}
		if got := CharBits(rune(c)); got != uint64(c) {
			t.Errorf("lower: got %#x, want %#x", got, c)
		}
	}
	for _, c := range []uint32{0xd800, 0xdfff, 0x110000, math.MaxUint32} {
		wantTrap(t, func() { FlatChar(uint64(c)) }, "Unicode scalar value")
		if got := CharBits(rune(c)); got != 0xfffd {
			t.Errorf("lower %#x: got %#x, want U+FFFD", c, got)
		}
	}
	wantTrap(t, func() { Char([]byte{0, 0xd8, 0, 0}, 0) }, "found 0xd800")
}

func TestDisc(t *testing.T) {
	if got := Disc("option", 1, 2); got != 1 {
		t.Errorf("got %d, want 1", got)
	}
	wantTrap(t, func() { Disc("variant error", 7, 7) }, "variant error: expected a case below 7, found 7")
}

func TestNameAndCatch(t *testing.T) {
	trap := trapOf(func() {
		defer Name("outer")
		defer Name("mrt:state/store@0.1.0#get")
		Disc("option", 2, 2)
	})
	if trap == nil || trap.Func != "mrt:state/store@0.1.0#get" {
		t.Errorf("got %+v, want a trap with the inner name", trap)
	}
	call := func(f func()) (err error) {
		defer Catch("handle", &err)
		f()
		return nil
	}
	err := call(func() { Disc("option", 2, 2) })
	if !errors.As(err, &trap) || trap.Func != "handle" {
		t.Errorf("got %v, want a trap in handle", err)
	}
	if err := call(func() {}); err != nil {
		t.Errorf("got %v, want no error", err)
	}
	for name, f := range map[string]func(){
		"Name":  func() { defer Name("x"); panic("bug") },
		"Catch": func() { _ = call(func() { panic("bug") }) },
	} {
		func() {
			defer func() {
				if p := recover(); p != "bug" {
					t.Errorf("%s: got panic %v, want the bug's", name, p)
				}
			}()
			f()
		}()
	}
}

func TestFailure(t *testing.T) {
	if got := (&Failure[struct{}]{}).Error(); got != "failed" {
		t.Errorf("got %q, want failed", got)
	}
	if got := (&Failure[string]{"no such key"}).Error(); !strings.Contains(got, "no such key") {
		t.Errorf("got %q, want the value in it", got)
	}
	l := NewLift(newHeap())
	if v := New[uint64](&l); *v != 0 || l.left != abi.MaxCallBytes-8 {
		t.Errorf("New: got %d and budget %d, want 0 and 8 bytes less", *v, l.left)
	}
}
