package link

import (
	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// Plan is a component with all resolved that can be known before it runs: nested components are inlined, every core
// import and every export points to what provides it. It is immutable, and good for any number of instances.
type Plan struct {
	// Modules are the core modules, each once. One with several memories is there twice: as it is, which no instance
	// uses, and as modules with one memory each.
	Modules [][]byte
	// Instances are the core instances, in the order in which they are made.
	Instances []CoreInstance
	// Trampolines are the core functions that are no core module's: the engine provides them.
	Trampolines []Trampoline
	// Options are the canonical options that trampolines and exports name by index, each combination once.
	Options []Options
	// Resources are the resource types that occur. Their canon.Resource is one per instance of the plan for resources
	// that the component defines.
	Resources []Resource
	// Components is the number of component instances. Each has a handle table and its own flags.
	Components int
	// Parents are their parents; the root's, which is the first, is -1.
	Parents []int
	// Imports are the root's imports that are used: functions of the host.
	Imports []Import
	// Exports are the functions that the root exports, directly ("") or in an instance.
	Exports []Export
}

// CoreInstance is an instance of a core module.
type CoreInstance struct {
	// Name is what the component's name section calls it or its module, for stack traces; else a number.
	Name string
	// Module is an index of Plan.Modules.
	Module int
	// Args are what its imports resolve to, one for each import of the module that is used, in the module's order.
	Args []CoreArg
	// Component is the component instance to which it belongs.
	Component int
}

// CoreArg resolves one core import.
type CoreArg struct {
	Module, Name string
	Def          CoreDef
}

// CoreDef is a core definition: an export of a core instance, or a trampoline (functions only).
type CoreDef struct {
	Sort component.Sort // SortCoreFunc, SortCoreTable, SortCoreMemory, SortCoreGlobal or SortCoreTag
	// Instance is the core instance, -1 for a trampoline; Name is its export.
	Instance int
	Name     string
	// Trampoline is an index of Plan.Trampolines.
	Trampoline int
}

// Options are resolved canonical options.
type Options struct {
	// Component is the component instance in whose name values are lifted and lowered: whose handle table counts.
	Component int
	Encoding  canon.Encoding
	// Memory and Realloc are nil if they are not given.
	Memory, Realloc *CoreDef
}

// TrampolineKind is what a trampoline does.
type TrampolineKind uint8

// The kinds of trampoline.
const (
	// CallImport calls the root import Import.
	CallImport TrampolineKind = iota
	// CallLifted calls the function Callee of the same plan: values pass from one component instance to another.
	CallLifted
	// ResourceNew, ResourceRep and ResourceDrop are the built-ins of Resource in the table of Options' component.
	ResourceNew
	ResourceRep
	ResourceDrop
)

// Trampoline is a core function that the engine provides.
type Trampoline struct {
	Kind TrampolineKind
	// Params and Results are its core signature.
	Params, Results []abi.ValType
	// Options is an index of Plan.Options: the caller's. For ResourceNew, Rep and Drop only the component counts.
	Options int
	// Import is an index of Plan.Imports, Callee what CallLifted calls, Resource an index of Plan.Resources.
	Import   int
	Callee   *Lifted
	Resource int
	// Name says what it is, for messages and stack traces, for example "wasi:io/streams@0.2.3#[method]input-stream.read".
	Name string
}

// Lifted is a core function as a component function.
type Lifted struct {
	Core CoreDef
	// Options is an index of Plan.Options: the callee's.
	Options int
	// PostReturn is nil if there is none.
	PostReturn *CoreDef
	Func       *canon.Func
	Name       string
}

// Resource is a resource type.
type Resource struct {
	// Interface and Name are where the root imports it from, for example "wasi:io/streams@0.2.3" and "input-stream";
	// Interface is empty for one that the root imports directly, and both are empty for one that the component defines.
	Interface, Name string
	// Component is the component instance that defines it, -1 for an imported one.
	Component int
	// Dtor is the destructor, nil if there is none.
	Dtor *CoreDef
	// Type is its identity in canon.Type. For an imported resource it is the host's (Host.Resource).
	Type *canon.Resource
}

// Import is a function that the root imports.
type Import struct {
	// Interface is as in the binary, empty for a function that the root imports directly.
	Interface, Name string
	Func            *canon.Func
	// Type is its canonical text: that of abi.Func.Type.
	Type string
}

// Export is a function that the root exports.
type Export struct {
	// Interface is as in the binary, empty for a function that the root exports directly.
	Interface, Name string
	// Lifted is set for a function of the component; else it is the root import Import exported again.
	Lifted *Lifted
	Import int
	Func   *canon.Func
	Type   string
}

// Related tells whether two component instances are the same or one lies in the other. The reference implementation
// lets none of them call the other: such a call could enter an instance that has not returned.
func (p *Plan) Related(a, b int) bool { return p.within(a, b) || p.within(b, a) }

func (p *Plan) within(inner, outer int) bool {
	for inner > outer {
		inner = p.Parents[inner]
	}
	return inner == outer
}
