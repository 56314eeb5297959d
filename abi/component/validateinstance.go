package component

import (
	"fmt"
	"maps"
)

func (v *validator) coreInstance(s *scope, d *CoreInstanceDef) error {
	if len(s.coreInstances) >= MaxInstances {
		return invalid(fmt.Sprintf("at most %d core instances", MaxInstances), "more")
	}
	exports, err := v.coreExports(s, d)
	s.coreInstances = append(s.coreInstances, exports)
	return err
}

func (v *validator) coreExports(s *scope, d *CoreInstanceDef) (map[string]CoreExternType, error) {
	if d.Exports == nil {
		return v.coreInstantiate(s, d)
	}
	out := make(map[string]CoreExternType, len(d.Exports))
	for _, e := range d.Exports {
		t, err := s.coreAt(e.Ref)
		if err != nil {
			return nil, within(fmt.Sprintf("export %.100q", e.Name), err)
		}
		if _, again := out[e.Name]; again {
			return nil, invalid("each export once", "%.100q twice", e.Name)
		}
		out[e.Name] = t
	}
	return out, nil
}

func (v *validator) coreInstantiate(s *scope, d *CoreInstanceDef) (map[string]CoreExternType, error) {
	m, err := at(s.modules, d.Module, SortCoreModule)
	if err != nil {
		return nil, err
	}
	args := make(map[string]map[string]CoreExternType, len(d.Args))
	for _, a := range d.Args {
		in, err := at(s.coreInstances, a.Instance, SortCoreInstance)
		if err != nil {
			return nil, within(fmt.Sprintf("argument %.100q", a.Name), err)
		}
		if _, again := args[a.Name]; again {
			return nil, invalid("each argument once", "%.100q twice", a.Name)
		}
		args[a.Name] = in
	}
	if err := v.step(len(m.imports)); err != nil {
		return nil, err
	}
	for _, imp := range m.imports {
		place := fmt.Sprintf("import %.100q %.100q", imp.Module, imp.Name)
		arg, ok := args[imp.Module]
		if !ok {
			return nil, within(place, invalid(fmt.Sprintf("an argument %.100q", imp.Module), "none of that name"))
		}
		t, ok := arg[imp.Name]
		if !ok {
			return nil, within(place, invalid("a "+imp.Type.Sort.String(), "an argument without such an export"))
		}
		if err := matchCore(t, imp.Type); err != nil {
			return nil, within(place, err)
		}
	}
	return m.exports, nil
}

func (v *validator) instance(s *scope, d *InstanceDef) error {
	if len(s.instances) >= MaxInstances {
		return invalid(fmt.Sprintf("at most %d instances", MaxInstances), "more")
	}
	typeOf := v.instantiate
	if d.Exports != nil {
		typeOf = v.bag
	}
	t, err := typeOf(s, d)
	s.instances = append(s.instances, t)
	return err
}

// bag gives the type of an instance of inline exports.
func (v *validator) bag(s *scope, d *InstanceDef) (*instType, error) {
	t := &instType{}
	var n side
	for _, e := range d.Exports {
		place := fmt.Sprintf("export %.100q", e.Name.Name)
		ent, err := s.entityAt(e.Ref)
		if err != nil {
			return nil, within(place, err)
		}
		// No type of this scope has its name by these exports, so none is noted for annotated names.
		noted := ent
		if ent.sort == SortType {
			noted.t = renamed(ent.t)
		}
		if err := n.name(e.Name, noted, false); err != nil {
			return nil, within(place, err)
		}
		t.exports.add(e.Name.Name, ent)
	}
	t.known = t.exports.facts()
	return t, checkDepth(t.known)
}

// instantiate gives the type of an instance of a component: its exports, with the arguments in the place of its imports
// and with resource types of its own.
func (v *validator) instantiate(s *scope, d *InstanceDef) (*instType, error) {
	c, err := at(s.components, d.Component, SortComponent)
	if err != nil {
		return nil, err
	}
	args, err := v.args(s, d)
	if err != nil {
		return nil, err
	}
	ids, err := v.bind(c.imported, &c.imports, args, nil)
	if err != nil {
		return nil, err
	}
	if err := v.matchExterns("argument", args, &c.imports, sides{expected: &env{ids: ids}}); err != nil {
		return nil, err
	}
	sub := v.subst()
	maps.Copy(sub.ids, ids)
	if err := sub.rename(&c.imports, args); err != nil {
		return nil, err
	}
	fresh, err := sub.renew(c.defined)
	if err != nil {
		return nil, err
	}
	exports, _, err := sub.externs(&c.exports)
	if err != nil {
		return nil, err
	}
	s.defined = append(s.defined, fresh...)
	t := &instType{exports: exports}
	t.known = exports.facts()
	return t, checkDepth(t.known)
}

func (v *validator) args(s *scope, d *InstanceDef) (*externs, error) {
	args := &externs{}
	for _, a := range d.Args {
		e, err := s.entityAt(a.Ref)
		if err != nil {
			return nil, within(fmt.Sprintf("argument %.100q", a.Name), err)
		}
		if _, again := args.get(a.Name); again {
			return nil, invalid("each argument once", "%.100q twice", a.Name)
		}
		args.add(a.Name, e)
	}
	return args, v.step(len(d.Args))
}

// rename replaces the names of the types that are imported by those of the arguments, so that what is visible of the
// arguments is visible of the instance's exports too. The arguments match.
func (s *subst) rename(imports, args *externs) error {
	if err := s.v.step(len(imports.ents)); err != nil {
		return err
	}
	for i, name := range imports.names {
		from := imports.ents[i]
		to, ok := args.get(name)
		if !ok {
			continue
		}
		switch t := from.t.(type) {
		case *vType, *resource:
			s.names[t], s.all = to.t, true
		case *instType:
			if from.sort != SortInstance {
				continue
			}
			if err := s.rename(&t.exports, &to.t.(*instType).exports); err != nil {
				return err
			}
		}
	}
	return nil
}
