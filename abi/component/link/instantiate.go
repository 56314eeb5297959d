package link

import (
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// instantiate makes an instance of a component. parent is the component instance that asks for it, outer the scope in
// which the component is defined, and give provides its imports.
func (b *builder) instantiate(n *nested, parent, depth int, give func(*scope, *component.ImportDef) (any, error)) (*instance, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("expected instances in at most %d levels, found more", MaxDepth)
	}
	if b.plan.Components == MaxComponents {
		return nil, fmt.Errorf("expected at most %d component instances, found more", MaxComponents)
	}
	s := &scope{b: b, outer: n.scope, component: b.plan.Components, depth: depth, exports: newInstance()}
	s.label, s.names = label(n.def, s.component), n.def.Names
	b.plan.Components++
	b.plan.Parents = append(b.plan.Parents, parent)
	for i, d := range n.def.Defs {
		err := b.step(1)
		if err == nil {
			if imp, ok := d.(*component.ImportDef); ok {
				err = s.importDef(imp, give)
			} else {
				err = s.define(d)
			}
		}
		if err != nil {
			return nil, s.at(i, d, err)
		}
	}
	if s.exports.depth > MaxDepth {
		return nil, fmt.Errorf("expected instances in at most %d levels, found more", MaxDepth)
	}
	return s.exports, nil
}

func label(c *component.Component, index int) string {
	if c.Names != nil && c.Names.Component != "" {
		return "component " + quote(c.Names.Component)
	}
	if index == 0 {
		return "component"
	}
	return fmt.Sprintf("component instance %d", index)
}

// define adds one definition to the scope; imports are importDef's.
func (s *scope) define(d component.Def) error {
	switch d := d.(type) {
	case *component.CoreModuleDef:
		m, err := s.b.module(d)
		if err == nil {
			s.push(component.SortCoreModule, m)
		}
		return err
	case *component.CoreInstanceDef:
		return s.coreInstance(d)
	case *component.CoreTypeDef:
		s.push(component.SortCoreType, d)
		return nil
	case *component.ComponentDef:
		s.push(component.SortComponent, &nested{d.Component, s})
		return nil
	case *component.InstanceDef:
		return s.instance(d)
	case *component.AliasDef:
		return s.alias(d)
	case *component.TypeDef:
		return s.defineType(d)
	case *component.CanonDef:
		return s.canon(d)
	case *component.ExportDef:
		return s.exportDef(d)
	case *component.StartDef:
		return &Unsupported{"a component's start function"}
	default:
		return fmt.Errorf("expected a definition of a component, found %T", d)
	}
}

// importDef adds what give provides for an import.
func (s *scope) importDef(d *component.ImportDef, give func(*scope, *component.ImportDef) (any, error)) error {
	if d.Type.Sort == component.SortValue || int(d.Type.Sort) >= len(s.spaces) {
		return &Unsupported{"an import of a value"}
	}
	v, err := give(s, d)
	if err != nil {
		return err
	}
	if in, ok := v.(*instance); ok && d.Type.Sort == component.SortInstance {
		if v, err = s.narrowed(in, d.Type.Index); err != nil {
			return err
		}
	}
	if t, ok := v.(*typ); ok && s.component == 0 {
		v = t.named("", d.Name.Name)
	}
	s.push(d.Type.Sort, v)
	return nil
}

// narrowed gives in as of the instance type of that index.
func (s *scope) narrowed(in *instance, index uint32) (*instance, error) {
	t, err := lookup[*typ](s, component.SortType, index)
	if err != nil {
		return nil, err
	}
	if t.instance == nil {
		return nil, fmt.Errorf("type %d: expected an instance type, found another", index)
	}
	if err := s.b.step(len(t.instance.Decls)); err != nil {
		return nil, err
	}
	return in.narrow(t.instance)
}

// instance adds a component instance.
func (s *scope) instance(d *component.InstanceDef) error {
	if d.Exports != nil {
		out := newInstance()
		for _, e := range d.Exports {
			if err := s.b.step(1); err != nil {
				return err
			}
			v, err := s.get(e.Ref)
			if err != nil {
				return fmt.Errorf("export %s: %w", quote(e.Name.Name), err)
			}
			out.add(e.Name.Name, item{e.Ref.Sort, v})
		}
		if out.depth > MaxDepth {
			return fmt.Errorf("expected instances in at most %d levels, found more", MaxDepth)
		}
		s.push(component.SortInstance, out)
		return nil
	}
	n, err := lookup[*nested](s, component.SortComponent, d.Component)
	if err != nil {
		return err
	}
	args := make(map[string]component.Ref, len(d.Args))
	for _, a := range d.Args {
		args[a.Name] = a.Ref
	}
	if err := s.b.step(len(d.Args)); err != nil {
		return err
	}
	in, err := s.b.instantiate(n, s.component, s.depth+1, func(_ *scope, imp *component.ImportDef) (any, error) {
		ref, ok := args[imp.Name.Name]
		if !ok || ref.Sort != imp.Type.Sort {
			return nil, fmt.Errorf("expected an argument, a %s, found none", sortName(imp.Type.Sort))
		}
		return s.get(ref)
	})
	if err != nil {
		return err
	}
	s.push(component.SortInstance, in)
	return nil
}

// coreInstance adds a core instance.
func (s *scope) coreInstance(d *component.CoreInstanceDef) error {
	if s.b.typesOnly {
		s.push(component.SortCoreInstance, &coreInstance{})
		return nil
	}
	if d.Exports != nil {
		out := &coreInstance{index: -1, exports: make(map[string]CoreDef, len(d.Exports))}
		for _, e := range d.Exports {
			if err := s.b.step(1); err != nil {
				return err
			}
			def, err := lookup[CoreDef](s, e.Ref.Sort, e.Ref.Index)
			if err != nil {
				return fmt.Errorf("export %s: %w", quote(e.Name), err)
			}
			out.exports[e.Name] = def
		}
		s.push(component.SortCoreInstance, out)
		return nil
	}
	m, err := lookup[*coreModule](s, component.SortCoreModule, d.Module)
	if err != nil {
		return err
	}
	if len(s.b.plan.Instances) == MaxCoreInstances {
		return fmt.Errorf("expected at most %d core instances, found more", MaxCoreInstances)
	}
	args, err := s.coreArgs(m, d.Args)
	if err != nil {
		return err
	}
	if m.index < 0 {
		m.index = len(s.b.plan.Modules)
		s.b.plan.Modules = append(s.b.plan.Modules, m.bytes)
	}
	s.push(component.SortCoreInstance, &coreInstance{index: len(s.b.plan.Instances), module: m})
	s.b.plan.Instances = append(s.b.plan.Instances, CoreInstance{
		Name: s.coreName(d.Module), Module: m.index, Args: args, Component: s.component,
	})
	return nil
}

// coreName gives the debug name of the core instance that was pushed last.
func (s *scope) coreName(module uint32) string {
	if s.names != nil {
		last := uint32(len(s.spaces[component.SortCoreInstance]) - 1)
		for _, ref := range []component.Ref{
			{Sort: component.SortCoreInstance, Index: last}, {Sort: component.SortCoreModule, Index: module},
		} {
			if name := s.names.ByRef[ref]; name != "" {
				return name
			}
		}
	}
	return fmt.Sprintf("core %d", len(s.b.plan.Instances))
}

// coreArgs resolves the imports of a core module.
func (s *scope) coreArgs(m *coreModule, given []component.CoreArg) ([]CoreArg, error) {
	if err := s.b.step(len(m.imports) + len(given)); err != nil {
		return nil, err
	}
	from := make(map[string]*coreInstance, len(given))
	for _, a := range given {
		in, err := lookup[*coreInstance](s, component.SortCoreInstance, a.Instance)
		if err != nil {
			return nil, fmt.Errorf("argument %s: %w", quote(a.Name), err)
		}
		from[a.Name] = in
	}
	args := make([]CoreArg, len(m.imports))
	for i, imp := range m.imports {
		in, ok := from[imp.module]
		if !ok {
			return nil, fmt.Errorf("expected an argument for the module's imports of %s, found none", quote(imp.module))
		}
		def, err := in.export(imp.sort, imp.name)
		if err != nil {
			return nil, fmt.Errorf("import %s of %s: %w", quote(imp.name), quote(imp.module), err)
		}
		args[i] = CoreArg{Module: imp.module, Name: imp.name, Def: def}
	}
	return args, nil
}
