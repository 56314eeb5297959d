package engine_test

import "encoding/binary"

// A tiny encoder of modules, for what no compiler emits.

const (
	i32 = 0x7f
	i64 = 0x7e
)

type genFunc struct {
	module, name    string // of an import; module is empty for a function of the module's own
	params, results []byte
	body            []byte // without locals and end
}

type genModule struct {
	funcs    []genFunc // imports first
	noMemory bool
	minPages uint32
	tables   []byte // the body of the table section
	globals  []byte // the body of the global section
	start    int    // index of the start function, 0 for none (imports come first)
	custom   []byte
}

func (m genModule) bytes() []byte {
	var typ, imp, fn, exp, code [][]byte
	for i, f := range m.funcs {
		typ = append(typ, cat([]byte{0x60}, vec(f.params), vec(f.results)))
		index := uleb(uint32(i))
		if f.module != "" {
			imp = append(imp, cat(str(f.module), str(f.name), []byte{0}, index))
			continue
		}
		fn = append(fn, index)
		exp = append(exp, cat(str(f.name), []byte{0}, index))
		code = append(code, sized(cat([]byte{0}, f.body, []byte{0x0b})))
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	out = append(out, section(1, typ)...)
	out = append(out, section(2, imp)...)
	out = append(out, section(3, fn)...)
	if m.tables != nil {
		out = append(out, 4)
		out = append(out, sized(m.tables)...)
	}
	if !m.noMemory {
		out = append(out, section(5, [][]byte{cat([]byte{0}, uleb(max(m.minPages, 1)))})...)
		exp = append(exp, cat(str("memory"), []byte{2, 0}))
	}
	if m.globals != nil {
		out = append(out, 6)
		out = append(out, sized(m.globals)...)
	}
	out = append(out, section(7, exp)...)
	if m.start > 0 {
		out = append(out, 8)
		out = append(out, sized(uleb(uint32(m.start)))...)
	}
	out = append(out, section(10, code)...)
	return append(out, m.custom...)
}

func cat(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func uleb(n uint32) []byte  { return binary.AppendUvarint(nil, uint64(n)) }
func sized(b []byte) []byte { return cat(uleb(uint32(len(b))), b) }
func vec(b []byte) []byte   { return sized(b) }
func str(s string) []byte   { return sized([]byte(s)) }
func section(id byte, items [][]byte) []byte {
	if len(items) == 0 {
		return nil
	}
	return cat([]byte{id}, sized(cat(append([][]byte{uleb(uint32(len(items)))}, items...)...)))
}
