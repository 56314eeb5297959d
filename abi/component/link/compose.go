package link

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// dependencies are components whose exports are the imports of others.
type dependencies struct {
	from map[string]*component.Component
	keys []string // sorted
	used map[string]bool
	// made are their instances; nil for one that is being made.
	made map[*component.Component]*instance
}

// Compose plans a component whose imports of interfaces are the exports of other components. deps has them by the
// interface's name; "ns:pkg/iface@1.2.0" stands for all versions of its track, "ns:pkg/iface" for any version. The
// imports of a dependency may be in deps as well, and what is not in deps is the host's. Each dependency is
// instantiated once.
//
// Compose fails as Build does; also when a dependency is of no use, exports no such interface or one of other types, or
// needs itself by way of another.
func Compose(root *component.Component, deps map[string]*component.Component) (*Plan, error) {
	b := newBuilder()
	b.deps = &dependencies{
		from: deps, keys: slices.Sorted(maps.Keys(deps)), used: map[string]bool{},
		made: map[*component.Component]*instance{root: nil},
	}
	out, err := b.instantiate(&nested{def: root}, -1, 0, b.provide(root))
	if err != nil {
		return nil, err
	}
	for _, key := range b.deps.keys {
		if !b.deps.used[key] {
			return nil, fmt.Errorf("dependency %s: expected one of the interfaces that the component or a dependency "+
				"imports, found another; the component imports %s", quote(key), list(importNames(root)))
		}
	}
	if err := b.export("", out); err != nil {
		return nil, err
	}
	b.finish()
	if err := b.splitMemories(); err != nil {
		return nil, err
	}
	return b.plan, nil
}

// provide gives the imports of a component that is instantiated by no other.
func (b *builder) provide(c *component.Component) func(*scope, *component.ImportDef) (any, error) {
	return func(s *scope, d *component.ImportDef) (any, error) {
		key, ok := b.deps.find(d.Name.Name)
		if !ok || b.deps.from[key] == c {
			return fromHost(s, d)
		}
		b.deps.used[key] = true
		out, err := b.dependency(b.deps.from[key])
		if err != nil {
			return nil, fmt.Errorf("dependency %s: %w", quote(key), err)
		}
		name, it, ok := out.find(d.Name.Name)
		if !ok || it.sort != d.Type.Sort {
			return nil, fmt.Errorf("dependency %s: expected a component that exports %s, found one that exports %s",
				quote(key), quote(d.Name.Name), list(out.names))
		}
		in, ok := it.v.(*instance)
		if !ok {
			return actual{d.Name.Name, name, out}.give(s, name, d.Type)
		}
		return s.declared(d.Type.Index, actual{d.Name.Name, name, in})
	}
}

// find gives the key of the dependency for an import.
func (d *dependencies) find(name string) (string, bool) {
	if _, ok := d.from[name]; ok {
		return name, true
	}
	track := abi.Track(name)
	base, _, _ := strings.Cut(name, "@")
	for _, key := range d.keys {
		if abi.Track(key) == track || key == base {
			return key, true
		}
	}
	return "", false
}

// find gives the export of that name or, failing that, of its track.
func (in *instance) find(name string) (string, item, bool) {
	if it, ok := in.items[name]; ok {
		return name, it, true
	}
	for _, n := range in.names {
		if abi.Track(n) == abi.Track(name) {
			return n, in.items[n], true
		}
	}
	return "", item{}, false
}

// dependency gives the instance of a dependency.
func (b *builder) dependency(c *component.Component) (*instance, error) {
	out, ok := b.deps.made[c]
	switch {
	case !ok:
	case out == nil:
		return nil, errors.New("expected components that do not need each other, found one that needs itself by way of others")
	default:
		return out, nil
	}
	b.deps.made[c] = nil
	out, err := b.instantiate(&nested{def: c}, -1, 0, b.provide(c))
	if err != nil {
		return nil, err
	}
	b.deps.made[c] = out
	return out, nil
}

// actual is an instance that another component exports, for an import of the interface wanted.
type actual struct {
	wanted, export string
	in             *instance
}

func (a actual) name() string { return a.wanted }

func (a actual) give(s *scope, name string, t component.ExternType) (any, error) {
	it, ok := a.in.items[name]
	if !ok || it.sort != t.Sort {
		return nil, fmt.Errorf("import of %s: expected that the export %s has the %s %s, found that it has not",
			quote(a.wanted), quote(a.export), sortName(t.Sort), quote(name))
	}
	switch v := it.v.(type) {
	case *instance:
		return s.declared(t.Index, actual{a.wanted, a.export, v})
	case *function:
		want, err := s.function(t.Index)
		if err != nil {
			return nil, err
		}
		return v, a.same(name, want, v.typ, func(t *typ) string { return t.fn.Text() })
	case *typ:
		if !t.Eq {
			if v.resource == nil {
				return nil, fmt.Errorf("import of %s: expected that %s of the export %s is a resource, found another type",
					quote(a.wanted), quote(name), quote(a.export))
			}
			return v, nil
		}
		want, err := lookup[*typ](s, component.SortType, t.Index)
		if err != nil || want.val == nil || v.val == nil {
			return v, err
		}
		return v, a.same(name, want, v, func(t *typ) string { return t.val.String() })
	default:
		return v, nil
	}
}

// same checks that two types are equal; those of resources of one name count as equal, as the handles are checked when
// they pass.
func (a actual) same(name string, want, found *typ, text func(*typ) string) error {
	if want.err != nil || found.err != nil {
		return errors.Join(want.err, found.err)
	}
	if w, f := text(want), text(found); w != f {
		return fmt.Errorf("%s: expected as the import of %s has it %s, found as the export %s has it %s",
			quote(name), quote(a.wanted), w, quote(a.export), f)
	}
	return nil
}

func importNames(c *component.Component) []string {
	var out []string
	for _, d := range c.Defs {
		if imp, ok := d.(*component.ImportDef); ok && imp.Type.Sort == component.SortInstance {
			out = append(out, imp.Name.Name)
		}
	}
	return out
}

// list gives names for a message.
func list(names []string) string {
	const most = 20
	switch {
	case len(names) == 0:
		return "none"
	case len(names) > most:
		return fmt.Sprintf("%q and %d more", names[:most], len(names)-most)
	default:
		return fmt.Sprintf("%q", names)
	}
}
