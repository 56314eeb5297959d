package secret

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Decl is a secret store of the manifest. Its own fields may come from other stores.
type Decl struct {
	component.Decl
	// Secrets are the fields of Metadata whose values another store has.
	Secrets []Ref
}

// order sorts stores so that each comes after those that it takes values from; otherwise they keep their places. The
// error has every circle, and every reference to a store that is not there.
func order(decls []Decl) ([]Decl, error) {
	s := &sorter{decls: decls, state: make([]visit, len(decls))}
	for i := range decls {
		if s.state[i] == unseen {
			s.visit(i)
		}
	}
	return s.out, errors.Join(s.errs...)
}

type visit uint8

const (
	unseen visit = iota
	open
	done
)

type sorter struct {
	decls []Decl
	state []visit
	// path are the stores that wait for the one that is visited, each with the reference by which it waits.
	path []step
	out  []Decl
	errs []error
}

type step struct {
	decl int
	ref  Ref
}

func (s *sorter) visit(i int) {
	s.state[i] = open
	d := &s.decls[i]
	for _, ref := range d.Secrets {
		next := slices.IndexFunc(s.decls, func(o Decl) bool { return o.Name == ref.Store })
		if next < 0 {
			s.errs = append(s.errs, unknownStore("component "+d.Name, ref, names(s.decls)))
			continue
		}
		s.path = append(s.path, step{i, ref})
		switch s.state[next] {
		case unseen:
			s.visit(next)
		case open:
			s.errs = append(s.errs, s.circle(next))
		case done:
		}
		s.path = s.path[:len(s.path)-1]
	}
	s.state[i] = done
	s.out = append(s.out, *d)
}

// circle describes the way from a store back to itself.
func (s *sorter) circle(first int) error {
	from := slices.IndexFunc(s.path, func(st step) bool { return st.decl == first })
	var b strings.Builder
	for _, st := range s.path[from:] {
		fmt.Fprintf(&b, "%s (field %s at %s) needs ", s.decls[st.decl].Name, st.ref.Field, st.ref.Where)
	}
	b.WriteString(s.decls[first].Name)
	return fmt.Errorf("%s: secret stores wait for each other in a circle: %s; give one of these fields a value or an envRef instead of a secretKeyRef",
		s.path[from].ref.Where, b.String())
}

func names(decls []Decl) []string {
	out := make([]string, len(decls))
	for i := range decls {
		out[i] = decls[i].Name
	}
	return out
}
