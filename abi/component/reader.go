package component

import (
	"fmt"
	"unicode/utf8"
)

// quota is what a whole file has used, and its first failure.
type quota struct {
	maxDefs                                                 int
	defs, items, modules, components, nameBytes, debugNames int
	err                                                     *Error
}

// reader takes apart a part of a component. The first failure sticks, for all readers of one file: later reads give
// zero, so that callers check once per item.
type reader struct {
	b     []byte
	pos   int
	base  int // offset of b[0] in the file
	where string
	q     *quota
}

func (r *reader) failed() bool { return r.q.err != nil }

// failAt records the first failure, at a position within b.
func (r *reader) failAt(at int, expected, found string, args ...any) {
	if r.q.err == nil {
		if len(args) > 0 {
			found = fmt.Sprintf(found, args...)
		}
		r.q.err = &Error{Offset: r.base + at, Where: r.where, Expected: expected, Found: found}
	}
	r.pos = len(r.b)
}

// within puts the item that was being read into the failure.
func (r *reader) within(item string, i int) {
	if e := r.q.err; e != nil {
		if e.Where != "" {
			item = fmt.Sprintf(", %s %d", item, i)
		} else {
			item = fmt.Sprintf("%s %d", item, i)
		}
		if len(e.Where) < 200 {
			e.Where += item
		}
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

// expect reads a byte that is fixed.
func (r *reader) expect(want byte, what string) {
	at := r.pos
	if c := r.byte(); !r.failed() && c != want {
		r.failAt(at, fmt.Sprintf("%s (%#02x)", what, want), "%#02x", c)
	}
}

// flag reads a byte that is 0 or 1.
func (r *reader) flag(what string) bool {
	at := r.pos
	c := r.byte()
	if c > 1 {
		r.failAt(at, "0 or 1 for "+what, "%#02x", c)
	}
	return c == 1
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

// sub gives a reader of the next n bytes.
func (r *reader) sub(n uint32, what string) *reader {
	b := r.take(n, what)
	return &reader{b: b, base: r.base + r.pos - len(b), where: r.where, q: r.q}
}

// unsigned reads an unsigned LEB128 number of 32 or 64 bits.
func (r *reader) unsigned(bits int) uint64 {
	if r.pos < len(r.b) && r.b[r.pos] < 0x80 {
		r.pos++
		return uint64(r.b[r.pos-1])
	}
	var v uint64
	at := r.pos
	for shift := 0; shift < bits; shift += 7 {
		c := r.byte()
		if left := bits - shift; left < 7 && c>>left != 0 {
			break
		}
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.failAt(at, fmt.Sprintf("an unsigned number of %d bits", bits), "a longer one")
	return 0
}

func (r *reader) u32() uint32 { return uint32(r.unsigned(32)) }

// typeCode reads a signed LEB128 number of 33 bits: negative ones are codes of types, given as their first byte, the
// others are indices.
func (r *reader) typeCode() (code byte, index uint32) {
	at := r.pos
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		c := r.byte()
		v |= uint64(c&0x7f) << shift
		if c >= 0x80 {
			continue
		}
		switch {
		case shift == 0 && c >= 0x40:
			return c, 0
		case c&0x40 != 0 || v > 1<<32-1:
			r.failAt(at, "a type index or a type's code", "% x", r.b[at:r.pos])
		}
		return 0, uint32(v)
	}
	r.failAt(at, "a number of 33 bits", "a longer one")
	return 0, 0
}

// count reads the length of a vector whose items take at least one byte each, so it bounds what is allocated.
func (r *reader) count(limit int, what string) int {
	at := r.pos
	n := r.u32()
	switch {
	case r.failed():
		return 0
	case uint64(n) > uint64(limit):
		r.failAt(at, fmt.Sprintf("at most %d %s", limit, what), "%d", n)
		return 0
	case uint64(n) > uint64(r.left()):
		r.failAt(at, fmt.Sprintf("no more %s than bytes left (%d)", what, r.left()), "%d", n)
		return 0
	}
	return int(n)
}

// items reads the length of a vector of parts of one definition.
func (r *reader) items(limit int, what string) int {
	at := r.pos
	n := r.count(limit, what)
	if r.q.items += n; r.q.items > MaxItems && !r.failed() {
		r.failAt(at, fmt.Sprintf("at most %d fields, parameters, arguments and options in a file", MaxItems), "more")
		return 0
	}
	return n
}

// vector reads a vector of definitions or declarations.
func (r *reader) vector(item string, f func(at int)) {
	n := r.count(r.q.maxDefs, item+"s")
	for i := 0; i < n && !r.failed(); i++ {
		if r.q.defs++; r.q.defs > r.q.maxDefs {
			r.failAt(r.pos, fmt.Sprintf("at most %d definitions and declarations in a file", r.q.maxDefs), "more")
			return
		}
		f(r.pos)
		if r.failed() {
			r.within(item, i)
		}
	}
}

func (r *reader) name() string {
	at := r.pos
	n := r.u32()
	if !r.failed() && n > MaxNameLength {
		r.failAt(at, fmt.Sprintf("a name of at most %d bytes", MaxNameLength), "%d", n)
	}
	b := r.take(n, "a name")
	if !utf8.Valid(b) {
		r.failAt(at, "a name in UTF-8", "%.40q", b)
		return ""
	}
	if r.q.nameBytes += len(b); r.q.nameBytes > MaxNameBytes {
		r.failAt(at, fmt.Sprintf("at most %d bytes of names in a file", MaxNameBytes), "more")
		return ""
	}
	return string(b)
}

// end fails unless everything has been read.
func (r *reader) end() {
	if !r.failed() && r.left() > 0 {
		r.failAt(r.pos, "the end of the section", "%d more bytes", r.left())
	}
}
