package witgen

import (
	"fmt"
	"regexp"
	"strings"
)

// usesCall finds uses of c, the Call, in code.
var usesCall = regexp.MustCompile(`\bc[.,)]`)

// memLift gives the expression that lifts the t that is off bytes after address p.
func (g *guestWriter) memLift(t *typ, p string, off uint32) string {
	t = t.base()
	at := address(p, off)
	switch {
	case t.kind < kindString:
		return g.memScalar(t, at)
	case t.kind == kindString:
		return fmt.Sprintf("%s.StringAt(%s)", g.rt(), at)
	case t.kind == kindList && t.elem.sameGo():
		return fmt.Sprintf("%s.ListAt[%s](%s)", g.rt(), g.goType(t.elem), at)
	case t.kind == kindList:
		return fmt.Sprintf("%s(%s.U32(%s), %s.U32(%s))", g.listLifter(t), g.rt(), at, g.rt(), address(p, off+4))
	case t.isHandle():
		return g.liftHandle(t, g.memUint(4, at))
	case t.kind == kindEnum:
		return fmt.Sprintf("%s(%s)", g.goType(t), g.memUint(t.size, at))
	case t.kind == kindFlags && !wideFlags(t):
		expr := fmt.Sprintf("%s(%s)", g.goType(t), g.memUint(min(t.size, 4), at))
		if flagWords(t) == 2 {
			expr += fmt.Sprintf(" | %s(%s)<<32", g.goType(t), g.memUint(4, address(p, off+4)))
		}
		return expr
	default:
		return fmt.Sprintf("%s(%s)", g.lifter(t), at)
	}
}

// memUint loads an unsigned integer of size bytes.
func (g *guestWriter) memUint(size uint32, at string) string {
	return fmt.Sprintf("%s.U%d(%s)", g.rt(), size*8, at)
}

func (g *guestWriter) memScalar(t *typ, at string) string {
	switch t.kind {
	case kindBool:
		return g.memUint(1, at) + " != 0"
	case kindF32, kindF64:
		return fmt.Sprintf("%s.%s(%s)", g.rt(), canonName[t.kind], at)
	case kindU8, kindU16, kindU32, kindU64:
		return g.memUint(t.size, at)
	default:
		return fmt.Sprintf("%s(%s)", primitiveGo[t.kind], g.memUint(t.size, at))
	}
}

// listLifter gives the function that lifts a list by address and length.
func (g *guestWriter) listLifter(t *typ) string {
	return g.helper("lift", t, func(name string) {
		g.p("func %s(p, n uint32) []%s {", name, g.goType(t.elem))
		g.p("if n == 0 {\nreturn nil\n}")
		g.p("out := make([]%s, n)", g.goType(t.elem))
		g.p("for i := range out {\nout[i] = %s\np += %d\n}\nreturn out\n}\n", g.memLift(t.elem, "p", 0), t.elem.size)
	})
}

// lifter gives the function that lifts a compound type from its address.
func (g *guestWriter) lifter(t *typ) string {
	return g.helper("lift", t, func(name string) {
		g.p("func %s(p uint32) %s {", name, g.goType(t))
		switch t.kind {
		case kindRecord, kindTuple:
			g.p("return %s{", g.goType(t))
			for i, off := range offsets(t.fields) {
				g.p("%s: %s,", fieldName(t, i), g.memLift(t.fields[i].typ, "p", off))
			}
			g.p("}")
		case kindFlags:
			g.p("return %s{", g.goType(t))
			for i := range flagWords(t) {
				g.p("%s,", g.memUint(4, address("p", uint32(4*i))))
			}
			g.p("}")
		default:
			off := t.payloadOffset()
			g.liftCases(t, "v", g.memUint(t.discSize(), "p"), func(p *typ) string { return g.memLift(p, "p", off) })
			g.p("return v")
		}
		g.p("}\n")
	})
}

// memLower writes the statements that store v, an addressable t, off bytes after address p.
func (g *guestWriter) memLower(t *typ, p string, off uint32, v string) {
	t = t.base()
	at := address(p, off)
	switch {
	case t.kind < kindString:
		g.memPutScalar(t, at, v)
	case t.kind == kindString:
		g.p("%s.PutPair(%s, c.String(%s), len(%s))", g.rt(), at, v, v)
	case t.kind == kindList:
		g.p("%s.PutPair(%s, %s, len(%s))", g.rt(), at, g.listAddress(t, v), v)
	case t.isHandle():
		g.p("%s.PutU32(%s, %s)", g.rt(), at, g.lowerHandle(t, v))
	case t.kind == kindEnum:
		g.p("%s.PutU%d(%s, %s(%s))", g.rt(), t.size*8, at, goUint(t.size), v)
	case t.kind == kindFlags && flagWords(t) == 1:
		g.p("%s.PutU%d(%s, %s(%s))", g.rt(), t.size*8, at, goUint(t.size), v)
	case t.kind == kindFlags:
		for i := range flagWords(t) {
			g.p("%s.PutU32(%s, %s)", g.rt(), address(p, off+uint32(4*i)), flagWord(t, v, i))
		}
	case t.kind == kindOption:
		g.p("%s(c, %s, %s)", g.lowerer(t), at, v)
	default:
		g.p("%s(c, %s, %s)", g.lowerer(t), at, pointer(v))
	}
}

func (g *guestWriter) memPutScalar(t *typ, at, v string) {
	switch t.kind {
	case kindBool:
		g.p("%s.PutU8(%s, uint8(%s.Bool(%s)))", g.rt(), at, g.rt(), v)
	case kindF32, kindF64:
		g.p("%s.Put%s(%s, %s)", g.rt(), canonName[t.kind], at, v)
	case kindU8, kindU16, kindU32, kindU64:
		g.p("%s.PutU%d(%s, %s)", g.rt(), t.size*8, at, v)
	default:
		g.p("%s.PutU%d(%s, %s(%s))", g.rt(), t.size*8, at, goUint(t.size), v)
	}
}

// listAddress gives the address of the elements of list v, which are stored if Go's own layout will not do.
func (g *guestWriter) listAddress(t *typ, v string) string {
	switch {
	case t.isByteList():
		return fmt.Sprintf("c.Bytes(%s)", v)
	case t.elem.sameGo():
		return fmt.Sprintf("%s.Numbers(c, %s)", g.rt(), v)
	default:
		return fmt.Sprintf("%s(c, %s)", g.listLowerer(t), v)
	}
}

// listLowerer gives the function that stores the elements of a list and gives their address.
func (g *guestWriter) listLowerer(t *typ) string {
	return g.helper("lower", t, func(name string) {
		g.p("func %s(c *%s.Call, v []%s) uint32 {", name, g.rt(), g.goType(t.elem))
		g.p("list := c.Alloc(uint32(len(v)) * %d)", t.elem.size)
		g.p("p := list\nfor i := range v {")
		g.memLower(t.elem, "p", 0, "v[i]")
		g.p("p += %d\n}\nreturn list\n}\n", t.elem.size)
	})
}

// lowerer gives the function that stores a compound type: an option as it is, the others by pointer.
func (g *guestWriter) lowerer(t *typ) string {
	return g.helper("lower", t, func(name string) {
		star := "*"
		if t.kind == kindOption {
			star = ""
		}
		g.p("func %s(c *%s.Call, p uint32, v %s%s) {", name, g.rt(), star, g.goType(t))
		switch t.kind {
		case kindRecord, kindTuple:
			for i, off := range offsets(t.fields) {
				g.memLower(t.fields[i].typ, "p", off, "v."+fieldName(t, i))
			}
		default:
			off := t.payloadOffset()
			g.lowerCases(t, "v", caseWriter{
				disc:    func(s string) { g.p("%s.PutU%d(p, %s)", g.rt(), t.discSize()*8, s) },
				payload: func(t *typ, v string) { g.memLower(t, "p", off, v) },
			})
		}
		g.p("}\n")
	})
}

// flatLower gives the core values of v, an addressable t, after the statements that they need.
func (g *guestWriter) flatLower(t *typ, v string) []string {
	t = t.base()
	switch {
	case t.kind < kindString || t.kind == kindEnum:
		return []string{g.flatBits(t, v)}
	case t.isHandle():
		return []string{g.lowerHandle(t, v)}
	case t.kind == kindString:
		return []string{fmt.Sprintf("c.String(%s)", v), fmt.Sprintf("uint32(len(%s))", v)}
	case t.kind == kindList:
		return []string{g.listAddress(t, v), fmt.Sprintf("uint32(len(%s))", v)}
	case t.kind == kindFlags && flagWords(t) == 1:
		return []string{fmt.Sprintf("uint32(%s)", v)}
	case t.kind == kindFlags:
		var out []string
		for i := range flagWords(t) {
			out = append(out, flagWord(t, v, i))
		}
		return out
	case t.kind == kindRecord || t.kind == kindTuple:
		var out []string
		for i, f := range t.fields {
			out = append(out, g.flatLower(f.typ, v+"."+fieldName(t, i))...)
		}
		return out
	default:
		return g.flatLowerCases(t, v)
	}
}

// flatLowerCases gives the core values of an option, result or variant in variables.
func (g *guestWriter) flatLowerCases(t *typ, v string) []string {
	slots := make([]string, len(t.flat))
	for i, c := range t.flat {
		slots[i] = g.temp()
		g.p("var %s %s", slots[i], goCore[c])
	}
	g.lowerCases(t, v, caseWriter{
		disc: func(s string) {
			if s != "0" { // which the variable is
				g.p("%s = uint32(%s)", slots[0], s)
			}
		},
		payload: func(p *typ, v string) {
			for i, x := range g.flatLower(p, v) {
				g.p("%s = %s", slots[i+1], g.convert(p.flat[i], t.flat[i+1], x))
			}
		},
	})
	return slots
}

func (g *guestWriter) flatBits(t *typ, v string) string {
	switch t.kind {
	case kindBool:
		return fmt.Sprintf("%s.Bool(%s)", g.rt(), v)
	case kindF32, kindF64, kindU32, kindU64:
		return v
	case kindS64:
		return fmt.Sprintf("uint64(%s)", v)
	default:
		return fmt.Sprintf("uint32(%s)", v)
	}
}

// convert gives the expression of core type to with the bits of x, of core type from.
func (g *guestWriter) convert(from, to core, x string) string {
	switch {
	case from == to:
		return x
	case from == coreI32 && to == coreI64:
		return "uint64(" + x + ")"
	case from == coreI64 && to == coreI32:
		return "uint32(" + x + ")"
	case from == coreF32:
		x = g.std("math") + ".Float32bits(" + x + ")"
		return g.convert(coreI32, to, x)
	case from == coreF64:
		return g.std("math") + ".Float64bits(" + x + ")"
	case to == coreF32:
		return g.std("math") + ".Float32frombits(" + g.convert(from, coreI32, x) + ")"
	default:
		return g.std("math") + ".Float64frombits(" + x + ")"
	}
}

// flatLift gives the expression that lifts the t whose core values are in, after the statements that it needs.
func (g *guestWriter) flatLift(t *typ, in []string) string {
	t = t.base()
	switch {
	case t.kind < kindString:
		return g.flatScalar(t, in[0])
	case t.kind == kindString:
		return fmt.Sprintf("%s.String(%s, %s)", g.rt(), in[0], in[1])
	case t.kind == kindList && t.elem.sameGo():
		return fmt.Sprintf("%s.List[%s](%s, %s)", g.rt(), g.goType(t.elem), in[0], in[1])
	case t.kind == kindList:
		return fmt.Sprintf("%s(%s, %s)", g.listLifter(t), in[0], in[1])
	case t.isHandle():
		return g.liftHandle(t, in[0])
	case t.kind == kindEnum:
		return fmt.Sprintf("%s(%s)", g.goType(t), in[0])
	case t.kind == kindFlags && wideFlags(t):
		return fmt.Sprintf("%s{%s}", g.goType(t), strings.Join(in, ", "))
	case t.kind == kindFlags && len(in) == 2:
		return fmt.Sprintf("%s(%s) | %s(%s)<<32", g.goType(t), in[0], g.goType(t), in[1])
	case t.kind == kindFlags:
		return fmt.Sprintf("%s(%s)", g.goType(t), in[0])
	case t.kind == kindRecord || t.kind == kindTuple:
		var fields strings.Builder
		for i, f := range t.fields {
			fmt.Fprintf(&fields, "%s: %s,\n", fieldName(t, i), g.flatLift(f.typ, in[:len(f.typ.flat)]))
			in = in[len(f.typ.flat):]
		}
		return fmt.Sprintf("%s{\n%s}", g.goType(t), fields.String())
	default:
		v := g.temp()
		g.liftCases(t, v, in[0], func(p *typ) string {
			var conv []string
			for i, c := range p.flat {
				conv = append(conv, g.convert(t.flat[i+1], c, in[i+1]))
			}
			return g.flatLift(p, conv)
		})
		return v
	}
}

func (g *guestWriter) flatScalar(t *typ, x string) string {
	switch t.kind {
	case kindBool:
		return x + " != 0"
	case kindF32, kindF64, kindU32, kindU64:
		return x
	default:
		return fmt.Sprintf("%s(%s)", primitiveGo[t.kind], x)
	}
}
