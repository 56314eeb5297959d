package witgen

import (
	"fmt"
	"strings"
)

// kind classifies a WIT type.
type kind uint8

const (
	kindBool kind = iota
	kindS8
	kindU8
	kindS16
	kindU16
	kindS32
	kindU32
	kindS64
	kindU64
	kindF32
	kindF64
	kindChar
	kindString
	kindList
	kindRecord
	kindTuple
	kindVariant
	kindEnum
	kindFlags
	kindOption
	kindResult
	kindAlias
	// kindResource is a resource; values are its handles, kindOwn and kindBorrow.
	kindResource
	kindOwn
	kindBorrow
)

// core is a core WebAssembly type, named as abi names it.
type core string

const (
	coreI32 core = "I32"
	coreI64 core = "I64"
	coreF32 core = "F32"
	coreF64 core = "F64"
)

// The Canonical ABI's limits on core parameters and results; more of them go through memory.
const (
	maxFlatParams  = 16
	maxFlatResults = 1
)

// typ is a WIT type with its layout. Anonymous types have no def.
type typ struct {
	kind kind
	def  *def
	// elem is the element of a list or option, the target of an alias, and the resource of a handle.
	elem *typ
	// fields are a record's, or a tuple's without names.
	fields []field
	// cases are a variant's, an enum's (without types) or the labels of flags.
	cases []field
	// ok and err are a result's; nil where it has none.
	ok, err *typ

	size, align uint32
	flat        []core
}

// field is a field, case or label. Its type may be nil for cases.
type field struct {
	name, docs string
	typ        *typ
}

// def is a named type of an interface.
type def struct {
	name, docs string
	iface      *iface
	typ        *typ
	// isError tells that functions fail with it, so that its Go type is to be an error.
	isError bool
}

// funcKind tells what a function belongs to.
type funcKind uint8

const (
	funcPlain funcKind = iota
	// funcMethod has the resource as its first parameter.
	funcMethod
	funcStatic
	funcConstructor
)

// function is one function of an interface.
type function struct {
	// name is as in core modules, for example "get" or "[method]bucket.get".
	name, docs string
	iface      *iface
	params     []field
	result     *typ
	kind       funcKind
	// resource is whose method, static function or constructor it is.
	resource *def
}

// base is the function's name without its resource.
func (f *function) base() string {
	if f.kind == funcPlain {
		return f.name
	}
	_, name, _ := strings.Cut(f.name, ".")
	return name
}

// goName is the function's Go name among those of its interface, for a method among those of its resource.
func (f *function) goName() string {
	switch f.kind {
	case funcMethod:
		if name := pascal(f.base()); name != "Drop" {
			return name
		}
		return "Drop_"
	case funcStatic:
		return pascal(f.resource.name) + pascal(f.base())
	case funcConstructor:
		return "New" + pascal(f.resource.name)
	default:
		return pascal(f.name)
	}
}

// packageName is the function's Go name among all of its interface.
func (f *function) packageName() string {
	if f.kind == funcMethod {
		return pascal(f.resource.name) + pascal(f.base())
	}
	return f.goName()
}

// goParams are the parameters without a method's own resource.
func (f *function) goParams() []field {
	if f.kind == funcMethod {
		return f.params[1:]
	}
	return f.params
}

// iface is an interface, or what a world itself imports and exports.
type iface struct {
	pkg *witPackage
	// name is the interface's or world's name in kebab case.
	name string
	// module is the core import module, for example "mrt:state/store@0.1.0".
	module string
	docs   string
	defs   []*def
	funcs  []*function
	// world tells that the functions are the world's own: imported from $root and exported by their bare names.
	world bool
	// exports are the functions that a world itself exports; funcs are then those that it imports.
	exports []*function
}

// witPackage is a WIT package.
type witPackage struct {
	// namespace, name and version as in "mrt:state@0.1.0".
	namespace, name, version string
	docs                     string
	ifaces                   []*iface
	worlds                   []*world
}

// id is the package's full name.
func (p *witPackage) id() string {
	s := p.namespace + ":" + p.name
	if p.version != "" {
		s += "@" + p.version
	}
	return s
}

// world is a world with the interfaces on either side.
type world struct {
	pkg              *witPackage
	name, docs       string
	imports, exports []*iface
	// own holds the functions and types of the world itself; nil if it has none.
	own *iface
}

// resources are the resources that i defines.
func (i *iface) resources() []*def {
	var out []*def
	for _, d := range i.defs {
		if d.typ.kind == kindResource {
			out = append(out, d)
		}
	}
	return out
}

// methods are the methods of resource d.
func (i *iface) methods(d *def) []*function {
	return selectFuncs(i.funcs, func(f *function) bool { return f.kind == funcMethod && f.resource == d })
}

// functions are what belongs to no value: all but methods.
func (i *iface) functions() []*function {
	return selectFuncs(i.funcs, func(f *function) bool { return f.kind != funcMethod })
}

func selectFuncs(funcs []*function, want func(*function) bool) []*function {
	var out []*function
	for _, f := range funcs {
		if want(f) {
			out = append(out, f)
		}
	}
	return out
}

// base gives the type behind aliases.
func (t *typ) base() *typ {
	for t.kind == kindAlias {
		t = t.elem
	}
	return t
}

// resource is what a handle is of.
func (t *typ) resource() *def { return t.base().elem.base().def }

// isHandle tells whether t is own or borrow.
func (t *typ) isHandle() bool {
	k := t.base().kind
	return k == kindOwn || k == kindBorrow
}

// anyHandle tells whether t has a handle that is asked for, at any depth.
func (t *typ) anyHandle(is func(*typ) bool) bool {
	if t == nil {
		return false
	}
	t = t.base()
	if t.isHandle() {
		return is(t)
	}
	if t.ok.anyHandle(is) || t.err.anyHandle(is) || t.elem.anyHandle(is) {
		return true
	}
	for _, list := range [][]field{t.fields, t.cases} {
		for _, f := range list {
			if f.typ.anyHandle(is) {
				return true
			}
		}
	}
	return false
}

// isByteList tells whether t is list<u8>.
func (t *typ) isByteList() bool {
	t = t.base()
	return t.kind == kindList && t.elem.base().kind == kindU8
}

// sameGo tells whether a list of t has the same layout in a Go slice on every platform as in the Canonical ABI.
func (t *typ) sameGo() bool {
	k := t.base().kind
	return k >= kindS8 && k <= kindF64
}

// String is the type in WIT, for messages.
func (t *typ) String() string {
	if t.def != nil {
		return t.def.name
	}
	switch t.kind {
	case kindList:
		return "list<" + t.elem.String() + ">"
	case kindOption:
		return "option<" + t.elem.String() + ">"
	case kindTuple:
		names := make([]string, len(t.fields))
		for i, f := range t.fields {
			names[i] = f.typ.String()
		}
		return "tuple<" + strings.Join(names, ", ") + ">"
	case kindResult:
		return resultString(t)
	case kindOwn:
		return t.elem.String()
	case kindBorrow:
		return "borrow<" + t.elem.String() + ">"
	default:
		return primitiveNames[t.kind]
	}
}

func resultString(t *typ) string {
	switch {
	case t.ok == nil && t.err == nil:
		return "result"
	case t.err == nil:
		return "result<" + t.ok.String() + ">"
	case t.ok == nil:
		return "result<_, " + t.err.String() + ">"
	default:
		return "result<" + t.ok.String() + ", " + t.err.String() + ">"
	}
}

// primitiveNames are WIT's names of the kinds below kindList.
var primitiveNames = [...]string{
	"bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string",
}

// what names the type in the trap of a bad discriminant, for example "variant mrt:state/types@0.1.0.error".
func (t *typ) what() string {
	word := map[kind]string{kindVariant: "variant", kindEnum: "enum", kindFlags: "flags", kindRecord: "record"}[t.kind]
	if t.def == nil || word == "" {
		return t.String()
	}
	return fmt.Sprintf("%s %s.%s", word, t.def.iface.module, t.def.name)
}
