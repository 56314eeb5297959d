package component

// Limits on what a component may contain. All counts are over the whole file, nested components included, unless they
// say otherwise. They bound what decoding and validation can cost; no toolchain's output comes near them.
const (
	// MaxSize is the longest component in bytes.
	MaxSize = 256 << 20
	// MaxNesting bounds how deep components, component types and instance types lie in each other.
	MaxNesting = 100
	// MaxTypeDepth bounds how deep types refer to other types: list<list<u8>> is three deep.
	MaxTypeDepth = 100
	// MaxTypeSize bounds the parts of a value type or function type, written out in full: a type that two fields share
	// counts twice. So types may be written out, compiled or compared without regard to what they share.
	MaxTypeSize = 100_000
	// MaxDefs bounds definitions and declarations of all kinds together.
	MaxDefs = 200_000
	// MaxCoreDefs bounds the types, imports, definitions and exports of one core module together.
	MaxCoreDefs = 2_000_000
	// MaxItems bounds the parts of definitions together: fields, cases, labels, parameters, arguments, inline exports,
	// options, and the parameters and results of core types.
	MaxItems = 1_000_000
	// MaxModules bounds core modules.
	MaxModules = 1_000
	// MaxComponents bounds nested components.
	MaxComponents = 1_000
	// MaxInstances bounds instances of either kind in one component.
	MaxInstances = 10_000
	// MaxFields bounds the fields of a record, the cases of a variant or enum, and the types of a tuple.
	MaxFields = 10_000
	// MaxFlags bounds the labels of flags.
	MaxFlags = 32
	// MaxParams bounds the parameters of a function, core or not, and the results of a core function.
	MaxParams = 1_000
	// MaxArgs bounds the arguments of one instantiation.
	MaxArgs = 100_000
	// MaxOptions bounds the options of one canonical definition.
	MaxOptions = 16
	// MaxNameLength is the longest name in bytes.
	MaxNameLength = 100_000
	// MaxNameBytes bounds all names together in bytes.
	MaxNameBytes = 64 << 20
	// MaxDebugNames bounds the names of the component-name and producers sections.
	MaxDebugNames = 1_000_000
	// MaxElemSize bounds the bytes that a value takes in memory, with pointers of 64 bits [Element Size].
	MaxElemSize = 1<<28 - 1
	// MaxWork bounds the steps that validation takes to compare and to substitute types. Toolchains' output takes some
	// thousands.
	MaxWork = 2_000_000
)
