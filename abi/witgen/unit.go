package witgen

import (
	"fmt"
	"slices"
)

// unit is one Go package to be written, with the interfaces in it and the names that they get.
type unit struct {
	// dir is the package's folder below the output folder, "" for the folder itself; path is its import path, "" when
	// no other package needs it.
	dir, path, name string
	ifaces          []*iface

	// taken are the package-level names in use.
	taken map[string]bool
	// ifaceNames are the Go names of interfaces, for the names of their functions.
	ifaceNames map[*iface]string
	defNames   map[*def]string
	tagNames   map[*def]string
	// resourceNames are the variables with the identities of resources.
	resourceNames map[*def]string
	// caseNames are the constants of enums, variants' tags and flags, by case.
	caseNames map[*def][]string
	// placed tells that the unit is written already; twin is that of this plan, once it was asked for.
	placed bool
	twin   *unit
	// bare tells that functions are named without their interface: the unit is one interface.
	bare bool
}

// plan says which interfaces are written, in which unit each one is, and on which side each one stands.
type plan struct {
	units   []*unit
	of      map[*iface]*unit
	imports map[*iface]bool
	exports map[*iface]bool
}

// elsewhere gives the unit as one that is written already, for another plan.
func (u *unit) elsewhere() *unit {
	if u.twin == nil {
		u.twin = &unit{dir: u.dir, path: u.path, name: u.name, placed: true}
	}
	return u.twin
}

// add puts i and the interfaces whose types it uses into the units that place names.
func (p *plan) add(i *iface, place func(*iface) *unit) {
	if p.of[i] != nil {
		return
	}
	u := place(i)
	p.of[i] = u
	if !slices.Contains(p.units, u) {
		p.units = append(p.units, u)
	}
	for _, dep := range i.uses() {
		p.add(dep, place)
	}
	u.ifaces = append(u.ifaces, i)
}

// uses gives the other interfaces whose types i names.
func (i *iface) uses() []*iface {
	var out []*iface
	for _, d := range i.defs {
		if t := d.typ.elem; d.typ.kind == kindAlias && t.def != nil && t.def.iface != i && !slices.Contains(out, t.def.iface) {
			out = append(out, t.def.iface)
		}
	}
	return out
}

// target follows d, a use of another type under the same name in the same unit, to the type that is written. Of uses
// of one type of another unit under one name, the first is written.
func (p *plan) target(d *def) *def {
	for d.typ.kind == kindAlias {
		next := d.typ.elem.def
		if next == nil || p.of[next.iface] != p.of[d.iface] || pascal(next.name) != pascal(d.name) {
			return p.firstUse(d, next)
		}
		d = next
	}
	return d
}

// firstUse gives the first use of the type next, of another unit, in d's unit under d's name.
func (p *plan) firstUse(d, next *def) *def {
	if next == nil || p.of[next.iface] == p.of[d.iface] {
		return d
	}
	for _, i := range p.of[d.iface].ifaces {
		for _, o := range i.defs {
			if o.typ.kind == kindAlias && o.typ.elem.def == next && pascal(o.name) == pascal(d.name) {
				return o
			}
		}
	}
	return d
}

// guestDefines tells whether d is a resource that guests define: one of an interface that they export.
func (p *plan) guestDefines(d *def) bool { return p.exports[d.iface] && !p.imports[d.iface] }

// check refuses what cannot be written: an interface whose resources both sides define.
func (p *plan) check() error {
	for _, u := range p.units {
		for _, i := range u.ifaces {
			if rs := i.resources(); len(rs) > 0 && p.imports[i] && p.exports[i] {
				return fmt.Errorf("interface %s is imported and exported, and has the resource %s: the two would be different types; "+
					"generate a package for each side, from a world that imports it and one that exports it", i.module, rs[0].name)
			}
			for _, f := range i.exported() {
				if d := p.foreign(u, f); d != nil && p.exports[i] {
					return fmt.Errorf("%s#%s: the resource %s is exported by %s, which goes into another package: generate one package of both",
						i.module, f.name, d.name, d.iface.module)
				}
			}
		}
	}
	return nil
}

// foreign gives a resource of guests that f passes and that is not in u; nil if there is none.
func (p *plan) foreign(u *unit, f *function) (d *def) {
	isForeign := func(t *typ) bool {
		if p.guestDefines(t.resource()) && p.of[t.resource().iface] != u {
			d = t.resource()
		}
		return d != nil
	}
	f.paramTuple().anyHandle(isForeign)
	f.result.anyHandle(isForeign)
	return d
}

// defs are the types that u writes, in the order of the WIT.
func (p *plan) defs(u *unit) []*def {
	var out []*def
	for _, i := range u.ifaces {
		for _, d := range i.defs {
			if p.target(d) == d {
				out = append(out, d)
			}
		}
	}
	return out
}

// nameAll chooses the names of all units.
func (p *plan) nameAll() {
	for _, u := range p.units {
		u.taken = map[string]bool{}
		u.defNames, u.tagNames = map[*def]string{}, map[*def]string{}
		u.caseNames, u.resourceNames = map[*def][]string{}, map[*def]string{}
		u.nameInterfaces()
		u.nameTypes(p.defs(u))
	}
}

func (u *unit) nameInterfaces() {
	u.ifaceNames = map[*iface]string{}
	count := map[string]int{}
	for _, i := range u.ifaces {
		count[pascal(i.name)]++
	}
	for _, i := range u.ifaces {
		name := pascal(i.name)
		if count[name] > 1 {
			name = pascal(i.pkg.name) + name
		}
		for slices.Contains(mapValues(u.ifaceNames), name) {
			name = pascal(i.pkg.namespace) + name
		}
		u.ifaceNames[i] = name
	}
}

func mapValues(m map[*iface]string) []string {
	var out []string
	for _, v := range m {
		out = append(out, v)
	}
	return out
}

// nameTypes names types, then what belongs to them. A name that several interfaces define stays bare only in an
// interface called types, of which there is one; elsewhere it gets the interface's name in front.
func (u *unit) nameTypes(defs []*def) {
	count, inTypes := map[string]int{}, map[string]int{}
	for _, d := range defs {
		count[pascal(d.name)]++
		if d.iface.name == "types" {
			inTypes[pascal(d.name)]++
		}
	}
	for _, d := range defs {
		name := pascal(d.name)
		switch {
		case count[name] == 1 || (d.iface.name == "types" && inTypes[name] == 1):
		case d.iface.name == "types":
			name = pascal(d.iface.pkg.name) + name
		default:
			name = u.ifaceNames[d.iface] + name
		}
		u.defNames[d] = u.unique(name)
	}
	for _, d := range defs {
		switch d.typ.kind {
		case kindVariant:
			u.tagNames[d] = u.unique(u.defNames[d] + "Tag")
		case kindResource:
			u.resourceNames[d] = u.unique(u.defNames[d] + "Resource")
		default:
		}
	}
	for _, d := range defs {
		if k := d.typ.kind; k == kindVariant || k == kindEnum || k == kindFlags {
			for _, c := range d.typ.cases {
				u.caseNames[d] = append(u.caseNames[d], u.unique(u.defNames[d]+pascal(c.name)))
			}
		}
	}
}

// unique takes name, or name with underscores if it is taken.
func (u *unit) unique(name string) string {
	for u.taken[name] {
		name += "_"
	}
	u.taken[name] = true
	return name
}

// markErrors finds the types that functions of their own package fail with, and those that are called errors.
func (s *Set) markErrors() {
	for _, p := range s.pkgs {
		for _, i := range p.ifaces {
			for _, d := range i.defs {
				d.isError = d.isError || d.name == "error" || d.name == "error-code"
			}
			for _, f := range i.funcs {
				if f.result == nil || f.result.base().kind != kindResult || f.result.base().err == nil {
					continue
				}
				if d := f.result.base().err.base().def; d != nil && d.iface.pkg == p {
					d.isError = true
				}
			}
		}
	}
}

// errorType tells whether t's Go type implements error.
func (t *typ) errorType() bool {
	t = t.base()
	if t.def == nil || !t.def.isError {
		return false
	}
	switch t.kind {
	case kindVariant, kindEnum:
		return true
	case kindRecord:
		// A field Error and a method Error cannot be in one struct.
		return !slices.ContainsFunc(t.fields, func(f field) bool { return pascal(f.name) == "Error" })
	default:
		return false
	}
}
