package link

import (
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// rank is how good a name is: that under which the root exports something is best.
type rank uint8

const (
	rankInner rank = iota + 1
	rankInterface
	rankRoot
)

// exportDef adds an export of the component, and the index that it makes.
func (s *scope) exportDef(d *component.ExportDef) error {
	v, err := s.get(d.Ref)
	if err != nil {
		return err
	}
	if in, ok := v.(*instance); ok && d.Type != nil {
		if v, err = s.narrowed(in, d.Type.Index); err != nil {
			return err
		}
	}
	switch t := v.(type) {
	case *typ:
		v = t.named("", d.Name.Name)
	case *function:
		if d.Type != nil {
			if v, err = s.ascribed(t, d.Type.Index); err != nil {
				return err
			}
		}
	}
	s.push(d.Ref.Sort, v)
	it := item{d.Ref.Sort, v}
	s.exports.add(d.Name.Name, it)
	r := rankInner
	if s.component == 0 {
		r = rankRoot
	} else if d.Ref.Sort == component.SortInstance {
		r = rankInterface
	}
	return s.b.name(r, "", d.Name.Name, it)
}

// ascribed gives f with the type that its export gives to it: it is the same type, in the names of other exports.
func (s *scope) ascribed(f *function, index uint32) (*function, error) {
	t, err := s.function(index)
	if err != nil {
		return nil, err
	}
	g := *f
	g.shown = t
	return &g, nil
}

// name names what an export gives to the outside.
func (b *builder) name(r rank, iface, name string, it item) error {
	if err := b.step(1); err != nil {
		return err
	}
	switch v := it.v.(type) {
	case *typ:
		if v.resource != nil && !v.resource.id.Host && b.resourceRank[v.resource.id] < r {
			b.resourceRank[v.resource.id] = r
			v.resource.id.Name = resourceName(iface, name)
		}
	case *function:
		if v.lifted != nil && b.funcRank[v.lifted] < r {
			b.funcRank[v.lifted] = r
			v.lifted.Name = funcName(iface, name)
		}
	case *instance:
		for _, n := range v.names {
			if err := b.name(r, join(iface, name), n, v.items[n]); err != nil {
				return err
			}
		}
	}
	return nil
}

func funcName(iface, name string) string {
	if iface == "" {
		return name
	}
	return iface + "#" + name
}

// export adds to the plan what the root exports. Types, modules and components are nothing that a host could call.
func (b *builder) export(iface string, in *instance) error {
	for _, name := range in.names {
		if err := b.step(1); err != nil {
			return err
		}
		switch v := in.items[name].v.(type) {
		case *instance:
			if err := b.export(join(iface, name), v); err != nil {
				return err
			}
		case *function:
			if err := b.exportFunc(iface, name, v); err != nil {
				return fmt.Errorf("export %s: %w", quote(funcName(iface, name)), err)
			}
		}
	}
	return nil
}

func (b *builder) exportFunc(iface, name string, f *function) error {
	if f.typ.err != nil {
		return f.typ.err
	}
	e := Export{Interface: iface, Name: name, Lifted: f.lifted, Import: -1, Func: f.typ.fn, Type: f.typ.fn.Text()}
	if b.texts += len(e.Type); b.texts > maxTexts {
		return errors.New("expected imports and exports whose types are shorter, found more than 64 MiB of text")
	}
	if f.lifted == nil {
		var err error
		if e.Import, err = b.hostFunc(f); err != nil {
			return err
		}
	}
	b.plan.Exports = append(b.plan.Exports, e)
	return nil
}

// finish names what no export names, and the trampolines.
func (b *builder) finish() {
	for i := range b.plan.Resources {
		if r := &b.plan.Resources[i]; r.Type.Name == "" {
			r.Type.Name = fmt.Sprintf("resource %d", i)
		}
	}
	for i := range b.plan.Trampolines {
		t := &b.plan.Trampolines[i]
		switch t.Kind {
		case CallImport:
			imp := &b.plan.Imports[t.Import]
			t.Name = funcName(imp.Interface, imp.Name)
		case CallLifted:
			if t.Callee.Name == "" {
				t.Callee.Name = fmt.Sprintf("function of component instance %d", b.plan.Options[t.Callee.Options].Component)
			}
			t.Name = t.Callee.Name
		case ResourceNew:
			t.Name = "[resource-new]" + b.plan.Resources[t.Resource].Type.Name
		case ResourceRep:
			t.Name = "[resource-rep]" + b.plan.Resources[t.Resource].Type.Name
		case ResourceDrop:
			t.Name = "[resource-drop]" + b.plan.Resources[t.Resource].Type.Name
		default:
		}
	}
}
