package link

import (
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// witWriter writes WIT with indentation.
type witWriter struct {
	strings.Builder
	indent int
	depth  int // of types in types
	// spent counts the types that have no name and the bytes of their texts, which are written over and over.
	spent int
	// used are the types of interfaces that a world uses, as "iface.{name}".
	used []string
}

func (p *witWriter) full() bool { return p.Len()+p.spent > maxWIT }

func (p *witWriter) line(s string) {
	if p.full() {
		return
	}
	if s != "" {
		p.WriteString(strings.Repeat("  ", p.indent))
	}
	p.WriteString(s + "\n")
}

func (p *witWriter) use(t string) {
	if !slices.Contains(p.used, t) {
		p.used = append(p.used, t)
	}
}

func (p *witWriter) open(s string) {
	p.line(s)
	p.indent++
}

func (p *witWriter) close() {
	p.indent--
	p.line("}")
}

// items writes what an interface has: what it uses of others, its types, its functions.
func (p *witWriter) items(iface string, in *instance) {
	first := !p.uses(iface, in)
	between := func() {
		if !first {
			p.line("")
		}
		first = false
	}
	for _, name := range in.names {
		if t, ok := in.items[name].v.(*typ); ok && t.origin(iface) == nil {
			between()
			p.typeItem(iface, name, t, in)
		}
	}
	for _, name := range in.names {
		switch v := in.items[name].v.(type) {
		case *function:
			if _, _, ok := member(name); !ok {
				between()
				p.line(plainName(name) + ": " + p.function(iface, v, false) + ";")
			}
		case *typ:
		default:
			between()
			p.line("// " + name + ": " + sortName(in.items[name].sort))
		}
	}
}

// uses writes the use lines of an interface.
func (p *witWriter) uses(iface string, in *instance) bool {
	var order []string
	names := map[string][]string{}
	for _, name := range in.names {
		t, ok := in.items[name].v.(*typ)
		if !ok {
			continue
		}
		from := t.origin(iface)
		if from == nil {
			continue
		}
		if names[from.iface] == nil {
			order = append(order, from.iface)
		}
		names[from.iface] = append(names[from.iface], renamed(from, name))
	}
	for _, from := range order {
		p.line("use " + relative(iface, from) + ".{" + strings.Join(names[from], ", ") + "};")
	}
	return len(order) > 0
}

func useOf(iface string, from *typ, name string) string {
	return relative(iface, from.iface) + ".{" + renamed(from, name) + "}"
}

func renamed(from *typ, name string) string {
	if from.name == name {
		return ident(name)
	}
	return ident(from.name) + " as " + ident(name)
}

// relative names an interface as another one does.
func relative(iface, other string) string {
	pkg, _, _ := splitInterface(iface)
	otherPkg, name, ok := splitInterface(other)
	if ok && pkg == otherPkg {
		return ident(name)
	}
	return other
}

// origin gives the type of another interface that t is; nil if it is one of iface itself.
func (t *typ) origin(iface string) *typ {
	var from *typ
	for e := t.eq; e != nil; e = e.eq {
		if e.name != "" && e.iface != "" {
			if e.iface == iface {
				return nil
			}
			if from == nil {
				from = e
			}
		}
	}
	return from
}

// typeItem writes the definition of a named type.
func (p *witWriter) typeItem(iface, name string, t *typ, in *instance) {
	for e := t.eq; e != nil; e = e.eq {
		if e.name != "" && e.iface == t.iface && e.iface != "" {
			p.line("type " + ident(name) + " = " + ident(e.name) + ";")
			return
		}
	}
	switch {
	case t.resource != nil:
		p.resource(iface, name, in)
	case t.def != nil && t.def.Value != nil:
		p.valueItem(iface, name, t)
	default:
		p.line("// " + name + ": a type that is no value's")
	}
}

// valueItem writes the definition of a value type.
func (p *witWriter) valueItem(iface, name string, t *typ) {
	v := t.def.Value
	keyword, ok := map[component.ValueKind]string{
		component.KindRecord: "record", component.KindVariant: "variant",
		component.KindFlags: "flags", component.KindEnum: "enum",
	}[v.Kind]
	if !ok {
		p.line("type " + ident(name) + " = " + p.value(iface, t.scope, v) + ";")
		return
	}
	p.open(keyword + " " + ident(name) + " {")
	for _, f := range v.Fields {
		p.line(p.field(iface, t.scope, v.Kind, f) + ",")
	}
	p.close()
}

// field writes a member of a record, variant, flags or enum.
func (p *witWriter) field(iface string, s *scope, k component.ValueKind, f component.Field) string {
	switch {
	case f.Type == nil:
		return ident(f.Name)
	case k == component.KindRecord:
		return ident(f.Name) + ": " + p.ref(iface, s, *f.Type)
	default:
		return ident(f.Name) + "(" + p.ref(iface, s, *f.Type) + ")"
	}
}

// resource writes a resource with its functions.
func (p *witWriter) resource(iface, name string, in *instance) {
	var functions []string
	for _, n := range in.names {
		f, isFunc := in.items[n].v.(*function)
		kind, of, ok := member(n)
		res, method, _ := strings.Cut(of, ".")
		if !ok || !isFunc || res != name {
			continue
		}
		text := p.function(iface, f, kind == "method")
		switch kind {
		case "constructor":
			params, result, _ := strings.Cut(strings.TrimPrefix(text, "func"), " -> ")
			if strings.HasPrefix(result, "result<") {
				params += " -> " + result
			}
			functions = append(functions, "constructor"+params+";")
		case "static":
			functions = append(functions, ident(method)+": static "+text+";")
		default:
			functions = append(functions, ident(method)+": "+text+";")
		}
	}
	if len(functions) == 0 {
		p.line("resource " + ident(name) + ";")
		return
	}
	p.open("resource " + ident(name) + " {")
	for _, f := range functions {
		p.line(f)
	}
	p.close()
}

// member splits the name of a resource's function, for example "[method]blob.get" into "method" and "blob.get".
func member(name string) (kind, of string, ok bool) {
	rest, ok := strings.CutPrefix(name, "[")
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, "]")
}

// function writes a function's type.
func (p *witWriter) function(iface string, f *function, method bool) string {
	t := f.typ
	if f.shown != nil {
		t = f.shown
	}
	if t.def == nil || t.def.Func == nil {
		return "func()"
	}
	def := t.def.Func
	params := def.Params
	if method && len(params) > 0 {
		params = params[1:]
	}
	var s strings.Builder
	if def.Async {
		s.WriteString("async ")
	}
	s.WriteString("func(")
	for i, f := range params {
		if i > 0 {
			s.WriteString(", ")
		}
		s.WriteString(ident(f.Name) + ": " + p.optional(iface, t.scope, f.Type))
	}
	s.WriteString(")")
	if def.Result != nil {
		s.WriteString(" -> " + p.ref(iface, t.scope, *def.Result))
	}
	return s.String()
}

func (p *witWriter) optional(iface string, s *scope, v *component.ValType) string {
	if v == nil {
		return "_"
	}
	return p.ref(iface, s, *v)
}

// ref writes a reference to a type.
func (p *witWriter) ref(iface string, s *scope, v component.ValType) string {
	if v.IsPrim {
		return primName(v.Prim)
	}
	t, err := lookup[*typ](s, component.SortType, v.Index)
	if err != nil {
		return "_"
	}
	if name, from := t.nameIn(iface); name != "" {
		if iface == "" && from != nil {
			p.use(useOf("", from, from.name))
		}
		return ident(name)
	}
	if t.def == nil || t.def.Value == nil {
		return "_"
	}
	return p.value(iface, t.scope, t.def.Value)
}

// nameIn gives the name that a type has in an interface, or in the one that it is from.
func (t *typ) nameIn(iface string) (name string, from *typ) {
	for e := t; e != nil; e = e.eq {
		switch {
		case e.name == "":
		case e.iface == iface:
			return e.name, nil
		case from == nil && e.iface != "":
			from = e
		case name == "":
			name = e.name
		}
	}
	if from != nil {
		return from.name, from
	}
	return name, nil
}
