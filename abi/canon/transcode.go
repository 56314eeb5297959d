package canon

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions of this file read and write code units. Where the source is not valid, as it may be if a guest changes
// it while it is copied, they write U+FFFD; the destination is large enough for whatever the source has.

const (
	high64   = 0x8080808080808080 // the bits that no ASCII byte has
	above16  = 0xff80ff80ff80ff80 // the bits that no ASCII code unit of UTF-16 has
	replaced = '\ufffd'
)

// valid8 tells whether b is UTF-8, of long ASCII in two thirds of the time of utf8.Valid.
func valid8(b []byte) bool {
	for len(b) >= 64 {
		p := (*[64]byte)(b)
		all := binary.LittleEndian.Uint64(p[0:8]) | binary.LittleEndian.Uint64(p[8:16]) |
			binary.LittleEndian.Uint64(p[16:24]) | binary.LittleEndian.Uint64(p[24:32])
		all |= binary.LittleEndian.Uint64(p[32:40]) | binary.LittleEndian.Uint64(p[40:48]) |
			binary.LittleEndian.Uint64(p[48:56]) | binary.LittleEndian.Uint64(p[56:64])
		if all&high64 != 0 {
			break
		}
		b = b[64:]
	}
	return utf8.Valid(b)
}

// measure16 gives how many bytes of UTF-8 the UTF-16 in b takes, and where its first lone surrogate is, in code units; -1
// if there is none.
func measure16(b []byte) (size, bad int) {
	bad = -1
	for i := 0; i+1 < len(b); i += 2 {
		if i+8 <= len(b) && binary.LittleEndian.Uint64(b[i:])&above16 == 0 {
			size += 4
			i += 6
			continue
		}
		switch u := binary.LittleEndian.Uint16(b[i:]); {
		case u < 0x80:
			size++
		case u < 0x800:
			size += 2
		case u-0xd800 >= 0x800:
			size += 3
		case u < 0xdc00 && i+3 < len(b) && binary.LittleEndian.Uint16(b[i+2:])-0xdc00 < 0x400:
			size += 4
			i += 2
		default:
			return size, i / 2
		}
	}
	return size, bad
}

// decode16 gives the character at the start of the UTF-16 in b, which is not empty, and its bytes.
func decode16(b []byte) (r rune, n int) {
	r = rune(binary.LittleEndian.Uint16(b))
	if !utf16.IsSurrogate(r) {
		return r, 2
	}
	if len(b) < 4 {
		return replaced, 2
	}
	pair := utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(b[2:])))
	if pair == replaced {
		return replaced, 2
	}
	return pair, 4
}

// put8From16 writes the UTF-16 in src as UTF-8 and gives the bytes.
func put8From16(dst, src []byte) int {
	n := 0
	for i := 0; i+1 < len(src); {
		if u := binary.LittleEndian.Uint16(src[i:]); u < 0x80 {
			dst[n] = byte(u)
			n++
			i += 2
			continue
		}
		r, size := decode16(src[i:])
		i += size
		n += utf8.EncodeRune(dst[n:], r)
	}
	return n
}

// put8From1 writes the Latin-1 in src as UTF-8 and gives the bytes.
func put8From1(dst, src []byte) int {
	n := 0
	for _, c := range src {
		if c < 0x80 {
			dst[n] = c
			n++
			continue
		}
		dst[n], dst[n+1] = 0xc0|c>>6, 0x80|c&0x3f
		n += 2
	}
	return n
}

// measure1 gives how many bytes of UTF-8 the Latin-1 in b takes.
func measure1(b []byte) int {
	n := len(b)
	for len(b) >= 8 && binary.LittleEndian.Uint64(b)&high64 == 0 {
		b = b[8:]
	}
	for _, c := range b {
		n += int(c >> 7)
	}
	return n
}

// put16From8 writes the UTF-8 in src as UTF-16 and gives the bytes.
func put16From8(dst, src []byte) int {
	n := 0
	for i := 0; i < len(src); {
		if c := src[i]; c < 0x80 {
			dst[n], dst[n+1] = c, 0
			n += 2
			i++
			for ; i+4 <= len(src) && binary.LittleEndian.Uint32(src[i:])&(high64>>32) == 0; i += 4 {
				four := uint64(binary.LittleEndian.Uint32(src[i:]))
				four = (four | four<<16) & 0x0000ffff0000ffff
				four = (four | four<<8) & 0x00ff00ff00ff00ff
				binary.LittleEndian.PutUint64(dst[n:], four)
				n += 8
			}
			continue
		}
		r, size := utf8.DecodeRune(src[i:])
		i += size
		if r < 0x10000 {
			binary.LittleEndian.PutUint16(dst[n:], uint16(r))
			n += 2
			continue
		}
		hi, lo := utf16.EncodeRune(r)
		binary.LittleEndian.PutUint16(dst[n:], uint16(hi))
		binary.LittleEndian.PutUint16(dst[n+2:], uint16(lo))
		n += 4
	}
	return n
}

// put16From1 writes the Latin-1 in src as UTF-16 and gives the bytes.
func put16From1(dst, src []byte) int {
	for i, c := range src {
		dst[2*i], dst[2*i+1] = c, 0
	}
	return 2 * len(src)
}

// widen makes UTF-16 of the n bytes of Latin-1 at the start of b, in place.
func widen(b []byte, n int) {
	for i := n - 1; i >= 0; i-- {
		b[2*i], b[2*i+1] = b[i], 0
	}
}

// narrow makes Latin-1 of the UTF-16 in b, in place.
func narrow(b []byte) {
	for i := range len(b) / 2 {
		b[i] = b[2*i]
	}
}

// isLatin1 tells whether all characters of the UTF-16 in b are in Latin-1.
func isLatin1(b []byte) bool {
	for i := 1; i < len(b); i += 2 {
		if b[i] != 0 {
			return false
		}
	}
	return true
}

// ascii8From16 copies the ASCII at the start of the UTF-16 in src and gives its characters.
func ascii8From16(dst, src []byte) int {
	n := 0
	for ; 2*n+8 <= len(src); n += 4 {
		four := binary.LittleEndian.Uint64(src[2*n:])
		if four&above16 != 0 {
			break
		}
		four |= four >> 8
		binary.LittleEndian.PutUint32(dst[n:], uint32(four&0xffff|four>>16&0xffff0000))
	}
	for ; n < len(src)/2 && binary.LittleEndian.Uint16(src[2*n:]) < 0x80; n++ {
		dst[n] = src[2*n]
	}
	return n
}

// ascii8From1 copies the ASCII at the start of the Latin-1 in src and gives its characters.
func ascii8From1(dst, src []byte) int {
	n := 0
	for ; n+8 <= len(src) && binary.LittleEndian.Uint64(src[n:])&high64 == 0; n += 8 {
		copy(dst[n:n+8], src[n:n+8])
	}
	for ; n < len(src) && src[n] < 0x80; n++ {
		dst[n] = src[n]
	}
	return n
}

// latin1From8 copies the Latin-1 characters at the start of the UTF-8 in src and gives their number and their bytes in
// src.
func latin1From8(dst, src []byte) (chars, read int) {
	for read < len(src) {
		if c := src[read]; c < 0x80 {
			dst[chars] = c
			chars++
			read++
			continue
		}
		r, size := utf8.DecodeRune(src[read:])
		if r > 0xff {
			return chars, read
		}
		dst[chars] = byte(r)
		chars++
		read += size
	}
	return chars, read
}

// latin1From16 is latin1From8 for UTF-16.
func latin1From16(dst, src []byte) (chars, read int) {
	for ; read+1 < len(src) && src[read+1] == 0; read += 2 {
		dst[chars] = src[read]
		chars++
	}
	return chars, read
}
