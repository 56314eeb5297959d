package wasm

import (
	"errors"
	"fmt"
)

// hostKey is equal for imports of the host that become one.
type hostKey struct {
	module, name string
	kind         Kind
	typ          uint32 // of a function
	table        ValType
	global       GlobalType
}

// resolve finds what an import of a part is, and checks that it is of the type that the part expects.
func (g *merger) resolve(p *mergePart, imp *Import, find func(module, name string, kind Kind) (Target, bool)) (place, error) {
	if find == nil {
		return place{}, errors.New("expected something to resolve it to, found nothing: the part is said to have no imports")
	}
	target, ok := find(imp.Module, imp.Name, imp.Kind)
	if !ok {
		return place{}, fmt.Errorf("expected a %s to resolve it to, found nothing", imp.Kind)
	}
	if target.Host {
		return g.hostImport(p, imp, target)
	}
	if target.Part < 0 || target.Part >= len(g.parts) {
		return place{}, fmt.Errorf("expected an export of a part before this one, found part %d", target.Part)
	}
	from := g.parts[target.Part]
	e, ok := from.exports[target.Name]
	if !ok {
		return place{}, fmt.Errorf("expected an export %q of part %d (%s), found none", target.Name, target.Part, from.name)
	}
	if e.Kind != imp.Kind {
		return place{}, fmt.Errorf("expected a %s, found %q of part %d (%s), which is a %s", imp.Kind, target.Name, target.Part, from.name, e.Kind)
	}
	at := from.spaces[e.Kind][e.Index]
	if err := g.matches(p, imp, at); err != nil {
		return place{}, fmt.Errorf("%w (%q of part %d, %s)", err, target.Name, target.Part, from.name)
	}
	return at, nil
}

// hostImport adds an import to those that stay, unless an equal one is there. Equal memories and tables may be expected
// with different limits: they get the narrower ones.
func (g *merger) hostImport(p *mergePart, imp *Import, target Target) (place, error) {
	added := *imp
	added.Module, added.Name = target.Module, target.Name
	key := hostKey{module: target.Module, name: target.Name, kind: imp.Kind}
	switch imp.Kind {
	case KindFunc:
		added.Func = p.types[imp.Func]
		key.typ = added.Func
	case KindTable:
		key.table = imp.Table.Type
	case KindGlobal:
		key.global = imp.Global
	case KindMemory:
	}
	if at, ok := g.hosts[key]; ok {
		have := g.hostImportAt(imp.Kind, at.index)
		if !have.Table.narrow(imp.Table.Limits) || !have.Memory.narrow(imp.Memory) {
			return place{}, fmt.Errorf("expected the same %s as another import of %q %q, found limits that exclude each other", imp.Kind, target.Module, target.Name)
		}
		return at, nil
	}
	at := place{host: true, index: uint32(len(g.host[imp.Kind]))}
	g.host[imp.Kind] = append(g.host[imp.Kind], len(g.out.Imports))
	g.hosts[key] = at
	g.out.Imports = append(g.out.Imports, added)
	return at, nil
}

// narrow makes limits such that what is within them is within others too. It fails if nothing is.
func (l *Limits) narrow(other Limits) bool {
	l.Min = max(l.Min, other.Min)
	if other.HasMax && (!l.HasMax || l.Max > other.Max) {
		l.Max, l.HasMax = other.Max, true
	}
	return !l.HasMax || l.Min <= l.Max
}

// hostImportAt finds an import that stays by its number among those of its kind.
func (g *merger) hostImportAt(kind Kind, index uint32) *Import {
	return &g.out.Imports[g.host[kind][index]]
}

// matches checks what an import of a part resolves to.
func (g *merger) matches(p *mergePart, imp *Import, at place) error {
	have := g.declared(imp.Kind, at)
	switch imp.Kind {
	case KindFunc:
		if want := p.types[imp.Func]; have.Func != want {
			return fmt.Errorf("expected a function %s, found %s", g.out.Types[want], g.out.Types[have.Func])
		}
	case KindTable:
		if have.Table.Type != imp.Table.Type {
			return fmt.Errorf("expected a table of %s, found one of %s", imp.Table.Type, have.Table.Type)
		}
		return have.Table.within(imp.Table.Limits, "elements")
	case KindMemory:
		return have.Memory.within(imp.Memory, "pages")
	case KindGlobal:
		if have.Global != imp.Global {
			return fmt.Errorf("expected a global %s, found %s", imp.Global.text(), have.Global.text())
		}
	}
	return nil
}

// declared gives the type of what is at a place, in the form of an import.
func (g *merger) declared(kind Kind, at place) Import {
	if at.host {
		return *g.hostImportAt(kind, at.index)
	}
	switch kind {
	case KindFunc:
		return Import{Func: g.out.Funcs[at.index].Type}
	case KindTable:
		return Import{Table: g.out.Tables[at.index]}
	case KindMemory:
		return Import{Memory: g.out.Memories[at.index]}
	default:
		return Import{Global: g.out.Globals[at.index].GlobalType}
	}
}

// within checks that what has these limits may be imported with others.
func (l Limits) within(other Limits, unit string) error {
	switch {
	case l.Min < other.Min:
		return fmt.Errorf("expected at least %d %s, found %d", other.Min, unit, l.Min)
	case other.HasMax && !l.HasMax:
		return fmt.Errorf("expected a maximum of at most %d %s, found none", other.Max, unit)
	case other.HasMax && l.Max > other.Max:
		return fmt.Errorf("expected a maximum of at most %d %s, found %d", other.Max, unit, l.Max)
	default:
		return nil
	}
}

// text gives the type as the text format has it.
func (t GlobalType) text() string {
	if t.Mutable {
		return "(mut " + t.Type.String() + ")"
	}
	return t.Type.String()
}

// maxTypeText bounds how many values a type's text shows of each list.
const maxTypeText = 16

// String gives the type in the form "(i32, i32) -> (i64)".
func (t FuncType) String() string { return typeList(t.Params) + " -> " + typeList(t.Results) }

func typeList(list []ValType) string {
	b := []byte{'('}
	for i, v := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		if i == maxTypeText {
			b = fmt.Appendf(b, "%d more", len(list)-i)
			break
		}
		b = append(b, v.String()...)
	}
	return string(append(b, ')'))
}
