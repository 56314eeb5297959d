package witgen

import (
	"fmt"
	"strings"

	"go.bytecodealliance.org/wit"
)

// resolver turns the parser's model into ours, once per node.
type resolver struct {
	set    *Set
	pkgs   map[*wit.Package]*witPackage
	ifaces map[*wit.Interface]*iface
	worlds map[*wit.World]*iface
	types  map[*wit.TypeDef]*typ
}

func newResolver() *resolver {
	return &resolver{
		set:    &Set{},
		pkgs:   map[*wit.Package]*witPackage{},
		ifaces: map[*wit.Interface]*iface{},
		worlds: map[*wit.World]*iface{},
		types:  map[*wit.TypeDef]*typ{},
	}
}

// resolve builds the Set of everything in res. It fails on the first type or function that is not supported.
func (r *resolver) resolve(res *wit.Resolve) (*Set, error) {
	for _, p := range res.Packages {
		r.addPackage(p)
	}
	for _, i := range res.Interfaces {
		if i.Name == nil {
			continue // an interface written inside of a world: named there
		}
		if err := r.fillInterface(i); err != nil {
			return nil, err
		}
	}
	for _, w := range res.Worlds {
		if err := r.addWorld(w); err != nil {
			return nil, err
		}
	}
	r.set.markErrors()
	return r.set, nil
}

func (r *resolver) addPackage(p *wit.Package) {
	out := &witPackage{namespace: p.Name.Namespace, name: p.Name.Package, docs: p.Docs.Contents}
	if p.Name.Version != nil {
		out.version = p.Name.Version.String()
	}
	r.pkgs[p] = out
	r.set.pkgs = append(r.set.pkgs, out)
	for name, i := range p.Interfaces.All() {
		r.addInterface(i, out, name)
	}
}

func (r *resolver) addInterface(i *wit.Interface, pkg *witPackage, name string) *iface {
	out := &iface{pkg: pkg, name: name, module: pkg.moduleOf(name), docs: i.Docs.Contents}
	r.ifaces[i] = out
	pkg.ifaces = append(pkg.ifaces, out)
	return out
}

// moduleOf is the core module name of an interface of p.
func (p *witPackage) moduleOf(name string) string {
	s := p.namespace + ":" + p.name + "/" + name
	if p.version != "" {
		s += "@" + p.version
	}
	return s
}

// fillInterface resolves the types and functions of an interface that was added.
func (r *resolver) fillInterface(i *wit.Interface) error {
	out := r.ifaces[i]
	for _, t := range i.TypeDefs.All() {
		if _, err := r.typeDef(t); err != nil {
			return err
		}
	}
	for _, f := range i.Functions.All() {
		fn, err := r.function(f, out)
		if err != nil {
			return err
		}
		out.funcs = append(out.funcs, fn)
	}
	return nil
}

func (r *resolver) addWorld(w *wit.World) error {
	pkg := r.pkgs[w.Package]
	own := &iface{pkg: pkg, name: w.Name, module: "$root", docs: w.Docs.Contents, world: true}
	r.worlds[w] = own
	out := &world{pkg: pkg, name: w.Name, docs: w.Docs.Contents}
	for name, item := range w.Imports.All() {
		i, err := r.worldItem(name, item, own, &own.funcs)
		if err != nil {
			return err
		}
		out.imports = appendNotNil(out.imports, i)
	}
	for name, item := range w.Exports.All() {
		i, err := r.worldItem(name, item, own, &own.exports)
		if err != nil {
			return err
		}
		out.exports = appendNotNil(out.exports, i)
	}
	if len(own.funcs)+len(own.exports)+len(own.defs) > 0 {
		out.own = own
	}
	pkg.worlds = append(pkg.worlds, out)
	return nil
}

func appendNotNil(s []*iface, i *iface) []*iface {
	if i == nil {
		return s
	}
	return append(s, i)
}

// worldItem gives the interface of a world's import or export, or adds a function or type to the world's own.
func (r *resolver) worldItem(name string, item wit.WorldItem, own *iface, funcs *[]*function) (*iface, error) {
	switch item := item.(type) {
	case *wit.InterfaceRef:
		if item.Interface.Name == nil && r.ifaces[item.Interface] == nil {
			i := &iface{pkg: own.pkg, name: name, module: name, docs: item.Interface.Docs.Contents}
			r.ifaces[item.Interface] = i
			own.pkg.ifaces = append(own.pkg.ifaces, i)
			return i, r.fillInterface(item.Interface)
		}
		return r.ifaces[item.Interface], nil
	case *wit.Function:
		fn, err := r.function(item, own)
		if err == nil {
			*funcs = append(*funcs, fn)
		}
		return nil, err
	case *wit.TypeDef:
		_, err := r.typeDef(item)
		return nil, err
	default:
		return nil, fmt.Errorf("world %s: expected an interface, a function or a type named %q, found %T", own.name, name, item)
	}
}

func (r *resolver) function(f *wit.Function, owner *iface) (*function, error) {
	where := owner.module + "#" + f.Name
	if !f.IsFreestanding() || strings.HasPrefix(f.Name, "[") {
		return nil, fmt.Errorf("%s: a method, constructor, static or async function is not supported; "+
			"expected a plain function of value types", where)
	}
	if len(f.Results) > 1 {
		return nil, fmt.Errorf("%s: several named results are not supported; return a record or a tuple", where)
	}
	out := &function{name: f.Name, docs: f.Docs.Contents, iface: owner}
	for _, p := range f.Params {
		t, err := r.typ(p.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: parameter %s: %w", where, p.Name, err)
		}
		out.params = append(out.params, field{name: p.Name, typ: t})
	}
	if len(f.Results) == 1 {
		t, err := r.typ(f.Results[0].Type)
		if err != nil {
			return nil, fmt.Errorf("%s: result: %w", where, err)
		}
		out.result = t
	}
	return out, nil
}

// primitiveKinds are the types without parts.
var primitiveKinds = map[string]kind{
	"bool": kindBool, "s8": kindS8, "u8": kindU8, "s16": kindS16, "u16": kindU16, "s32": kindS32, "u32": kindU32,
	"s64": kindS64, "u64": kindU64, "f32": kindF32, "f64": kindF64, "char": kindChar, "string": kindString,
}

// typ resolves a use of a type.
func (r *resolver) typ(t wit.Type) (*typ, error) {
	if td, ok := t.(*wit.TypeDef); ok {
		return r.typeDef(td)
	}
	return r.kindType(t)
}

// typeDef resolves a definition, which is anonymous for list<u8> and the like.
func (r *resolver) typeDef(td *wit.TypeDef) (*typ, error) {
	if t := r.types[td]; t != nil {
		return t, nil
	}
	t, err := r.kindType(td.Kind)
	if err != nil {
		if td.Name != nil {
			err = fmt.Errorf("type %s: %w", *td.Name, err)
		}
		return nil, err
	}
	if td.Name != nil {
		t, err = r.named(td, t)
		if err != nil {
			return nil, err
		}
	}
	r.types[td] = t
	return t, nil
}

// named gives t its definition; what is no record, variant, enum or flags becomes an alias.
func (r *resolver) named(td *wit.TypeDef, t *typ) (*typ, error) {
	var owner *iface
	switch o := td.Owner.(type) {
	case *wit.Interface:
		owner = r.ifaces[o]
	case *wit.World:
		owner = r.worlds[o]
	}
	if owner == nil {
		return nil, fmt.Errorf("type %s: expected it to belong to an interface or a world", *td.Name)
	}
	_, isUse := td.Kind.(*wit.TypeDef)
	if isUse || t.kind < kindRecord || t.kind == kindTuple || t.kind == kindOption || t.kind == kindResult {
		t = &typ{kind: kindAlias, elem: t}
		t.setLayout()
	}
	d := &def{name: *td.Name, docs: td.Docs.Contents, iface: owner, typ: t}
	t.def = d
	owner.defs = append(owner.defs, d)
	return t, nil
}

// kindType resolves what a definition or a use is made of.
func (r *resolver) kindType(k wit.TypeDefKind) (*typ, error) {
	t := &typ{}
	var err error
	switch k := k.(type) {
	case *wit.TypeDef:
		return r.typeDef(k)
	case *wit.List:
		t.kind = kindList
		t.elem, err = r.typ(k.Type)
	case *wit.Option:
		t.kind = kindOption
		t.elem, err = r.typ(k.Type)
	case *wit.Result:
		t.kind = kindResult
		t.ok, t.err, err = r.optional(k.OK, k.Err)
	case *wit.Record:
		t.kind = kindRecord
		err = r.fields(t, k)
	case *wit.Tuple:
		t.kind = kindTuple
		err = r.tuple(t, k)
	case *wit.Variant:
		t.kind = kindVariant
		err = r.variant(t, k)
	case *wit.Enum:
		t.kind = kindEnum
		for _, c := range k.Cases {
			t.cases = append(t.cases, field{name: c.Name, docs: c.Docs.Contents})
		}
	case *wit.Flags:
		t.kind = kindFlags
		for _, c := range k.Flags {
			t.cases = append(t.cases, field{name: c.Name, docs: c.Docs.Contents})
		}
	default:
		err = primitive(t, k)
	}
	if err != nil {
		return nil, err
	}
	t.setLayout()
	return t, nil
}

// primitive makes t the primitive k, or says what is wrong with k.
func primitive(t *typ, k wit.TypeDefKind) error {
	what := ""
	switch k := k.(type) {
	case *wit.Resource:
		what = "a resource"
	case *wit.Own, *wit.Borrow:
		what = "a handle of a resource"
	case *wit.Stream:
		what = "a stream"
	case *wit.Future:
		what = "a future"
	case wit.ErrorContext:
		what = "an error-context"
	case wit.Type:
		if p, ok := primitiveKinds[k.WIT(nil, "")]; ok {
			t.kind = p
			return nil
		}
	}
	if what == "" {
		what = fmt.Sprintf("a type of the parser's kind %T", k)
	}
	return fmt.Errorf("%s is not supported; expected a value type (bool, integers, floats, char, string, list, record, "+
		"tuple, variant, enum, option, result, flags or an alias of these)", what)
}

func (r *resolver) optional(a, b wit.Type) (x, y *typ, err error) {
	if a != nil {
		if x, err = r.typ(a); err != nil {
			return nil, nil, err
		}
	}
	if b != nil {
		y, err = r.typ(b)
	}
	return x, y, err
}

func (r *resolver) fields(t *typ, rec *wit.Record) error {
	for _, f := range rec.Fields {
		ft, err := r.typ(f.Type)
		if err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
		t.fields = append(t.fields, field{name: f.Name, docs: f.Docs.Contents, typ: ft})
	}
	return nil
}

func (r *resolver) tuple(t *typ, tup *wit.Tuple) error {
	for i, e := range tup.Types {
		ft, err := r.typ(e)
		if err != nil {
			return fmt.Errorf("tuple field %d: %w", i, err)
		}
		t.fields = append(t.fields, field{typ: ft})
	}
	return nil
}

func (r *resolver) variant(t *typ, v *wit.Variant) error {
	for _, c := range v.Cases {
		var ct *typ
		if c.Type != nil {
			var err error
			if ct, err = r.typ(c.Type); err != nil {
				return fmt.Errorf("case %s: %w", c.Name, err)
			}
		}
		t.cases = append(t.cases, field{name: c.Name, docs: c.Docs.Contents, typ: ct})
	}
	return nil
}
