package component

import (
	"fmt"
	"strings"
)

// typeDef gives the type that a definition makes.
func (v *validator) typeDef(s *scope, d *TypeDef) (anyType, error) {
	switch {
	case d.Value != nil:
		b, err := v.value(s, d.Value)
		return &vType{vBody: b}, err
	case d.Func != nil:
		return v.funcType(s, d.Func)
	case d.Component != nil:
		return v.componentType(s, d.Component)
	case d.Instance != nil:
		return v.instanceType(s, d.Instance)
	case d.Resource != nil:
		return v.resourceType(s, d.Resource)
	default:
		return nil, invalid("a type", "an empty definition")
	}
}

// resolve gives a value type.
func (v *validator) resolve(s *scope, t ValType) (*vType, error) {
	if t.IsPrim {
		return v.primitives[t.Prim], nil
	}
	any, err := s.typeAt(t.Index)
	if err != nil {
		return nil, err
	}
	value, ok := any.(*vType)
	if !ok {
		return nil, invalid("a value type", "%s at type index %d", describe(any), t.Index)
	}
	return value, nil
}

func (v *validator) optional(s *scope, t *ValType) (*vType, error) {
	if t == nil {
		return nil, nil
	}
	return v.resolve(s, *t)
}

// value gives the structure of a value type.
func (v *validator) value(s *scope, t *ValueType) (*vBody, error) {
	if t.Kind <= KindErrorContext {
		return v.primitives[t.Kind].vBody, nil
	}
	b := &vBody{kind: t.Kind, length: t.Length}
	if err := v.parts(s, t, b); err != nil {
		return nil, err
	}
	if err := b.check(); err != nil {
		return nil, err
	}
	b.facts.depth++
	b.nodes += 1 + len(b.fields)
	if err := checkSize(b.facts, b.nodes); err != nil {
		return nil, err
	}
	if b.layout(); b.size > MaxElemSize {
		return nil, invalid(fmt.Sprintf("a type whose values take at most %d bytes", MaxElemSize), "%d", b.size)
	}
	return b, nil
}

// parts sets what a value type is made of.
func (v *validator) parts(s *scope, t *ValueType, b *vBody) (err error) {
	if b.fields, err = v.fields(s, t.Fields); err != nil {
		return err
	}
	if b.elem, err = v.optional(s, t.Elem); err != nil {
		return err
	}
	if b.err, err = v.optional(s, t.Err); err != nil {
		return err
	}
	for _, f := range b.fields {
		b.include(f.t)
	}
	b.include(b.elem)
	b.include(b.err)
	if t.Kind == KindOwn || t.Kind == KindBorrow {
		if b.resource, err = s.resourceAt(t.Resource); err != nil {
			return err
		}
		b.facts.add(b.resource.facts())
		b.borrows = t.Kind == KindBorrow
	}
	return nil
}

// include takes over what a part says of the whole.
func (b *vBody) include(t *vType) {
	if t != nil {
		b.facts.add(t.facts())
		b.nodes += t.nodes
		b.borrows = b.borrows || t.borrows
		b.pointers = b.pointers || t.pointers
	}
}

// fields resolves types; their names stay as they are.
func (v *validator) fields(s *scope, from []Field) ([]vField, error) {
	if len(from) == 0 {
		return nil, nil
	}
	out := make([]vField, len(from))
	for i, f := range from {
		t, err := v.optional(s, f.Type)
		if err != nil {
			return nil, within(fmt.Sprintf("field, case or parameter %d %.60q", i, f.Name), err)
		}
		out[i] = vField{name: f.Name, t: t}
	}
	return out, nil
}

// check checks what the kind demands of the parts.
func (b *vBody) check() error {
	switch b.kind {
	case KindRecord, KindVariant, KindEnum, KindFlags:
		if len(b.fields) == 0 {
			return invalid(fmt.Sprintf("a %s with at least one label", b.kind), "none")
		}
		if b.kind == KindFlags && len(b.fields) > MaxFlags {
			return invalid(fmt.Sprintf("at most %d flags", MaxFlags), "%d", len(b.fields))
		}
		return checkLabels(b.fields)
	case KindTuple:
		if len(b.fields) == 0 {
			return invalid("a tuple of at least one type", "none")
		}
	case KindFixedList:
		if b.length == 0 {
			return invalid("a fixed-length list of at least one element", "none")
		}
	case KindStream, KindFuture:
		if b.borrows {
			return invalid(fmt.Sprintf("a %s of values without borrow", b.kind), "a borrow in it")
		}
		if b.kind == KindStream && b.elem != nil && b.elem.kind == KindChar {
			return invalid("a stream of anything but char", "stream<char>")
		}
	case KindMap:
		if k := b.elem.kind; k > KindString || k == KindF32 || k == KindF64 {
			return invalid("a map whose key is bool, an integer, char or string", "%s", k)
		}
	default:
	}
	return nil
}

// checkLabels checks that names are labels and strongly unique.
func checkLabels(fields []vField) error {
	seen := make(map[string]string, len(fields))
	for _, f := range fields {
		if !isLabel(f.name) {
			return badName(wantLabel, f.name)
		}
		key := strings.ToLower(f.name)
		if other, again := seen[key]; again {
			return invalid("labels that differ in more than case", "%.100q and %.100q", other, f.name)
		}
		seen[key] = f.name
	}
	return nil
}

func (v *validator) funcType(s *scope, t *FuncType) (*fnType, error) {
	params, err := v.fields(s, t.Params)
	if err != nil {
		return nil, err
	}
	if err := checkLabels(params); err != nil {
		return nil, within("parameters", err)
	}
	result, err := v.optional(s, t.Result)
	if err != nil {
		return nil, within("the result", err)
	}
	fn := &fnType{async: t.Async, params: params, result: result}
	nodes := 0
	for _, p := range params {
		fn.known.add(p.t.facts())
		nodes += p.t.nodes
	}
	if result != nil {
		if result.borrows {
			return nil, invalid("a result without borrow", "a borrow in it")
		}
		fn.known.add(result.facts())
		nodes += result.nodes
	}
	fn.known.depth++
	return fn, checkSize(fn.known, nodes)
}

func (v *validator) componentType(s *scope, t *ComponentType) (*compType, error) {
	in, err := v.decls(inComponentType, s, t.Decls)
	if err != nil {
		return nil, err
	}
	return v.finish(in)
}

func (v *validator) instanceType(s *scope, t *InstanceType) (*instType, error) {
	in, err := v.decls(inInstanceType, s, t.Decls)
	if err != nil {
		return nil, err
	}
	out := &instType{exports: in.exports.externs, defined: in.defined}
	out.known = out.exports.facts()
	return out, checkDepth(out.known)
}

// decls validates the declarations of a component or instance type.
func (v *validator) decls(kind scopeKind, outer *scope, decls []Def) (*scope, error) {
	s, err := newScope(kind, outer)
	if err != nil {
		return nil, err
	}
	for i, d := range decls {
		if err := declarable(d); err != nil {
			return nil, within(fmt.Sprintf("declaration %d", i), err)
		}
		if err := v.def(s, d); err != nil {
			return nil, within(fmt.Sprintf("declaration %d, %s", i, defName(d)), err)
		}
	}
	return s, nil
}

// declarable checks that a definition may be in a component or instance type.
func declarable(d Def) error {
	switch d := d.(type) {
	case *CoreTypeDef, *ImportDef, *ExportDecl:
		return nil
	case *TypeDef:
		if d.Resource != nil {
			return invalid("resource types defined in components only", "one in a type")
		}
		return nil
	case *AliasDef:
		ok := d.Kind == AliasExport && (d.Sort == SortInstance || d.Sort == SortType) ||
			d.Kind == AliasOuter && (d.Sort == SortCoreType || d.Sort == SortType)
		if !ok {
			return invalid("in a type, an alias of an exported type or instance, or of an outer type or core type", "one of a %s", d.Sort)
		}
		return nil
	default:
		return invalid("a type, alias, import or export in a type", "%T", d)
	}
}

func (v *validator) resourceType(s *scope, t *ResourceType) (*resource, error) {
	if t.Rep != coreI32 {
		return nil, invalid("a resource whose representation is i32", "%s", t.Rep)
	}
	if t.HasDtor {
		f, err := s.coreFuncAt(int64(t.Dtor))
		if err != nil {
			return nil, within("destructor", err)
		}
		want := &CoreFuncType{Params: []CoreValType{coreI32}}
		if !f.equal(want) {
			return nil, within("destructor", invalid(want.String(), "%s", f))
		}
	}
	r := &resource{id: &resourceID{}}
	s.defined = append(s.defined, r.id)
	s.local[r.id] = struct{}{}
	return r, nil
}
