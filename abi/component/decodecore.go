package component

import "fmt"

// The codes of core types.
const (
	coreFunc     = 0x60
	coreModule   = 0x50
	coreSub      = 0x50 // after a zero byte, for the sake of coreModule
	coreSubFinal = 0x4f
	coreNullable = 0x63
	coreNonNull  = 0x64
)

// coreTypeDef reads a core type and adds it to the index space.
func (d *decoder) coreTypeDef(r *reader) *CoreTypeDef {
	at := r.pos
	t := &CoreTypeDef{}
	switch code := r.byte(); code {
	case coreFunc:
		t.Func = coreFuncType(r)
	case coreModule:
		t.Module = d.moduleType(r)
	case 0:
		t.Func = coreSubType(r)
	default:
		r.failAt(at, "a function type (0x60) or a module type (0x50); recursive and garbage-collected types are not supported", "%#02x", code)
	}
	d.addCoreType(t)
	return t
}

// coreSubType reads a function type, which may have supertypes.
func coreSubType(r *reader) *CoreFuncType {
	at := r.pos
	code := r.byte()
	if code == coreSub || code == coreSubFinal {
		n := r.items(1, "supertypes")
		for range n {
			r.u32()
		}
		at = r.pos
		code = r.byte()
	}
	if code != coreFunc {
		r.failAt(at, "a function type (0x60); garbage-collected types are not supported", "%#02x", code)
		return nil
	}
	return coreFuncType(r)
}

func coreFuncType(r *reader) *CoreFuncType {
	return &CoreFuncType{Params: coreValTypes(r, "parameters"), Results: coreValTypes(r, "results")}
}

func coreValTypes(r *reader, what string) []CoreValType {
	n := r.items(MaxParams, what)
	if n == 0 {
		return nil
	}
	out := make([]CoreValType, 0, n)
	for i := 0; i < n && !r.failed(); i++ {
		out = append(out, coreValType(r))
	}
	return out
}

// coreValType reads a core value type. The long form of an abstract nullable reference is the short one's equal.
func coreValType(r *reader) CoreValType {
	at := r.pos
	c := r.byte()
	switch {
	case c >= 0x7b && c <= 0x7f, c >= 0x69 && c <= 0x74:
		return CoreValType(c)
	case c == coreNullable || c == coreNonNull:
		if heap, _ := r.typeCode(); heap != 0 && c == coreNullable {
			return CoreValType(heap)
		}
		return CoreValType(c)
	default:
		r.failAt(at, "a core value type", "%#02x", c)
		return 0
	}
}

// moduleType reads a module type; its type index space begins empty.
func (d *decoder) moduleType(r *reader) *CoreModuleType {
	if !d.open(r) {
		return nil
	}
	defer d.close()
	t := &CoreModuleType{}
	r.vector("declaration", func(int) { d.moduleDecl(r, t) })
	return t
}

func (d *decoder) moduleDecl(r *reader, t *CoreModuleType) {
	at := r.pos
	switch c := r.byte(); c {
	case 0:
		t.Imports = append(t.Imports, CoreImport{Module: r.name(), Name: r.name(), Type: d.coreExternType(r)})
	case 1:
		at := r.pos
		if r.left() > 0 && r.b[r.pos] == coreModule {
			r.failAt(at, "function types only in a module type", "a module type")
			return
		}
		d.coreTypeDef(r)
	case 2:
		r.expect(0x10, "the sort type")
		r.expect(0x01, "an outer alias")
		at := r.pos
		count, index := r.u32(), r.u32()
		outer := d.coreType(count, index)
		if !r.failed() && (outer == nil || outer.Func == nil) {
			r.failAt(at, "an outer alias of a function type", "none %d scopes outward at %d", count, index)
		}
		d.addCoreType(outer)
	case 3:
		t.Exports = append(t.Exports, CoreExportType{Name: r.name(), Type: d.coreExternType(r)})
	default:
		r.failAt(at, "an import (0x00), type (0x01), alias (0x02) or export (0x03)", "%#02x", c)
	}
}

// coreExternType reads the type of a core import or export of a module type.
func (d *decoder) coreExternType(r *reader) CoreExternType {
	return coreExternType(r, func(index uint32) *CoreFuncType {
		if t := d.coreType(0, index); t != nil {
			return t.Func
		}
		return nil
	})
}

// coreExternType reads the type of a core import or export; types gives function types by index, nil if there is none.
func coreExternType(r *reader, types func(uint32) *CoreFuncType) CoreExternType {
	at := r.pos
	var t CoreExternType
	switch c := r.byte(); c {
	case 0:
		t.Sort = SortCoreFunc
		t.Func = coreFuncIndex(r, types)
	case 1:
		t.Sort = SortCoreTable
		t.Elem = coreRefType(r)
		coreLimits(r, &t)
	case 2:
		t.Sort = SortCoreMemory
		coreLimits(r, &t)
		checkMemory(r, at, &t)
	case 3:
		t.Sort = SortCoreGlobal
		t.Content, t.Mutable = coreValType(r), r.flag("mutability")
	case 4:
		t.Sort = SortCoreTag
		r.expect(0, "the attribute of an exception")
		t.Func = coreFuncIndex(r, types)
		if t.Func != nil && len(t.Func.Results) > 0 {
			r.failAt(at, "a tag without results", "%d", len(t.Func.Results))
		}
	default:
		r.failAt(at, "a function, table, memory, global or tag (0x00 to 0x04)", "%#02x", c)
	}
	return t
}

func coreFuncIndex(r *reader, types func(uint32) *CoreFuncType) *CoreFuncType {
	at := r.pos
	index := r.u32()
	t := types(index)
	if t == nil && !r.failed() {
		r.failAt(at, "the index of a function type", "%d", index)
	}
	return t
}

func coreRefType(r *reader) CoreValType {
	at := r.pos
	t := coreValType(r)
	if !r.failed() && t >= 0x7b {
		r.failAt(at, "a reference type", "%#02x", byte(t))
	}
	return t
}

// coreLimits reads limits: bit 0 of the flags is a maximum, bit 1 shared, bit 2 64-bit.
func coreLimits(r *reader, t *CoreExternType) {
	at := r.pos
	flags := r.byte()
	if flags > 7 {
		r.failAt(at, "limits (0x00 to 0x07)", "%#02x", flags)
		return
	}
	t.HasMax, t.Shared, t.Is64 = flags&1 != 0, flags&2 != 0, flags&4 != 0
	bits := 32
	if t.Is64 {
		bits = 64
	}
	t.Min = r.unsigned(bits)
	if t.HasMax {
		t.Max = r.unsigned(bits)
	}
	if t.HasMax && t.Max < t.Min {
		r.failAt(at, fmt.Sprintf("a maximum of at least %d", t.Min), "%d", t.Max)
	}
}

func checkMemory(r *reader, at int, t *CoreExternType) {
	most := uint64(1 << 16)
	if t.Is64 {
		most = 1 << 48
	}
	switch {
	case r.failed():
	case t.Min > most || t.HasMax && t.Max > most:
		r.failAt(at, fmt.Sprintf("a memory of at most %d pages", most), "%d", max(t.Min, t.Max))
	case t.Shared && !t.HasMax:
		r.failAt(at, "a maximum of a shared memory", "none")
	}
}
