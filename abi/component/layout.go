package component

// maxFlat is the most core values that a call passes without memory.
const maxFlat = 16

const pointer64 = 8

// The core value types that flattening makes.
const (
	coreI32 CoreValType = 0x7f
	coreI64 CoreValType = 0x7e
	coreF32 CoreValType = 0x7d
	coreF64 CoreValType = 0x7c
)

// layout sets what follows from a type's structure: its size, its alignment and its flat form [Element Size]
// [Flattening]. Those of its parts are set already, and below MaxElemSize.
func (b *vBody) layout() {
	switch b.kind {
	case KindBool, KindS8, KindU8:
		b.scalar(1, coreI32)
	case KindS16, KindU16:
		b.scalar(2, coreI32)
	case KindS64, KindU64:
		b.scalar(8, coreI64)
	case KindF32:
		b.scalar(4, coreF32)
	case KindF64:
		b.scalar(8, coreF64)
	case KindString, KindList, KindMap:
		b.size, b.align, b.flat, b.pointers = 2*pointer64, pointer64, []CoreValType{coreI32, coreI32}, true
	case KindRecord, KindTuple:
		b.sequence()
	case KindVariant, KindEnum, KindOption, KindResult:
		b.choice()
	case KindFixedList:
		b.repeat()
	case KindFlags:
		n := uint64(1)
		if len(b.fields) > 16 {
			n = 4
		} else if len(b.fields) > 8 {
			n = 2
		}
		b.scalar(n, coreI32)
	default: // s32, u32, char, handles
		b.scalar(4, coreI32)
	}
}

func (b *vBody) scalar(size uint64, t CoreValType) {
	b.size, b.align, b.flat = size, size, []CoreValType{t}
}

func alignTo(n, align uint64) uint64 { return (n + align - 1) / align * align }

func (b *vBody) sequence() {
	b.align = 1
	for _, f := range b.fields {
		b.size = alignTo(b.size, f.t.align) + f.t.size
		b.align = max(b.align, f.t.align)
		b.flat = appendFlat(b.flat, f.t.flat)
	}
	b.size = alignTo(b.size, b.align)
}

func (b *vBody) repeat() {
	b.size, b.align = uint64(b.length)*b.elem.size, b.elem.align
	for i := uint32(0); i < b.length && len(b.flat) <= maxFlat; i++ {
		b.flat = appendFlat(b.flat, b.elem.flat)
	}
}

// appendFlat appends, and cuts off what is beyond one more than maxFlat.
func appendFlat(to, from []CoreValType) []CoreValType {
	room := maxFlat + 1 - len(to)
	return append(to, from[:min(len(from), room)]...)
}

// payloads calls f for the type of each case that has one, and gives the number of cases.
func (b *vBody) payloads(f func(*vType)) int {
	call := func(t *vType) {
		if t != nil {
			f(t)
		}
	}
	switch b.kind {
	case KindOption:
		call(b.elem)
		return 2
	case KindResult:
		call(b.elem)
		call(b.err)
		return 2
	default:
		for _, c := range b.fields {
			call(c.t)
		}
		return len(b.fields)
	}
}

func (b *vBody) choice() {
	payload := uint64(0)
	align := uint64(1)
	var flat []CoreValType
	n := b.payloads(func(t *vType) {
		payload, align = max(payload, t.size), max(align, t.align)
		flat = join(flat, t.flat)
	})
	tag := uint64(1)
	if n > 1<<16 {
		tag = 4
	} else if n > 1<<8 {
		tag = 2
	}
	b.align = max(tag, align)
	b.size = alignTo(alignTo(tag, align)+payload, b.align)
	b.flat = appendFlat([]CoreValType{coreI32}, flat)
}

// join gives the flat form that holds either of two.
func join(a, b []CoreValType) []CoreValType {
	out := make([]CoreValType, max(len(a), len(b)))
	for i := range out {
		switch {
		case i >= len(a):
			out[i] = b[i]
		case i >= len(b) || a[i] == b[i]:
			out[i] = a[i]
		case a[i] == coreI32 && b[i] == coreF32 || a[i] == coreF32 && b[i] == coreI32:
			out[i] = coreI32
		default:
			out[i] = coreI64
		}
	}
	return out
}
