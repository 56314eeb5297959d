package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	sectionCustom    = 0
	sectionTable     = 4
	sectionStart     = 8
	sectionCode      = 10
	sectionDataCount = 12
	// maxLocals bounds the local variables of a function, as in browsers.
	maxLocals = 50_000
	// maxTables bounds the tables of a module, and maxTableEntries what they have together at the start.
	maxTables       = 64
	maxTableEntries = 1 << 20
	// tableGrowth is what a table may grow to when it does not start larger.
	tableGrowth = 64 << 10
)

var errTable = errors.New("the table section cannot be read")

// prepare checks a module's sections as far as the decoder trusts them: it makes room for as many things as a section
// says it has, before it reads them. The result has a maximum for each table: the runtime knows no limit for them, and
// a guest that grows one takes 8 bytes of the host's memory per entry.
func prepare(wasm []byte) ([]byte, error) {
	out := wasm
	for pos := 8; pos < len(wasm); {
		r := reader{b: wasm[pos+1:]}
		size := r.number()
		if r.failed || size > uint64(len(r.b)) {
			return nil, fmt.Errorf("section %d at byte %#x is cut off (unexpected EOF)", wasm[pos], pos)
		}
		start := len(wasm) - len(r.b)
		end := start + int(size)
		if err := checkSection(wasm[pos], wasm[start:end]); err != nil {
			return nil, fmt.Errorf("section %d at byte %#x: %w", wasm[pos], pos, err)
		}
		if wasm[pos] == sectionTable {
			tables, err := rewriteTables(wasm[start:end])
			if err != nil {
				return nil, err
			}
			// All before it is unchanged: a module has one table section, or the decoder refuses it.
			out = append(append([]byte{}, wasm[:pos+1]...), binary.AppendUvarint(nil, uint64(len(tables)))...)
			out = append(append(out, tables...), wasm[end:]...)
		}
		pos = end
	}
	return out, nil
}

// checkSection compares what a section says to hold with its size.
func checkSection(id byte, body []byte) error {
	if id == sectionCustom || id == sectionStart || id == sectionDataCount {
		return nil
	}
	r := reader{b: body}
	if count := r.number(); r.failed || count > uint64(len(body)) {
		return fmt.Errorf("%d items cannot be in %d bytes", count, len(body))
	}
	if id == sectionCode {
		return checkLocals(body)
	}
	return nil
}

// rewriteTables sets the maximum of each table in the section's body.
func rewriteTables(body []byte) ([]byte, error) {
	r := reader{b: body}
	count := r.number()
	if count > maxTables {
		return nil, fmt.Errorf("want at most %d tables, found %d", maxTables, count)
	}
	out := binary.AppendUvarint(nil, count)
	total := uint64(0)
	for range count {
		kind, flags := r.byte(), r.byte()
		if kind != 0x70 && kind != 0x6f || flags > 1 {
			return nil, fmt.Errorf("want tables of funcref or externref without initial values, found type %#x", kind)
		}
		low := r.number()
		high := max(low, tableGrowth)
		if flags == 1 {
			high = min(high, r.number())
		}
		if total += low; total > maxTableEntries {
			return nil, fmt.Errorf("want at most %d entries in all tables, found %d", maxTableEntries, total)
		}
		out = append(out, kind, 1)
		out = binary.AppendUvarint(out, low)
		out = binary.AppendUvarint(out, high)
	}
	if r.failed || len(r.b) > 0 {
		return nil, errTable
	}
	return out, nil
}

// checkLocals bounds the local variables: a function has as many as it says in a few bytes.
func checkLocals(body []byte) error {
	r := reader{b: body}
	for range r.number() {
		size := r.number()
		if r.failed || size > uint64(len(r.b)) {
			return errors.New("the code section is cut off (unexpected EOF)")
		}
		f := reader{b: r.b[:size]}
		r.b = r.b[size:]
		total := uint64(0)
		for range f.number() {
			total += f.number()
			f.byte()
			if f.failed || total > maxLocals {
				return fmt.Errorf("want at most %d local variables in a function, found %d or what cannot be read", maxLocals, total)
			}
		}
	}
	return nil
}

// reader reads a section; after an error it gives zeroes.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.failed = true
		return 0
	}
	b := r.b[0]
	r.b = r.b[1:]
	return b
}

func (r *reader) number() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || n > 5 || v > 1<<32-1 {
		r.failed, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}
