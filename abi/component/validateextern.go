package component

import "fmt"

// declared gives what the type of an import or export says, and the resource types that it introduces.
func (v *validator) declared(s *scope, t ExternType) (entity, []*resourceID, error) {
	e := entity{sort: t.Sort}
	switch t.Sort {
	case SortCoreModule:
		ct, err := at(s.coreTypes, t.Index, SortCoreType)
		if err != nil {
			return e, nil, err
		}
		if ct.Module == nil {
			return e, nil, invalid("a core module type", "a core function type at core type index %d", t.Index)
		}
		e.t, err = typed(v.module(ct.Module))
		return e, nil, err
	case SortType:
		if !t.Eq {
			r := &resource{id: &resourceID{}}
			e.t = r
			return e, []*resourceID{r.id}, nil
		}
		any, err := s.typeAt(t.Index)
		if err != nil {
			return e, nil, err
		}
		e.t = renamed(any)
		return e, nil, nil
	case SortValue:
		return e, nil, errValues()
	default:
		return v.declaredIndex(s, t)
	}
}

// declaredIndex is declared for those whose type is a type index.
func (v *validator) declaredIndex(s *scope, t ExternType) (entity, []*resourceID, error) {
	e := entity{sort: t.Sort}
	any, err := s.typeAt(t.Index)
	if err != nil {
		return e, nil, err
	}
	ok := false
	var fresh []*resourceID
	switch t.Sort {
	case SortFunc:
		e.t, ok = any.(*fnType)
	case SortComponent:
		e.t, ok = any.(*compType)
	case SortInstance:
		var in *instType
		if in, ok = any.(*instType); ok {
			e.t, fresh, err = typedOpen(v.open(in))
		}
	default:
	}
	if !ok {
		return e, nil, invalid(fmt.Sprintf("a %s type", t.Sort), "%s at type index %d", describe(any), t.Index)
	}
	return e, fresh, err
}

func typedOpen(t *instType, fresh []*resourceID, err error) (anyType, []*resourceID, error) {
	return t, fresh, err
}

// renamed gives a type another name: importing and exporting does that.
func renamed(t anyType) anyType {
	switch t := t.(type) {
	case *vType:
		return &vType{vBody: t.vBody}
	case *resource:
		return &resource{id: t.id}
	default:
		return t
	}
}

func (v *validator) importDef(s *scope, d *ImportDef) error {
	if s.kind == inInstanceType {
		return invalid("no import in an instance type", "one")
	}
	e, fresh, err := v.declared(s, d.Type)
	if err != nil {
		return err
	}
	s.imported = append(s.imported, fresh...)
	if err := s.imports.name(d.Name, e, true); err != nil {
		return err
	}
	// What is imported may be used in exports too.
	if err := v.expose(e, &s.imports.names, &s.exports.names); err != nil {
		return err
	}
	s.imports.add(d.Name.Name, e)
	s.add(e)
	return nil
}

func (v *validator) exportDecl(s *scope, d *ExportDecl) error {
	e, fresh, err := v.declared(s, d.Type)
	if err != nil {
		return err
	}
	s.defined = append(s.defined, fresh...)
	return v.export(s, d.Name, e)
}

func (v *validator) exportDef(s *scope, d *ExportDef) error {
	e, err := s.entityAt(d.Ref)
	if err != nil {
		return err
	}
	if d.Type == nil {
		if e.sort == SortType {
			e.t = renamed(e.t)
		}
		return v.export(s, d.Name, e)
	}
	want, err := v.ascribed(s, e, *d.Type)
	if err != nil {
		return within("the type that is given to it", err)
	}
	return v.export(s, d.Name, want)
}

// ascribed gives what e is when it is exported with a type of the component's choice.
func (v *validator) ascribed(s *scope, e entity, t ExternType) (entity, error) {
	want, fresh, err := v.declared(s, t)
	if err != nil {
		return want, err
	}
	var in sides
	if len(fresh) > 0 {
		list := func(e entity) *externs {
			l := &externs{}
			l.add("", e)
			return l
		}
		ids, err := v.bind(fresh, list(want), list(e), nil)
		if err != nil {
			return want, err
		}
		in.expected = &env{ids: ids}
	}
	s.defined = append(s.defined, fresh...)
	return want, v.matches(e, want, in)
}

// export adds an export.
func (v *validator) export(s *scope, name ExternName, e entity) error {
	if err := s.exports.name(name, e, false); err != nil {
		return err
	}
	// Instance types are looked at where they are imported or exported.
	if s.kind != inInstanceType {
		if err := v.expose(e, &s.exports.names); err != nil {
			return err
		}
	}
	s.exports.add(name.Name, e)
	s.add(e)
	return nil
}

// name checks the name of an import or export, and notes it.
func (n *side) name(name ExternName, e entity, imported bool) error {
	p, err := parseExternName(name.Name)
	if err != nil {
		return err
	}
	if p.form == formDependency && !imported {
		return badName("a name that an export may have", name.Name)
	}
	if n.keys == nil {
		n.keys, n.resources, n.labels = map[string]string{}, map[string]*resource{}, map[*resource]string{}
	}
	if other, again := n.keys[p.key]; again {
		return invalid("names that are strongly unique", "%.100q and %.100q", other, name.Name)
	}
	n.keys[p.key] = name.Name
	if err := checkAttributes(name, p, e); err != nil {
		return err
	}
	if r, ok := e.t.(*resource); ok && e.sort == SortType && p.form == formLabel {
		n.resources[name.Name], n.labels[r] = r, name.Name
	}
	return n.annotation(p, e)
}

func checkAttributes(name ExternName, p parsedName, e entity) error {
	if name.Implements != "" {
		i, err := parseExternName(name.Implements)
		switch {
		case err != nil || i.form != formInterface:
			return badName("the name of an interface to implement", name.Implements)
		case e.sort != SortInstance:
			return invalid("an instance where an interface is implemented", "%s", article(e.sort.String()))
		case p.form != formLabel:
			return badName("a plain name where an interface is implemented", name.Name)
		}
	}
	if name.HasVersionSuffix && (p.form != formInterface || !isCanonVersion(p.version) || !isSemver(p.version+name.VersionSuffix)) {
		return invalid("a version suffix after an interface name's version that makes a semantic version of it", "%.100q after %.100q", name.VersionSuffix, name.Name)
	}
	return nil
}

// annotation checks what [constructor], [method] and [static] demand.
func (n *side) annotation(p parsedName, e entity) error {
	if p.form != formConstructor && p.form != formMethod && p.form != formStatic {
		return nil
	}
	f, ok := e.t.(*fnType)
	if !ok || e.sort != SortFunc {
		return invalid("a function, as the name is annotated", "%s", article(e.sort.String()))
	}
	want := fmt.Sprintf("the resource %.100q, exported or imported before under that name", p.resource)
	switch p.form {
	case formConstructor:
		r := constructed(f.result)
		if r == nil || n.labels[r] != p.resource {
			return invalid("a constructor's result own<T> or result<own<T>, E> with "+want, "another result")
		}
	case formMethod:
		if len(f.params) == 0 || f.params[0].name != "self" || f.params[0].t.kind != KindBorrow ||
			n.labels[f.params[0].t.resource] != p.resource {
			return invalid("a method's first parameter self: borrow<T> with "+want, "another one")
		}
	default:
		if n.resources[p.resource] == nil {
			return invalid(want, "none")
		}
	}
	return nil
}

// constructed gives the resource that a constructor returns, nil if it is none.
func constructed(t *vType) *resource {
	if t != nil && t.kind == KindResult {
		t = t.elem
	}
	if t == nil || t.kind != KindOwn {
		return nil
	}
	return t.resource
}
