package component

// subst replaces resources and names in types. What it has replaced it keeps: one subst takes time in proportion to
// the types that it meets, however often they are shared.
type subst struct {
	v *validator
	// ids are the resource types to replace.
	ids map[*resourceID]*resourceID
	// names are the names to replace, and those that have been; values are of the keys' types.
	names map[anyType]anyType
	// bodies are the value types that have been replaced.
	bodies map[*vBody]*vBody
	// all tells that names are to be replaced that mention no resource.
	all bool
}

// substSteps is what replacing a type counts for: it takes memory.
const substSteps = 4

func (v *validator) subst() *subst {
	return &subst{v: v, ids: map[*resourceID]*resourceID{}, names: map[anyType]anyType{}, bodies: map[*vBody]*vBody{}}
}

// any gives t with everything replaced: t itself if there is nothing.
func (s *subst) any(t anyType) (anyType, error) {
	if !s.all && !t.facts().handles {
		return t, nil
	}
	if to, ok := s.names[t]; ok {
		return to, nil
	}
	if err := s.v.step(substSteps); err != nil {
		return nil, err
	}
	to, err := s.replace(t)
	if err != nil {
		return nil, err
	}
	s.names[t] = to
	return to, nil
}

func (s *subst) replace(t anyType) (anyType, error) {
	switch t := t.(type) {
	case *resource:
		if id, ok := s.ids[t.id]; ok {
			return &resource{id: id}, nil
		}
		return t, nil
	case *vType:
		b, err := s.body(t.vBody)
		if err != nil || b == t.vBody {
			return t, err
		}
		return &vType{vBody: b}, nil
	case *fnType:
		return s.fn(t)
	case *instType:
		exports, changed, err := s.externs(&t.exports)
		if err != nil || !changed {
			return t, err
		}
		return &instType{known: t.known, exports: exports, defined: t.defined}, nil
	case *compType:
		imports, changed, err := s.externs(&t.imports)
		if err != nil {
			return nil, err
		}
		exports, also, err := s.externs(&t.exports)
		if err != nil || !changed && !also {
			return t, err
		}
		return &compType{known: t.known, imports: imports, exports: exports, imported: t.imported, defined: t.defined}, nil
	default:
		return t, nil
	}
}

// name replaces a value type; nil stays nil.
func (s *subst) name(t *vType) (*vType, error) {
	if t == nil {
		return nil, nil
	}
	to, err := s.any(t)
	if err != nil {
		return nil, err
	}
	return to.(*vType), nil
}

func (s *subst) body(b *vBody) (*vBody, error) {
	if to, ok := s.bodies[b]; ok {
		return to, nil
	}
	fields, changed, err := s.fields(b.fields)
	if err != nil {
		return nil, err
	}
	elem, err := s.name(b.elem)
	if err != nil {
		return nil, err
	}
	errType, err := s.name(b.err)
	if err != nil {
		return nil, err
	}
	res := b.resource
	if res != nil {
		to, err := s.any(res)
		if err != nil {
			return nil, err
		}
		res = to.(*resource)
	}
	to := b
	if changed || elem != b.elem || errType != b.err || res != b.resource {
		replaced := *b
		to = &replaced
		to.fields, to.elem, to.err, to.resource = fields, elem, errType, res
	}
	s.bodies[b] = to
	return to, nil
}

func (s *subst) fields(from []vField) (to []vField, changed bool, err error) {
	if err := s.v.step(len(from)); err != nil {
		return nil, false, err
	}
	to = from
	for i, f := range from {
		t, err := s.name(f.t)
		if err != nil {
			return nil, false, err
		}
		if t == f.t {
			continue
		}
		if !changed {
			changed, to = true, append([]vField(nil), from...)
		}
		to[i].t = t
	}
	return to, changed, nil
}

func (s *subst) fn(t *fnType) (anyType, error) {
	params, changed, err := s.fields(t.params)
	if err != nil {
		return nil, err
	}
	result, err := s.name(t.result)
	if err != nil {
		return nil, err
	}
	if !changed && result == t.result {
		return t, nil
	}
	return &fnType{known: t.known, async: t.async, params: params, result: result}, nil
}

func (s *subst) externs(from *externs) (to externs, changed bool, err error) {
	if err := s.v.step(len(from.ents)); err != nil {
		return externs{}, false, err
	}
	to = *from
	for i, ent := range from.ents {
		t, err := s.any(ent.t)
		if err != nil {
			return externs{}, false, err
		}
		if t == ent.t {
			continue
		}
		if !changed {
			changed, to.ents = true, append([]entity(nil), from.ents...)
		}
		to.ents[i].t = t
	}
	return to, changed, nil
}

// open gives the type of one instance of t: the resource types that each has for itself are new, and returned.
func (v *validator) open(t *instType) (*instType, []*resourceID, error) {
	if len(t.defined) == 0 {
		return t, nil, nil
	}
	s := v.subst()
	fresh, err := s.renew(t.defined)
	if err != nil {
		return nil, nil, err
	}
	exports, _, err := s.externs(&t.exports)
	if err != nil {
		return nil, nil, err
	}
	return &instType{known: t.known, exports: exports}, fresh, nil
}

// renew replaces resource types by new ones.
func (s *subst) renew(ids []*resourceID) ([]*resourceID, error) {
	if err := s.v.step(len(ids)); err != nil {
		return nil, err
	}
	fresh := make([]*resourceID, len(ids))
	for i, id := range ids {
		fresh[i] = &resourceID{}
		s.ids[id] = fresh[i]
	}
	return fresh, nil
}
