package wasm

import "fmt"

// ValType is a value type, numbered as in the binary format.
type ValType byte

// The value types of WebAssembly 2.0.
const (
	I32       ValType = 0x7f
	I64       ValType = 0x7e
	F32       ValType = 0x7d
	F64       ValType = 0x7c
	V128      ValType = 0x7b
	FuncRef   ValType = 0x70
	ExternRef ValType = 0x6f
)

// String gives the text format's name.
func (v ValType) String() string {
	switch v {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case F32:
		return "f32"
	case F64:
		return "f64"
	case V128:
		return "v128"
	case FuncRef:
		return "funcref"
	case ExternRef:
		return "externref"
	default:
		return fmt.Sprintf("valtype(%#x)", byte(v))
	}
}

// IsRef tells whether v is a reference type.
func (v ValType) IsRef() bool { return v == FuncRef || v == ExternRef }

func (v ValType) known() bool { return v >= V128 && v <= I32 || v.IsRef() }

// Kind is what an import or export is.
type Kind byte

// The kinds, numbered as in the binary format.
const (
	KindFunc   Kind = 0
	KindTable  Kind = 1
	KindMemory Kind = 2
	KindGlobal Kind = 3
)

// String names the kind.
func (k Kind) String() string {
	switch k {
	case KindFunc:
		return "function"
	case KindTable:
		return "table"
	case KindMemory:
		return "memory"
	case KindGlobal:
		return "global"
	default:
		return fmt.Sprintf("kind(%#x)", byte(k))
	}
}

// FuncType is a function's signature.
type FuncType struct {
	Params, Results []ValType
}

// key is equal for equal types.
func (t FuncType) key() string {
	b := make([]byte, 0, len(t.Params)+len(t.Results)+1)
	for _, p := range t.Params {
		b = append(b, byte(p))
	}
	b = append(b, 0)
	for _, r := range t.Results {
		b = append(b, byte(r))
	}
	return string(b)
}

// Limits are a table's or a memory's size, in elements or pages.
type Limits struct {
	Min    uint32
	Max    uint32 // meaningful if HasMax
	HasMax bool
}

// Table is a table's type.
type Table struct {
	Type ValType // FuncRef or ExternRef
	Limits
}

// GlobalType is a global's type.
type GlobalType struct {
	Type    ValType
	Mutable bool
}

// Global is a global that the module defines.
type Global struct {
	GlobalType
	Init ConstExpr
}

// Import is one import. Which of the fields after Kind counts depends on Kind.
type Import struct {
	Module, Name string
	Kind         Kind
	Func         uint32 // type index
	Table        Table
	Memory       Limits
	Global       GlobalType
}

// Export is one export. Index counts in the index space of Kind.
type Export struct {
	Name  string
	Kind  Kind
	Index uint32
}

// LocalRun is a run of locals of one type.
type LocalRun struct {
	Count uint32
	Type  ValType
}

// Func is a function that the module defines.
type Func struct {
	Type   uint32 // type index
	Locals []LocalRun
	// Code is the body's instructions with the final end. It may share memory with the decoded bytes: passes
	// replace it and never write into it.
	Code []byte
}

// Mode is how a segment is used.
type Mode byte

// The modes of segments.
const (
	Active      Mode = iota // copied at instantiation, then dropped
	Passive                 // copied by memory.init or table.init
	Declarative             // elements only: declares functions for ref.func
)

// Elem is an element segment. It has either Funcs or Exprs.
type Elem struct {
	Mode   Mode
	Table  uint32    // if active
	Offset ConstExpr // if active
	Type   ValType
	Funcs  []uint32    // function indices
	Exprs  []ConstExpr // used if UsesExprs
	// UsesExprs tells that the items are constant expressions.
	UsesExprs bool
}

// Data is a data segment: active or passive.
type Data struct {
	Mode   Mode
	Offset ConstExpr // if active
	// Bytes may share memory with the decoded bytes.
	Bytes []byte
}

// Custom is a custom section other than a well-formed name section.
type Custom struct {
	Name  string
	Bytes []byte
	after byte // rank of the section before it
}

// Module is a decoded module. Index spaces count imports first, as in the format.
type Module struct {
	Types    []FuncType
	Imports  []Import
	Funcs    []Func
	Tables   []Table
	Memories []Limits
	Globals  []Global
	Exports  []Export
	// Start is the start function's index; meaningful if HasStart.
	Start    uint32
	HasStart bool
	Elems    []Elem
	Data     []Data
	// HasDataCount tells that the module has a DataCount section: memory.init and data.drop need one.
	HasDataCount bool
	Customs      []Custom
	// Names is the name section, nil without one. A malformed one counts as none, as the format demands.
	Names *Names
}

// imported counts the imports of a kind.
func (m *Module) imported(k Kind) int {
	n := 0
	for i := range m.Imports {
		if m.Imports[i].Kind == k {
			n++
		}
	}
	return n
}

func (m *Module) funcCount() int   { return m.imported(KindFunc) + len(m.Funcs) }
func (m *Module) tableCount() int  { return m.imported(KindTable) + len(m.Tables) }
func (m *Module) memoryCount() int { return m.imported(KindMemory) + len(m.Memories) }
func (m *Module) globalCount() int { return m.imported(KindGlobal) + len(m.Globals) }

// funcTypes gives the type index of every function, imports first.
func (m *Module) funcTypes() []uint32 {
	out := make([]uint32, 0, len(m.Imports)+len(m.Funcs))
	for i := range m.Imports {
		if m.Imports[i].Kind == KindFunc {
			out = append(out, m.Imports[i].Func)
		}
	}
	for i := range m.Funcs {
		out = append(out, m.Funcs[i].Type)
	}
	return out
}

// canonicalTypes maps each type index to the lowest index of an equal type.
func (m *Module) canonicalTypes() []uint32 {
	seen := make(map[string]uint32, len(m.Types))
	out := make([]uint32, len(m.Types))
	for i, t := range m.Types {
		k := t.key()
		first, ok := seen[k]
		if !ok {
			first = uint32(i)
			seen[k] = first
		}
		out[i] = first
	}
	return out
}

// typeIndex finds a type or adds it.
func (m *Module) typeIndex(t FuncType) uint32 {
	k := t.key()
	for i, have := range m.Types {
		if have.key() == k {
			return uint32(i)
		}
	}
	m.Types = append(m.Types, t)
	return uint32(len(m.Types) - 1)
}

// ConstExpr is a constant expression as it is encoded, with its end.
type ConstExpr []byte

// ConstI32 gives the expression of an i32 constant.
func ConstI32(v int32) ConstExpr {
	return append(appendSigned([]byte{byte(opI32Const)}, int64(v)), byte(opEnd))
}

// ConstI64 gives the expression of an i64 constant.
func ConstI64(v int64) ConstExpr {
	return append(appendSigned([]byte{byte(opI64Const)}, v), byte(opEnd))
}
