package witgen

// setLayout computes size, alignment and flat form of t, whose parts have theirs.
func (t *typ) setLayout() {
	switch t.kind {
	case kindBool, kindS8, kindU8:
		t.scalar(1, coreI32)
	case kindS16, kindU16:
		t.scalar(2, coreI32)
	case kindS32, kindU32, kindChar, kindResource, kindOwn, kindBorrow:
		t.scalar(4, coreI32)
	case kindS64, kindU64:
		t.scalar(8, coreI64)
	case kindF32:
		t.scalar(4, coreF32)
	case kindF64:
		t.scalar(8, coreF64)
	case kindString, kindList:
		t.size, t.align, t.flat = 8, 4, []core{coreI32, coreI32}
	case kindRecord, kindTuple:
		t.recordLayout()
	case kindFlags:
		t.flagsLayout()
	case kindAlias:
		t.size, t.align, t.flat = t.elem.size, t.elem.align, t.elem.flat
	default:
		t.variantLayout()
	}
}

func (t *typ) scalar(size uint32, c core) { t.size, t.align, t.flat = size, size, []core{c} }

func (t *typ) recordLayout() {
	t.align = 1
	for _, f := range t.fields {
		t.size = alignTo(t.size, f.typ.align) + f.typ.size
		t.align = max(t.align, f.typ.align)
		t.flat = append(t.flat, f.typ.flat...)
	}
	t.size = alignTo(t.size, t.align)
}

func (t *typ) flagsLayout() {
	words := (len(t.cases) + 31) / 32
	switch {
	case len(t.cases) <= 8:
		t.size, t.align = 1, 1
	case len(t.cases) <= 16:
		t.size, t.align = 2, 2
	default:
		t.size, t.align = 4*uint32(words), 4
	}
	for range words {
		t.flat = append(t.flat, coreI32)
	}
}

// variantLayout serves variants, enums, options and results: all are a discriminant and a payload.
func (t *typ) variantLayout() {
	disc := t.discSize()
	t.align = disc
	var payload uint32
	var joined []core
	for _, p := range t.payloads() {
		if p == nil {
			continue
		}
		t.align = max(t.align, p.align)
		payload = max(payload, p.size)
		for i, c := range p.flat {
			if i < len(joined) {
				joined[i] = join(joined[i], c)
			} else {
				joined = append(joined, c)
			}
		}
	}
	t.size = alignTo(t.payloadOffset()+payload, t.align)
	t.flat = append([]core{coreI32}, joined...)
}

// payloads gives the payload types of a variant-like type by discriminant; nil for a case without one.
func (t *typ) payloads() []*typ {
	switch t.kind {
	case kindOption:
		return []*typ{nil, t.elem}
	case kindResult:
		return []*typ{t.ok, t.err}
	default:
		out := make([]*typ, len(t.cases))
		for i, c := range t.cases {
			out[i] = c.typ
		}
		return out
	}
}

// discSize is the discriminant's size in bytes.
func (t *typ) discSize() uint32 {
	switch n := len(t.payloads()); {
	case n <= 1<<8:
		return 1
	case n <= 1<<16:
		return 2
	default:
		return 4
	}
}

// payloadOffset is where the payload of a variant-like type starts.
func (t *typ) payloadOffset() uint32 {
	align := t.discSize()
	for _, p := range t.payloads() {
		if p != nil {
			align = max(align, p.align)
		}
	}
	return alignTo(t.discSize(), align)
}

// offsets are where the fields of a record or tuple, or of a parameter list, start.
func offsets(fields []field) []uint32 {
	out := make([]uint32, len(fields))
	var at uint32
	for i, f := range fields {
		at = alignTo(at, f.typ.align)
		out[i] = at
		at += f.typ.size
	}
	return out
}

// join gives the core type that holds values of either.
func join(a, b core) core {
	switch {
	case a == b:
		return a
	case (a == coreI32 && b == coreF32) || (a == coreF32 && b == coreI32):
		return coreI32
	default:
		return coreI64
	}
}

func alignTo(n, align uint32) uint32 { return (n + align - 1) &^ (align - 1) }

// paramTuple is the tuple of a function's parameters: their layout when they go through memory.
func (f *function) paramTuple() *typ {
	t := &typ{kind: kindTuple, fields: f.params}
	t.setLayout()
	return t
}

// paramsInMemory tells whether the parameters are too many to be core parameters.
func (f *function) paramsInMemory() bool { return len(f.paramTuple().flat) > maxFlatParams }

// resultInMemory tells whether the result goes through a return area.
func (f *function) resultInMemory() bool {
	return f.result != nil && len(f.result.flat) > maxFlatResults
}

// signature gives the core parameters and results: as an import gets a return area as its last parameter, an export
// returns its address.
func (f *function) signature(export bool) (params, results []core) {
	params = f.paramTuple().flat
	if f.paramsInMemory() {
		params = []core{coreI32}
	}
	switch {
	case f.result == nil:
	case !f.resultInMemory():
		results = f.result.flat
	case export:
		results = []core{coreI32}
	default:
		params = append(append([]core(nil), params...), coreI32)
	}
	return params, results
}

// ownsMemory tells whether the function as an export has something to free after its result was lifted.
func (f *function) ownsMemory() bool { return f.resultInMemory() }
