package plugin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Order gives the components so that each plugin comes after those that it may use, and else as they are, with what is
// granted filled in. Components that come from elsewhere, such as secret stores when these are not among decls, are
// left out of the order. A circle is an error that names everyone in it.
func Order(decls []component.Decl) ([]component.Decl, error) {
	o := &order{state: map[string]int{}}
	for _, d := range decls {
		for _, name := range d.PluginImports() {
			for i := range decls {
				if decls[i].Name == name && !slices.Contains(decls[i].Grants, d.Name) {
					decls[i].Grants = append(slices.Clone(decls[i].Grants), d.Name)
				}
			}
		}
	}
	o.decls = decls
	for _, d := range decls {
		if err := o.visit(d.Name, nil); err != nil {
			return nil, err
		}
	}
	return o.sorted, nil
}

type order struct {
	decls, sorted []component.Decl
	state         map[string]int
}

// The states of a visit.
const (
	unseen = iota
	under
	done
)

func (o *order) visit(name string, path []string) error {
	at := slices.IndexFunc(o.decls, func(d component.Decl) bool { return d.Name == name })
	if at < 0 || o.state[name] == done {
		return nil
	}
	d := o.decls[at]
	path = append(path, name)
	if o.state[name] == under {
		circle := path[slices.Index(path, name):]
		return fmt.Errorf("%s: component %s: metadata field imports: the plugins of these components use each other in a circle, "+
			"so none can start first: %s", d.Where, d.Name, strings.Join(circle, " -> "))
	}
	o.state[name] = under
	for _, next := range d.PluginImports() {
		if err := o.visit(next, slices.Clone(path)); err != nil {
			return err
		}
	}
	o.state[name] = done
	o.sorted = append(o.sorted, d)
	return nil
}

// Kinds gives the kinds of components in an order in which they can be opened one after the other: those whose
// components the plugins of another kind may use come first, and else as they are. Where kinds need each other, the
// given order decides, and plugins of the earlier one can use the later one only after init.
func Kinds(kinds []string, decls []component.Decl) []string {
	kindOf := map[string]string{}
	for _, d := range decls {
		kindOf[d.Name] = kind(d)
	}
	needs := map[string][]string{}
	for _, d := range decls {
		for _, name := range d.PluginImports() {
			if k := kindOf[name]; k != "" && k != kind(d) {
				needs[kind(d)] = append(needs[kind(d)], k)
			}
		}
	}
	var out []string
	var visit func(k string)
	seen := map[string]bool{}
	visit = func(k string) {
		if seen[k] || !slices.Contains(kinds, k) {
			return
		}
		seen[k] = true
		for _, first := range kinds {
			if slices.Contains(needs[k], first) {
				visit(first)
			}
		}
		out = append(out, k)
	}
	for _, k := range kinds {
		visit(k)
	}
	return out
}

func kind(d component.Decl) string {
	k, _, _ := strings.Cut(strings.ToLower(d.Type), ".")
	return k
}
