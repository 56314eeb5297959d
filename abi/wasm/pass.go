package wasm

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Pass is one change of a module. Passes compose in any order, apart from two things: [ExportStart] comes before
// [TakeData], which refuses otherwise, and [Devirtualise] before [Meter], which else charges for the calls of a table
// that is gone.
type Pass struct {
	// Name is what errors call it.
	Name string
	// Apply changes the module. If it fails the module is to be thrown away.
	Apply func(*Module) error
}

// Rewrite applies passes in order. It fails at the first that fails, with an error that names it; the module is then
// to be thrown away.
func Rewrite(m *Module, passes ...Pass) error {
	for _, p := range passes {
		if err := p.Apply(m); err != nil {
			if u := new(Unfit); errors.As(err, &u) {
				return u // it names the pass
			}
			return fmt.Errorf("wasm: pass %s: %w", p.Name, err)
		}
	}
	return nil
}

// The names that rewriting takes for itself. A guest that exports or imports one of them is refused.
const (
	// GlobalPrefix and a number make the export name of a mutable global.
	GlobalPrefix = "mrt:g"
	// StartExport is the export that was the start function.
	StartExport = "mrt:start"
	// FuelExport is the exported fuel counter, a mutable i64.
	FuelExport = "mrt:fuel"
	// FuelModule and FuelFunc name the import that is called when the fuel is used up. It takes the counter, which
	// is below zero, and gives its new value: (i64) -> (i64).
	FuelModule = "mrt:engine/fuel"
	FuelFunc   = "yield"
	// MarkSection is the custom section that marks a rewritten module. It holds [Version].
	MarkSection = "mrt:rewritten"
)

// reservedExport tells whether a guest may not export name.
func reservedExport(name string) bool {
	if name == StartExport || name == FuelExport {
		return true
	}
	digits, ok := strings.CutPrefix(name, GlobalPrefix)
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// checkReserved refuses a module that uses a reserved name.
func (m *Module) checkReserved() error {
	for _, e := range m.Exports {
		if reservedExport(e.Name) {
			return fmt.Errorf("%w: it exports %q", ErrRewritten, e.Name)
		}
	}
	for _, i := range m.Imports {
		if i.Module == FuelModule {
			return fmt.Errorf("%w: it imports %q %q", ErrRewritten, i.Module, i.Name)
		}
	}
	for _, c := range m.Customs {
		if c.Name == MarkSection {
			return fmt.Errorf("%w: it has a custom section %q", ErrRewritten, c.Name)
		}
	}
	return nil
}

// exports tells whether the module exports name.
func (m *Module) exports(name string) bool {
	return slices.ContainsFunc(m.Exports, func(e Export) bool { return e.Name == name })
}

// aboutCode tells whether a custom section speaks of code by offset or index, so that it is wrong once code changes.
func aboutCode(name string) bool {
	for _, p := range []string{".debug_", "reloc.", "metadata.code."} {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return name == "linking" || name == "sourceMappingURL" || name == "external_debug_info"
}

// KeepCustoms drops all custom sections but those named. The name section counts as "name".
func KeepCustoms(names ...string) Pass {
	return Pass{Name: "custom sections", Apply: func(m *Module) error {
		m.Customs = slices.DeleteFunc(m.Customs, func(c Custom) bool { return !slices.Contains(names, c.Name) })
		if !slices.Contains(names, nameSection) {
			m.Names = nil
		}
		return nil
	}}
}

// LimitMemory sets the memory's maximum in pages; a lower maximum of the module's own stays. It fails if the module
// starts with more.
func LimitMemory(pages uint32) Pass {
	const name = "memory maximum"
	return Pass{Name: name, Apply: func(m *Module) error {
		if m.imported(KindMemory) > 0 {
			return unfit(name, "the memory is imported: its owner sets the maximum")
		}
		for i := range m.Memories {
			l := &m.Memories[i]
			if l.Min > pages {
				return fmt.Errorf("the module starts with %d pages (%d KiB) of memory, more than its limit of %d pages (%d KiB): raise the limit or shrink the module",
					l.Min, l.Min*(PageSize>>10), pages, pages*(PageSize>>10))
			}
			if !l.HasMax || l.Max > pages {
				l.Max, l.HasMax = min(pages, MaxMemoryPages), true
			}
		}
		return nil
	}}
}

// GlobalExport is a mutable global that has been exported.
type GlobalExport struct {
	// Name is the export's name.
	Name string
	// Index is the global's index, imports included.
	Index uint32
	Type  ValType
}

// ExportGlobals exports every mutable global that the module defines under a reserved name, in the order of their
// indices, and appends them to out. The fuel counter is not among them.
func ExportGlobals(out *[]GlobalExport) Pass {
	return Pass{Name: "globals", Apply: func(m *Module) error {
		imports := m.imported(KindGlobal)
		fuel, metered := m.fuelGlobal()
		var list []GlobalExport
		for i, g := range m.Globals {
			index := uint32(imports + i)
			if !g.Mutable || metered && index == fuel {
				continue
			}
			list = append(list, GlobalExport{Name: fmt.Sprint(GlobalPrefix, index), Index: index, Type: g.Type})
		}
		*out = append(*out, list...)
		return m.exportGlobals(list)
	}}
}

// exportGlobals adds the exports, after a check that none of their names is taken.
func (m *Module) exportGlobals(list []GlobalExport) error {
	for _, e := range m.Exports {
		if reservedExport(e.Name) && strings.HasPrefix(e.Name, GlobalPrefix) {
			return fmt.Errorf("%w: it exports %q", ErrRewritten, e.Name)
		}
	}
	for _, g := range list {
		m.Exports = append(m.Exports, Export{Name: g.Name, Kind: KindGlobal, Index: g.Index})
	}
	return nil
}

// fuelGlobal gives the index of the fuel counter.
func (m *Module) fuelGlobal() (uint32, bool) {
	for _, e := range m.Exports {
		if e.Name == FuelExport && e.Kind == KindGlobal {
			return e.Index, true
		}
	}
	return 0, false
}

// ExportStart turns the start function into an export, so that instantiation runs no guest code. found tells whether
// there was one.
func ExportStart(found *bool) Pass {
	return Pass{Name: "start function", Apply: func(m *Module) error {
		if m.exports(StartExport) {
			return fmt.Errorf("%w: it exports %q", ErrRewritten, StartExport)
		}
		*found = m.HasStart
		if m.HasStart {
			m.Exports = append(m.Exports, Export{Name: StartExport, Kind: KindFunc, Index: m.Start})
			m.Start, m.HasStart = 0, false
		}
		return nil
	}}
}
