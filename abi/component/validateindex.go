package component

import "fmt"

// at gives what an index space has at an index.
func at[T any](space []T, index uint32, what Sort) (T, error) {
	if uint64(index) >= uint64(len(space)) {
		var zero T
		return zero, invalid(fmt.Sprintf("a %s index below %d", what, len(space)), "%d", index)
	}
	return space[index], nil
}

func (s *scope) typeAt(index uint32) (anyType, error) { return at(s.types, index, SortType) }

func (s *scope) resourceAt(index uint32) (*resource, error) {
	t, err := s.typeAt(index)
	if err != nil {
		return nil, err
	}
	r, ok := t.(*resource)
	if !ok {
		return nil, invalid("a resource type", "%s at type index %d", describe(t), index)
	}
	return r, nil
}

func (s *scope) funcTypeAt(index uint32) (*fnType, error) {
	t, err := s.typeAt(index)
	if err != nil {
		return nil, err
	}
	f, ok := t.(*fnType)
	if !ok {
		return nil, invalid("a function type", "%s at type index %d", describe(t), index)
	}
	return f, nil
}

// coreFuncAt takes an index as options have it.
func (s *scope) coreFuncAt(index int64) (*CoreFuncType, error) {
	return at(s.coreFuncs, uint32(index), SortCoreFunc)
}

// coreAt gives a core function, table, memory, global or tag.
func (s *scope) coreAt(r Ref) (CoreExternType, error) {
	switch r.Sort {
	case SortCoreFunc:
		f, err := at(s.coreFuncs, r.Index, r.Sort)
		return CoreExternType{Sort: SortCoreFunc, Func: f}, err
	case SortCoreTable, SortCoreMemory, SortCoreGlobal, SortCoreTag:
		return at(s.coreOthers[r.Sort], r.Index, r.Sort)
	default:
		return CoreExternType{}, invalid("a core function, table, memory, global or tag", "a %s", r.Sort)
	}
}

func (s *scope) addCore(t CoreExternType) {
	if t.Sort == SortCoreFunc {
		s.coreFuncs = append(s.coreFuncs, t.Func)
		return
	}
	s.coreOthers[t.Sort] = append(s.coreOthers[t.Sort], t)
}

// entityAt gives what may be imported and exported.
func (s *scope) entityAt(r Ref) (entity, error) {
	e := entity{sort: r.Sort}
	var err error
	switch r.Sort {
	case SortCoreModule:
		e.t, err = typed(at(s.modules, r.Index, r.Sort))
	case SortFunc:
		e.t, err = typed(at(s.funcs, r.Index, r.Sort))
	case SortType:
		e.t, err = s.typeAt(r.Index)
	case SortComponent:
		e.t, err = typed(at(s.components, r.Index, r.Sort))
	case SortInstance:
		e.t, err = typed(at(s.instances, r.Index, r.Sort))
	case SortValue:
		err = errValues()
	default:
		err = invalid("a core module, function, type, component or instance", "a %s", r.Sort)
	}
	return e, err
}

func typed[T anyType](t T, err error) (anyType, error) { return t, err }

func errValues() error {
	return invalid("a component without values (they are not supported)", "a value")
}

// add adds an entity to the index space of its sort.
func (s *scope) add(e entity) {
	switch e.sort {
	case SortCoreModule:
		s.modules = append(s.modules, e.t.(*modType))
	case SortFunc:
		s.funcs = append(s.funcs, e.t.(*fnType))
	case SortType:
		s.types = append(s.types, e.t)
	case SortComponent:
		s.components = append(s.components, e.t.(*compType))
	default:
		s.instances = append(s.instances, e.t.(*instType))
	}
}

func (v *validator) alias(s *scope, d *AliasDef) error {
	switch d.Kind {
	case AliasExport:
		return v.aliasExport(s, d)
	case AliasCoreExport:
		in, err := at(s.coreInstances, d.Instance, SortCoreInstance)
		if err != nil {
			return err
		}
		t, ok := in[d.Name]
		if !ok {
			return invalid(fmt.Sprintf("an export %.100q of core instance %d", d.Name, d.Instance), "none of that name")
		}
		if t.Sort != d.Sort {
			return invalid("a "+d.Sort.String(), "a %s as export %.100q", t.Sort, d.Name)
		}
		s.addCore(t)
		return nil
	default:
		return v.aliasOuter(s, d)
	}
}

func (v *validator) aliasExport(s *scope, d *AliasDef) error {
	in, err := at(s.instances, d.Instance, SortInstance)
	if err != nil {
		return err
	}
	e, ok := in.exports.get(d.Name)
	if !ok {
		return invalid(fmt.Sprintf("an export %.100q of instance %d", d.Name, d.Instance), "none of that name")
	}
	if e.sort != d.Sort {
		return invalid("a "+d.Sort.String(), "a %s as export %.100q", e.sort, d.Name)
	}
	s.add(e)
	return nil
}

func (v *validator) aliasOuter(s *scope, d *AliasDef) error {
	from := s
	crossed := false
	for range d.Count {
		crossed = crossed || from.kind == inComponent
		if from = from.outer; from == nil {
			return invalid("an outer alias of an enclosing scope", "one of %d scopes outward", d.Count)
		}
	}
	switch d.Sort {
	case SortCoreModule, SortComponent:
		e, err := from.entityAt(Ref{d.Sort, d.Index})
		if err != nil {
			return err
		}
		s.add(e)
	case SortCoreType:
		t, err := at(from.coreTypes, d.Index, d.Sort)
		if err != nil {
			return err
		}
		s.coreTypes = append(s.coreTypes, t)
	case SortType:
		t, err := from.typeAt(d.Index)
		if err != nil {
			return err
		}
		if crossed {
			if err := v.closedType(t); err != nil {
				return err
			}
		}
		s.types = append(s.types, t)
	default:
		return invalid("an outer alias of a core module, core type, type or component", "one of a %s", d.Sort)
	}
	return nil
}

// closedType checks that a type mentions no resource type from outside of it.
func (v *validator) closedType(t anyType) error {
	free := v.freeOf()
	if err := free.any(t); err != nil {
		return err
	}
	if len(free.ids) > 0 {
		return invalid("an alias across a component of a type that refers to no resource type", "one that does")
	}
	return nil
}
