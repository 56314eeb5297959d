package wasm

import (
	"fmt"
	"unicode/utf8"
)

// reader takes apart a part of a module. The first failure sticks: later reads give zero, so that callers check
// once per item.
type reader struct {
	b       []byte
	pos     int
	base    int // offset of b[0] in the module
	section string
	err     *Error
}

// failAt records the first failure, at a position within b.
func (r *reader) failAt(at int, expected, found string, args ...any) {
	if r.err == nil {
		if len(args) > 0 {
			found = fmt.Sprintf(found, args...)
		}
		r.err = &Error{Section: r.section, Offset: r.base + at, Expected: expected, Found: found}
	}
	r.pos = len(r.b)
}

// named puts what was being read into the failure, if it does not say that yet.
func (r *reader) named(item string, i int) {
	if r.err != nil && r.err.Item == "" {
		r.err.Item = fmt.Sprintf("%s %d", item, i)
	}
}

func (r *reader) left() int { return len(r.b) - r.pos }

func (r *reader) byte() byte {
	if r.pos >= len(r.b) {
		r.failAt(r.pos, "one more byte", "the end")
		return 0
	}
	c := r.b[r.pos]
	r.pos++
	return c
}

// take gives the next n bytes without copying.
func (r *reader) take(n uint32, what string) []byte {
	if uint64(n) > uint64(r.left()) {
		r.failAt(r.pos, fmt.Sprintf("%d bytes of %s", n, what), "%d", r.left())
		return nil
	}
	out := r.b[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return out
}

// u32 reads an unsigned LEB128 number.
func (r *reader) u32() uint32 {
	if r.pos < len(r.b) && r.b[r.pos] < 0x80 {
		r.pos++
		return uint32(r.b[r.pos-1])
	}
	var v uint32
	at := r.pos
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		if shift == 28 && c > 0x0f {
			break
		}
		v |= uint32(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.failAt(at, "an unsigned number of 32 bits", "a longer one")
	return 0
}

// signed reads a signed LEB128 number of 32, 33 or 64 bits.
func (r *reader) signed(bits int) int64 {
	if r.pos < len(r.b) && r.b[r.pos] < 0x80 {
		r.pos++
		return int64(r.b[r.pos-1]) << 57 >> 57
	}
	var v int64
	at := r.pos
	for shift := 0; shift < bits; shift += 7 {
		c := r.byte()
		v |= int64(c&0x7f) << shift
		if c >= 0x80 {
			continue
		}
		if shift+7 < 64 {
			v = v << (57 - shift) >> (57 - shift)
		}
		if left := bits - shift; left < 7 && !fits(c, left) {
			break
		}
		return v
	}
	r.failAt(at, fmt.Sprintf("a signed number of %d bits", bits), "a longer one")
	return 0
}

// fits tells whether the seven bits of c are a sign extension of the lowest left bits.
func fits(c byte, left int) bool {
	ext := int8(c<<1) >> 1 // sign of the seven bits
	return ext>>(left-1) == 0 || ext>>(left-1) == -1
}

// count reads the length of a vector whose items take at least one byte each, so it bounds what is allocated.
func (r *reader) count(limit int, what string) int {
	at := r.pos
	n := r.u32()
	if r.err == nil && uint64(n) > uint64(limit) {
		r.failAt(at, fmt.Sprintf("at most %d %s", limit, what), "%d", n)
		return 0
	}
	if r.err == nil && uint64(n) > uint64(r.left()) {
		r.failAt(at, fmt.Sprintf("no more %s than bytes left (%d)", what, r.left()), "%d", n)
		return 0
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

// index reads an index below n.
func (r *reader) index(n int, what string) uint32 {
	at := r.pos
	v := r.u32()
	if r.err == nil && uint64(v) >= uint64(n) {
		r.failAt(at, fmt.Sprintf("a %s index below %d", what, n), "%d", v)
		return 0
	}
	return v
}

func (r *reader) name() string {
	at := r.pos
	n := r.u32()
	if r.err == nil && n > MaxNameLength {
		r.failAt(at, fmt.Sprintf("a name of at most %d bytes", MaxNameLength), "%d", n)
	}
	b := r.take(n, "a name")
	if !utf8.Valid(b) {
		r.failAt(at, "a name in UTF-8", "%.40q", b)
		return ""
	}
	return string(b)
}

func (r *reader) valType() ValType {
	at := r.pos
	v := ValType(r.byte())
	if r.err == nil && !v.known() {
		r.failAt(at, "a value type", "%#x", byte(v))
	}
	return v
}

func (r *reader) refType() ValType {
	at := r.pos
	v := ValType(r.byte())
	if r.err == nil && !v.IsRef() {
		r.failAt(at, "a reference type (funcref 0x70 or externref 0x6f)", "%#x", byte(v))
	}
	return v
}

// end fails unless everything has been read.
func (r *reader) end() {
	if r.err == nil && r.left() > 0 {
		r.failAt(r.pos, "the end of the section", "%d more bytes", r.left())
	}
}

func appendUnsigned(b []byte, v uint32) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}

func appendSigned(b []byte, v int64) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

func appendName(b []byte, s string) []byte { return append(appendUnsigned(b, uint32(len(s))), s...) }
