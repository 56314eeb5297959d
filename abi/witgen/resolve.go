package witgen

import (
	"fmt"
	"strings"

	"go.bytecodealliance.org/wit"
)

// resolver turns the parser's model into ours, once per node.
type resolver struct {
	set    *Set
	pkgs   map[*wit.Package]*witPackage
	ifaces map[*wit.Interface]*iface
	worlds map[*wit.World]*iface
	types  map[*wit.TypeDef]*typ
}

func newResolver() *resolver {
	return &resolver{
		set:    &Set{},
		pkgs:   map[*wit.Package]*witPackage{},
		ifaces: map[*wit.Interface]*iface{},
		worlds: map[*wit.World]*iface{},
		types:  map[*wit.TypeDef]*typ{},
	}
}

// resolve builds the Set of everything in res. It fails on the first type or function that is not supported.
func (r *resolver) resolve(res *wit.Resolve) (*Set, error) {
	for _, p := range res.Packages {
		r.addPackage(p)
	}
	for _, i := range res.Interfaces {
		if i.Name == nil {
			continue // an interface written inside of a world: named there
		}
		if err := r.fillInterface(i); err != nil {
			return nil, err
		}
	}
	for _, w := range res.Worlds {
		if err := r.addWorld(w); err != nil {
			return nil, err
		}
	}
	r.set.markErrors()
	return r.set, nil
}

func (r *resolver) addPackage(p *wit.Package) {
	out := &witPackage{namespace: p.Name.Namespace, name: p.Name.Package, docs: p.Docs.Contents}
	if p.Name.Version != nil {
		out.version = p.Name.Version.String()
	}
	r.pkgs[p] = out
	r.set.pkgs = append(r.set.pkgs, out)
	for name, i := range p.Interfaces.All() {
		r.addInterface(i, out, name)
	}
}

func (r *resolver) addInterface(i *wit.Interface, pkg *witPackage, name string) *iface {
	out := &iface{pkg: pkg, name: name, module: pkg.moduleOf(name), docs: i.Docs.Contents}
	r.ifaces[i] = out
	pkg.ifaces = append(pkg.ifaces, out)
	return out
}

// moduleOf is the core module name of an interface of p.
func (p *witPackage) moduleOf(name string) string {
	s := p.namespace + ":" + p.name + "/" + name
	if p.version != "" {
		s += "@" + p.version
	}
	return s
}

// fillInterface resolves the types and functions of an interface that was added.
func (r *resolver) fillInterface(i *wit.Interface) error {
	out := r.ifaces[i]
	for _, t := range i.TypeDefs.All() {
		if _, err := r.typeDef(t); err != nil {
			return err
		}
	}
	for _, f := range i.Functions.All() {
		fn, err := r.function(f, out)
		if err != nil {
			return err
		}
		out.funcs = append(out.funcs, fn)
	}
	return nil
}

func (r *resolver) addWorld(w *wit.World) error {
	pkg := r.pkgs[w.Package]
	own := &iface{pkg: pkg, name: w.Name, module: "$root", docs: w.Docs.Contents, world: true}
	r.worlds[w] = own
	out := &world{pkg: pkg, name: w.Name, docs: w.Docs.Contents}
	for name, item := range w.Imports.All() {
		i, err := r.worldItem(name, item, own, &own.funcs)
		if err != nil {
			return err
		}
		out.imports = appendNotNil(out.imports, i)
	}
	for name, item := range w.Exports.All() {
		i, err := r.worldItem(name, item, own, &own.exports)
		if err != nil {
			return err
		}
		out.exports = appendNotNil(out.exports, i)
	}
	if len(own.funcs)+len(own.exports)+len(own.defs) > 0 {
		out.own = own
	}
	pkg.worlds = append(pkg.worlds, out)
	return nil
}

func appendNotNil(s []*iface, i *iface) []*iface {
	if i == nil {
		return s
	}
	return append(s, i)
}

// worldItem gives the interface of a world's import or export, or adds a function or type to the world's own.
func (r *resolver) worldItem(name string, item wit.WorldItem, own *iface, funcs *[]*function) (*iface, error) {
	switch item := item.(type) {
	case *wit.InterfaceRef:
		if item.Interface.Name == nil && r.ifaces[item.Interface] == nil {
			i := &iface{pkg: own.pkg, name: name, module: name, docs: item.Interface.Docs.Contents}
			r.ifaces[item.Interface] = i
			own.pkg.ifaces = append(own.pkg.ifaces, i)
			return i, r.fillInterface(item.Interface)
		}
		return r.ifaces[item.Interface], nil
	case *wit.Function:
		fn, err := r.function(item, own)
		if err == nil {
			*funcs = append(*funcs, fn)
		}
		return nil, err
	case *wit.TypeDef:
		_, err := r.typeDef(item)
		return nil, err
	default:
		return nil, fmt.Errorf("world %s: expected an interface, a function or a type named %q, found %T", own.name, name, item)
	}
}

func (r *resolver) function(f *wit.Function, owner *iface) (*function, error) {
	where := owner.module + "#" + f.Name
	if len(f.Results) > 1 {
		return nil, fmt.Errorf("%s: several named results are not supported; return a record or a tuple", where)
	}
	out := &function{name: f.Name, docs: f.Docs.Contents, iface: owner}
	if err := r.funcKind(out, f); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	for _, p := range f.Params {
		t, err := r.typ(p.Type)
		if err != nil {
			return nil, fmt.Errorf("%s: parameter %s: %w", where, p.Name, err)
		}
		out.params = append(out.params, field{name: p.Name, typ: t})
	}
	if len(f.Results) == 1 {
		t, err := r.typ(f.Results[0].Type)
		if err != nil {
			return nil, fmt.Errorf("%s: result: %w", where, err)
		}
		out.result = t
	}
	return out, nil
}

// funcKind notes whose function out is.
func (r *resolver) funcKind(out *function, f *wit.Function) error {
	var of wit.Type
	switch k := f.Kind.(type) {
	case *wit.Freestanding:
		if !strings.HasPrefix(f.Name, "[") {
			return nil
		}
	case *wit.Method:
		out.kind, of = funcMethod, k.Type
	case *wit.Static:
		out.kind, of = funcStatic, k.Type
	case *wit.Constructor:
		out.kind, of = funcConstructor, k.Type
	}
	if of == nil {
		return fmt.Errorf("an async function is not supported; expected one that is not")
	}
	t, err := r.typ(of)
	if err != nil {
		return err
	}
	out.resource = t.base().def
	return nil
}
