package host

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

// Inspection is what a wasm file wants and what it offers.
type Inspection struct {
	// Kind is "module" or "component".
	Kind string `json:"kind"`
	// Runs says how the host runs it.
	Runs string `json:"runs"`
	// Producers are the tools that made it, for example "Rust 1.95".
	Producers []string `json:"producers,omitempty"`
	Imports   []Wanted `json:"imports"`
	Exports   []Given  `json:"exports"`
	// Problems say what is wrong with the exports that the host would call.
	Problems []string `json:"problems,omitempty"`
	// WIT is the component's world; empty for a module, which has none.
	WIT string `json:"wit,omitempty"`
}

// Wanted is an interface that the file imports.
type Wanted struct {
	Interface string `json:"interface"`
	// Functions are those that it imports, with their types for a component and their core signatures for a module.
	Functions []Function `json:"functions"`
	// Provider is the part of the host that it would be linked to; empty if something is missing.
	Provider string `json:"provider,omitempty"`
	// Manifest is what the manifest has to say for it to be of use, or to provide what is missing.
	Manifest string `json:"manifest,omitempty"`
	// Problems say what is missing.
	Problems []string `json:"problems,omitempty"`
}

// Given is an interface that the file exports; its name is empty for functions outside of an interface.
type Given struct {
	Interface string     `json:"interface"`
	Functions []Function `json:"functions"`
	// Trigger says what calls it; empty if nothing of the host does.
	Trigger string `json:"trigger,omitempty"`
}

// Function is a function and its type.
type Function struct {
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
}

// Inspect tells what a module or component imports and exports and what the host would link it to. Nothing of it runs.
func Inspect(ctx context.Context, name string, wasm []byte) (_ *Inspection, err error) {
	// The interpreter spares the compilation to machine code, which nobody would run.
	e, err := engine.New(ctx, engine.Config{Interpreter: true, Images: engine.ImagesOff})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close(ctx)) }()
	m, err := e.Compile(ctx, name, wasm)
	if err != nil {
		return nil, err
	}
	var funcs []abi.Func
	for _, p := range providers() {
		funcs = append(funcs, p.funcs...)
	}
	matches, err := m.Match(funcs)
	if err != nil {
		return nil, err
	}
	out := &Inspection{
		Kind: "module", Runs: "as it is, from an image of its memory if it can have one",
		Imports: wanted(matches), Exports: given(m), Problems: m.CheckExports(exportFuncs()),
	}
	if component.IsComponent(wasm) {
		err = out.describe(wasm)
	}
	return out, err
}

// describe adds what only components tell.
func (i *Inspection) describe(wasm []byte) error {
	c, err := component.Parse(wasm)
	if err != nil {
		return err
	}
	i.Kind = "component"
	for _, p := range c.Producers {
		i.Producers = append(i.Producers, strings.TrimSpace(p.Name+" "+p.Version))
	}
	if i.WIT, err = link.WIT(c); err != nil {
		return err
	}
	plan, err := link.Build(c)
	if err != nil {
		return err
	}
	i.Runs = "its core modules are merged into one"
	if ok, why := plan.Mergeable(); !ok {
		i.Runs = "as a graph of its core modules: " + why
	}
	return nil
}

// wanted sorts imports by interface, in the order of the file.
func wanted(matches []engine.Match) []Wanted {
	out := []Wanted{}
	for _, match := range matches {
		imp := match.Import
		at := slices.IndexFunc(out, func(w Wanted) bool { return w.Interface == imp.Module })
		if at < 0 {
			at = len(out)
			out = append(out, Wanted{Interface: imp.Module})
			out[at].Provider, out[at].Manifest = providerOf(match)
		}
		w := &out[at]
		w.Functions = append(w.Functions, Function{Name: imp.Name, Type: imp.Text()})
		if match.Problem == "" {
			continue
		}
		w.Provider, w.Manifest = "", missingLine(imp)
		switch {
		case !match.Unknown:
			w.Problems = append(w.Problems, "import "+imp.Module+"#"+imp.Name+": "+match.Problem)
		case len(w.Problems) == 0: // it is the same for all its functions
			w.Problems = append(w.Problems, match.Problem)
		}
	}
	return out
}

// providerOf finds the part of the host that has the function.
func providerOf(match engine.Match) (name, line string) {
	if match.Func.Module == "" {
		return "WASI preview 1", ""
	}
	for _, p := range providers() {
		if slices.ContainsFunc(p.funcs, func(f abi.Func) bool { return f.Module == match.Func.Module && f.Name == match.Func.Name }) {
			return p.name, p.line
		}
	}
	return "", ""
}

// missingLine is the manifest's line that may provide an import which the host has not: another component.
func missingLine(imp engine.Import) string {
	if !strings.Contains(imp.Module, "/") || strings.HasPrefix(imp.Module, "wasi:") || strings.HasPrefix(imp.Module, "mrt:") {
		return ""
	}
	return `spec.dependencies: {"` + imp.Module + `": other-app-or-file.wasm}`
}

// given sorts exports by interface.
func given(m *engine.Module) []Given {
	out := []Given{}
	for _, export := range m.Exports() {
		iface, name, ok := strings.Cut(export, "#")
		if !ok {
			iface, name = "", export
		}
		if strings.HasPrefix(export, "cabi_") || export == "_initialize" {
			continue // for the engine itself
		}
		at := slices.IndexFunc(out, func(g Given) bool { return g.Interface == iface })
		if at < 0 {
			at = len(out)
			out = append(out, Given{Interface: iface, Trigger: triggerOf(iface)})
		}
		f := Function{Name: name}
		if typ := m.Func(export); typ != nil {
			f.Type = typ.Text()
		}
		out[at].Functions = append(out[at].Functions, f)
	}
	return out
}

// triggerOf says what calls an interface, in this version or one that is compatible.
func triggerOf(iface string) string {
	for known, what := range handlers() {
		if abi.Track(known) == abi.Track(iface) {
			return what
		}
	}
	return ""
}
