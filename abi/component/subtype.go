package component

import (
	"errors"
	"fmt"
)

// env replaces resource types on one side of a comparison: the innermost that knows one counts.
type env struct {
	ids map[*resourceID]*resourceID
	up  *env
}

func (e *env) resolve(id *resourceID) *resourceID {
	for ; e != nil; e = e.up {
		if to, ok := e.ids[id]; ok {
			return to
		}
	}
	return id
}

// sides are the environments of the two sides of a comparison: found and expected.
type sides struct{ found, expected *env }

// compared is a pair that has been found to match.
type compared struct {
	found, expected anyType
	sides           sides
}

// within puts a place before what an error says.
func within(place string, err error) error {
	var e *Error
	if !errors.As(err, &e) || len(e.Where) > 300 {
		return err
	}
	out := *e
	if out.Where != "" {
		place += ": " + out.Where
	}
	out.Where = place
	return &out
}

func invalid(expected, found string, args ...any) error {
	if len(args) > 0 {
		found = fmt.Sprintf(found, args...)
	}
	return &Error{Expected: expected, Found: found}
}

// matches tells whether what is found may stand where expected is [Type Checking].
func (v *validator) matches(found, expected entity, in sides) error {
	if found.sort != expected.sort {
		return invalid(article(expected.sort.String()), "%s", article(found.sort.String()))
	}
	if expected.sort == SortType {
		if f, ok := found.t.(*resource); ok {
			return matchResource(f, expected.t, in)
		}
	}
	return v.matchTypes(found.t, expected.t, in)
}

func matchResource(found *resource, expected anyType, in sides) error {
	e, ok := expected.(*resource)
	switch {
	case !ok:
		return invalid(describe(expected), "a resource type")
	case in.found.resolve(found.id) != in.expected.resolve(e.id):
		return invalid("the same resource type", "another one")
	default:
		return nil
	}
}

func (v *validator) matchTypes(found, expected anyType, in sides) error {
	handles := found.facts().handles || expected.facts().handles
	if !handles {
		in = sides{}
	}
	if found == expected && in == (sides{}) {
		return nil
	}
	key := compared{found, expected, in}
	if _, ok := v.matched[key]; ok {
		return nil
	}
	if err := v.step(1); err != nil {
		return err
	}
	if err := v.matchEach(found, expected, in); err != nil {
		return err
	}
	v.matched[key] = struct{}{}
	return nil
}

func (v *validator) matchEach(found, expected anyType, in sides) error {
	switch e := expected.(type) {
	case *vType:
		if f, ok := found.(*vType); ok {
			return v.matchValues(f.vBody, e.vBody, in)
		}
	case *resource:
		if f, ok := found.(*resource); ok {
			return matchResource(f, e, in)
		}
	case *fnType:
		if f, ok := found.(*fnType); ok {
			return v.matchFuncs(f, e, in)
		}
	case *instType:
		if f, ok := found.(*instType); ok {
			return v.matchInstances(f, e, in)
		}
	case *compType:
		if f, ok := found.(*compType); ok {
			return v.matchComponents(f, e, in)
		}
	case *modType:
		if f, ok := found.(*modType); ok {
			return matchModules(f, e)
		}
	}
	return invalid(describe(expected), "%s", describe(found))
}

// matchValues compares value types: they must be equal.
func (v *validator) matchValues(f, e *vBody, in sides) error {
	switch {
	case f.kind != e.kind:
		return invalid(article(e.kind.String()), "%s", article(f.kind.String()))
	case f.length != e.length:
		return invalid(fmt.Sprintf("a list of length %d", e.length), "%d", f.length)
	case e.resource != nil:
		return matchResource(f.resource, e.resource, in)
	}
	if err := v.matchOptional(f.elem, e.elem, in); err != nil {
		return within("the type within "+article(e.kind.String()), err)
	}
	if err := v.matchOptional(f.err, e.err, in); err != nil {
		return within("the second type within "+article(e.kind.String()), err)
	}
	return v.matchFields(f.fields, e.fields, in)
}

func (v *validator) matchOptional(f, e *vType, in sides) error {
	switch {
	case f == nil && e == nil:
		return nil
	case f == nil:
		return invalid(describe(e), "none")
	case e == nil:
		return invalid("no type", "%s", describe(f))
	default:
		return v.matchTypes(f, e, in)
	}
}

func (v *validator) matchFields(f, e []vField, in sides) error {
	if len(f) != len(e) {
		return invalid(fmt.Sprintf("%d fields, cases or parameters", len(e)), "%d", len(f))
	}
	if err := v.step(len(e)); err != nil {
		return err
	}
	for i := range e {
		if f[i].name != e[i].name {
			return invalid(fmt.Sprintf("the name %q", e[i].name), "%q", f[i].name)
		}
		if err := v.matchOptional(f[i].t, e[i].t, in); err != nil {
			return within(fmt.Sprintf("field, case or parameter %d %q", i, e[i].name), err)
		}
	}
	return nil
}

func (v *validator) matchFuncs(f, e *fnType, in sides) error {
	if f.async != e.async {
		return invalid(asyncName(e.async), "%s", asyncName(f.async))
	}
	if err := v.matchFields(f.params, e.params, in); err != nil {
		return err
	}
	if err := v.matchOptional(f.result, e.result, in); err != nil {
		return within("the result", err)
	}
	return nil
}

func asyncName(async bool) string {
	if async {
		return "an async function"
	}
	return "a function that is not async"
}

// matchInstances compares instances: all that is expected must be there, and there may be more.
func (v *validator) matchInstances(f, e *instType, in sides) error {
	if len(e.defined) > 0 {
		bound, err := v.bind(e.defined, &e.exports, &f.exports, in.found)
		if err != nil {
			return err
		}
		in.expected = &env{ids: bound, up: in.expected}
	}
	return v.matchExterns("export", &f.exports, &e.exports, in)
}

func (v *validator) matchExterns(what string, f, e *externs, in sides) error {
	if err := v.step(len(e.names)); err != nil {
		return err
	}
	for i, name := range e.names {
		place := fmt.Sprintf("%s %q", what, name)
		found, ok := f.get(name)
		if !ok {
			return within(place, invalid(article(e.ents[i].sort.String()), "none of that name"))
		}
		if err := v.matches(found, e.ents[i], in); err != nil {
			return within(place, err)
		}
	}
	return nil
}

// matchComponents compares components: given the imports that are expected, the one found must give the exports.
func (v *validator) matchComponents(f, e *compType, in sides) error {
	bound, err := v.bind(f.imported, &f.imports, &e.imports, in.expected)
	if err != nil {
		return err
	}
	in.found = &env{ids: bound, up: in.found}
	swapped := sides{found: in.expected, expected: in.found}
	if err := v.matchExterns("import", &e.imports, &f.imports, swapped); err != nil {
		return err
	}
	if bound, err = v.bind(e.defined, &e.exports, &f.exports, in.found); err != nil {
		return err
	}
	in.expected = &env{ids: bound, up: in.expected}
	return v.matchExterns("export", &f.exports, &e.exports, in)
}

// bind gives for the resource types that expected introduces those that found has in their places.
func (v *validator) bind(ids []*resourceID, expected, found *externs, in *env) (map[*resourceID]*resourceID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	if err := v.step(len(ids)); err != nil {
		return nil, err
	}
	b := binder{v: v, free: make(map[*resourceID]bool, len(ids)), bound: map[*resourceID]*resourceID{}, in: in}
	for _, id := range ids {
		b.free[id] = true
	}
	return b.bound, b.externs(expected, found)
}

type binder struct {
	v     *validator
	free  map[*resourceID]bool // those that have no counterpart yet
	bound map[*resourceID]*resourceID
	in    *env
}

func (b *binder) externs(expected, found *externs) error {
	if err := b.v.step(len(expected.ents)); err != nil {
		return err
	}
	for i, name := range expected.names {
		f, ok := found.get(name)
		if !ok {
			continue // comparing says so
		}
		switch e := expected.ents[i].t.(type) {
		case *resource:
			if f, ok := f.t.(*resource); ok && b.free[e.id] && expected.ents[i].sort == SortType {
				b.bound[e.id] = b.in.resolve(f.id)
				delete(b.free, e.id)
			}
		case *instType:
			f, ok := f.t.(*instType)
			if !ok || !e.known.handles || expected.ents[i].sort != SortInstance {
				continue
			}
			if err := b.externs(&e.exports, &f.exports); err != nil {
				return err
			}
		}
	}
	return nil
}
