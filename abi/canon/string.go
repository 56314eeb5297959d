package canon

import (
	"unsafe"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

const (
	// MaxStringBytes bounds a string that passes from one guest to another, in bytes [Loading]. Strings that the host
	// lifts are bounded by abi.MaxBytes.
	MaxStringBytes = 1<<28 - 1
	// utf16Tag is the bit of a length of Latin1UTF16 that tells that the string is UTF-16.
	utf16Tag = 1 << 31
)

// form is how one string is encoded. A string of Latin1UTF16 is in one of two forms.
type form uint8

const (
	form8  form = iota // UTF-8
	form16             // UTF-16, little-endian
	form1              // Latin-1
)

// source is a string that is being copied into a guest. It is checked to be valid.
type source struct {
	b []byte
	form
	// mixed tells that it is of a guest with Latin1UTF16.
	mixed bool
	// ptr is the address of a guest's string, and from, if set, the memory to look for it after guest code has run.
	ptr  uint32
	from *Lift
}

// units gives the length in code units.
func (s *source) units() uint32 {
	if s.form == form16 {
		return uint32(len(s.b) / 2)
	}
	return uint32(len(s.b))
}

// again takes a new view of the string, after guest code has run.
func (s *source) again() {
	if s.from != nil {
		s.b = s.from.mem[s.ptr : uint64(s.ptr)+uint64(len(s.b))]
	}
}

// source sets s to the string of n code units at ptr, which is checked to be in memory [Loading, load_string_from_range]
// and to have at most bound bytes.
func (l *Lift) source(s *source, ptr, n, bound uint32) {
	s.ptr, s.mixed = ptr, l.encoding == Latin1UTF16
	size, align := uint64(n), uint32(2)
	switch {
	case l.encoding == UTF8:
		align = 1
	case l.encoding == UTF16:
		s.form, size = form16, 2*size
	case n&utf16Tag != 0:
		s.form, size = form16, 2*(size&^utf16Tag)
	default:
		s.form = form1
	}
	if size > uint64(bound) {
		trapString(ptr, size, bound)
	}
	s.b = l.Area(ptr, uint32(size), align)
}

// check checks that the string is valid and gives how many bytes of UTF-8 it takes.
func (s *source) check() int {
	switch s.form {
	case form8:
		if !valid8(s.b) {
			trapUTF8(s.ptr, s.b)
		}
		return len(s.b)
	case form16:
		size, bad := measure16(s.b)
		if bad >= 0 {
			trapUTF16(s.ptr, s.b, bad)
		}
		return size
	default:
		return measure1(s.b)
	}
}

// stringOf is String for encodings other than UTF-8.
func (l *Lift) stringOf(ptr, n uint32) string {
	var s source
	l.source(&s, ptr, n, abi.MaxBytes)
	size := s.check()
	l.charge(uint64(size))
	if size == 0 {
		return ""
	}
	out := make([]byte, size)
	if s.form == form16 {
		put8From16(out, s.b)
	} else {
		put8From1(out, s.b)
	}
	return unsafe.String(unsafe.SliceData(out), size)
}

// stringOf copies s, which is valid UTF-8, into a guest whose strings are not UTF-8.
func (w *Lower) stringOf(s string) (ptr, n uint32) {
	// At most 3 times the bytes are asked for.
	if len(s) > MaxStringBytes {
		trapString(0, uint64(len(s)), MaxStringBytes)
	}
	return w.text(&source{b: unsafe.Slice(unsafe.StringData(s), len(s))})
}

// text copies a string into the guest and gives its address and its length as the guest counts it. The guest is asked
// for memory as the specification has it: for an estimate, then for more or for less [Storing,
// store_string_into_range].
func (w *Lower) text(s *source) (ptr, n uint32) {
	switch w.encoding {
	case UTF8:
		if s.form == form8 {
			return w.textCopy(s, 1)
		}
		return w.text8(s)
	case UTF16:
		switch s.form {
		case form8:
			return w.text16(s)
		case form16:
			return w.textCopy(s, 2)
		default:
			return w.textWide(s)
		}
	default:
		switch {
		case s.mixed && s.form == form1:
			return w.textCopy(s, 2)
		case s.mixed:
			return w.textProbably16(s)
		default:
			return w.textMixed(s)
		}
	}
}

// textCopy copies code units as they are.
func (w *Lower) textCopy(s *source, align uint32) (ptr, n uint32) {
	size := uint32(len(s.b))
	ptr = w.Alloc(size, align)
	s.again()
	copy(w.at(ptr, size), s.b)
	return ptr, s.units()
}

// textWide copies Latin-1 as UTF-16.
func (w *Lower) textWide(s *source) (ptr, n uint32) {
	size := 2 * uint32(len(s.b))
	ptr = w.Alloc(size, 2)
	s.again()
	put16From1(w.at(ptr, size), s.b)
	return ptr, s.units()
}

// text8 copies UTF-16 or Latin-1 as UTF-8. The first estimate is that all is ASCII.
func (w *Lower) text8(s *source) (ptr, n uint32) {
	units, worst := s.units(), 2*s.units()
	ascii, put, width := ascii8From1, put8From1, 1
	if s.form == form16 {
		ascii, put, width, worst = ascii8From16, put8From16, 2, 3*units
	}
	ptr = w.realloc(0, 0, 1, units)
	s.again()
	done := ascii(w.at(ptr, units), s.b)
	if uint32(done) == units {
		return ptr, units
	}
	ptr = w.realloc(ptr, units, 1, worst)
	s.again()
	n = uint32(done + put(w.at(ptr, worst)[done:], s.b[done*width:]))
	if n < worst {
		ptr = w.realloc(ptr, worst, 1, n)
	}
	return ptr, n
}

// text16 copies UTF-8 as UTF-16. The estimate is that all is ASCII, which is the most that it can be.
func (w *Lower) text16(s *source) (ptr, n uint32) {
	worst := 2 * uint32(len(s.b))
	ptr = w.realloc(0, 0, 2, worst)
	s.again()
	size := uint32(put16From8(w.at(ptr, worst), s.b))
	if size < worst {
		ptr = w.realloc(ptr, worst, 2, size)
	}
	return ptr, size / 2
}

// textMixed copies UTF-8 or UTF-16 as Latin-1 if it can, else as UTF-16. The first estimate is a byte for each code unit.
func (w *Lower) textMixed(s *source) (ptr, n uint32) {
	units := s.units()
	ptr = w.realloc(0, 0, 2, units)
	s.again()
	latin1 := latin1From8
	if s.form == form16 {
		latin1 = latin1From16
	}
	chars, read := latin1(w.at(ptr, units), s.b)
	if read == len(s.b) {
		if uint32(chars) < units {
			ptr = w.realloc(ptr, units, 2, uint32(chars))
		}
		return ptr, uint32(chars)
	}
	worst := 2 * units
	ptr = w.realloc(ptr, units, 2, worst)
	s.again()
	b := w.at(ptr, worst)
	widen(b, chars)
	rest := s.b[read:]
	size := uint32(2 * chars)
	if s.form == form16 {
		size += uint32(copy(b[size:], rest))
	} else {
		size += uint32(put16From8(b[size:], rest))
	}
	if size < worst {
		ptr = w.realloc(ptr, worst, 2, size)
	}
	return ptr, size/2 | utf16Tag
}

// textProbably16 copies the UTF-16 of one guest with Latin1UTF16 to another, as Latin-1 if it is.
func (w *Lower) textProbably16(s *source) (ptr, n uint32) {
	size, units := uint32(len(s.b)), s.units()
	ptr = w.realloc(0, 0, 2, size)
	s.again()
	b := w.at(ptr, size)
	copy(b, s.b)
	if !isLatin1(b) {
		return ptr, units | utf16Tag
	}
	narrow(b)
	return w.realloc(ptr, size, 1, units), units
}

//go:noinline
func trapString(ptr uint32, size uint64, bound uint32) {
	abi.Trapf("string at %#x: expected at most %d bytes, found %d", ptr, bound, size)
}

//go:noinline
func trapUTF16(ptr uint32, b []byte, i int) {
	abi.Trapf("string at %#x of %d bytes: expected UTF-16, found the lone surrogate %#x at offset %d",
		ptr, len(b), U16(b, 2*i), 2*i)
}
