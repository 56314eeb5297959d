package wasm

import "fmt"

func funcType(r *reader) FuncType {
	at := r.pos
	if form := r.byte(); r.err == nil && form != 0x60 {
		r.failAt(at, "a function type (0x60)", "%#x", form)
	}
	return FuncType{Params: valTypes(r, MaxParams, "parameters"), Results: valTypes(r, MaxResults, "results")}
}

func valTypes(r *reader, limit int, what string) []ValType {
	n := r.count(limit, what)
	if n == 0 {
		return nil
	}
	out := make([]ValType, n)
	for i := range out {
		out[i] = r.valType()
	}
	return out
}

func (d *decoder) importItem(r *reader) {
	imp := Import{Module: r.name(), Name: r.name()}
	at := r.pos
	imp.Kind = Kind(r.byte())
	switch imp.Kind {
	case KindFunc:
		imp.Func = r.index(len(d.m.Types), "type")
	case KindTable:
		imp.Table = table(r)
	case KindMemory:
		imp.Memory = memory(r)
	case KindGlobal:
		imp.Global = globalType(r)
	default:
		r.failAt(at, "an import of a function, table, memory or global (0 to 3)", "%d", byte(imp.Kind))
	}
	d.m.Imports = append(d.m.Imports, imp)
}

func limits(r *reader, most uint32, unit string) Limits {
	at := r.pos
	flags := r.byte()
	if r.err == nil && flags > 1 {
		r.failAt(at, "limits of kind 0 or 1 (shared and 64-bit memories are not supported)", "%#x", flags)
		return Limits{}
	}
	l := Limits{HasMax: flags == 1, Min: r.u32()}
	if l.HasMax {
		l.Max = r.u32()
	}
	switch {
	case r.err != nil:
	case l.Min > most:
		r.failAt(at, fmt.Sprintf("at most %d %s", most, unit), "%d", l.Min)
	case l.HasMax && l.Max < l.Min:
		r.failAt(at, fmt.Sprintf("a maximum of at least %d %s", l.Min, unit), "%d", l.Max)
	}
	return l
}

func table(r *reader) Table {
	return Table{Type: r.refType(), Limits: limits(r, MaxTableSize, "elements")}
}

func memory(r *reader) Limits {
	at := r.pos
	l := limits(r, MaxMemoryPages, "pages")
	if r.err == nil && l.HasMax && l.Max > MaxMemoryPages {
		r.failAt(at, fmt.Sprintf("a maximum of at most %d pages", MaxMemoryPages), "%d", l.Max)
	}
	return l
}

func globalType(r *reader) GlobalType {
	t := r.valType()
	at := r.pos
	mut := r.byte()
	if r.err == nil && mut > 1 {
		r.failAt(at, "mutability 0 or 1", "%d", mut)
	}
	return GlobalType{Type: t, Mutable: mut == 1}
}

func (d *decoder) globals(r *reader) {
	d.measure()
	vector(r, MaxGlobals, "globals", "global", func(int) {
		g := Global{GlobalType: globalType(r)}
		g.Init = d.constExpr(r)
		d.m.Globals = append(d.m.Globals, g)
		d.spaces.globals++
	})
}

func (d *decoder) exports(r *reader) {
	d.measure()
	seen := map[string]struct{}{}
	sizes := [...]int{d.spaces.funcs, d.spaces.tables, d.spaces.memories, d.spaces.globals}
	vector(r, MaxExports, "exports", "export", func(int) {
		at := r.pos
		e := Export{Name: r.name()}
		if _, again := seen[e.Name]; again && r.err == nil {
			r.failAt(at, "a name that is exported once", "%q twice", e.Name)
		}
		seen[e.Name] = struct{}{}
		at = r.pos
		e.Kind = Kind(r.byte())
		if int(e.Kind) >= len(sizes) {
			r.failAt(at, "an export of a function, table, memory or global (0 to 3)", "%d", byte(e.Kind))
			return
		}
		e.Index = r.index(sizes[e.Kind], e.Kind.String())
		d.m.Exports = append(d.m.Exports, e)
	})
}

// elem reads an element segment. Its flags: bit 0 not active, bit 1 explicit table or declarative, bit 2 expressions.
func (d *decoder) elem(r *reader) Elem {
	at := r.pos
	flags := r.u32()
	if flags > 7 {
		r.failAt(at, "an element segment of kind 0 to 7", "%d", flags)
		return Elem{}
	}
	e := Elem{Type: FuncRef, UsesExprs: flags&4 != 0}
	switch {
	case flags&1 == 0:
		if flags&2 != 0 {
			e.Table = r.u32()
		}
		if r.err == nil && int64(e.Table) >= int64(d.spaces.tables) {
			r.failAt(at, fmt.Sprintf("a table index below %d", d.spaces.tables), "%d", e.Table)
		}
		e.Offset = d.constExpr(r)
	case flags&2 != 0:
		e.Mode = Declarative
	default:
		e.Mode = Passive
	}
	if flags&3 != 0 {
		d.elemType(r, &e)
	}
	n := r.count(MaxElemItems, "items")
	for i := 0; i < n && r.err == nil; i++ {
		if e.UsesExprs {
			e.Exprs = append(e.Exprs, d.constExpr(r))
		} else {
			e.Funcs = append(e.Funcs, r.index(d.spaces.funcs, "function"))
		}
	}
	return e
}

func (d *decoder) elemType(r *reader, e *Elem) {
	if e.UsesExprs {
		e.Type = r.refType()
		return
	}
	at := r.pos
	if kind := r.byte(); r.err == nil && kind != 0 {
		r.failAt(at, "elements of kind 0 (functions)", "%d", kind)
	}
}

func (d *decoder) data(r *reader) Data {
	at := r.pos
	flags := r.u32()
	if flags > 2 {
		r.failAt(at, "a data segment of kind 0 to 2", "%d", flags)
		return Data{}
	}
	memory := uint32(0)
	if flags == 2 {
		memory = r.index(max(d.spaces.memories, 1), "memory")
	}
	d.dataMemory = append(d.dataMemory, memory)
	if flags == 1 {
		return Data{Mode: Passive, Bytes: r.take(r.u32(), "data")}
	}
	if r.err == nil && d.spaces.memories == 0 {
		r.failAt(at, "a memory in a module with active data segments", "none")
	}
	return Data{Offset: d.constExpr(r), Bytes: r.take(r.u32(), "data")}
}

func (d *decoder) code(r *reader) {
	d.measure()
	imports := d.spaces.funcs - len(d.types)
	c := &checker{spaces: d.spaces}
	d.m.Funcs = make([]Func, 0, min(len(d.types), r.left()))
	vector(r, MaxFuncs, "bodies", "function", func(i int) {
		d.bodies = i + 1
		if i >= len(d.types) {
			r.failAt(r.pos, fmt.Sprintf("%d bodies, as the function section says", len(d.types)), "more")
			return
		}
		at := r.pos
		size := r.u32()
		if size > MaxBodySize {
			r.failAt(at, fmt.Sprintf("a body of at most %d bytes", MaxBodySize), "%d", size)
			return
		}
		b := r.take(size, "the body")
		body := &reader{b: b, base: r.base + r.pos - len(b), section: r.section, err: r.err}
		f := Func{Type: d.types[i]}
		n := locals(body, &f, len(d.m.Types[f.Type].Params))
		f.Code = body.b[body.pos:]
		if body.err == nil {
			body.err = c.body(f.Code, body.base+body.pos, n)
		}
		r.err = body.err
		r.named("function", imports+i)
		d.m.Funcs = append(d.m.Funcs, f)
	})
}

// locals reads the locals of a function and gives their number, parameters included.
func locals(r *reader, f *Func, params int) int {
	total := uint64(params)
	for range r.count(MaxLocals, "runs of locals") {
		at := r.pos
		run := LocalRun{Count: r.u32(), Type: r.valType()}
		total += uint64(run.Count)
		if r.err == nil && total > MaxLocals {
			r.failAt(at, fmt.Sprintf("at most %d locals", MaxLocals), "%d", total)
		}
		if r.err != nil {
			return 0
		}
		f.Locals = append(f.Locals, run)
	}
	return int(total)
}
