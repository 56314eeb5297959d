package canon

import (
	"unsafe"
)

const valueSize = uint64(unsafe.Sizeof(Value{}))

// codec is the plan for the values of one Type: how they are lifted and lowered. It is made once, with the Type.
type codec interface {
	// load lifts the value at the start of the view b.
	load(l *Lift, b []byte) Value
	// lift lifts the value from the core values at the front of stack. A slot has its bits zero-extended, so those that a
	// variant joined need no conversion.
	lift(l *Lift, stack []uint64) Value
	// store lowers v to the address at.
	store(w *Lower, at uint32, v Value)
	// lower lowers v to the front of stack, whose slots are 0.
	lower(w *Lower, stack []uint64, v Value)
}

// Load lifts the value of type t at the start of the view b, which is at least t.Size() long.
func (t *Type) Load(l *Lift, b []byte) Value { return t.codec.load(l, b) }

// Store lowers v, which t.Check accepts, to the address at, in an area as PutU8 wants it.
func (t *Type) Store(w *Lower, at uint32, v Value) { t.codec.store(w, at, v) }

// liftFlat lifts a value from the front of stack, of which it takes len(t.flat) slots.
func (t *Type) liftFlat(l *Lift, stack []uint64) Value { return t.codec.lift(l, stack) }

// lowerFlat lowers v, which t.Check accepts, to the front of stack, of which it sets len(t.flat) slots.
func (t *Type) lowerFlat(w *Lower, stack []uint64, v Value) {
	clear(stack[:len(t.flat)])
	t.codec.lower(w, stack, v)
}

// values makes n Values on the budget of the call.
func (l *Lift) values(n int) []Value {
	l.charge(uint64(n) * valueSize)
	return make([]Value, n)
}

// stringCodec is the codec of string.
type stringCodec struct{}

func (stringCodec) load(l *Lift, b []byte) Value { return Value{Str: l.StringAt(b, 0)} }

func (stringCodec) lift(l *Lift, stack []uint64) Value {
	return Value{Str: l.String(uint32(stack[0]), uint32(stack[1]))}
}

func (stringCodec) store(w *Lower, at uint32, v Value) { w.PutString(at, v.Str) }

func (stringCodec) lower(w *Lower, stack []uint64, v Value) {
	ptr, n := w.String(v.Str)
	stack[0], stack[1] = uint64(ptr), uint64(n)
}

// productCodec is the codec of records and tuples.
type productCodec struct{ *Type }

func (c productCodec) load(l *Lift, b []byte) Value {
	elems := l.values(len(c.members))
	for i, f := range c.members {
		elems[i] = f.Type.codec.load(l, b[c.offsets[i]:])
	}
	return Value{Elems: elems}
}

func (c productCodec) lift(l *Lift, stack []uint64) Value {
	elems := l.values(len(c.members))
	for i, f := range c.members {
		elems[i] = f.Type.codec.lift(l, stack)
		stack = stack[len(f.Type.flat):]
	}
	return Value{Elems: elems}
}

func (c productCodec) store(w *Lower, at uint32, v Value) {
	for i, f := range c.members {
		f.Type.codec.store(w, at+c.offsets[i], v.Elems[i])
	}
}

func (c productCodec) lower(w *Lower, stack []uint64, v Value) {
	for i, f := range c.members {
		f.Type.codec.lower(w, stack, v.Elems[i])
		stack = stack[len(f.Type.flat):]
	}
}

// sumCodec is the codec of variants, enums, options and results.
type sumCodec struct {
	*Type
	disc integer
}

func (c sumCodec) load(l *Lift, b []byte) Value {
	i := Disc(c.kind.String(), uint32(c.disc.read(b)), uint32(len(c.members)))
	v := Value{Bits: uint64(i)}
	if p := c.members[i].Type; p != nil {
		v.Elems = l.values(1)
		v.Elems[0] = p.codec.load(l, b[c.offsets[i]:])
	}
	return v
}

func (c sumCodec) lift(l *Lift, stack []uint64) Value {
	i := Disc(c.kind.String(), uint32(stack[0]), uint32(len(c.members)))
	v := Value{Bits: uint64(i)}
	if p := c.members[i].Type; p != nil {
		v.Elems = l.values(1)
		v.Elems[0] = p.codec.lift(l, stack[1:])
	}
	return v
}

func (c sumCodec) store(w *Lower, at uint32, v Value) {
	c.disc.write(w.mem[at:], v.Bits)
	if p := c.members[v.Bits].Type; p != nil {
		p.codec.store(w, at+c.offsets[v.Bits], v.Elems[0])
	}
}

func (c sumCodec) lower(w *Lower, stack []uint64, v Value) {
	stack[0] = v.Bits
	if p := c.members[v.Bits].Type; p != nil {
		p.codec.lower(w, stack[1:], v.Elems[0])
	}
}

// flagsCodec is the codec of flags.
type flagsCodec struct{ *Type }

func (c flagsCodec) load(l *Lift, b []byte) Value {
	n := flagBytes(len(c.members))
	l.charge(uint64(n))
	return c.flagsOf(b[:n])
}

func (c flagsCodec) lift(l *Lift, stack []uint64) Value {
	// Flags that are passed flat are at most MaxFlatParams words.
	var words [4 * MaxFlatParams]byte
	for i := range c.flat {
		write32(words[4*i:], stack[i])
	}
	n := flagBytes(len(c.members))
	l.charge(uint64(n))
	return c.flagsOf(words[:n])
}

func (c flagsCodec) store(w *Lower, at uint32, v Value) {
	b := w.at(at, c.size)
	clear(b[copy(b, v.Str):])
}

func (c flagsCodec) lower(_ *Lower, stack []uint64, v Value) {
	for i := range len(v.Str) {
		stack[i/4] |= uint64(v.Str[i]) << (8 * (i % 4))
	}
}

// flagsOf copies flags out of b, which has a byte for each 8 labels begun, and ignores the bits beyond the labels.
func (c flagsCodec) flagsOf(b []byte) Value {
	last := len(b) - 1
	if used := len(c.members) % 8; used != 0 && b[last]>>used != 0 {
		b = append([]byte(nil), b...)
		b[last] &= 1<<used - 1
	}
	return Value{Str: string(b)}
}

// handleCodec is the codec of own and borrow.
type handleCodec struct{ *Type }

func (c handleCodec) load(l *Lift, b []byte) Value { return c.take(l, U32(b, 0)) }

func (c handleCodec) lift(l *Lift, stack []uint64) Value { return c.take(l, uint32(stack[0])) }

func (c handleCodec) store(w *Lower, at uint32, v Value) { w.PutU32(at, c.give(w, v)) }

func (c handleCodec) lower(w *Lower, stack []uint64, v Value) { stack[0] = uint64(c.give(w, v)) }

// take gives the value of the guest's handle i. It charges what a table's entry takes.
func (c handleCodec) take(l *Lift, i uint32) Value {
	if l.side == nil {
		trapNoHandles()
	}
	id, _ := defines(l.side, c.res)
	if c.kind == KindOwn {
		return HandleOf(l.side.Handles().Take(id, i))
	}
	rep := l.side.Handles().Lend(id, i)
	l.lent = append(l.lent, i)
	return HandleOf(rep)
}

// give gives the guest a handle for v.
func (c handleCodec) give(w *Lower, v Value) uint32 {
	if w.side == nil {
		trapNoHandles()
	}
	id, here := defines(w.side, c.res)
	switch {
	case c.kind == KindOwn:
		return w.side.Handles().Add(id, v.Rep())
	case here:
		return uint32(v.Bits)
	}
	if w.scope == nil {
		w.scope = new(Scope)
	}
	return w.side.Handles().Borrow(id, v.Rep(), w.scope)
}
