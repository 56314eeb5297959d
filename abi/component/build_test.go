package component_test

import "bytes"

// leb encodes an unsigned number.
func leb(n int) []byte {
	var b []byte
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// cat joins bytes, strings and numbers; strings get their length, numbers are LEB128, bytes stand for themselves.
func cat(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case []byte:
			b = append(b, p...)
		case byte:
			b = append(b, p)
		case int:
			b = append(b, leb(p)...)
		case string:
			b = append(append(b, leb(len(p))...), p...)
		}
	}
	return b
}

// sec makes a section, vec one that is a vector.
func sec(id byte, body ...any) []byte {
	b := cat(body...)
	return cat(id, len(b), b)
}

func vec(id byte, items ...[]byte) []byte {
	return sec(id, len(items), bytes.Join(items, nil))
}

// repeat is a vector of n equal items.
func repeat(id byte, n int, item []byte) []byte {
	return sec(id, n, bytes.Repeat(item, n))
}

const (
	idCustom, idModule, idCoreInstance, idCoreType, idComponent, idInstance      = byte(0), byte(1), byte(2), byte(3), byte(4), byte(5)
	idAlias, idType, idCanon, idStart, idImport, idExport                        = byte(6), byte(7), byte(8), byte(9), byte(10), byte(11)
	u8Code, listCode, tupleCode, recordCode, funcCode, compCode, instCode   byte = 0x7d, 0x70, 0x6f, 0x72, 0x40, 0x41, 0x42
)

// comp makes a component.
func comp(sections ...[]byte) []byte {
	return append([]byte("\x00asm\x0d\x00\x01\x00"), bytes.Join(sections, nil)...)
}

// index encodes a type index as a value type has it.
func index(n int) []byte {
	if n < 0x40 {
		return []byte{byte(n)}
	}
	b := leb(n)
	if b[len(b)-1] >= 0x40 {
		b[len(b)-1] |= 0x80
		b = append(b, 0)
	}
	return b
}
