package wasm

import "fmt"

// opcode is an instruction: one byte, or a prefix (0xfc, 0xfd) and a number below 256.
type opcode uint16

const (
	opUnreachable  opcode = 0x00
	opNop          opcode = 0x01
	opBlock        opcode = 0x02
	opLoop         opcode = 0x03
	opIf           opcode = 0x04
	opElse         opcode = 0x05
	opEnd          opcode = 0x0b
	opBr           opcode = 0x0c
	opBrIf         opcode = 0x0d
	opBrTable      opcode = 0x0e
	opReturn       opcode = 0x0f
	opCall         opcode = 0x10
	opCallIndirect opcode = 0x11
	opDrop         opcode = 0x1a
	opLocalGet     opcode = 0x20
	opLocalSet     opcode = 0x21
	opLocalTee     opcode = 0x22
	opGlobalGet    opcode = 0x23
	opGlobalSet    opcode = 0x24
	opTableGet     opcode = 0x25
	opTableSet     opcode = 0x26
	opMemorySize   opcode = 0x3f
	opMemoryGrow   opcode = 0x40
	opI32Const     opcode = 0x41
	opI64Const     opcode = 0x42
	opF32Const     opcode = 0x43
	opF64Const     opcode = 0x44
	opI32Eq        opcode = 0x46
	opI32LtU       opcode = 0x49
	opI32GtU       opcode = 0x4b
	opI32GeU       opcode = 0x4f
	opI64LtS       opcode = 0x53
	opI32Add       opcode = 0x6a
	opI32Sub       opcode = 0x6b
	opI32Mul       opcode = 0x6c
	opI64Add       opcode = 0x7c
	opI64Sub       opcode = 0x7d
	opI64Mul       opcode = 0x7e
	opI64ShrU      opcode = 0x88
	opI64ExtendU   opcode = 0xad
	opRefNull      opcode = 0xd0
	opRefFunc      opcode = 0xd2

	opMemoryInit opcode = 0xfc08
	opDataDrop   opcode = 0xfc09
	opMemoryCopy opcode = 0xfc0a
	opMemoryFill opcode = 0xfc0b
	opTableInit  opcode = 0xfc0c
	opElemDrop   opcode = 0xfc0d
	opTableCopy  opcode = 0xfc0e
	opTableGrow  opcode = 0xfc0f
	opTableSize  opcode = 0xfc10
	opTableFill  opcode = 0xfc11

	opV128Const opcode = 0xfd0c
)

const blockVoid = 0x40

// shape is what follows an opcode.
type shape byte

const (
	shapeBad       shape = iota // not an instruction
	shapeNone                   // nothing
	shapeBlock                  // a block type
	shapeLabel                  // a: label
	shapeLabels                 // labels and a default
	shapeFunc                   // a: function
	shapeIndirect               // a: type, b: table
	shapeLocal                  // a: local
	shapeGlobal                 // a: global
	shapeTable                  // a: table
	shapeMemArg                 // a: memory, value: alignment, b: offset
	shapeMemory                 // a: memory
	shapeI32                    // value
	shapeI64                    // value
	shapeF32                    // 4 bytes
	shapeF64                    // 8 bytes
	shapeTypes                  // value types
	shapeRef                    // a reference type
	shapeDataMem                // a: data segment, b: memory
	shapeData                   // a: data segment
	shapeMemMem                 // a, b: memories
	shapeElemTable              // b: element segment, a: table
	shapeElem                   // b: element segment
	shapeTables                 // a, b: tables
	shapeLane                   // a byte
	shapeV128                   // 16 bytes
	shapeMemLane                // as shapeMemArg, and a byte
)

// plainShapes are the shapes of one-byte opcodes.
var plainShapes = makePlainShapes()

func makePlainShapes() (t [256]shape) {
	for op := 0x45; op <= 0xc4; op++ {
		t[op] = shapeNone
	}
	for op := 0x28; op <= 0x3e; op++ {
		t[op] = shapeMemArg
	}
	for op, s := range map[opcode]shape{
		opUnreachable: shapeNone, opNop: shapeNone, opBlock: shapeBlock, opLoop: shapeBlock, opIf: shapeBlock,
		opElse: shapeNone, opEnd: shapeNone, opBr: shapeLabel, opBrIf: shapeLabel, opBrTable: shapeLabels,
		opReturn: shapeNone, opCall: shapeFunc, opCallIndirect: shapeIndirect, opDrop: shapeNone, 0x1b: shapeNone,
		0x1c: shapeTypes, opLocalGet: shapeLocal, opLocalSet: shapeLocal, opLocalTee: shapeLocal,
		opGlobalGet: shapeGlobal, opGlobalSet: shapeGlobal, opTableGet: shapeTable, opTableSet: shapeTable,
		opMemorySize: shapeMemory, opMemoryGrow: shapeMemory, opI32Const: shapeI32, opI64Const: shapeI64,
		opF32Const: shapeF32, opF64Const: shapeF64, opRefNull: shapeRef, 0xd1: shapeNone, opRefFunc: shapeFunc,
	} {
		t[op] = s
	}
	return t
}

// shapeOf gives an instruction's shape; shapeBad if it is none.
func shapeOf(op opcode) shape {
	switch op >> 8 {
	case 0:
		return plainShapes[op]
	case 0xfc:
		return bulkShape(op)
	case 0xfd:
		return simdShape(op & 0xff)
	default:
		return shapeBad
	}
}

func bulkShape(op opcode) shape {
	switch op {
	case opMemoryInit:
		return shapeDataMem
	case opDataDrop:
		return shapeData
	case opMemoryCopy:
		return shapeMemMem
	case opMemoryFill:
		return shapeMemory
	case opTableInit:
		return shapeElemTable
	case opElemDrop:
		return shapeElem
	case opTableCopy:
		return shapeTables
	case opTableGrow, opTableSize, opTableFill:
		return shapeTable
	default:
		if op < opMemoryInit {
			return shapeNone // saturating conversions
		}
		return shapeBad
	}
}

func simdShape(sub opcode) shape {
	switch {
	case sub <= 11, sub == 92, sub == 93:
		return shapeMemArg
	case sub == 12, sub == 13:
		return shapeV128
	case sub >= 21 && sub <= 34:
		return shapeLane
	case sub >= 84 && sub <= 91:
		return shapeMemLane
	default:
		return shapeNone
	}
}

// refusal says why an opcode is not one of the supported features.
func refusal(b byte) string {
	switch b {
	case 0x12, 0x13, 0x15:
		return fmt.Sprintf("%#x (return_call, of the tail call proposal)", b)
	case 0x06, 0x07, 0x08, 0x09, 0x0a, 0x18, 0x19, 0x1f:
		return fmt.Sprintf("%#x (of the exception handling proposal)", b)
	case 0x14, 0xd3, 0xd4, 0xd5, 0xd6, 0xfb:
		return fmt.Sprintf("%#x (of the function references or garbage collection proposal)", b)
	case 0xfe:
		return "0xfe (an atomic instruction, of the threads proposal)"
	default:
		return fmt.Sprintf("%#x", b)
	}
}
