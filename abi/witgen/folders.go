package witgen

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
)

// hostFolders writes the host's side of the packages in dir, each in a folder of its own name. Several folders may
// have a package of the same name, in dialects: what they have in common is written for the first one only, so that its
// types are the same for all of them.
func hostFolders(ctx context.Context, dir, root string) ([]File, error) {
	deps, err := dependencies(dir)
	if err != nil {
		return nil, err
	}
	var files []File
	written := map[string]*placedIface{}
	for len(deps) > 0 {
		var now, later []dependency
		for _, d := range deps {
			if slices.ContainsFunc(now, func(o dependency) bool { return o.id == d.id }) {
				later = append(later, d)
			} else {
				now = append(now, d)
			}
		}
		more, err := hostDialect(ctx, dir, root, now, written)
		if err != nil {
			return nil, err
		}
		files, deps = append(files, more...), later
	}
	return files, nil
}

// placedIface is an interface that was written: its text, and the unit that it is in.
type placedIface struct {
	text string
	unit *unit
}

// hostDialect writes the packages of some folders of dir, no two of which have the same name, but for the interfaces
// that are written already.
func hostDialect(ctx context.Context, dir, root string, folders []dependency, written map[string]*placedIface) ([]File, error) {
	set, err := load(ctx, dir, func(l *layouter) error {
		for _, d := range folders {
			if err := l.copyDependency(d); err != nil {
				return err
			}
		}
		if err := l.layDeps(dir, ""); err != nil {
			return err
		}
		return l.finish(0)
	})
	if err != nil {
		return nil, err
	}
	p := set.allWorlds()
	units := map[string]*unit{}
	for _, d := range folders {
		name := packageName(filepath.Base(d.path))
		units[d.id] = &unit{dir: name, path: root + "/" + name, name: name}
	}
	set.placeAll(p, func(i *iface) *unit {
		if w := written[i.module]; w != nil && w.text == i.text() {
			return w.unit.elsewhere()
		}
		return units[i.pkg.id()]
	})
	if err := p.check(); err != nil {
		return nil, err
	}
	var files []File
	for _, u := range p.units {
		if u.placed {
			continue
		}
		f, err := hostFile(p, u, u.name+".wit.go")
		if err != nil {
			return nil, fmt.Errorf("%s: %w", u.dir, err)
		}
		files = append(files, f)
		for _, i := range u.ifaces {
			written[i.module] = &placedIface{text: i.text(), unit: u}
		}
	}
	return files, nil
}
