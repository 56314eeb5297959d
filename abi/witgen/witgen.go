// Package witgen writes Go from WIT, for both sides of the boundary: for the host an interface to implement for each
// import and a typed caller for each export, which lift and lower straight from and to linear memory by abi/canon;
// for guests in standard Go what its compiler accepts (core parameters, explicit 32-bit loads and stores), over
// guest-sdk/go/cabi.
//
// It takes every WIT package and world made of value types and resources. Streams and futures are refused by name.
//
// The Go types are the same on both sides:
//
//	bool, u8 ... f64, string    bool, uint8 ... float64, string
//	char                        rune
//	list<u8>, list<T>           []byte, []T
//	option<T>                   *T
//	record                      struct
//	tuple<A, B>                 canon.Tuple2[A, B] or cabi.Tuple2[A, B]
//	enum                        an integer type with constants and String
//	flags                       an integer type with constants and Has; an array beyond 64 labels
//	variant                     struct { Tag; Value T } if all that cases carry is one type, else with a field a case
//	result<T, E> of a function  (T, *E) for who implements it, (T, error) for who calls it
//	result<T, E> elsewhere      canon.Result[T, E] or cabi.Result[T, E]
//	resource                    an interface for who defines it, a pointer to a struct for who uses it
//	own<R>, borrow<R>           that, and option<own<R>> too: nil is none
//
// The generator knows nothing of engines, and the code that it writes uses no reflection.
package witgen

import (
	"fmt"
	"go/token"
	"slices"
	"strings"
)

// Options say what is written.
type Options struct {
	// World names the world whose imports and exports are written, for example "app" or "mrt:worlds/app@0.1.0". Empty
	// takes the only world there is; if there is none, every interface is taken as both imported and exported.
	World string
	// Package is the name of the Go package that everything goes into.
	Package string
}

// Host writes the host's side of a world.
func Host(s *Set, opts Options) ([]File, error) {
	p, u, err := single(s, opts)
	if err != nil {
		return nil, err
	}
	f, err := hostFile(p, u, u.name+".wit.go")
	if err != nil {
		return nil, err
	}
	return []File{f}, nil
}

// HostTree writes the host's side of all worlds in s, one Go package for each WIT package, in a folder of its name
// below the folder whose import path is root. An interface in no world is taken as both imported and exported.
func HostTree(s *Set, root string) ([]File, error) {
	p := s.allWorlds()
	units := map[*witPackage]*unit{}
	s.placeAll(p, func(i *iface) *unit {
		if units[i.pkg] == nil {
			name := packageName(i.pkg.name)
			units[i.pkg] = &unit{dir: name, path: root + "/" + name, name: name}
		}
		return units[i.pkg]
	})
	if err := p.check(); err != nil {
		return nil, err
	}
	var files []File
	for _, u := range p.units {
		f, err := hostFile(p, u, u.name+".wit.go")
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// Guest writes a guest's side of a world, for standard Go. All exports of the world have to be given by the app.
func Guest(s *Set, opts Options) ([]File, error) {
	p, u, err := single(s, opts)
	if err != nil {
		return nil, err
	}
	return guestFiles(p, u)
}

// GuestTree writes a guest's side of all worlds in s, one Go package for each interface, in the folder
// <WIT package>/<interface> below the folder whose import path is root. So an app exports an interface only if it
// imports its package.
func GuestTree(s *Set, root string) ([]File, error) {
	p := s.allWorlds()
	s.placeAll(p, func(i *iface) *unit {
		name := packageName(i.name)
		dir := packageName(i.pkg.name) + "/" + name
		return &unit{dir: dir, path: root + "/" + dir, name: name, bare: true}
	})
	if err := p.check(); err != nil {
		return nil, err
	}
	var files []File
	for _, u := range p.units {
		fs, err := guestFiles(p, u)
		if err != nil {
			return nil, err
		}
		files = append(files, fs...)
	}
	return files, nil
}

// single plans one Go package for a world.
func single(s *Set, opts Options) (*plan, *unit, error) {
	if !token.IsIdentifier(opts.Package) || packageName(opts.Package) != opts.Package {
		return nil, nil, fmt.Errorf("package: expected a Go package name in lower case, found %q", opts.Package)
	}
	w, err := s.world(opts.World)
	if err != nil {
		return nil, nil, err
	}
	p := newPlan()
	u := &unit{name: opts.Package}
	place := func(*iface) *unit { return u }
	if w == nil {
		p = s.allWorlds()
		s.placeAll(p, place)
		return p, u, p.check()
	}
	p.sides(w)
	for _, i := range slices.Concat(w.imports, w.exports) {
		p.add(i, place)
	}
	if w.own != nil {
		p.add(w.own, place)
	}
	p.nameAll()
	return p, u, p.check()
}

// placeAll plans all interfaces of s and what worlds have of their own.
func (s *Set) placeAll(p *plan, place func(*iface) *unit) {
	for _, pkg := range s.pkgs {
		for _, i := range pkg.ifaces {
			p.add(i, place)
		}
		for _, w := range pkg.worlds {
			if w.own != nil {
				p.add(w.own, place)
			}
		}
	}
	p.nameAll()
}

func newPlan() *plan {
	return &plan{of: map[*iface]*unit{}, imports: map[*iface]bool{}, exports: map[*iface]bool{}}
}

// sides notes on which side w has its interfaces.
func (p *plan) sides(w *world) {
	for _, i := range w.imports {
		p.imports[i] = true
	}
	for _, i := range w.exports {
		p.exports[i] = true
	}
	if w.own != nil {
		p.imports[w.own], p.exports[w.own] = true, true
	}
}

// allWorlds plans for all worlds at once.
func (s *Set) allWorlds() *plan {
	p := newPlan()
	for _, pkg := range s.pkgs {
		for _, w := range pkg.worlds {
			p.sides(w)
		}
	}
	for _, pkg := range s.pkgs {
		for _, i := range pkg.ifaces {
			if !p.imports[i] && !p.exports[i] {
				p.imports[i], p.exports[i] = true, len(i.resources()) == 0
			}
		}
	}
	return p
}

// world finds a world by name; nil for an empty name if there is none at all.
func (s *Set) world(name string) (*world, error) {
	var all []*world
	var names []string
	for _, p := range s.pkgs {
		for _, w := range p.worlds {
			full := p.moduleOf(w.name)
			bare, _, _ := strings.Cut(full, "@")
			if name != "" && (name == w.name || name == full || name == bare) {
				all = append(all, w)
			}
			names = append(names, full)
		}
	}
	switch {
	case len(all) == 1:
		return all[0], nil
	case len(all) > 1:
		return nil, fmt.Errorf("world %q: several packages have it; write one of %s", name, strings.Join(names, ", "))
	case name != "":
		return nil, fmt.Errorf("world %q: there is none of this name; there are: %s", name, orNone(names))
	case len(names) > 1:
		return nil, fmt.Errorf("expected the name of a world, since there are several: %s", strings.Join(names, ", "))
	case len(names) == 1:
		return s.world(names[0])
	default:
		return nil, nil
	}
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "no worlds at all"
	}
	return strings.Join(names, ", ")
}
