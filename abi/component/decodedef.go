package component

import "fmt"

func coreInstance(r *reader) *CoreInstanceDef {
	at := r.pos
	switch form := r.byte(); form {
	case 0:
		in := &CoreInstanceDef{Module: r.u32()}
		n := r.items(MaxArgs, "arguments")
		for i := 0; i < n && !r.failed(); i++ {
			name := r.name()
			r.expect(0x12, "an argument that is an instance")
			in.Args = append(in.Args, CoreArg{Name: name, Instance: r.u32()})
		}
		return in
	case 1:
		n := r.items(MaxArgs, "exports")
		in := &CoreInstanceDef{Exports: make([]CoreExport, 0, n)}
		for i := 0; i < n && !r.failed(); i++ {
			name := r.name()
			in.Exports = append(in.Exports, CoreExport{Name: name, Ref: Ref{Sort: coreSort(r), Index: r.u32()}})
		}
		return in
	default:
		r.failAt(at, "a module to instantiate (0x00) or inline exports (0x01)", "%#02x", form)
		return nil
	}
}

func instance(r *reader) *InstanceDef {
	at := r.pos
	switch form := r.byte(); form {
	case 0:
		in := &InstanceDef{Component: r.u32()}
		n := r.items(MaxArgs, "arguments")
		for i := 0; i < n && !r.failed(); i++ {
			name := r.name()
			in.Args = append(in.Args, Arg{Name: name, Ref: ref(r)})
		}
		return in
	case 1:
		n := r.items(MaxArgs, "exports")
		in := &InstanceDef{Exports: make([]InlineExport, 0, n)}
		for i := 0; i < n && !r.failed(); i++ {
			name := externName(r)
			in.Exports = append(in.Exports, InlineExport{Name: name, Ref: ref(r)})
		}
		return in
	default:
		r.failAt(at, "a component to instantiate (0x00) or inline exports (0x01)", "%#02x", form)
		return nil
	}
}

func ref(r *reader) Ref { return Ref{Sort: sort(r), Index: r.u32()} }

func sort(r *reader) Sort {
	at := r.pos
	switch c := r.byte(); c {
	case 0:
		return coreSort(r)
	case 1:
		return SortFunc
	case 2:
		return SortValue
	case 3:
		return SortType
	case 4:
		return SortComponent
	case 5:
		return SortInstance
	default:
		r.failAt(at, "a sort (0x00 to 0x05)", "%#02x", c)
		return 0
	}
}

func coreSort(r *reader) Sort {
	at := r.pos
	switch c := r.byte(); c {
	case 0, 1, 2, 3, 4:
		return SortCoreFunc + Sort(c)
	case 0x10:
		return SortCoreType
	case 0x11:
		return SortCoreModule
	case 0x12:
		return SortCoreInstance
	default:
		r.failAt(at, "a core sort (0x00 to 0x04, 0x10 to 0x12)", "%#02x", c)
		return 0
	}
}

func (d *decoder) alias(r *reader) *AliasDef {
	a := &AliasDef{Sort: sort(r)}
	at := r.pos
	switch target := r.byte(); target {
	case 0:
		a.Kind, a.Instance, a.Name = AliasExport, r.u32(), r.name()
	case 1:
		a.Kind, a.Instance, a.Name = AliasCoreExport, r.u32(), r.name()
	case 2:
		a.Kind, a.Count, a.Index = AliasOuter, r.u32(), r.u32()
		switch a.Sort {
		case SortCoreModule, SortType, SortComponent:
		case SortCoreType:
			d.addCoreType(d.coreType(a.Count, a.Index))
		default:
			r.failAt(at, "an outer alias of a core module, core type, type or component", "one of a %s", a.Sort)
		}
	default:
		r.failAt(at, "an alias of an export (0x00), a core export (0x01) or an outer definition (0x02)", "%#02x", target)
	}
	return a
}

func start(r *reader) *StartDef {
	s := &StartDef{Func: r.u32()}
	n := r.items(MaxParams, "arguments")
	for i := 0; i < n && !r.failed(); i++ {
		s.Args = append(s.Args, r.u32())
	}
	s.Results = r.u32()
	return s
}

func exportDef(r *reader) *ExportDef {
	e := &ExportDef{Name: externName(r), Ref: ref(r)}
	if r.flag("an ascribed type") {
		t := externType(r)
		e.Type = &t
	}
	return e
}

// The attributes of a name, numbered as in the format.
const (
	attrImplements = iota
	attrVersionSuffix
	attrExternalID
	attrCount
)

func externName(r *reader) ExternName {
	at := r.pos
	form := r.byte()
	if form > 2 {
		r.failAt(at, "a name (0x00, 0x01) or a name with attributes (0x02)", "%#02x", form)
	}
	e := ExternName{Name: r.name()}
	if form != 2 || r.failed() {
		return e
	}
	e.Attributes = r.items(attrCount, "attributes")
	var seen [attrCount]bool
	for i := 0; i < e.Attributes && !r.failed(); i++ {
		attribute(r, &e, &seen)
	}
	return e
}

func attribute(r *reader, e *ExternName, seen *[attrCount]bool) {
	at := r.pos
	kind := r.byte()
	if kind >= attrCount {
		r.failAt(at, fmt.Sprintf("an attribute (0x00 to %#02x)", attrCount-1), "%#02x", kind)
		return
	}
	if seen[kind] {
		r.failAt(at, "each attribute at most once", "attribute %#02x twice", kind)
		return
	}
	seen[kind] = true
	s := r.name()
	switch kind {
	case attrImplements:
		if e.Implements = s; s == "" {
			r.failAt(at, "the interface name that is implemented", "an empty one")
		}
	case attrVersionSuffix:
		e.VersionSuffix, e.HasVersionSuffix = s, true
	default:
		e.ExternalID = s
	}
}

func externType(r *reader) ExternType {
	at := r.pos
	t := ExternType{Sort: sort(r)}
	switch t.Sort {
	case SortCoreModule, SortFunc, SortComponent, SortInstance:
		t.Index = r.u32()
	case SortType:
		switch at, c := r.pos, r.byte(); c {
		case 0:
			t.Eq, t.Index = true, r.u32()
		case 1:
		default:
			r.failAt(at, "the bound of a type: eq (0x00) or sub resource (0x01)", "%#02x", c)
		}
	case SortValue:
		switch at, c := r.pos, r.byte(); c {
		case 0:
			t.Eq, t.Index = true, r.u32()
		case 1:
			t.Value = valType(r)
		default:
			r.failAt(at, "the bound of a value: eq (0x00) or a type (0x01)", "%#02x", c)
		}
	default:
		r.failAt(at, "the type of a core module, function, value, type, component or instance", "one of a %s", t.Sort)
	}
	return t
}
