package witgen

import (
	"fmt"
	"strings"
)

// address gives the address expression off bytes after at.
func address(at string, off uint32) string {
	if off == 0 {
		return at
	}
	return fmt.Sprintf("%s+%d", at, off)
}

// pointer gives the address of the variable v.
func pointer(v string) string {
	if p, ok := strings.CutPrefix(v, "(*"); ok && strings.HasSuffix(p, ")") && !strings.ContainsAny(p[:len(p)-1], "()") {
		return p[:len(p)-1]
	}
	return "&" + v
}

// memLower writes the statements that store v, an addressable t, off bytes after at.
func (h *hostWriter) memLower(t *typ, at string, off uint32, v string) {
	t = t.base()
	to := address(at, off)
	switch {
	case t.kind < kindString:
		h.p("w.Put%s(%s, %s)", canonName[t.kind], to, v)
	case t.kind == kindString:
		h.p("w.PutString(%s, %s)", to, v)
	case t.isByteList():
		h.p("w.PutBytes(%s, %s)", to, v)
	case t.kind == kindEnum:
		h.p("w.PutU%d(%s, %s(%s))", t.size*8, to, goUint(t.size), v)
	case t.kind == kindFlags:
		h.memLowerFlags(t, at, off, v)
	case t.isHandle():
		h.p("w.PutU32(%s, %s)", to, h.lowerHandle(t, v))
	case t.kind == kindList || t.kind == kindOption:
		extra, _ := h.extra(t, true)
		h.p("%s(w%s, %s, %s)", h.lowerer(t), extra, to, v)
	default:
		extra, _ := h.extra(t, true)
		h.p("%s(w%s, %s, %s)", h.lowerer(t), extra, to, pointer(v))
	}
}

func (h *hostWriter) memLowerFlags(t *typ, at string, off uint32, v string) {
	if flagWords(t) == 1 {
		h.p("w.PutU%d(%s, %s(%s))", t.size*8, address(at, off), goUint(t.size), v)
		return
	}
	for i := range flagWords(t) {
		h.p("w.PutU32(%s, %s)", address(at, off+uint32(4*i)), flagWord(t, v, i))
	}
}

// flagWord gives word i of flags of more than one.
func flagWord(t *typ, v string, i int) string {
	switch {
	case wideFlags(t):
		return fmt.Sprintf("%s[%d]", v, i)
	case i == 0:
		return fmt.Sprintf("uint32(%s)", v)
	default:
		return fmt.Sprintf("uint32(%s>>32)", v)
	}
}

// lowerer gives the function that stores a compound type. Lists and options are passed as they are, the others by
// pointer.
func (h *hostWriter) lowerer(t *typ) string {
	return h.helper("lower", t, func(name string) {
		star := "*"
		if t.kind == kindList || t.kind == kindOption {
			star = ""
		}
		_, extra := h.extra(t, true)
		h.p("func %s(w *%s.Lower%s, at uint32, v %s%s) {", name, h.rt(), extra, star, h.goType(t))
		switch t.kind {
		case kindRecord, kindTuple:
			for i, off := range offsets(t.fields) {
				h.memLower(t.fields[i].typ, "at", off, "v."+fieldName(t, i))
			}
		case kindList:
			h.p("at = w.PutList(at, len(v), %d, %d)", t.elem.size, t.elem.align)
			h.p("for i := range v {")
			h.memLower(t.elem, "at", 0, "v[i]")
			h.p("at += %d\n}", t.elem.size)
		default:
			off := t.payloadOffset()
			h.lowerCases(t, "v", caseWriter{
				disc:    func(s string) { h.p("w.PutU%d(at, %s)", t.discSize()*8, s) },
				payload: func(p *typ, v string) { h.memLower(p, "at", off, v) },
			})
		}
		h.p("}\n")
	})
}

// flatLower writes the statements that put v, an addressable t, on the stack from slot on. Slots that a case does not
// use are zero already.
func (h *hostWriter) flatLower(t *typ, slot int, v string) {
	t = t.base()
	switch {
	case t.kind < kindString || t.kind == kindEnum:
		h.p("stack[%d] = %s", slot, h.flatBits(t, v))
	case t.kind == kindString || t.isByteList():
		method := "String"
		if t.kind == kindList {
			method = "Bytes"
		}
		ptr := h.temp()
		h.p("%s, n%s := w.%s(%s)", ptr, ptr[1:], method, v)
		h.p("stack[%d], stack[%d] = uint64(%s), uint64(n%s)", slot, slot+1, ptr, ptr[1:])
	case t.kind == kindList:
		h.flatLowerList(t, slot, v)
	case t.isHandle():
		h.p("stack[%d] = uint64(%s)", slot, h.lowerHandle(t, v))
	case t.kind == kindFlags && flagWords(t) == 1:
		h.p("stack[%d] = uint64(%s)", slot, v)
	case t.kind == kindFlags:
		for i := range flagWords(t) {
			h.p("stack[%d] = uint64(%s)", slot+i, flagWord(t, v, i))
		}
	case t.kind == kindRecord || t.kind == kindTuple:
		for i, f := range t.fields {
			h.flatLower(f.typ, slot, v+"."+fieldName(t, i))
			slot += len(f.typ.flat)
		}
	default:
		h.lowerCases(t, v, caseWriter{
			disc:    func(s string) { h.p("stack[%d] = uint64(%s)", slot, s) },
			payload: func(p *typ, v string) { h.flatLower(p, slot+1, v) },
		})
	}
}

func (h *hostWriter) flatLowerList(t *typ, slot int, v string) {
	ptr := h.temp()
	h.p("%s, n%s := w.List(len(%s), %d, %d)", ptr, ptr[1:], v, t.elem.size, t.elem.align)
	h.p("stack[%d], stack[%d] = uint64(%s), uint64(n%s)", slot, slot+1, ptr, ptr[1:])
	h.p("for i := range %s {", v)
	h.memLower(t.elem, ptr, 0, v+"[i]")
	h.p("%s += %d\n}", ptr, t.elem.size)
}

func (h *hostWriter) flatBits(t *typ, v string) string {
	switch t.kind {
	case kindBool, kindF32, kindF64, kindChar:
		return fmt.Sprintf("%s.%sBits(%s)", h.rt(), canonName[t.kind], v)
	case kindS8, kindS16, kindS32:
		return fmt.Sprintf("uint64(uint32(%s))", v)
	case kindU64:
		return v
	default:
		return fmt.Sprintf("uint64(%s)", v)
	}
}
