package engine

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// offer is all that the host provides to an app.
type offer struct {
	// byTrack are the functions by their interface's track and their name. Functions of one name differ in their
	// component types: interfaces of one name and version may come in dialects.
	byTrack map[string]map[string][]provided
	// names are the interfaces as the host calls them.
	names []string
}

// provided is a host function and its signature; fn has no code for WASI preview 1.
type provided struct {
	fn  abi.Func
	sig signature
}

// newOffer sorts what the host provides.
func newOffer(wasi hostModule, funcs []abi.Func) (*offer, error) {
	const wasiName = wasi_snapshot_preview1.ModuleName
	o := &offer{byTrack: map[string]map[string][]provided{wasiName: {}}, names: []string{wasiName}}
	for name, d := range wasi.compiled.ExportedFunctions() {
		o.byTrack[wasiName][name] = []provided{{sig: signatureOf(d)}}
	}
	for _, f := range funcs {
		if f.Call == nil {
			return nil, fmt.Errorf("the host function %s has no code", f.ExportName())
		}
		track := abi.Track(f.Module)
		byName, ok := o.byTrack[track]
		if !ok {
			byName = map[string][]provided{}
			o.byTrack[track] = byName
		}
		if !slices.Contains(o.names, f.Module) {
			o.names = append(o.names, f.Module)
		}
		if slices.ContainsFunc(byName[f.Name], func(p provided) bool { return p.fn.Type == f.Type }) {
			return nil, fmt.Errorf("the host function %s is provided twice", f.ExportName())
		}
		byName[f.Name] = append(byName[f.Name], provided{fn: f, sig: signature{params: f.Params, results: f.Results}})
	}
	slices.Sort(o.names)
	return o, nil
}

// choose finds what provides each import. It also gives what keeps the module from being linked.
func (o *offer) choose(imports []Import) (chosen []provided, problems []string) {
	unknown := map[string]bool{}
	for _, imp := range imports {
		byName, ok := o.byTrack[abi.Track(imp.Module)]
		if !ok && imp.Module != "" {
			if !unknown[imp.Module] {
				unknown[imp.Module] = true
				problems = append(problems, unknownInterface(imp.Module, imp.Name, o.names))
			}
			continue
		}
		p, problem := pick(imp, byName)
		if problem != "" {
			problems = append(problems, "import "+imp.label()+": "+problem)
			continue
		}
		chosen = append(chosen, p)
	}
	return chosen, problems
}

// pick chooses among the functions of an interface.
func pick(imp Import, byName map[string][]provided) (provided, string) {
	all := byName[imp.Name]
	if len(all) == 0 {
		return provided{}, unknownFunc(imp, slices.Sorted(maps.Keys(byName)))
	}
	fit := slices.DeleteFunc(slices.Clone(all), func(p provided) bool { return !imp.fits(p) })
	if same := slices.DeleteFunc(slices.Clone(fit), func(p provided) bool { return p.fn.Module != imp.Module }); len(same) > 0 {
		fit = same
	}
	switch len(fit) {
	case 0:
		return provided{}, mismatch(imp, all)
	case 1:
		return fit[0], ""
	default:
		return provided{}, fmt.Sprintf("the host has %d functions with the signature %s, whose types are %s; a core module "+
			"does not say which it wants: build a component", len(fit), imp.signature(), typeTexts(fit))
	}
}

// fits tells whether p is what the import wants. Components are linked by their types.
func (i Import) fits(p provided) bool {
	if i.Type != "" && i.Type != p.fn.Type {
		return false
	}
	return i.signature().equal(p.sig)
}

// label names the import in messages.
func (i Import) label() string {
	if i.Module == "" {
		return i.Name
	}
	return i.Module + "#" + i.Name
}

func (i Import) signature() signature { return signature{params: i.Params, results: i.Results} }

// mismatch says how the functions of the name differ from the one that is wanted.
func mismatch(imp Import, all []provided) string {
	if imp.Type != "" {
		return fmt.Sprintf("the component expects %s, the host has %s; build the component with the host's version of the interface",
			imp.Type, typeTexts(all))
	}
	sigs := make([]string, len(all))
	for k, p := range all {
		sigs[k] = p.sig.String()
	}
	return fmt.Sprintf("the host's function is %s, the module expects %s; generate the bindings of the guest anew",
		strings.Join(sigs, " or "), imp.signature())
}

// typeTexts lists the component types of functions.
func typeTexts(all []provided) string {
	texts := make([]string, len(all))
	for k, p := range all {
		if texts[k] = p.fn.Type; texts[k] == "" {
			texts[k] = "a function without component type, with the signature " + p.sig.String()
		}
	}
	return strings.Join(texts, " or ")
}

// unknownInterface describes an import of which the host knows not even the interface.
func unknownInterface(iface, fn string, have []string) string {
	s := fmt.Sprintf("import %s#%s: nobody provides the interface %s", iface, fn, iface)
	switch iface {
	case "gojs", "go":
		return s + "; the module is built for the browser: build it with GOOS=wasip1"
	case "env":
		return s + "; the linker left a symbol undefined"
	}
	base, _, _ := strings.Cut(iface, "@")
	for _, h := range have {
		if hb, version, _ := strings.Cut(h, "@"); hb == base {
			return s + "; the host has version " + version
		}
	}
	if near := nearest(iface, have); near != "" {
		return s + "; did you mean " + near + "?"
	}
	if len(have) <= fewInterfaces {
		return s + "; the host has " + strings.Join(have, ", ")
	}
	return s + "; if another component exports it, name that in spec.dependencies"
}

// fewInterfaces is how many interfaces a message lists.
const fewInterfaces = 8

func unknownFunc(imp Import, have []string) string {
	if len(have) == 0 {
		return "the host provides no functions outside of interfaces"
	}
	const s = "the interface has no such function"
	if near := nearest(imp.Name, have); near != "" {
		return s + "; did you mean " + near + "?"
	}
	return s + "; it has " + strings.Join(have, ", ")
}
