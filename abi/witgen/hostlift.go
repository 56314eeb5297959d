package witgen

import (
	"fmt"
	"strings"
)

// canonName are the names of the scalar functions of abi/canon by kind.
var canonName = [...]string{"Bool", "S8", "U8", "S16", "U16", "S32", "U32", "S64", "U64", "F32", "F64", "Char"}

// memLift gives the expression that lifts the t at offset off of the view b.
func (h *hostWriter) memLift(t *typ, off uint32) string {
	const b = "b"
	t = t.base()
	switch {
	case t.kind < kindString:
		return fmt.Sprintf("%s.%s(%s, %d)", h.rt(), canonName[t.kind], b, off)
	case t.kind == kindString:
		return fmt.Sprintf("l.StringAt(%s, %d)", b, off)
	case t.isByteList():
		return fmt.Sprintf("l.BytesAt(%s, %d)", b, off)
	case t.kind == kindList:
		extra, _ := h.extra(t, false)
		return fmt.Sprintf("%s(l%s, %s.U32(%s, %d), %s.U32(%s, %d))", h.listLifter(t), extra, h.rt(), b, off, h.rt(), b, off+4)
	case t.isHandle():
		return h.liftHandle(t, h.handleAt(off))
	case t.kind == kindEnum:
		return fmt.Sprintf("%s(%s)", h.goType(t), h.memDisc(t, b, off))
	case t.kind == kindFlags && !wideFlags(t):
		return h.flagsExpr(t, func(i int) string {
			return fmt.Sprintf("%s.U%d(%s, %d)", h.rt(), min(t.size, 4)*8, b, off+uint32(4*i))
		})
	default:
		extra, _ := h.extra(t, false)
		return fmt.Sprintf("%s(l%s, %s)", h.lifter(t), extra, slice(b, off, t.size))
	}
}

// slice gives the part of the view b that is size bytes from off on.
func slice(b string, off, size uint32) string { return fmt.Sprintf("%s[%d:%d]", b, off, off+size) }

// memDisc gives the checked discriminant of t at offset off of the view b.
func (h *hostWriter) memDisc(t *typ, b string, off uint32) string {
	return fmt.Sprintf("%s.Disc(%q, uint32(%s.U%d(%s, %d)), %d)",
		h.rt(), t.what(), h.rt(), t.discSize()*8, b, off, len(t.payloads()))
}

// flagsExpr gives the flags t made of words, without the bits that have no label.
func (h *hostWriter) flagsExpr(t *typ, word func(i int) string) string {
	name := h.goType(t)
	expr := fmt.Sprintf("%s(%s)", name, word(0))
	if flagWords(t) == 2 {
		expr = fmt.Sprintf("(%s | %s(%s)<<32)", expr, name, word(1))
	}
	return expr + flagsMask(t)
}

// flagsMask masks what is no label of t out of an integer.
func flagsMask(t *typ) string {
	n := len(t.cases)
	if n == 64 || uint32(n) == t.size*8 {
		return ""
	}
	return fmt.Sprintf(" & %#x", uint64(1)<<n-1)
}

// wideMask masks what is no label of t out of word i.
func wideMask(t *typ, i int) string {
	if n := len(t.cases) - 32*i; n < 32 {
		return fmt.Sprintf(" & %#x", uint32(1)<<n-1)
	}
	return ""
}

// listLifter gives the function that lifts a list by pointer and length.
func (h *hostWriter) listLifter(t *typ) string {
	elem := t.elem
	return h.helper("lift", t, func(name string) {
		_, extra := h.extra(t, false)
		h.p("func %s(l *%s.Lift%s, ptr, n uint32) []%s {", name, h.rt(), extra, h.goType(elem))
		h.p("out, view := canon.List[%s](l, ptr, n, %d, %d)", h.goType(elem), elem.size, elem.align)
		h.p("for i := range out {\nb := view[i*%d : (i+1)*%d]", elem.size, elem.size)
		h.p("out[i] = %s\n}\nreturn out\n}\n", h.memLift(elem, 0))
	})
}

// lifter gives the function that lifts a compound type from its view.
func (h *hostWriter) lifter(t *typ) string {
	return h.helper("lift", t, func(name string) {
		_, extra := h.extra(t, false)
		h.p("func %s(l *%s.Lift%s, b []byte) %s {", name, h.rt(), extra, h.goType(t))
		switch t.kind {
		case kindRecord, kindTuple:
			h.p("return %s{", h.goType(t))
			for i, off := range offsets(t.fields) {
				h.p("%s: %s,", fieldName(t, i), h.memLift(t.fields[i].typ, off))
			}
			h.p("}")
		case kindFlags:
			h.p("return %s{", h.goType(t))
			for i := range flagWords(t) {
				h.p("canon.U32(b, %d)%s,", 4*i, wideMask(t, i))
			}
			h.p("}")
		default:
			off := t.payloadOffset()
			h.liftCases(t, "v", h.memDisc(t, "b", 0), func(p *typ) string { return h.memLift(p, off) })
			h.p("return v")
		}
		h.p("}\n")
	})
}

// flatLift gives the expression that lifts the t whose core values start at stack[slot], after the statements that
// it needs.
func (h *hostWriter) flatLift(t *typ, slot int) string {
	t = t.base()
	s := fmt.Sprintf("stack[%d]", slot)
	switch {
	case t.kind < kindString:
		return h.flatScalar(t, s)
	case t.kind == kindString:
		return fmt.Sprintf("l.String(uint32(%s), uint32(stack[%d]))", s, slot+1)
	case t.isByteList():
		return fmt.Sprintf("l.Bytes(uint32(%s), uint32(stack[%d]))", s, slot+1)
	case t.kind == kindList:
		extra, _ := h.extra(t, false)
		return fmt.Sprintf("%s(l%s, uint32(%s), uint32(stack[%d]))", h.listLifter(t), extra, s, slot+1)
	case t.isHandle():
		return h.liftHandle(t, flatHandle(slot))
	case t.kind == kindEnum:
		return fmt.Sprintf("%s(%s)", h.goType(t), h.flatDisc(t, slot))
	case t.kind == kindFlags && wideFlags(t):
		words := make([]string, flagWords(t))
		for i := range words {
			words[i] = fmt.Sprintf("uint32(stack[%d])%s", slot+i, wideMask(t, i))
		}
		return fmt.Sprintf("%s{%s}", h.goType(t), strings.Join(words, ", "))
	case t.kind == kindFlags:
		return h.flagsExpr(t, func(i int) string { return fmt.Sprintf("uint32(stack[%d])", slot+i) })
	case t.kind == kindRecord || t.kind == kindTuple:
		return h.flatFields(t, slot)
	default:
		v := h.temp()
		h.liftCases(t, v, h.flatDisc(t, slot), func(p *typ) string { return h.flatLift(p, slot+1) })
		return v
	}
}

func (h *hostWriter) flatDisc(t *typ, slot int) string {
	return fmt.Sprintf("%s.Disc(%q, uint32(stack[%d]), %d)", h.rt(), t.what(), slot, len(t.payloads()))
}

func (h *hostWriter) flatScalar(t *typ, s string) string {
	switch t.kind {
	case kindBool, kindF32, kindF64, kindChar:
		return fmt.Sprintf("%s.Flat%s(%s)", h.rt(), canonName[t.kind], s)
	case kindU64:
		return s
	default:
		return fmt.Sprintf("%s(%s)", primitiveGo[t.kind], s)
	}
}

// flatFields gives the composite literal of a record or tuple.
func (h *hostWriter) flatFields(t *typ, slot int) string {
	parts := make([]string, len(t.fields))
	for i, f := range t.fields {
		parts[i] = fmt.Sprintf("%s: %s,\n", fieldName(t, i), h.flatLift(f.typ, slot))
		slot += len(f.typ.flat)
	}
	return fmt.Sprintf("%s{\n%s}", h.goType(t), strings.Join(parts, ""))
}
