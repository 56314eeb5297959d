package canon

import (
	"math"
	"unsafe"
)

const valueSize = uint64(unsafe.Sizeof(Value{}))

// Load lifts the value of type t at the start of the view b, which is at least t.Size() long.
func (t *Type) Load(l *Lift, b []byte) Value {
	switch t.kind {
	case KindString:
		return Value{Str: l.StringAt(b, 0)}
	case KindList:
		return t.liftList(l, U32(b, 0), U32(b, 4))
	case KindRecord, KindTuple:
		elems := l.values(len(t.members))
		for i, f := range t.members {
			elems[i] = f.Type.Load(l, b[t.offsets[i]:])
		}
		return Value{Elems: elems}
	case KindVariant, KindEnum, KindOption, KindResult:
		i := Disc(t.kind.String(), uint32(loadUint(b, t.disc)), uint32(len(t.members)))
		v := Value{Bits: uint64(i)}
		if p := t.members[i].Type; p != nil {
			v.Elems = l.values(1)
			v.Elems[0] = p.Load(l, b[t.offsets[i]:])
		}
		return v
	case KindFlags:
		l.charge(uint64(flagBytes(len(t.members))))
		return t.flagsOf(b[:flagBytes(len(t.members))])
	default:
		return t.scalar(loadUint(b, t.size))
	}
}

// liftFlat lifts a value from the core values at the front of stack, of which it takes len(t.flat). A slot has its
// bits zero-extended, so those that a variant joined need no conversion.
func (t *Type) liftFlat(l *Lift, stack []uint64) Value {
	switch t.kind {
	case KindString:
		return Value{Str: l.String(uint32(stack[0]), uint32(stack[1]))}
	case KindList:
		return t.liftList(l, uint32(stack[0]), uint32(stack[1]))
	case KindRecord, KindTuple:
		elems := l.values(len(t.members))
		for i, f := range t.members {
			elems[i] = f.Type.liftFlat(l, stack)
			stack = stack[len(f.Type.flat):]
		}
		return Value{Elems: elems}
	case KindVariant, KindEnum, KindOption, KindResult:
		i := Disc(t.kind.String(), uint32(stack[0]), uint32(len(t.members)))
		v := Value{Bits: uint64(i)}
		if p := t.members[i].Type; p != nil {
			v.Elems = l.values(1)
			v.Elems[0] = p.liftFlat(l, stack[1:])
		}
		return v
	case KindFlags:
		// Flags that are passed flat are at most MaxFlatParams words.
		var words [4 * MaxFlatParams]byte
		for i := range t.flat {
			storeUint(words[4*i:], 4, stack[i])
		}
		l.charge(uint64(flagBytes(len(t.members))))
		return t.flagsOf(words[:flagBytes(len(t.members))])
	default:
		return t.scalar(stack[0])
	}
}

func (t *Type) liftList(l *Lift, ptr, n uint32) Value {
	if t.elem.kind == KindU8 {
		return Value{Str: string(l.take(ptr, n))}
	}
	elems, b := List[Value](l, ptr, n, t.elem.size, t.elem.align)
	for i := range elems {
		elems[i] = t.elem.Load(l, b[i*int(t.elem.size):])
	}
	return Value{Elems: elems}
}

// values makes n Values on the budget of the call.
func (l *Lift) values(n int) []Value {
	l.charge(uint64(n) * valueSize)
	return make([]Value, n)
}

// scalar lifts the scalar type t from bits, of which it ignores those beyond the type's width.
func (t *Type) scalar(bits uint64) Value {
	switch t.kind {
	case KindBool:
		return BoolOf(FlatBool(bits))
	case KindF32:
		return Float32(FlatF32(bits))
	case KindF64:
		return Float64(FlatF64(bits))
	case KindChar:
		return Value{Bits: uint64(FlatChar(bits))}
	case KindS8, KindS16, KindS32:
		unused := 64 - 8*t.size
		return Value{Bits: uint64(int64(bits<<unused) >> unused)}
	default:
		unused := 64 - 8*t.size
		return Value{Bits: bits << unused >> unused}
	}
}

// flagsOf copies flags out of b, which has a byte for each 8 labels begun, and ignores the bits beyond the labels.
func (t *Type) flagsOf(b []byte) Value {
	last := len(b) - 1
	if used := len(t.members) % 8; used != 0 && b[last]>>used != 0 {
		b = append([]byte(nil), b...)
		b[last] &= 1<<used - 1
	}
	return Value{Str: string(b)}
}

// Store lowers v, which t.Check accepts, to the address at, in an area as PutU8 wants it.
func (t *Type) Store(w *Lower, at uint32, v Value) {
	switch t.kind {
	case KindString:
		w.PutString(at, v.Str)
	case KindList:
		ptr, n := t.lowerList(w, v)
		w.putPair(at, ptr, n)
	case KindRecord, KindTuple:
		for i, f := range t.members {
			f.Type.Store(w, at+t.offsets[i], v.Elems[i])
		}
	case KindVariant, KindEnum, KindOption, KindResult:
		storeUint(w.at(at, t.disc), t.disc, v.Bits)
		if p := t.members[v.Bits].Type; p != nil {
			p.Store(w, at+t.offsets[v.Bits], v.Elems[0])
		}
	case KindFlags:
		b := w.at(at, t.size)
		clear(b[copy(b, v.Str):])
	default:
		storeUint(w.at(at, t.size), t.size, t.canonical(v.Bits))
	}
}

// lowerFlat lowers v, which t.Check accepts, to the front of stack, of which it sets len(t.flat) slots.
func (t *Type) lowerFlat(w *Lower, stack []uint64, v Value) {
	clear(stack[:len(t.flat)])
	switch t.kind {
	case KindString:
		ptr, n := w.String(v.Str)
		stack[0], stack[1] = uint64(ptr), uint64(n)
	case KindList:
		ptr, n := t.lowerList(w, v)
		stack[0], stack[1] = uint64(ptr), uint64(n)
	case KindRecord, KindTuple:
		for i, f := range t.members {
			f.Type.lowerFlat(w, stack, v.Elems[i])
			stack = stack[len(f.Type.flat):]
		}
	case KindVariant, KindEnum, KindOption, KindResult:
		stack[0] = v.Bits
		if p := t.members[v.Bits].Type; p != nil {
			p.lowerFlat(w, stack[1:], v.Elems[0])
		}
	case KindFlags:
		for i := range len(v.Str) {
			stack[i/4] |= uint64(v.Str[i]) << (8 * (i % 4))
		}
	default:
		stack[0] = t.canonical(v.Bits)
	}
}

func (t *Type) lowerList(w *Lower, v Value) (ptr, n uint32) {
	if t.elem.kind == KindU8 {
		ptr, n = w.List(len(v.Str), 1, 1)
		copy(w.at(ptr, n), v.Str)
		return ptr, n
	}
	ptr, n = w.List(len(v.Elems), t.elem.size, t.elem.align)
	for i, e := range v.Elems {
		t.elem.Store(w, ptr+uint32(i)*t.elem.size, e)
	}
	return ptr, n
}

// canonical gives a scalar's bits as a core value: signed integers below 32 bits are sign-extended to 32, and there
// is one NaN.
func (t *Type) canonical(bits uint64) uint64 {
	switch t.kind {
	case KindF32:
		return F32Bits(math.Float32frombits(uint32(bits)))
	case KindF64:
		return F64Bits(math.Float64frombits(bits))
	case KindS8, KindS16, KindS32:
		return uint64(uint32(bits))
	default:
		return bits
	}
}

// loadUint loads an integer of size bytes.
func loadUint(b []byte, size uint32) uint64 {
	switch size {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(U16(b, 0))
	case 4:
		return uint64(U32(b, 0))
	default:
		return U64(b, 0)
	}
}

// storeUint stores the low size bytes of v.
func storeUint(b []byte, size uint32, v uint64) {
	for i := range size {
		b[i] = byte(v >> (8 * i))
	}
}
