package witgen

import (
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// text is the function's type as canon.Func.Text gives it.
func (f *function) text() string {
	params := make([]string, len(f.params))
	for i, p := range f.params {
		params[i] = p.name + ": " + p.typ.text()
	}
	s := "func(" + strings.Join(params, ", ") + ")"
	if f.result != nil {
		s += " -> " + f.result.text()
	}
	return s
}

// resourceName is the name of resource d in all of its interface's compatible versions.
func (d *def) resourceName() string { return abi.Track(d.iface.module) + "/" + d.name }

// text is the type as canon.Type writes it: structure, with names only for resources.
func (t *typ) text() string {
	switch t = t.base(); t.kind {
	case kindList:
		return "list<" + t.elem.text() + ">"
	case kindOption:
		return "option<" + t.elem.text() + ">"
	case kindOwn:
		return "own<" + t.resource().resourceName() + ">"
	case kindBorrow:
		return "borrow<" + t.resource().resourceName() + ">"
	case kindResource:
		return t.def.resourceName()
	case kindResult:
		return t.resultText()
	case kindTuple:
		return "tuple<" + joinFields(t.fields, func(f field) string { return f.typ.text() }) + ">"
	case kindRecord:
		return "record { " + joinFields(t.fields, func(f field) string { return f.name + ": " + f.typ.text() }) + " }"
	case kindVariant:
		return "variant { " + joinFields(t.cases, caseText) + " }"
	case kindEnum:
		return "enum { " + joinFields(t.cases, caseText) + " }"
	case kindFlags:
		return "flags { " + joinFields(t.cases, caseText) + " }"
	default:
		return primitiveNames[t.kind]
	}
}

func (t *typ) resultText() string {
	switch {
	case t.ok == nil && t.err == nil:
		return "result"
	case t.err == nil:
		return "result<" + t.ok.text() + ">"
	case t.ok == nil:
		return "result<_, " + t.err.text() + ">"
	default:
		return "result<" + t.ok.text() + ", " + t.err.text() + ">"
	}
}

func caseText(c field) string {
	if c.typ == nil {
		return c.name
	}
	return c.name + "(" + c.typ.text() + ")"
}

func joinFields(fields []field, text func(field) string) string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = text(f)
	}
	return strings.Join(out, ", ")
}

// text is all of an interface that its Go depends on.
func (i *iface) text() string {
	var s strings.Builder
	for _, d := range i.defs {
		s.WriteString(d.name + ": " + d.typ.text() + "\n")
	}
	for _, f := range i.funcs {
		s.WriteString(f.name + ": " + f.text() + "\n")
	}
	return s.String()
}
