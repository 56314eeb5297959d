package engine

import "github.com/mrt-wasm/mrt-wasm/abi"

// Match is what one import of a module would be linked to.
type Match struct {
	Import Import
	// Func is the host function; its Module is empty for WASI preview 1, which the runtime provides.
	Func abi.Func
	// Problem says why there is none; empty if there is one.
	Problem string
	// Unknown tells that the host does not even have the interface.
	Unknown bool
}

// Match tells what each import of a module would be linked to, if funcs were what the host provides.
func (m *Module) Match(funcs []abi.Func) ([]Match, error) {
	o, err := newOffer(m.runner.wasi, funcs)
	if err != nil {
		return nil, err
	}
	out := make([]Match, 0, len(m.imports))
	for _, imp := range dedupe(m.imports) {
		match := Match{Import: imp}
		byName, known := o.byTrack[abi.Track(imp.Module)]
		if !known {
			match.Problem, match.Unknown = unknownInterface(imp.Module, imp.Name, o.names), true
		} else if p, problem := pick(imp, byName); problem != "" {
			match.Problem = problem
		} else {
			match.Func = p.fn
		}
		out = append(out, match)
	}
	return out, nil
}

// CheckExports tells what is wrong with the exported handlers, if expected were those that the host calls.
func (m *Module) CheckExports(expected []abi.Func) []string { return checkExports(m, expected) }

// Text is the function's type as text: the component type, or the core signature for an import of a core module.
func (i Import) Text() string {
	if i.Type != "" {
		return i.Type
	}
	return i.signature().String()
}
