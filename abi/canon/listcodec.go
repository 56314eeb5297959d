package canon

// bytesCodec is the codec of list<u8>.
type bytesCodec struct{}

func (bytesCodec) load(l *Lift, b []byte) Value {
	return Value{Str: string(l.take(U32(b, 0), U32(b, 4)))}
}

func (bytesCodec) lift(l *Lift, stack []uint64) Value {
	return Value{Str: string(l.take(uint32(stack[0]), uint32(stack[1])))}
}

func (c bytesCodec) store(w *Lower, at uint32, v Value) {
	ptr, n := c.give(w, v)
	w.putPair(at, ptr, n)
}

func (c bytesCodec) lower(w *Lower, stack []uint64, v Value) {
	ptr, n := c.give(w, v)
	stack[0], stack[1] = uint64(ptr), uint64(n)
}

func (bytesCodec) give(w *Lower, v Value) (ptr, n uint32) {
	ptr, n = w.List(len(v.Str), 1, 1)
	copy(w.at(ptr, n), v.Str)
	return ptr, n
}

// listCodec is the codec of lists of other elements, and of maps.
type listCodec struct{ elem *Type }

func (c listCodec) load(l *Lift, b []byte) Value { return c.take(l, U32(b, 0), U32(b, 4)) }

func (c listCodec) lift(l *Lift, stack []uint64) Value {
	return c.take(l, uint32(stack[0]), uint32(stack[1]))
}

func (c listCodec) store(w *Lower, at uint32, v Value) {
	ptr, n := c.give(w, v)
	w.putPair(at, ptr, n)
}

func (c listCodec) lower(w *Lower, stack []uint64, v Value) {
	ptr, n := c.give(w, v)
	stack[0], stack[1] = uint64(ptr), uint64(n)
}

func (c listCodec) take(l *Lift, ptr, n uint32) Value {
	elems, b := List[Value](l, ptr, n, c.elem.size, c.elem.align)
	for i := range elems {
		elems[i] = c.elem.codec.load(l, b[i*int(c.elem.size):])
	}
	return Value{Elems: elems}
}

func (c listCodec) give(w *Lower, v Value) (ptr, n uint32) {
	ptr, n = w.List(len(v.Elems), c.elem.size, c.elem.align)
	for i, e := range v.Elems {
		c.elem.codec.store(w, ptr+uint32(i)*c.elem.size, e)
	}
	return ptr, n
}

// fixedBytesCodec is the codec of list<u8, n>.
type fixedBytesCodec struct{ *Type }

func (c fixedBytesCodec) load(l *Lift, b []byte) Value {
	l.charge(uint64(c.count))
	return Value{Str: string(b[:c.count])}
}

func (c fixedBytesCodec) lift(l *Lift, stack []uint64) Value {
	l.charge(uint64(c.count))
	b := make([]byte, c.count)
	for i := range b {
		b[i] = byte(stack[i])
	}
	return Value{Str: string(b)}
}

func (c fixedBytesCodec) store(w *Lower, at uint32, v Value) { copy(w.at(at, c.count), v.Str) }

func (c fixedBytesCodec) lower(_ *Lower, stack []uint64, v Value) {
	for i := range len(v.Str) {
		stack[i] = uint64(v.Str[i])
	}
}

// fixedCodec is the codec of other lists of fixed length.
type fixedCodec struct{ *Type }

func (c fixedCodec) load(l *Lift, b []byte) Value {
	elems := l.values(int(c.count))
	for i := range elems {
		elems[i] = c.elem.codec.load(l, b[i*int(c.elem.size):])
	}
	return Value{Elems: elems}
}

func (c fixedCodec) lift(l *Lift, stack []uint64) Value {
	elems := l.values(int(c.count))
	for i := range elems {
		elems[i] = c.elem.codec.lift(l, stack)
		stack = stack[len(c.elem.flat):]
	}
	return Value{Elems: elems}
}

func (c fixedCodec) store(w *Lower, at uint32, v Value) {
	for i, e := range v.Elems {
		c.elem.codec.store(w, at+uint32(i)*c.elem.size, e)
	}
}

func (c fixedCodec) lower(w *Lower, stack []uint64, v Value) {
	for _, e := range v.Elems {
		c.elem.codec.lower(w, stack, e)
		stack = stack[len(c.elem.flat):]
	}
}
