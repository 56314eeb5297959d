package canon

import (
	"encoding/binary"
	"math"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// flat gives how values of t pass flat; nil if they stay as they are.
func (c *compiler) flat(t *Type) flatMove {
	if m, ok := c.inStack[t]; ok {
		return m
	}
	m := c.newFlat(t)
	c.inStack[t] = m
	return m
}

func (c *compiler) newFlat(t *Type) flatMove {
	switch t.kind {
	case KindS64, KindU64:
		return nil
	case KindString:
		c.needsTransfer = true
		return flatString
	case KindList, KindMap:
		c.needsTransfer = true
		pass := c.listPass(t.elem)
		return func(t *transfer, stack []uint64) {
			stack[1] = uint64(uint32(stack[1]))
			stack[0] = uint64(pass(t, uint32(stack[0]), uint32(stack[1])))
		}
	case KindFixedList:
		return c.flatFixed(t)
	case KindRecord, KindTuple:
		return c.flatProduct(t.members)
	case KindVariant, KindEnum, KindOption, KindResult:
		return c.flatSum(t)
	case KindFlags:
		return flatFlags(len(t.members))
	case KindOwn, KindBorrow:
		c.needsTransfer = true
		return func(tr *transfer, stack []uint64) { stack[0] = uint64(tr.handle(t, uint32(stack[0]))) }
	default:
		s := scalarOf(t.kind, t.size)
		return func(_ *transfer, stack []uint64) { stack[0] = s.core(s.value(stack[0])) }
	}
}

func flatString(t *transfer, stack []uint64) {
	ptr, n := t.text(uint32(stack[0]), uint32(stack[1]))
	stack[0], stack[1] = uint64(ptr), uint64(n)
}

// flatStep is a member's move at its slot.
type flatStep struct {
	at  int
	run flatMove
}

// flatProduct passes members one after the other.
func (c *compiler) flatProduct(members []Field) flatMove {
	var steps []flatStep
	at := 0
	for _, f := range members {
		if m := c.flat(f.Type); m != nil {
			steps = append(steps, flatStep{at, m})
		}
		at += len(f.Type.flat)
	}
	return flatSteps(steps)
}

// flatFixed passes the elements of a list of fixed length.
func (c *compiler) flatFixed(t *Type) flatMove {
	m := c.flat(t.elem)
	if m == nil {
		return nil
	}
	var steps []flatStep
	for i := range int(t.count) {
		steps = append(steps, flatStep{i * len(t.elem.flat), m})
	}
	return flatSteps(steps)
}

func flatSteps(steps []flatStep) flatMove {
	switch len(steps) {
	case 0:
		return nil
	case 1:
		if steps[0].at == 0 {
			return steps[0].run
		}
	}
	return func(t *transfer, stack []uint64) {
		for i := range steps {
			s := &steps[i]
			s.run(t, stack[s.at:])
		}
	}
}

// flatSum passes the number of the case and its payload, and makes the slots 0 that the case does not use.
func (c *compiler) flatSum(t *Type) flatMove {
	type plan struct {
		run  flatMove
		used int
	}
	n, what, slots := uint32(len(t.members)), t.kind.String(), len(t.flat)
	if slots == 1 && t.kind == KindEnum {
		return func(_ *transfer, stack []uint64) { stack[0] = uint64(Disc(what, uint32(stack[0]), n)) }
	}
	plans := make([]plan, n)
	for i, m := range t.members {
		plans[i].used = 1
		if m.Type != nil {
			plans[i] = plan{c.flat(m.Type), 1 + len(m.Type.flat)}
		}
	}
	return func(t *transfer, stack []uint64) {
		i := Disc(what, uint32(stack[0]), n)
		stack[0] = uint64(i)
		p := &plans[i]
		if p.run != nil {
			p.run(t, stack[1:])
		}
		clear(stack[p.used:slots])
	}
}

// flatFlags passes flags of n labels without the bits beyond.
func flatFlags(n int) flatMove {
	return func(_ *transfer, stack []uint64) {
		i := 0
		for ; (i+1)*32 <= n; i++ {
			stack[i] = uint64(uint32(stack[i]))
		}
		if n%32 != 0 {
			stack[i] &= 1<<(n%32) - 1
		}
	}
}

// scanOf gives what checks or corrects copied elements of a scalar type that not all bits are allowed for; nil for other
// types.
func scanOf(elem *Type) func(b []byte) {
	switch elem.kind {
	case KindBool:
		return scanBool
	case KindChar:
		return scanChar
	case KindF32:
		return scanF32
	case KindF64:
		return scanF64
	default:
		return nil
	}
}

func scanBool(b []byte) {
	for i, v := range b {
		if v > 1 {
			b[i] = 1
		}
	}
}

func scanChar(b []byte) {
	for ; len(b) >= 4; b = b[4:] {
		FlatChar(uint64(binary.LittleEndian.Uint32(b)))
	}
}

func scanF32(b []byte) {
	for ; len(b) >= 4; b = b[4:] {
		if v := math.Float32frombits(binary.LittleEndian.Uint32(b)); v != v {
			binary.LittleEndian.PutUint32(b, nan32)
		}
	}
}

func scanF64(b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		if v := math.Float64frombits(binary.LittleEndian.Uint64(b)); v != v {
			binary.LittleEndian.PutUint64(b, nan64)
		}
	}
}

//go:noinline
func trapList(ptr, n, size uint32) {
	abi.Trapf("list at %#x: expected at most %d bytes, found %d elements of %d bytes", ptr, MaxStringBytes, n, size)
}
