package witgen

import (
	"strconv"
	"strings"
)

// key is the same for types with one Go type, except for aliases.
func (t *typ) key() string {
	if t == nil {
		return "_"
	}
	t = t.base()
	switch {
	case t.def != nil:
		return t.def.iface.module + "." + t.def.name
	case t.kind == kindList || t.kind == kindOption || t.isHandle():
		return strconv.Itoa(int(t.kind)) + "<" + t.elem.key() + ">"
	case t.kind == kindResult:
		return "result<" + t.ok.key() + "," + t.err.key() + ">"
	case t.kind == kindTuple:
		keys := make([]string, len(t.fields))
		for i, f := range t.fields {
			keys[i] = f.typ.key()
		}
		return "tuple<" + strings.Join(keys, ",") + ">"
	default:
		return t.String()
	}
}

// mangle makes a part of a helper's name of t.
func (e *emitter) mangle(t *typ) string {
	if t == nil {
		return "None"
	}
	t = t.base()
	switch {
	case t.def != nil:
		name := e.defName(t.def)
		if pkg, bare, ok := strings.Cut(name, "."); ok && pkg != "types" {
			return capital(pkg) + bare
		} else if ok {
			return bare
		}
		return name
	case t.kind == kindList:
		return "List" + e.mangle(t.elem)
	case t.kind == kindOption:
		return "Option" + e.mangle(t.elem)
	case t.kind == kindOwn:
		return "Own" + e.mangle(t.elem)
	case t.kind == kindBorrow:
		return "Borrow" + e.mangle(t.elem)
	case t.kind == kindResult:
		return "Result" + e.mangle(t.ok) + e.mangle(t.err)
	case t.kind == kindTuple:
		names := make([]string, len(t.fields))
		for i, f := range t.fields {
			names[i] = e.mangle(f.typ)
		}
		return "Tuple" + strings.Join(names, "")
	default:
		return pascal(t.String())
	}
}
