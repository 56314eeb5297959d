// Package wasmtest makes small WebAssembly modules for tests.
package wasmtest

import (
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// The opcodes that tests use, by the names of the text format.
const (
	Unreachable  = 0x00
	Nop          = 0x01
	Block        = 0x02
	Loop         = 0x03
	If           = 0x04
	Else         = 0x05
	End          = 0x0b
	Br           = 0x0c
	BrIf         = 0x0d
	BrTable      = 0x0e
	Return       = 0x0f
	Call         = 0x10
	CallIndirect = 0x11
	Drop         = 0x1a
	Select       = 0x1b
	LocalGet     = 0x20
	LocalSet     = 0x21
	LocalTee     = 0x22
	GlobalGet    = 0x23
	GlobalSet    = 0x24
	TableGet     = 0x25
	TableSet     = 0x26
	I32Load      = 0x28
	I32Load8U    = 0x2d
	I32Store     = 0x36
	I32Store8    = 0x3a
	MemorySize   = 0x3f
	MemoryGrow   = 0x40
	I32Const     = 0x41
	I64Const     = 0x42
	I32Eqz       = 0x45
	I32Eq        = 0x46
	I32LtU       = 0x49
	I32Add       = 0x6a
	I32Sub       = 0x6b
	I32Mul       = 0x6c
	I32DivU      = 0x6e
	I64Add       = 0x7c
	RefNull      = 0xd0
	RefFunc      = 0xd2
	Bulk         = 0xfc // followed by one of the below
	MemoryInit   = 8
	DataDrop     = 9
	MemoryCopy   = 10
	MemoryFill   = 11
	TableInit    = 12
	ElemDrop     = 13
	TableCopy    = 14
	TableGrow    = 15
	TableSize    = 16
	TableFill    = 17

	// Void is the block type without values; I32Type and FuncRefType are the types' codes.
	Void        = 0x40
	I32Type     = 0x7f
	FuncRefType = 0x70
)

// S is a signed number in code, for example a constant.
type S int64

// U is an unsigned number in code that may take several bytes.
type U uint32

// Code encodes instructions: an int is a byte (opcode, index below 128, block type), U and S are numbers, and
// []byte is code made before.
func Code(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			if p < 0 || p > 0xff {
				panic(fmt.Sprintf("wasmtest: want a byte, found %d: use U or S", p))
			}
			b = append(b, byte(p))
		case U:
			b = unsigned(b, uint32(p))
		case S:
			b = signed(b, int64(p))
		case []byte:
			b = append(b, p...)
		default:
			panic(fmt.Sprintf("wasmtest: want int, U, S or []byte, found %T", p))
		}
	}
	return b
}

func unsigned(b []byte, v uint32) []byte {
	for ; v >= 0x80; v >>= 7 {
		b = append(b, byte(v)|0x80)
	}
	return append(b, byte(v))
}

func signed(b []byte, v int64) []byte {
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}

// Types turns letters into value types: i is i32, l i64, f f32, d f64, v v128, r funcref, x externref.
func Types(letters string) []wasm.ValType {
	codes := map[rune]wasm.ValType{
		'i': wasm.I32, 'l': wasm.I64, 'f': wasm.F32, 'd': wasm.F64, 'v': wasm.V128, 'r': wasm.FuncRef, 'x': wasm.ExternRef,
	}
	var out []wasm.ValType
	for _, l := range letters {
		t, ok := codes[l]
		if !ok {
			panic(fmt.Sprintf("wasmtest: no value type %q", l))
		}
		out = append(out, t)
	}
	return out
}

// Builder makes a module step by step. Imports come before functions.
type Builder struct {
	wasm.Module
}

// Type adds a function type, in the letters of [Types].
func (b *Builder) Type(params, results string) uint32 {
	b.Types = append(b.Types, wasm.FuncType{Params: Types(params), Results: Types(results)})
	return uint32(len(b.Types) - 1)
}

// Import adds an imported function.
func (b *Builder) Import(module, name string, typ uint32) uint32 {
	if len(b.Funcs) > 0 {
		panic("wasmtest: imports come before functions")
	}
	b.Imports = append(b.Imports, wasm.Import{Module: module, Name: name, Kind: wasm.KindFunc, Func: typ})
	return uint32(len(b.Imports) - 1)
}

// Func adds a function with locals, in the letters of [Types], and exports it if it has a name. The last end is added.
func (b *Builder) Func(name string, typ uint32, locals string, code ...any) uint32 {
	index := uint32(len(b.Funcs))
	for _, i := range b.Imports {
		if i.Kind == wasm.KindFunc {
			index++
		}
	}
	f := wasm.Func{Type: typ, Code: append(Code(code...), End)}
	for _, t := range Types(locals) {
		f.Locals = append(f.Locals, wasm.LocalRun{Count: 1, Type: t})
	}
	b.Funcs = append(b.Funcs, f)
	if name != "" {
		b.Exports = append(b.Exports, wasm.Export{Name: name, Kind: wasm.KindFunc, Index: index})
	}
	return index
}

// Memory adds a memory and exports it.
func (b *Builder) Memory(pages uint32) {
	b.Memories = append(b.Memories, wasm.Limits{Min: pages})
	b.Exports = append(b.Exports, wasm.Export{Name: "memory", Kind: wasm.KindMemory})
}

// Global adds a mutable i32 global.
func (b *Builder) Global(value int32) uint32 {
	b.Globals = append(b.Globals, wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.I32, Mutable: true}, Init: wasm.ConstI32(value)})
	return uint32(len(b.Globals) - 1)
}

// Table adds a table of functions.
func (b *Builder) Table(size uint32) uint32 {
	b.Tables = append(b.Tables, wasm.Table{Type: wasm.FuncRef, Limits: wasm.Limits{Min: size}})
	return uint32(len(b.Tables) - 1)
}

// Elems fills a table from an offset on.
func (b *Builder) Elems(table uint32, offset int32, funcs ...uint32) {
	b.Module.Elems = append(b.Module.Elems, wasm.Elem{
		Table: table, Offset: wasm.ConstI32(offset), Type: wasm.FuncRef, Funcs: funcs,
	})
}

// DataAt adds an active data segment.
func (b *Builder) DataAt(offset int32, text string) {
	b.Data = append(b.Data, wasm.Data{Offset: wasm.ConstI32(offset), Bytes: []byte(text)})
}

// DataPassive adds a passive data segment, and the DataCount section that goes with it.
func (b *Builder) DataPassive(text string) {
	b.Data = append(b.Data, wasm.Data{Mode: wasm.Passive, Bytes: []byte(text)})
	b.HasDataCount = true
}
