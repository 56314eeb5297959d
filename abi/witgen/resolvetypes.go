package witgen

import (
	"fmt"

	"go.bytecodealliance.org/wit"
)

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
	if owner.world && t.kind == kindResource && !isUse {
		return nil, fmt.Errorf("type %s: a resource of a world itself is not supported; define it in an interface", *td.Name)
	}
	if isUse || t.kind < kindRecord || t.kind == kindTuple || t.kind == kindOption || t.kind == kindResult ||
		t.kind == kindOwn || t.kind == kindBorrow {
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
	case *wit.Resource:
		t.kind = kindResource
	case *wit.Own:
		return r.handle(kindOwn, k.Type)
	case *wit.Borrow:
		return r.handle(kindBorrow, k.Type)
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
	case *wit.Enum, *wit.Flags:
		t.labels(k)
	default:
		err = primitive(t, k)
	}
	if err != nil {
		return nil, err
	}
	t.setLayout()
	return t, nil
}

// handle resolves a handle of a resource.
func (r *resolver) handle(k kind, of *wit.TypeDef) (*typ, error) {
	elem, err := r.typeDef(of)
	if err != nil {
		return nil, err
	}
	t := &typ{kind: k, elem: elem}
	t.setLayout()
	return t, nil
}

// labels makes t the enum or the flags k.
func (t *typ) labels(k wit.TypeDefKind) {
	switch k := k.(type) {
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
	}
}

// primitive makes t the primitive k, or says what is wrong with k.
func primitive(t *typ, k wit.TypeDefKind) error {
	what := ""
	switch k := k.(type) {
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
		"tuple, variant, enum, option, result, flags or an alias of these) or a resource", what)
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
