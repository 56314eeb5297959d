package wasm

// Encode writes the module. Equal modules give equal bytes, and numbers outside of code come in their shortest form.
func (m *Module) Encode() []byte {
	out := append(make([]byte, 0, m.sizeHint()), header...)
	out = m.customsAfter(out, 0)
	for _, id := range sectionOrder {
		if b := m.section(id); b != nil {
			out = appendSection(out, id, b)
		}
		out = m.customsAfter(out, rank(id))
	}
	if m.Names != nil {
		out = appendSection(out, secCustom, append(appendName(nil, nameSection), m.Names.encode()...))
	}
	return out
}

func (m *Module) sizeHint() int {
	n := 1 << 12
	for i := range m.Funcs {
		n += len(m.Funcs[i].Code) + 16
	}
	for i := range m.Data {
		n += len(m.Data[i].Bytes) + 16
	}
	return n
}

func appendSection(out []byte, id byte, b []byte) []byte {
	return append(appendUnsigned(append(out, id), uint32(len(b))), b...)
}

func (m *Module) customsAfter(out []byte, after byte) []byte {
	for _, c := range m.Customs {
		if c.after == after {
			out = appendSection(out, secCustom, append(appendName(nil, c.Name), c.Bytes...))
		}
	}
	return out
}

// section gives a section's contents, nil if it is empty.
func (m *Module) section(id byte) []byte {
	switch id {
	case secType:
		return items(m.Types, appendFuncType)
	case secImport:
		return items(m.Imports, appendImport)
	case secFunction:
		return items(m.Funcs, func(b []byte, f Func) []byte { return appendUnsigned(b, f.Type) })
	case secTable:
		return items(m.Tables, appendTable)
	case secMemory:
		return items(m.Memories, appendLimits)
	case secGlobal:
		return items(m.Globals, func(b []byte, g Global) []byte { return append(appendGlobalType(b, g.GlobalType), g.Init...) })
	case secExport:
		return items(m.Exports, func(b []byte, e Export) []byte {
			return appendUnsigned(append(appendName(b, e.Name), byte(e.Kind)), e.Index)
		})
	case secStart:
		if m.HasStart {
			return appendUnsigned(nil, m.Start)
		}
	case secElement:
		return items(m.Elems, appendElem)
	case secDataCount:
		if m.HasDataCount {
			return appendUnsigned(nil, uint32(len(m.Data)))
		}
	case secCode:
		return items(m.Funcs, appendFunc)
	case secData:
		return items(m.Data, appendData)
	}
	return nil
}

// items writes a vector, nil if it is empty.
func items[T any](list []T, one func([]byte, T) []byte) []byte {
	if len(list) == 0 {
		return nil
	}
	b := appendUnsigned(nil, uint32(len(list)))
	for _, v := range list {
		b = one(b, v)
	}
	return b
}

func appendFuncType(b []byte, t FuncType) []byte {
	return appendValTypes(appendValTypes(append(b, 0x60), t.Params), t.Results)
}

func appendValTypes(b []byte, types []ValType) []byte {
	b = appendUnsigned(b, uint32(len(types)))
	for _, t := range types {
		b = append(b, byte(t))
	}
	return b
}

func appendImport(b []byte, i Import) []byte {
	b = append(appendName(appendName(b, i.Module), i.Name), byte(i.Kind))
	switch i.Kind {
	case KindFunc:
		return appendUnsigned(b, i.Func)
	case KindTable:
		return appendTable(b, i.Table)
	case KindMemory:
		return appendLimits(b, i.Memory)
	default:
		return appendGlobalType(b, i.Global)
	}
}

func appendLimits(b []byte, l Limits) []byte {
	if !l.HasMax {
		return appendUnsigned(append(b, 0), l.Min)
	}
	return appendUnsigned(appendUnsigned(append(b, 1), l.Min), l.Max)
}

func appendTable(b []byte, t Table) []byte { return appendLimits(append(b, byte(t.Type)), t.Limits) }

func appendGlobalType(b []byte, g GlobalType) []byte {
	if g.Mutable {
		return append(b, byte(g.Type), 1)
	}
	return append(b, byte(g.Type), 0)
}

func appendElem(b []byte, e Elem) []byte {
	flags := uint32(0)
	switch {
	case e.Mode == Passive:
		flags = 1
	case e.Mode == Declarative:
		flags = 3
	case e.Table != 0 || e.Type != FuncRef:
		flags = 2
	}
	if e.UsesExprs {
		flags |= 4
	}
	b = appendUnsigned(b, flags)
	if flags&3 == 2 {
		b = appendUnsigned(b, e.Table)
	}
	if e.Mode == Active {
		b = append(b, e.Offset...)
	}
	switch {
	case flags&3 == 0:
	case e.UsesExprs:
		b = append(b, byte(e.Type))
	default:
		b = append(b, 0)
	}
	if !e.UsesExprs {
		b = appendUnsigned(b, uint32(len(e.Funcs)))
		for _, f := range e.Funcs {
			b = appendUnsigned(b, f)
		}
		return b
	}
	b = appendUnsigned(b, uint32(len(e.Exprs)))
	for _, x := range e.Exprs {
		b = append(b, x...)
	}
	return b
}

func appendData(b []byte, d Data) []byte {
	if d.Mode == Passive {
		b = append(b, 1)
	} else {
		b = append(append(b, 0), d.Offset...)
	}
	return append(appendUnsigned(b, uint32(len(d.Bytes))), d.Bytes...)
}

func appendFunc(b []byte, f Func) []byte {
	head := appendUnsigned(nil, uint32(len(f.Locals)))
	for _, l := range f.Locals {
		head = append(appendUnsigned(head, l.Count), byte(l.Type))
	}
	b = appendUnsigned(b, uint32(len(head)+len(f.Code)))
	return append(append(b, head...), f.Code...)
}
