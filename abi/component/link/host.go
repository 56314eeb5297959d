package link

import (
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// source provides what an instance type declares: the host, or an instance that there is already.
type source interface {
	// give provides the declared export; s is the scope of the type.
	give(s *scope, name string, t component.ExternType) (any, error)
	// name is the instance's.
	name() string
}

// host is an interface of the host; its name is empty for what the root imports directly.
type host struct{ iface string }

// fromHost provides an import of a root component.
func fromHost(s *scope, d *component.ImportDef) (any, error) {
	if d.Type.Sort != component.SortInstance {
		return host{}.give(s, d.Name.Name, d.Type)
	}
	// An instance with an implements attribute has a label for a name: what it is to be is said by the attribute.
	name := d.Name.Name
	if d.Name.Implements != "" {
		name = d.Name.Implements
	}
	return s.declared(d.Type.Index, host{name})
}

func (h host) name() string { return h.iface }

func (h host) give(s *scope, name string, t component.ExternType) (any, error) {
	switch t.Sort {
	case component.SortFunc:
		ft, err := s.function(t.Index)
		if err != nil {
			return nil, err
		}
		return &function{typ: ft, imported: &imported{h.iface, name}}, nil
	case component.SortType:
		if t.Eq {
			return s.get(component.Ref{Sort: component.SortType, Index: t.Index})
		}
		return s.b.hostResource(h.iface, name)
	case component.SortInstance:
		return s.declared(t.Index, host{join(h.iface, name)})
	default:
		return &absent{fmt.Errorf("import %s: a host can provide functions, types and instances of them, "+
			"but it is a %s; compose the component with one that provides it", quote(name), sortName(t.Sort))}, nil
	}
}

// join names an instance in an instance; the host knows none.
func join(iface, name string) string {
	if iface == "" {
		return name
	}
	return iface + "/" + name
}

// hostResource gives the resource of that interface's track and that name, the same each time.
func (b *builder) hostResource(iface, name string) (*typ, error) {
	full := resourceName(iface, name)
	if r, ok := b.hosts[full]; ok {
		return &typ{resource: r}, nil
	}
	t, err := b.addResource(Resource{
		Interface: iface, Name: name, Component: -1,
		Type: &canon.Resource{Name: full, Host: true},
	})
	if err == nil {
		b.hosts[full] = t.resource
	}
	return t, err
}

func resourceName(iface, name string) string {
	if iface == "" {
		return name
	}
	return abi.Track(iface) + "/" + name
}

// declared makes an instance of the instance type of that index, with what from provides.
func (s *scope) declared(index uint32, from source) (*instance, error) {
	t, err := lookup[*typ](s, component.SortType, index)
	if err != nil {
		return nil, err
	}
	if t.instance == nil {
		return nil, fmt.Errorf("type %d: expected an instance type, found another", index)
	}
	if s.depth >= MaxDepth {
		return nil, fmt.Errorf("expected instances in at most %d levels, found more", MaxDepth)
	}
	in := &scope{
		b: s.b, outer: t.scope, component: s.component, depth: s.depth + 1,
		inType: true, label: s.label, exports: newInstance(),
	}
	for i, d := range t.instance.Decls {
		err := s.b.step(1)
		if err == nil {
			err = in.declare(d, from)
		}
		if err != nil {
			return nil, fmt.Errorf("declaration %d (%s): %w", i, describe(d), err)
		}
	}
	return in.exports, nil
}

// declare adds one declaration of an instance type to its scope.
func (s *scope) declare(d component.Def, from source) error {
	switch d := d.(type) {
	case *component.TypeDef, *component.CoreTypeDef, *component.AliasDef:
		return s.define(d)
	case *component.ExportDecl:
		if int(d.Type.Sort) >= len(s.spaces) {
			return fmt.Errorf("expected a sort of definition, found %d", d.Type.Sort)
		}
		v, err := from.give(s, d.Name.Name, d.Type)
		if err != nil {
			return err
		}
		if t, ok := v.(*typ); ok {
			v = t.named(from.name(), d.Name.Name)
		}
		s.push(d.Type.Sort, v)
		s.exports.add(d.Name.Name, item{d.Type.Sort, v})
		return nil
	default:
		return errors.New("expected a declaration of an instance type, found another")
	}
}
