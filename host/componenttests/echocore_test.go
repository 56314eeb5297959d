package componenttests

import (
	"encoding/binary"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// heapBase is where generated modules begin to give out memory; what is below is not used.
const heapBase = 1024

// The opcodes that generated modules use.
const (
	opUnreachable = 0x00
	opIf          = 0x04
	opEnd         = 0x0b
	opCall        = 0x10
	opLocalGet    = 0x20
	opLocalSet    = 0x21
	opLocalTee    = 0x22
	opGlobalGet   = 0x23
	opGlobalSet   = 0x24
	opI32Store    = 0x36
	opI64Store    = 0x37
	opF32Store    = 0x38
	opF64Store    = 0x39
	opI32Store8   = 0x3a
	opI32Store16  = 0x3b
	opI64Store8   = 0x3c
	opI64Store16  = 0x3d
	opI64Store32  = 0x3e
	opMemorySize  = 0x3f
	opMemoryGrow  = 0x40
	opI32Const    = 0x41
	opI32Eq       = 0x46
	opI32LtS      = 0x48
	opI32GtU      = 0x4b
	opI32Add      = 0x6a
	opI32Sub      = 0x6b
	opI32And      = 0x71
	opI32Shl      = 0x74
	opI32ShrU     = 0x76
	opI32WrapI64  = 0xa7
	blockEmpty    = 0x40
)

// code is the body of a function in the making.
type code struct{ b []byte }

// op appends an opcode with unsigned immediates.
func (c *code) op(opcode byte, immediates ...uint32) {
	c.b = append(c.b, opcode)
	for _, v := range immediates {
		c.b = binary.AppendUvarint(c.b, uint64(v))
	}
}

// number appends an i32.const.
func (c *code) number(v int32) {
	c.b = append(c.b, opI32Const)
	for more := true; more; {
		low := byte(v & 0x7f)
		v >>= 7
		more = (v != 0 || low&0x40 != 0) && (v != -1 || low&0x40 == 0)
		if more {
			low |= 0x80
		}
		c.b = append(c.b, low)
	}
}

func (c *code) ops(opcodes ...byte) { c.b = append(c.b, opcodes...) }

// coreModule is a core module in the making.
type coreModule struct {
	wasm.Module
	realloc uint32 // the function's index
}

var i32 = wasm.I32

// imported adds an imported function. All come before newCore's functions.
func (m *coreModule) imported(module, name string, params, results []wasm.ValType) uint32 {
	m.Imports = append(m.Imports, wasm.Import{
		Module: module, Name: name, Kind: wasm.KindFunc, Func: m.typeOf(params, results),
	})
	return uint32(len(m.Imports) - 1)
}

func (m *coreModule) typeOf(params, results []wasm.ValType) uint32 {
	m.Types = append(m.Types, wasm.FuncType{Params: params, Results: results})
	return uint32(len(m.Types) - 1)
}

// function adds a function with an i32 local after its parameters, which it exports unless name is "".
func (m *coreModule) function(name string, params, results []wasm.ValType, c code) uint32 {
	c.op(opEnd)
	m.Funcs = append(m.Funcs, wasm.Func{
		Type: m.typeOf(params, results), Locals: []wasm.LocalRun{{Count: 1, Type: i32}}, Code: c.b,
	})
	index := uint32(len(m.Imports) + len(m.Funcs) - 1)
	if name != "" {
		m.Exports = append(m.Exports, wasm.Export{Name: name, Kind: wasm.KindFunc, Index: index})
	}
	return index
}

// memory adds the memory and cabi_realloc, which takes new memory each time; a post-return gives all of it back.
func (m *coreModule) memory() {
	m.Memories = []wasm.Limits{{Min: 1}}
	m.Globals = []wasm.Global{{GlobalType: wasm.GlobalType{Type: i32, Mutable: true}, Init: wasm.ConstI32(heapBase)}}
	m.Exports = append(m.Exports, wasm.Export{Name: "memory", Kind: wasm.KindMemory})
	const old, oldSize, align, size, at = 0, 1, 2, 3, 4
	var c code
	// at = (heap + align - 1) & -align
	c.op(opGlobalGet, 0)
	c.op(opLocalGet, align)
	c.ops(opI32Add)
	c.number(1)
	c.ops(opI32Sub)
	c.number(0)
	c.op(opLocalGet, align)
	c.ops(opI32Sub, opI32And)
	c.op(opLocalTee, at)
	c.op(opLocalGet, size)
	c.ops(opI32Add)
	c.op(opGlobalSet, 0)
	// if heap is past the memory, grow it by what is missing and a page
	c.op(opGlobalGet, 0)
	c.op(opMemorySize, 0)
	c.number(16)
	c.ops(opI32Shl, opI32GtU, opIf, blockEmpty)
	c.op(opGlobalGet, 0)
	c.op(opMemorySize, 0)
	c.number(16)
	c.ops(opI32Shl, opI32Sub)
	c.number(16)
	c.ops(opI32ShrU)
	c.number(1)
	c.ops(opI32Add)
	c.op(opMemoryGrow, 0)
	c.number(0)
	c.ops(opI32LtS, opIf, blockEmpty, opUnreachable, opEnd, opEnd)
	// copy what was there
	c.op(opLocalGet, at)
	c.op(opLocalGet, old)
	c.op(opLocalGet, oldSize)
	c.ops(0xfc, 10, 0, 0)
	c.op(opLocalGet, at)
	m.realloc = m.function("cabi_realloc", []wasm.ValType{i32, i32, i32, i32}, []wasm.ValType{i32}, c)
}

// area leaves the address of new memory for a value of t on the stack.
func (m *coreModule) area(c *code, t *canon.Type) {
	c.number(0)
	c.number(0)
	c.number(int32(t.Align()))
	c.number(int32(t.Size()))
	c.op(opCall, m.realloc)
}

// postReturn exports the post-return function of a function.
func (m *coreModule) postReturn(fn string, results []wasm.ValType) {
	var c code
	c.number(heapBase)
	c.op(opGlobalSet, 0)
	m.function("cabi_post_"+fn, results, nil, c)
}

func coreTypes(types []abi.ValType) []wasm.ValType {
	out := make([]wasm.ValType, len(types))
	for k, t := range types {
		switch t {
		case abi.I64:
			out[k] = wasm.I64
		case abi.F32:
			out[k] = wasm.F32
		case abi.F64:
			out[k] = wasm.F64
		default:
			out[k] = wasm.I32
		}
	}
	return out
}

// providerCore makes the core module of the world provider: what comes in is stored and given back.
func providerCore(types []*canon.Type) []byte {
	m := &coreModule{}
	one := []wasm.ValType{i32}
	own := m.imported("[export]"+echoIface, "[resource-new]thing", one, one)
	m.memory()
	var c code
	c.op(opLocalGet, 0)
	c.op(opCall, own)
	m.function(echoIface+"#[constructor]thing", one, one, c)
	c = code{}
	c.op(opLocalGet, 0)
	m.function(echoIface+"#[method]thing.number", one, one, c)
	// A borrow of its own resource is the number itself, so a list of them is a list of numbers.
	c = code{}
	m.storePair(&c)
	m.function(echoIface+"#numbers", []wasm.ValType{i32, i32}, one, c)
	for k, t := range types {
		m.echo(fmt.Sprintf("%s#e%d", echoIface, k), t)
	}
	return m.Encode()
}

// storePair stores the two parameters and leaves the address.
func (m *coreModule) storePair(c *code) {
	list, _ := canon.ListOf(canon.Prim(canon.KindU32))
	m.area(c, list)
	c.op(opLocalTee, 2)
	c.op(opLocalGet, 0)
	c.op(opI32Store, 2, 0)
	c.op(opLocalGet, 2)
	c.op(opLocalGet, 1)
	c.op(opI32Store, 2, 4)
	c.op(opLocalGet, 2)
}

func (m *coreModule) echo(name string, t *canon.Type) {
	have := coreTypes(t.Flat())
	var c code
	switch {
	case len(have) > canon.MaxFlatParams || len(have) == 1:
		// The address of the parameters is one of the result too.
		if len(have) > 1 {
			have = []wasm.ValType{i32}
		}
		c.op(opLocalGet, 0)
	default:
		s := &storer{code: &c, have: have, area: uint32(len(have))}
		m.area(&c, t)
		c.op(opLocalSet, s.area)
		s.store(t, 0, 0)
		c.op(opLocalGet, s.area)
	}
	results := []wasm.ValType{i32}
	if len(t.Flat()) == 1 {
		results = have
	}
	m.function(name, have, results, c)
	if len(t.Flat()) > 1 {
		m.postReturn(name, results)
	}
}

// storer writes code that stores a value that is in locals.
type storer struct {
	code *code
	have []wasm.ValType
	area uint32 // the local with the address
}

// store stores the value that begins at a local, which is of type t, at an offset.
func (s *storer) store(t *canon.Type, local, offset uint32) {
	switch t.Kind() {
	case canon.KindString, canon.KindList:
		s.bytes(4, local, offset)
		s.bytes(4, local+1, offset+4)
	case canon.KindRecord, canon.KindTuple:
		for k, f := range t.Members() {
			s.store(f.Type, local, offset+t.Offset(k))
			local += uint32(len(f.Type.Flat()))
		}
	case canon.KindVariant, canon.KindEnum, canon.KindOption, canon.KindResult:
		s.bytes(t.DiscSize(), local, offset)
		for k, f := range t.Members() {
			if f.Type == nil {
				continue
			}
			s.code.op(opLocalGet, local)
			if s.have[local] == wasm.I64 { // within another variant
				s.code.ops(opI32WrapI64)
			}
			s.code.number(int32(k))
			s.code.ops(opI32Eq, opIf, blockEmpty)
			s.store(f.Type, local+1, offset+t.Offset(k))
			s.code.op(opEnd)
		}
	default:
		s.bytes(t.Size(), local, offset)
	}
}

// bytes stores the low size bytes of a local.
func (s *storer) bytes(size, local, offset uint32) {
	ops := map[wasm.ValType]map[uint32]byte{
		wasm.I32: {1: opI32Store8, 2: opI32Store16, 4: opI32Store},
		wasm.I64: {1: opI64Store8, 2: opI64Store16, 4: opI64Store32, 8: opI64Store},
		wasm.F32: {4: opF32Store}, wasm.F64: {8: opF64Store},
	}
	s.code.op(opLocalGet, s.area)
	s.code.op(opLocalGet, local)
	s.code.op(ops[s.have[local]][size], 0, offset)
}

// callerCore makes the core module of the world caller: what comes in is passed on to the import, and what that gives
// is given back.
func callerCore(types []*canon.Type) []byte {
	m := &coreModule{}
	imports := make([]uint32, len(types))
	for k, t := range types {
		params, results := paramsOf(t), coreTypes(t.Flat())
		if len(results) > 1 {
			params, results = append(params, i32), nil
		}
		imports[k] = m.imported(echoIface, fmt.Sprintf("e%d", k), params, results)
	}
	one := []wasm.ValType{i32}
	construct := m.imported(echoIface, "[constructor]thing", one, one)
	number := m.imported(echoIface, "[method]thing.number", one, one)
	drop := m.imported(echoIface, "[resource-drop]thing", one, nil)
	m.memory()
	var c code
	c.op(opLocalGet, 0)
	c.op(opCall, construct)
	m.function(callIface+"#make", one, one, c)
	c = code{}
	c.op(opLocalGet, 0)
	c.op(opCall, number)
	c.op(opLocalGet, 0)
	c.op(opCall, drop)
	m.function(callIface+"#ask", one, one, c)
	for k, t := range types {
		name := fmt.Sprintf("%s#c%d", callIface, k)
		params, results := paramsOf(t), coreTypes(t.Flat())
		var c code
		for p := range params {
			c.op(opLocalGet, uint32(p))
		}
		area := uint32(len(params))
		if len(results) > 1 {
			m.area(&c, t)
			c.op(opLocalTee, area)
			c.op(opCall, imports[k])
			c.op(opLocalGet, area)
			results = []wasm.ValType{i32}
		} else {
			c.op(opCall, imports[k])
		}
		m.function(name, params, results, c)
		if len(t.Flat()) > 1 {
			m.postReturn(name, results)
		}
	}
	return m.Encode()
}

// paramsOf gives the core parameters of a function with one parameter of type t.
func paramsOf(t *canon.Type) []wasm.ValType {
	if len(t.Flat()) > canon.MaxFlatParams {
		return []wasm.ValType{i32}
	}
	return coreTypes(t.Flat())
}
