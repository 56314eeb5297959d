package wasm

// Limits on what a module may contain. They are those that browsers agree on (WebAssembly JavaScript interface,
// implementation limits), apart from data segments: a standard Go program has tens of thousands of them.
const (
	// MaxModuleSize is the longest module in bytes.
	MaxModuleSize = 256 << 20
	// MaxTypes bounds function types.
	MaxTypes = 1_000_000
	// MaxFuncs bounds functions, imported ones included.
	MaxFuncs = 1_000_000
	// MaxImports bounds imports.
	MaxImports = 100_000
	// MaxExports bounds exports.
	MaxExports = 1_000_000
	// MaxGlobals bounds globals, imported ones included.
	MaxGlobals = 1_000_000
	// MaxTables bounds tables, imported ones included.
	MaxTables = 100
	// MaxMemories bounds memories, imported ones included: of the multi-memory proposal there is [SplitMemories].
	MaxMemories = 1
	// MaxTableSize bounds a table's initial size in elements.
	MaxTableSize = 10_000_000
	// MaxMemoryPages bounds a memory in pages of 64 KiB.
	MaxMemoryPages = 65_536
	// MaxElems bounds element segments.
	MaxElems = 1_000_000
	// MaxElemItems bounds the items of one element segment.
	MaxElemItems = 10_000_000
	// MaxData bounds data segments.
	MaxData = 1_000_000
	// MaxCustoms bounds custom sections.
	MaxCustoms = 10_000
	// MaxParams bounds the parameters of a function type.
	MaxParams = 1_000
	// MaxResults bounds the results of a function type.
	MaxResults = 1_000
	// MaxLocals bounds the locals of a function, parameters included.
	MaxLocals = 50_000
	// MaxBodySize is the longest function body of an input in bytes.
	MaxBodySize = 7_654_321
	// MaxNesting bounds how deep blocks lie in each other. A dispatcher has a block for each of its targets.
	MaxNesting = 1 << 20
	// MaxOutput bounds the code of a rewritten module in bytes.
	MaxOutput = 1 << 30
	// MaxNameLength is the longest name of an import, an export or a custom section in bytes.
	MaxNameLength = 100_000
	// MaxConstInstrs bounds the instructions of one constant expression.
	MaxConstInstrs = 1_000

	// PageSize is a memory page in bytes.
	PageSize = 65_536
)
