package component

// names are the types that have a name which the outside can see [External Visibility of Types]: *resource and *vType.
// They also hold the types without a name of their own that were found to refer to such only.
type names struct {
	known map[anyType]struct{}
	up    *names
}

func (n *names) has(t anyType) bool {
	for ; n != nil; n = n.up {
		if _, ok := n.known[t]; ok {
			return true
		}
	}
	return false
}

func (n *names) add(t anyType) {
	if n.known == nil {
		n.known = map[anyType]struct{}{}
	}
	n.known[t] = struct{}{}
}

// expose checks that all types that an import or export refers to have a name in sets[0], and gives the types that it
// is a name of to all sets.
func (v *validator) expose(ent entity, sets ...*names) error {
	if err := v.step(1); err != nil {
		return err
	}
	switch ent.sort {
	case SortFunc:
		return v.namedFunc(ent.t.(*fnType), sets[0])
	case SortType:
		if err := v.namedParts(ent.t, sets[0]); err != nil {
			return err
		}
		for _, s := range sets {
			s.add(ent.t)
		}
	case SortInstance:
		for i, e := range ent.t.(*instType).exports.ents {
			if err := v.expose(e, sets...); err != nil {
				return within("export "+ent.t.(*instType).exports.names[i], err)
			}
		}
	default: // components and modules are closed
	}
	return nil
}

func errNameless(t anyType) error {
	return invalid("only types that are imported or exported before, under a name", "%s without such a name", describe(t))
}

// namedParts checks what t refers to, not t itself.
func (v *validator) namedParts(t anyType, set *names) error {
	switch t := t.(type) {
	case *vType:
		return v.namedFields(t.vBody, set)
	case *fnType:
		return v.namedFunc(t, set)
	case *instType:
		// What it exports has a name within it.
		return v.expose(entity{SortInstance, t}, &names{up: set})
	default:
		return nil
	}
}

func (v *validator) namedFunc(t *fnType, set *names) error {
	if err := v.step(len(t.params)); err != nil {
		return err
	}
	for _, p := range t.params {
		if err := v.named(p.t, set); err != nil {
			return within("parameter "+p.name, err)
		}
	}
	if err := v.named(t.result, set); err != nil {
		return within("the result", err)
	}
	return nil
}

func (v *validator) namedFields(b *vBody, set *names) error {
	if err := v.step(len(b.fields) + 1); err != nil {
		return err
	}
	if b.resource != nil && !set.has(b.resource) {
		return errNameless(b.resource)
	}
	for _, f := range b.fields {
		if err := v.named(f.t, set); err != nil {
			return err
		}
	}
	if err := v.named(b.elem, set); err != nil {
		return err
	}
	return v.named(b.err, set)
}

// named checks t, which may be nil, where it is used: nominal types need a name, all others a name for their parts.
func (v *validator) named(t *vType, set *names) error {
	if t == nil || t.kind <= KindErrorContext || set.has(t) {
		return nil
	}
	switch t.kind {
	case KindRecord, KindVariant, KindFlags, KindEnum:
		return errNameless(t)
	default:
	}
	if err := v.namedFields(t.vBody, set); err != nil {
		return err
	}
	set.add(t)
	return nil
}

// freeOf collects the resource types that t mentions and does not introduce itself.
type freeOf struct {
	v    *validator
	seen map[anyType]struct{}
	ids  map[*resourceID]struct{}
}

func (v *validator) freeOf() *freeOf {
	return &freeOf{v: v, seen: map[anyType]struct{}{}, ids: map[*resourceID]struct{}{}}
}

func (f *freeOf) any(t anyType) error {
	if !t.facts().handles {
		return nil
	}
	if _, ok := f.seen[t]; ok {
		return nil
	}
	f.seen[t] = struct{}{}
	if err := f.v.step(1); err != nil {
		return err
	}
	switch t := t.(type) {
	case *resource:
		f.ids[t.id] = struct{}{}
	case *vType:
		return f.value(t.vBody)
	case *fnType:
		if err := f.fields(t.params); err != nil {
			return err
		}
		return f.optional(t.result)
	case *instType:
		return f.closed(t.defined, nil, &t.exports)
	case *compType:
		return f.closed(append(append([]*resourceID(nil), t.imported...), t.defined...), &t.imports, &t.exports)
	}
	return nil
}

func (f *freeOf) optional(t *vType) error {
	if t == nil {
		return nil
	}
	return f.any(t)
}

func (f *freeOf) fields(fields []vField) error {
	if err := f.v.step(len(fields)); err != nil {
		return err
	}
	for _, p := range fields {
		if err := f.optional(p.t); err != nil {
			return err
		}
	}
	return nil
}

func (f *freeOf) value(b *vBody) error {
	if b.resource != nil {
		return f.any(b.resource)
	}
	if err := f.fields(b.fields); err != nil {
		return err
	}
	if err := f.optional(b.elem); err != nil {
		return err
	}
	return f.optional(b.err)
}

// closed collects from a type that introduces resource types. Those cannot occur outside of it, so that they may be
// taken away again.
func (f *freeOf) closed(bound []*resourceID, lists ...*externs) error {
	for _, l := range lists {
		if err := f.externs(l); err != nil {
			return err
		}
	}
	if err := f.v.step(len(bound)); err != nil {
		return err
	}
	for _, id := range bound {
		delete(f.ids, id)
	}
	return nil
}

func (f *freeOf) externs(l *externs) error {
	if l == nil {
		return nil
	}
	if err := f.v.step(len(l.ents)); err != nil {
		return err
	}
	for _, e := range l.ents {
		if err := f.any(e.t); err != nil {
			return err
		}
	}
	return nil
}
