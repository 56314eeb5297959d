package witgen

import (
	"fmt"
	"strings"
)

// types writes the Go types of the unit.
func (e *emitter) types() {
	for _, d := range e.plan.defs(e.unit) {
		switch d.typ.kind {
		case kindRecord:
			e.record(d)
		case kindVariant:
			e.variant(d)
		case kindEnum:
			e.enum(d)
		case kindFlags:
			e.flags(d)
		case kindResource:
			e.writeResource(d)
		default:
			e.alias(d)
		}
	}
}

func (e *emitter) alias(d *def) {
	name := e.defName(d)
	docs := d.docs
	if docs == "" && d.typ.elem.def != nil {
		docs = d.typ.elem.def.docs
	}
	e.doc(docs, fmt.Sprintf("%s is %s.", name, d.typ.elem))
	e.p("type %s = %s\n", name, e.goType(d.typ.elem))
}

func (e *emitter) record(d *def) {
	name := e.defName(d)
	e.doc(d.docs, name+" is the record "+d.name+".")
	e.p("type %s struct {", name)
	for i, f := range d.typ.fields {
		e.doc(f.docs, "")
		e.p("%s %s", fieldName(d.typ, i), e.goType(f.typ))
	}
	e.p("}\n")
	if d.typ.errorType() {
		e.p("// Error gives the record as text.")
		e.p("func (e *%s) Error() string { return %s }\n", name, e.recordText(d))
	}
}

// recordText is the text of a record that is an error: its name and its first string.
func (e *emitter) recordText(d *def) string {
	for i, f := range d.typ.fields {
		if f.typ.base().kind == kindString {
			return fmt.Sprintf("%q + e.%s", d.name+": ", fieldName(d.typ, i))
		}
	}
	return fmt.Sprintf("%q", d.name)
}

// goUint is the Go type that n discriminants fit into.
func goUint(size uint32) string { return fmt.Sprintf("uint%d", size*8) }

func (e *emitter) enum(d *def) {
	name := e.defName(d)
	e.doc(d.docs, name+" is the enum "+d.name+".")
	e.p("type %s %s\n", name, goUint(d.typ.discSize()))
	e.constants(d, name, name)
	if d.typ.errorType() {
		e.p("// Error gives the case's name in WIT.")
		e.p("func (v *%s) Error() string { return v.String() }\n", name)
	}
}

// constants writes the constants of an enum or of a variant's tag, and their String.
func (e *emitter) constants(d *def, of, typeName string) {
	e.p("// The cases of %s.", of)
	e.p("const (")
	for i, c := range d.typ.cases {
		e.doc(c.docs, "")
		if i == 0 {
			e.p("%s %s = iota", e.caseName(d, i), typeName)
		} else {
			e.p("%s", e.caseName(d, i))
		}
	}
	e.p(")\n")
	e.p("// String gives the case's name in WIT.")
	e.p("func (v %s) String() string {", typeName)
	e.p("switch v {")
	for i, c := range d.typ.cases {
		e.p("case %s:\nreturn %q", e.caseName(d, i), c.name)
	}
	e.p("default:\nreturn %q + %s.Itoa(int(v)) + \")\"\n}\n}\n", d.name+"(", e.std("strconv"))
}

func (e *emitter) variant(d *def) {
	name, tag := e.defName(d), e.tagName(d)
	e.doc(d.docs, name+" is the variant "+d.name+".")
	e.p("type %s struct {", name)
	e.p("// Tag is the case.")
	e.p("Tag %s", tag)
	if d.typ.samePayload() {
		e.sameField(d)
	} else {
		for i, c := range d.typ.cases {
			if c.typ != nil {
				e.p("// %s is what the case %s carries.", payloadName(d.typ, i), c.name)
				e.p("%s %s", payloadName(d.typ, i), e.goType(c.typ))
			}
		}
	}
	e.p("}\n")
	e.p("// %s tells the cases of %s apart.", tag, name)
	e.p("type %s %s\n", tag, goUint(d.typ.discSize()))
	e.constants(d, name, tag)
	if d.typ.errorType() {
		e.variantError(d, name)
	}
}

// sameField writes the one field of a variant whose payloads have one type.
func (e *emitter) sameField(d *def) {
	var with []string
	var t *typ
	for _, c := range d.typ.cases {
		if c.typ != nil {
			with = append(with, c.name)
			t = c.typ
		}
	}
	if len(with) == len(d.typ.cases) {
		e.p("// Value is what the case carries.")
	} else {
		e.p("// Value is what the case carries: %s.", strings.Join(with, ", "))
	}
	e.p("Value %s", e.goType(t))
}

// variantError writes the Error method: the case's name and its payload if that is a text or an integer.
func (e *emitter) variantError(d *def, name string) {
	e.p("// Error gives the case's name in WIT and what it carries.")
	e.p("func (e *%s) Error() string {", name)
	e.p("switch e.Tag {")
	texts, order := map[string][]string{}, []string{}
	for i, c := range d.typ.cases {
		text := e.payloadText(c.typ, "e."+payloadName(d.typ, i))
		if text == "" {
			continue
		}
		if texts[text] == nil {
			order = append(order, text)
		}
		texts[text] = append(texts[text], e.caseName(d, i))
	}
	for _, text := range order {
		e.p("case %s:\nreturn e.Tag.String() + \": \" + %s", strings.Join(texts[text], ", "), text)
	}
	e.p("default:\nreturn e.Tag.String()\n}\n}\n")
}

func (e *emitter) payloadText(t *typ, v string) string {
	if t == nil {
		return ""
	}
	switch t = t.base(); t.kind {
	case kindString:
		return v
	case kindU8, kindU16, kindU32, kindU64:
		return fmt.Sprintf("%s.FormatUint(uint64(%s), 10)", e.std("strconv"), v)
	case kindS8, kindS16, kindS32, kindS64:
		return fmt.Sprintf("%s.FormatInt(int64(%s), 10)", e.std("strconv"), v)
	case kindEnum:
		return v + ".String()"
	default:
		return ""
	}
}

// flagWords is how many u32 hold the flags t.
func flagWords(t *typ) int { return (len(t.cases) + 31) / 32 }

// wideFlags tells whether t is an array of words instead of an integer.
func wideFlags(t *typ) bool { return len(t.cases) > 64 }

func (e *emitter) flags(d *def) {
	name := e.defName(d)
	if wideFlags(d.typ) {
		e.wideFlagsType(d, name)
		return
	}
	e.doc(d.docs, name+" is the flags "+d.name+".")
	size := d.typ.size
	e.p("type %s %s\n", name, goUint(size))
	e.p("// The flags of %s.", name)
	e.p("const (")
	for i, c := range d.typ.cases {
		e.doc(c.docs, "")
		if i == 0 {
			e.p("%s %s = 1 << iota", e.caseName(d, i), name)
		} else {
			e.p("%s", e.caseName(d, i))
		}
	}
	e.p(")\n")
	e.p("// Has tells whether all flags of f are set.")
	e.p("func (v %s) Has(f %s) bool { return v&f == f }\n", name, name)
}

// wideFlagsType writes flags of more than 64 labels.
func (e *emitter) wideFlagsType(d *def, name string) {
	index := e.unit.unique(name + "Flag")
	e.doc(d.docs, name+" is the flags "+d.name+".")
	e.p("type %s [%d]uint32\n", name, flagWords(d.typ))
	e.p("// %s is the number of a flag of %s.", index, name)
	e.p("type %s uint\n", index)
	e.p("// The flags of %s.", name)
	e.p("const (")
	for i, c := range d.typ.cases {
		e.doc(c.docs, "")
		if i == 0 {
			e.p("%s %s = iota", e.caseName(d, i), index)
		} else {
			e.p("%s", e.caseName(d, i))
		}
	}
	e.p(")\n")
	e.p("// Has tells whether f is set.")
	e.p("func (v *%s) Has(f %s) bool { return v[f/32]&(1<<(f%%32)) != 0 }\n", name, index)
	e.p("// Set sets f.")
	e.p("func (v *%s) Set(f %s) { v[f/32] |= 1 << (f %% 32) }\n", name, index)
}
