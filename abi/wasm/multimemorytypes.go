package wasm

import "fmt"

// signature gives the type of the function for a use of a memory.
func (a access) signature() FuncType {
	addr := []ValType{I32}
	switch a.op {
	case opMemorySize:
		return FuncType{Results: addr}
	case opMemoryGrow:
		return FuncType{Params: addr, Results: addr}
	case opMemoryFill, opMemoryCopy, opMemoryInit, opCopyBetween:
		return FuncType{Params: []ValType{I32, I32, I32}}
	case opDataDrop, opDropAll:
		return FuncType{}
	case opCheck:
		return FuncType{Params: []ValType{I32, I32}}
	case opReadBlock:
		return FuncType{Params: addr, Results: block()}
	case opWriteBlock:
		return FuncType{Params: append(addr, block()...)}
	default:
	}
	v, store, lane := a.op.transfer()
	if !store {
		if lane {
			addr = append(addr, v)
		}
		return FuncType{Params: addr, Results: []ValType{v}}
	}
	return FuncType{Params: append(addr, v)}
}

func block() []ValType {
	out := make([]ValType, blockWords)
	for i := range out {
		out[i] = I64
	}
	return out
}

// transfer tells what a load or store passes: a value of which type, whether to memory, whether as a lane of a vector.
func (op opcode) transfer() (v ValType, store, lane bool) {
	const (
		firstStore  = 0x36
		simdStore   = 0xfd00 + 11
		firstLane   = 0xfd00 + 84
		firstStored = 0xfd00 + 88
		lastLane    = 0xfd00 + 91
	)
	if op >= 0xfd00 {
		return V128, op == simdStore || op >= firstStored && op <= lastLane, op >= firstLane && op <= lastLane
	}
	switch op {
	case 0x28, 0x2c, 0x2d, 0x2e, 0x2f, 0x36, 0x3a, 0x3b:
		v = I32
	case 0x2a, 0x38:
		v = F32
	case 0x2b, 0x39:
		v = F64
	default:
		v = I64
	}
	return v, op >= firstStore, false
}

// name names the function for stack traces.
func (a access) name() string {
	switch a.op {
	case opMemorySize:
		return "memory.size"
	case opMemoryGrow:
		return "memory.grow"
	case opMemoryFill:
		return "memory.fill"
	case opMemoryCopy:
		return "memory.copy"
	case opMemoryInit:
		return fmt.Sprintf("memory.init of segment %d", a.a)
	case opDataDrop, opDropAll:
		return fmt.Sprintf("data.drop of segment %d", a.a)
	case opCopyBetween:
		return fmt.Sprintf("memory.copy from memory %d to %d", a.b, a.a)
	case opCheck:
		return "check of bounds"
	case opReadBlock:
		return "load for memory.copy"
	case opWriteBlock:
		return "store for memory.copy"
	default:
	}
	if _, store, _ := a.op.transfer(); store {
		return "store"
	}
	return "load"
}
