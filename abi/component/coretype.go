package component

import (
	"fmt"
	"slices"
	"strings"
)

// String gives the text format's name.
func (t CoreValType) String() string {
	switch t {
	case coreI32:
		return "i32"
	case coreI64:
		return "i64"
	case coreF32:
		return "f32"
	case coreF64:
		return "f64"
	case 0x7b:
		return "v128"
	case 0x70:
		return "funcref"
	case 0x6f:
		return "externref"
	default:
		return fmt.Sprintf("core type %#02x", byte(t))
	}
}

// String gives the text format, for example "(i32, i32) -> (i64)".
func (t *CoreFuncType) String() string {
	return fmt.Sprintf("%s -> %s", coreList(t.Params), coreList(t.Results))
}

func coreList(ts []CoreValType) string {
	names := make([]string, 0, len(ts))
	for i, t := range ts {
		if i == 24 {
			names = append(names, "…")
			break
		}
		names = append(names, t.String())
	}
	return "(" + strings.Join(names, ", ") + ")"
}

func (t *CoreFuncType) equal(o *CoreFuncType) bool {
	return slices.Equal(t.Params, o.Params) && slices.Equal(t.Results, o.Results)
}

func (t *CoreExternType) limits() string {
	s := fmt.Sprintf("at least %d", t.Min)
	if t.HasMax {
		s = fmt.Sprintf("%d to %d", t.Min, t.Max)
	}
	if t.Shared {
		s += ", shared"
	}
	if t.Is64 {
		s += ", 64-bit"
	}
	return s
}

// matchCore tells whether what is found may stand where expected is, by the rules of core modules.
func matchCore(f, e CoreExternType) error {
	if f.Sort != e.Sort {
		return invalid("a "+e.Sort.String(), "a %s", f.Sort)
	}
	switch e.Sort {
	case SortCoreFunc, SortCoreTag:
		if !f.Func.equal(e.Func) {
			return invalid(e.Func.String(), "%s", f.Func)
		}
	case SortCoreGlobal:
		if f.Content != e.Content || f.Mutable != e.Mutable {
			return invalid(globalName(e), "%s", globalName(f))
		}
	case SortCoreTable:
		if f.Elem != e.Elem {
			return invalid("elements of type "+e.Elem.String(), "%s", f.Elem)
		}
		return matchLimits(f, e)
	default:
		return matchLimits(f, e)
	}
	return nil
}

func globalName(t CoreExternType) string {
	if t.Mutable {
		return "a mutable " + t.Content.String()
	}
	return "a constant " + t.Content.String()
}

func matchLimits(f, e CoreExternType) error {
	if f.Shared != e.Shared || f.Is64 != e.Is64 || f.Min < e.Min || e.HasMax && (!f.HasMax || f.Max > e.Max) {
		return invalid("a size of "+e.limits(), "%s", f.limits())
	}
	return nil
}

// matchModules compares modules: the one found may import less and export more.
func matchModules(f, e *modType) error {
	for _, imp := range f.imports {
		place := fmt.Sprintf("import %q %q", imp.Module, imp.Name)
		i, ok := e.byName[[2]string{imp.Module, imp.Name}]
		if !ok {
			return within(place, invalid("it among the imports of the type", "none of that name"))
		}
		if err := matchCore(e.imports[i].Type, imp.Type); err != nil {
			return within(place, err)
		}
	}
	for name, want := range e.exports {
		place := fmt.Sprintf("export %q", name)
		have, ok := f.exports[name]
		if !ok {
			return within(place, invalid("a "+want.Sort.String(), "none of that name"))
		}
		if err := matchCore(have, want); err != nil {
			return within(place, err)
		}
	}
	return nil
}

// addImport adds an import; two of the same names cannot be told apart from outside.
func (m *modType) addImport(imp CoreImport) error {
	key := [2]string{imp.Module, imp.Name}
	if _, again := m.byName[key]; again {
		return invalid("each core import once", "%.60q %.60q twice", imp.Module, imp.Name)
	}
	m.byName[key] = len(m.imports)
	m.imports = append(m.imports, imp)
	return nil
}

func (m *modType) addExport(e CoreExportType) error {
	if _, again := m.exports[e.Name]; again {
		return invalid("each core export once", "%.100q twice", e.Name)
	}
	m.exports[e.Name] = e.Type
	return nil
}

func newModType() *modType {
	return &modType{byName: map[[2]string]int{}, exports: map[string]CoreExternType{}}
}

// moduleTypeOf gives the type that a definition writes out.
func moduleTypeOf(t *CoreModuleType) (*modType, error) {
	m := newModType()
	for _, imp := range t.Imports {
		if err := m.addImport(imp); err != nil {
			return nil, err
		}
	}
	for _, e := range t.Exports {
		if err := m.addExport(e); err != nil {
			return nil, err
		}
	}
	return m, nil
}
