package link

import (
	"fmt"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// scope is the index spaces of one component instance, or of a component's or instance's type while it is looked at.
// A component that is defined in a scope keeps it: its outer aliases point there.
type scope struct {
	b     *builder
	outer *scope
	// component is the component instance, that of the enclosing one in a type.
	component int
	depth     int
	inType    bool
	// label says whose scope it is, for messages.
	label  string
	names  *component.Names
	spaces [len(sortNames)][]any
	// exports is what the component exports so far.
	exports *instance
}

// What index spaces hold: core functions, tables, memories and globals are CoreDef; the others are these types. An
// *absent stands for anything that is there but cannot be used.
type (
	coreInstance struct {
		index   int // of Plan.Instances; -1 for an instance of inline exports
		module  *coreModule
		exports map[string]CoreDef // of inline exports
	}
	function struct {
		typ *typ
		// shown is the type in the names that the outside has for its parts; nil if it is typ.
		shown *typ
		// One of lifted and imported is set.
		lifted   *Lifted
		imported *imported
	}
	// imported is a function of the host.
	imported struct{ iface, name string }
	nested   struct {
		def   *component.Component
		scope *scope
	}
	instance struct {
		names []string // in the order of the component
		items map[string]item
		depth int // of instances in instances
	}
	item struct {
		sort component.Sort
		v    any
	}
	resource struct {
		index int // of Plan.Resources
		id    *canon.Resource
	}
	absent struct{ err error }
)

func (i *instance) add(name string, it item) {
	if _, ok := i.items[name]; !ok {
		i.names = append(i.names, name)
	}
	if in, ok := it.v.(*instance); ok {
		i.depth = max(i.depth, in.depth+1)
	}
	i.items[name] = it
}

func newInstance() *instance { return &instance{items: map[string]item{}} }

func (s *scope) push(sort component.Sort, v any) { s.spaces[sort] = append(s.spaces[sort], v) }

// get gives a definition of the scope.
func (s *scope) get(r component.Ref) (any, error) {
	if int(r.Sort) >= len(s.spaces) {
		return nil, fmt.Errorf("expected a sort of definition, found %d", r.Sort)
	}
	space := s.spaces[r.Sort]
	if uint64(r.Index) >= uint64(len(space)) {
		return nil, fmt.Errorf("expected the index of one of %d %ss, found %d", len(space), sortName(r.Sort), r.Index)
	}
	return space[r.Index], nil
}

// lookup is get for a definition that is used as a T.
func lookup[T any](s *scope, sort component.Sort, index uint32) (T, error) {
	var none T
	v, err := s.get(component.Ref{Sort: sort, Index: index})
	if err != nil {
		return none, err
	}
	switch v := v.(type) {
	case T:
		return v, nil
	case *absent:
		return none, v.err
	default:
		return none, fmt.Errorf("%s %d: expected one that can be used here, found %T", sortName(sort), index, v)
	}
}

// ancestor gives the scope count scopes outward.
func (s *scope) ancestor(count uint32) (*scope, error) {
	for i := range count {
		if s = s.outer; s == nil {
			return nil, fmt.Errorf("expected an outer alias of at most %d scopes outward, found %d", i, count)
		}
	}
	return s, nil
}

// alias adds what an alias points to.
func (s *scope) alias(d *component.AliasDef) error {
	v, err := s.aliased(d)
	if err == nil && int(d.Sort) >= len(s.spaces) {
		err = fmt.Errorf("expected a sort of definition, found %d", d.Sort)
	}
	if err != nil {
		return err
	}
	s.push(d.Sort, v)
	return nil
}

func (s *scope) aliased(d *component.AliasDef) (any, error) {
	switch d.Kind {
	case component.AliasExport:
		in, err := lookup[*instance](s, component.SortInstance, d.Instance)
		if err != nil {
			return nil, err
		}
		it, ok := in.items[d.Name]
		if !ok || it.sort != d.Sort {
			return nil, fmt.Errorf("expected a %s %s among the exports of instance %d, found none",
				sortName(d.Sort), quote(d.Name), d.Instance)
		}
		return it.v, nil
	case component.AliasCoreExport:
		in, err := lookup[*coreInstance](s, component.SortCoreInstance, d.Instance)
		if err != nil {
			return nil, err
		}
		return in.export(d.Sort, d.Name)
	default:
		from, err := s.ancestor(d.Count)
		if err != nil {
			return nil, err
		}
		return from.get(component.Ref{Sort: d.Sort, Index: d.Index})
	}
}

// export gives an export of a core instance.
func (c *coreInstance) export(sort component.Sort, name string) (CoreDef, error) {
	if c.index < 0 {
		if d, ok := c.exports[name]; ok && d.Sort == sort {
			return d, nil
		}
	} else if c.module == nil {
		return CoreDef{Sort: sort}, nil // only types count
	} else if have, ok := c.module.exports[name]; ok && have == sort {
		return CoreDef{Sort: sort, Instance: c.index, Name: name}, nil
	}
	return CoreDef{}, fmt.Errorf("expected a %s %s among the exports of the core instance, found none",
		sortName(sort), quote(name))
}

// narrow gives in with the exports that a type declares, and no others.
func (in *instance) narrow(t *component.InstanceType) (*instance, error) {
	out := newInstance()
	for _, d := range t.Decls {
		e, ok := d.(*component.ExportDecl)
		if !ok {
			continue
		}
		it, ok := in.items[e.Name.Name]
		if !ok {
			return nil, fmt.Errorf("expected an instance that exports %s, found one that does not", quote(e.Name.Name))
		}
		out.add(e.Name.Name, it)
	}
	if len(out.names) == len(in.names) {
		return in, nil
	}
	// The order is that of the instance: exports of a plan do not depend on how a type is written.
	out.names = slices.DeleteFunc(slices.Clone(in.names), func(n string) bool {
		_, ok := out.items[n]
		return !ok
	})
	return out, nil
}
