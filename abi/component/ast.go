package component

// Component is a decoded component. Its definitions are in the order of the binary: each adds one index to an index
// space and may refer to those before it [Component Definitions].
type Component struct {
	// Defs are the definitions: each is one of the *...Def types of this package.
	Defs []Def
	// Offsets are where the definitions begin in the file, in bytes: one for each of Defs.
	Offsets []uint32
	// Names are the component-name section's, for messages; nil without one.
	Names *Names
	// Producers are the producers section's fields, for example "language" with "Rust"; nil without one.
	Producers []Producer
	// Offset is where the component begins in the file, in bytes.
	Offset uint32
}

// Def is one definition of a component: a *CoreModuleDef, *CoreInstanceDef, *CoreTypeDef, *ComponentDef, *InstanceDef,
// *AliasDef, *TypeDef, *CanonDef, *StartDef, *ImportDef or *ExportDef.
type Def interface{ def() }

// Sort is a kind of definition; each has an index space of its own [Sorts].
type Sort uint8

// The sorts. Those below SortFunc are core sorts.
const (
	SortCoreFunc Sort = iota
	SortCoreTable
	SortCoreMemory
	SortCoreGlobal
	SortCoreTag
	SortCoreType
	SortCoreModule
	SortCoreInstance
	SortFunc
	SortValue
	SortType
	SortComponent
	SortInstance
	sortCount
)

// IsCore tells whether s is a core sort.
func (s Sort) IsCore() bool { return s < SortFunc }

// Ref is a definition in the index space of its sort.
type Ref struct {
	Sort  Sort
	Index uint32
}

// CoreModuleDef is a core module inside of the component.
type CoreModuleDef struct {
	// Bytes are the module's, with its header; they share memory with the decoded bytes.
	Bytes []byte
	// Offset is where they begin in the file.
	Offset uint32
}

// CoreInstanceDef is a core instance: made from a module, or, if Exports is not nil, from single definitions.
type CoreInstanceDef struct {
	Module  uint32
	Args    []CoreArg
	Exports []CoreExport // not nil for an instance of inline exports, even if there are none
}

// CoreArg gives the core instance Instance to a module's imports of the module name Name.
type CoreArg struct {
	Name     string
	Instance uint32
}

// CoreExport is one definition of an instance of inline exports.
type CoreExport struct {
	Name string
	Ref  Ref // a core sort
}

// CoreTypeDef is a core type: one of Func and Module is set.
type CoreTypeDef struct {
	Func   *CoreFuncType
	Module *CoreModuleType
}

// ComponentDef is a nested component.
type ComponentDef struct{ Component *Component } //nolint:revive // the specification's term, beside InstanceDef

// InstanceDef is a component instance: made from a component, or, if Exports is not nil, from single definitions.
type InstanceDef struct {
	Component uint32
	Args      []Arg
	Exports   []InlineExport // not nil for an instance of inline exports, even if there are none
}

// Arg gives a definition for a component's import.
type Arg struct {
	Name string
	Ref  Ref
}

// InlineExport is one definition of an instance of inline exports.
type InlineExport struct {
	Name ExternName
	Ref  Ref
}

// AliasKind says where an alias points.
type AliasKind uint8

// The kinds of alias.
const (
	// AliasExport is the export Name of the component instance Instance.
	AliasExport AliasKind = iota
	// AliasCoreExport is the export Name of the core instance Instance.
	AliasCoreExport
	// AliasOuter is the definition Index of the scope Count scopes outward; 0 is the current one.
	AliasOuter
)

// AliasDef gives a definition of elsewhere an index in this scope.
type AliasDef struct {
	Kind         AliasKind
	Sort         Sort
	Instance     uint32
	Name         string
	Count, Index uint32
}

// TypeDef is a type: exactly one field is set.
type TypeDef struct {
	Value     *ValueType
	Func      *FuncType
	Component *ComponentType
	Instance  *InstanceType
	Resource  *ResourceType
}

// StartDef calls a function when the component is instantiated (values are a feature that is not released).
type StartDef struct {
	Func    uint32
	Args    []uint32
	Results uint32
}

// ImportDef is an import.
type ImportDef struct {
	Name ExternName
	Type ExternType
}

// ExportDef is an export. It also adds an index, of what is exported, to the index space of its sort.
type ExportDef struct {
	Name ExternName
	Ref  Ref
	// Type is the type that is given to it; nil for its own.
	Type *ExternType
}

// ExternName is the name of an import or export with its attributes [Name Attributes].
type ExternName struct {
	// Name is as in the binary, for example "wasi:io/streams@0.2.3" or "[method]blob.get".
	Name string
	// Implements, VersionSuffix and ExternalID are the attributes; empty if they are not there.
	Implements, VersionSuffix, ExternalID string
	// HasVersionSuffix tells an empty version suffix from none.
	HasVersionSuffix bool
	// Attributes counts the attributes that were there.
	Attributes int
}

// ExternType is the type of an import or export.
type ExternType struct {
	Sort Sort
	// Index is the type index (the core type index for SortCoreModule); for SortType with Eq the type that it equals.
	Index uint32
	// Eq tells for SortType an equal type from a fresh resource; for SortValue a value index (Index) from Value.
	Eq bool
	// Value is the type of a value.
	Value ValType
}

// ValType is a value type by reference: a primitive, or the type Index of the type index space.
type ValType struct {
	// Prim is the primitive's kind if IsPrim.
	Prim   ValueKind
	IsPrim bool
	Index  uint32
}

// ValueKind is the outermost constructor of a value type.
type ValueKind uint8

// The kinds of value types, the primitives first.
const (
	KindBool ValueKind = iota
	KindS8
	KindU8
	KindS16
	KindU16
	KindS32
	KindU32
	KindS64
	KindU64
	KindF32
	KindF64
	KindChar
	KindString
	KindErrorContext // the last primitive
	KindRecord
	KindVariant
	KindList
	KindFixedList
	KindTuple
	KindFlags
	KindEnum
	KindOption
	KindResult
	KindOwn
	KindBorrow
	KindStream
	KindFuture
	KindMap
)

// ValueType is a defined value type.
type ValueType struct {
	Kind ValueKind
	// Fields are a record's fields, a variant's cases, a tuple's types (without names), or the labels of flags and
	// enums (without types).
	Fields []Field
	// Elem is the type of a list, option, stream, future, the key of a map, and the ok type of a result; nil if there
	// is none.
	Elem *ValType
	// Err is a result's error type and a map's value; nil if there is none.
	Err *ValType
	// Length is a fixed list's.
	Length uint32
	// Resource is the type index of an own's or borrow's resource.
	Resource uint32
}

// Field is a named member; Type is nil for labels and for cases without payload.
type Field struct {
	Name string
	Type *ValType
}

// FuncType is a function's type.
type FuncType struct {
	Async  bool
	Params []Field
	Result *ValType // nil if there is none
}

// ResourceType is a resource that the component defines.
type ResourceType struct {
	Rep CoreValType
	// Dtor is the core function that is called when the last owner drops a handle; meaningful if HasDtor.
	Dtor    uint32
	HasDtor bool
}

// ComponentType is a component's type: its declarations in order, each a *CoreTypeDef, *TypeDef, *AliasDef, *ImportDef or
// *ExportDecl.
type ComponentType struct{ Decls []Def } //nolint:revive // the specification's term, beside InstanceType

// InstanceType is an instance's type: its declarations in order, like a component type's without imports.
type InstanceType struct{ Decls []Def }

// ExportDecl is an export in a component's or instance's type.
type ExportDecl struct {
	Name ExternName
	Type ExternType
}

// CoreValType is a core value type as encoded, for example 0x7f for i32; reference types that take more than one byte
// are their first byte.
type CoreValType byte

// CoreFuncType is a core function's type.
type CoreFuncType struct{ Params, Results []CoreValType }

// CoreModuleType is a core module's type. Function types are in place: outer aliases and indices are resolved.
type CoreModuleType struct {
	Imports []CoreImport
	Exports []CoreExportType
}

// CoreImport is an import of a core module.
type CoreImport struct {
	Module, Name string
	Type         CoreExternType
}

// CoreExportType is an export of a core module.
type CoreExportType struct {
	Name string
	Type CoreExternType
}

// CoreExternType is the type of a core import or export; which fields count depends on Sort.
type CoreExternType struct {
	Sort Sort // SortCoreFunc, SortCoreTable, SortCoreMemory, SortCoreGlobal or SortCoreTag
	Func *CoreFuncType
	// Elem is a table's element type, Content a global's type.
	Elem, Content CoreValType
	Mutable       bool
	Min, Max      uint64
	HasMax        bool
	Shared, Is64  bool
}

// CanonOp is a canonical definition [Canonical Definitions], numbered as in the binary format.
type CanonOp byte

// The canonical definitions that need no async feature.
const (
	CanonLift         CanonOp = 0x00
	CanonLower        CanonOp = 0x01
	CanonResourceNew  CanonOp = 0x02
	CanonResourceDrop CanonOp = 0x03
	CanonResourceRep  CanonOp = 0x04
)

// CanonDef is a canonical definition. A lift adds a component function, all others a core function.
type CanonDef struct {
	Op CanonOp
	// Func is a lift's core function or a lower's component function.
	Func uint32
	// Type is a lift's function type, the resource of resource.*, the stream or future type of stream.* and future.*.
	Type uint32
	// Opts are the options of lift, lower and those others that have options.
	Opts CanonOpts
	// Async is the immediate of the definitions that have one that is async, cancellable or shared.
	Async bool
	// Result is a task.return's, nil if there is none.
	Result *ValType
	// Immediates are the core value type and the number of context.*, the memory of waitable-set.wait and .poll, and
	// the table of thread.new-indirect and .spawn-indirect (whose function type is the core type Type).
	Immediates []uint32
}

// Encoding is how strings are encoded.
type Encoding uint8

// The encodings.
const (
	UTF8 Encoding = iota
	UTF16
	Latin1UTF16
)

// CanonOpts are canonical options; the indices are of core functions and memories, -1 if they are not given.
type CanonOpts struct {
	Encoding                              Encoding
	HasEncoding                           bool // the encoding was given
	Memory, Realloc, PostReturn, Callback int64
	Async                                 bool
}

// Names are debug names by sort and index.
type Names struct {
	Component string
	ByRef     map[Ref]string
}

// Producer is one entry of the producers section, for example {"processed-by", "wit-component", "0.230.0"}.
type Producer struct{ Field, Name, Version string }

func (*CoreModuleDef) def()   {}
func (*CoreInstanceDef) def() {}
func (*CoreTypeDef) def()     {}
func (*ComponentDef) def()    {}
func (*InstanceDef) def()     {}
func (*AliasDef) def()        {}
func (*TypeDef) def()         {}
func (*CanonDef) def()        {}
func (*StartDef) def()        {}
func (*ImportDef) def()       {}
func (*ExportDef) def()       {}
func (*ExportDecl) def()      {}
