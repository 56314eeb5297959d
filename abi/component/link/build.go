package link

import (
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// Limits on a plan. A component of a few hundred bytes can ask for any number of instances: components instantiate
// components, each twice.
const (
	// MaxComponents bounds component instances.
	MaxComponents = 1000
	// MaxCoreInstances bounds instances of core modules.
	MaxCoreInstances = 1000
	// MaxTrampolines bounds core functions that the engine provides.
	MaxTrampolines = 100_000
	// MaxResources bounds resource types.
	MaxResources = 10_000
	// MaxDepth bounds how deep component instances lie in each other.
	MaxDepth = 100
	// MaxSteps bounds the definitions, arguments, exports and members of types that are looked at.
	MaxSteps = 1 << 20
	// MaxTypeText bounds the text of one function's type, in bytes.
	MaxTypeText = 1 << 18
	// maxTexts bounds the texts of all types, in bytes.
	maxTexts = 64 << 20
)

// Unsupported is the error of a feature that the specification has and this package has not yet.
type Unsupported struct {
	// Feature is what it is, for example "canon task.return".
	Feature string
}

// Error says what is missing.
func (e *Unsupported) Error() string { return e.Feature + " is not supported yet" }

// Build plans a component as it stands: its imports are the host's. It fails with an error that says where in the
// component what was found; with an [*Unsupported] among its causes for a feature that is not there yet.
func Build(c *component.Component) (*Plan, error) { return Compose(c, nil) }

// builder makes one plan.
type builder struct {
	plan      *Plan
	steps     int
	texts     int
	modules   map[*component.CoreModuleDef]*coreModule
	options   map[optionsKey]int
	trampline map[trampolineKey]int
	imports   map[importKey]int
	// hosts are the imported resources by name.
	hosts map[string]*resource
	// names ranks what names a resource or function: the highest rank gives the name.
	resourceRank map[*canon.Resource]rank
	funcRank     map[*Lifted]rank
	prims        [canon.KindString + 1]*typ
	deps         *dependencies
	// typesOnly is for a look at a component's types: core definitions do not count, nor is anything unsupported.
	typesOnly bool
}

type optionsKey struct {
	component       int
	encoding        canon.Encoding
	memory, realloc CoreDef
	hasMem, hasRe   bool
}

type trampolineKey struct {
	kind                      TrampolineKind
	options, imported, object int
	callee                    *Lifted
}

type importKey struct{ iface, name, text string }

func newBuilder() *builder {
	b := &builder{
		plan:         &Plan{},
		modules:      map[*component.CoreModuleDef]*coreModule{},
		options:      map[optionsKey]int{},
		trampline:    map[trampolineKey]int{},
		imports:      map[importKey]int{},
		hosts:        map[string]*resource{},
		resourceRank: map[*canon.Resource]rank{},
		funcRank:     map[*Lifted]rank{},
	}
	for k := range b.prims {
		b.prims[k] = &typ{val: canon.Prim(canon.Kind(k)), weight: 6}
	}
	return b
}

// step spends n of the budget of work.
func (b *builder) step(n int) error {
	if b.steps += n; b.steps > MaxSteps {
		return fmt.Errorf("expected a component whose instances have at most %d definitions, found more", MaxSteps)
	}
	return nil
}

// place is an error with where in the component it is.
type place struct {
	where string
	err   error
}

func (p *place) Error() string { return p.where + ": " + p.err.Error() }
func (p *place) Unwrap() error { return p.err }

// at says where err is, unless it says so itself.
func (s *scope) at(i int, d component.Def, err error) error {
	var p *place
	if err == nil || errors.As(err, &p) {
		return err
	}
	where := fmt.Sprintf("definition %d (%s)", i, describe(d))
	if s.label != "" {
		where = s.label + ", " + where
	}
	return &place{where, err}
}

func describe(d component.Def) string {
	switch d := d.(type) {
	case *component.CoreModuleDef:
		return "core module"
	case *component.CoreInstanceDef:
		return "core instance"
	case *component.CoreTypeDef:
		return "core type"
	case *component.ComponentDef:
		return "component"
	case *component.InstanceDef:
		return "instance"
	case *component.AliasDef:
		return "alias of " + sortName(d.Sort)
	case *component.TypeDef:
		return "type"
	case *component.CanonDef:
		return opName(d.Op)
	case *component.StartDef:
		return "start"
	case *component.ImportDef:
		return "import " + quote(d.Name.Name)
	case *component.ExportDef:
		return "export " + quote(d.Name.Name)
	case *component.ExportDecl:
		return "export " + quote(d.Name.Name)
	default:
		return fmt.Sprintf("%T", d)
	}
}

// quote gives a name of the component for a message, not longer than one can read.
func quote(name string) string {
	if len(name) > 200 {
		return fmt.Sprintf("%.200q...", name)
	}
	return fmt.Sprintf("%q", name)
}

var sortNames = [...]string{
	component.SortCoreFunc: "core function", component.SortCoreTable: "core table",
	component.SortCoreMemory: "core memory", component.SortCoreGlobal: "core global",
	component.SortCoreTag: "core tag", component.SortCoreType: "core type",
	component.SortCoreModule: "core module", component.SortCoreInstance: "core instance",
	component.SortFunc: "function", component.SortValue: "value", component.SortType: "type",
	component.SortComponent: "component", component.SortInstance: "instance",
}

func sortName(s component.Sort) string {
	if int(s) < len(sortNames) {
		return sortNames[s]
	}
	return fmt.Sprintf("sort(%d)", s)
}

func opName(op component.CanonOp) string {
	switch op {
	case component.CanonLift:
		return "canon lift"
	case component.CanonLower:
		return "canon lower"
	case component.CanonResourceNew:
		return "canon resource.new"
	case component.CanonResourceDrop:
		return "canon resource.drop"
	case component.CanonResourceRep:
		return "canon resource.rep"
	default:
		return fmt.Sprintf("canon %v", op)
	}
}
