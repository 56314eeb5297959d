package component

// primitives are the primitive value types by their code, from 0x73 to 0x7f.
var primitives = [...]ValueKind{
	KindString, KindChar, KindF64, KindF32, KindU64, KindS64, KindU32, KindS32, KindU16, KindS16, KindU8, KindS8, KindBool,
}

func primitive(code byte) (ValueKind, bool) {
	switch {
	case code >= 0x73 && code <= 0x7f:
		return primitives[code-0x73], true
	case code == 0x64:
		return KindErrorContext, true
	default:
		return 0, false
	}
}

func valType(r *reader) ValType {
	at := r.pos
	code, index := r.typeCode()
	if code == 0 {
		return ValType{Index: index}
	}
	k, ok := primitive(code)
	if !ok {
		r.failAt(at, "a value type: a type index or a primitive (0x64, 0x73 to 0x7f)", "%#02x", code)
	}
	return ValType{Prim: k, IsPrim: true}
}

func someValType(r *reader) *ValType {
	v := valType(r)
	return &v
}

func optValType(r *reader) *ValType {
	if !r.flag("an optional type") {
		return nil
	}
	return someValType(r)
}

func (d *decoder) typeDef(r *reader) *TypeDef {
	at := r.pos
	code := r.byte()
	switch code {
	case 0x40, 0x43:
		return &TypeDef{Func: funcType(r, code == 0x43)}
	case 0x41:
		return &TypeDef{Component: &ComponentType{Decls: d.decls(r, true)}}
	case 0x42:
		return &TypeDef{Instance: &InstanceType{Decls: d.decls(r, false)}}
	case 0x3f:
		return &TypeDef{Resource: resourceType(r)}
	}
	if k, ok := primitive(code); ok {
		return &TypeDef{Value: &ValueType{Kind: k}}
	}
	v := &ValueType{}
	if !fieldsType(r, code, v) && !elemType(r, code, v) && !r.failed() {
		r.failAt(at, "a type (0x3f to 0x43, 0x63 to 0x7f)", "%#02x", code)
	}
	return &TypeDef{Value: v}
}

// fieldsType reads the value types that have fields, cases or labels; false if code is none of them.
func fieldsType(r *reader, code byte, v *ValueType) bool {
	switch code {
	case 0x72:
		v.Kind = KindRecord
		v.Fields = fields(r, MaxFields, "fields", true)
	case 0x71:
		v.Kind = KindVariant
		n := r.items(MaxFields, "cases")
		for i := 0; i < n && !r.failed(); i++ {
			v.Fields = append(v.Fields, Field{Name: r.name(), Type: optValType(r)})
			r.expect(0, "the end of a case")
		}
	case 0x6f:
		v.Kind = KindTuple
		n := r.items(MaxFields, "types")
		for i := 0; i < n && !r.failed(); i++ {
			v.Fields = append(v.Fields, Field{Type: someValType(r)})
		}
	case 0x6e:
		v.Kind = KindFlags
		v.Fields = fields(r, MaxFlags, "flags", false)
	case 0x6d:
		v.Kind = KindEnum
		v.Fields = fields(r, MaxFields, "cases", false)
	default:
		return false
	}
	return true
}

func fields(r *reader, limit int, what string, typed bool) []Field {
	n := r.items(limit, what)
	if n == 0 {
		return nil
	}
	out := make([]Field, 0, n)
	for i := 0; i < n && !r.failed(); i++ {
		f := Field{Name: r.name()}
		if typed {
			f.Type = someValType(r)
		}
		out = append(out, f)
	}
	return out
}

// elemType reads the value types that are made of one or two others; false if code is none of them.
func elemType(r *reader, code byte, v *ValueType) bool {
	switch code {
	case 0x70:
		v.Kind, v.Elem = KindList, someValType(r)
	case 0x67:
		v.Kind, v.Elem, v.Length = KindFixedList, someValType(r), r.u32()
	case 0x6b:
		v.Kind, v.Elem = KindOption, someValType(r)
	case 0x6a:
		v.Kind, v.Elem, v.Err = KindResult, optValType(r), optValType(r)
	case 0x69:
		v.Kind, v.Resource = KindOwn, r.u32()
	case 0x68:
		v.Kind, v.Resource = KindBorrow, r.u32()
	case 0x66:
		v.Kind, v.Elem = KindStream, optValType(r)
	case 0x65:
		v.Kind, v.Elem = KindFuture, optValType(r)
	case 0x63:
		v.Kind, v.Elem, v.Err = KindMap, someValType(r), someValType(r)
	default:
		return false
	}
	return true
}

func funcType(r *reader, async bool) *FuncType {
	return &FuncType{Async: async, Params: fields(r, MaxParams, "parameters", true), Result: resultList(r)}
}

func resultList(r *reader) *ValType {
	at := r.pos
	switch c := r.byte(); c {
	case 0:
		return someValType(r)
	case 1:
		r.expect(0, "no named results")
	default:
		r.failAt(at, "a result (0x00) or none (0x01 0x00)", "%#02x", c)
	}
	return nil
}

func resourceType(r *reader) *ResourceType {
	t := &ResourceType{Rep: coreValType(r)}
	if t.HasDtor = r.flag("a destructor"); t.HasDtor {
		t.Dtor = r.u32()
	}
	return t
}

// decls reads the declarations of a component type or an instance type.
func (d *decoder) decls(r *reader, component bool) []Def {
	if !d.open(r) {
		return nil
	}
	defer d.close()
	var out []Def
	r.vector("declaration", func(int) {
		if def := d.decl(r, component); !r.failed() {
			out = append(out, def)
		}
	})
	return out
}

func (d *decoder) decl(r *reader, component bool) Def {
	at := r.pos
	switch c := r.byte(); {
	case c == 0:
		return d.coreTypeDef(r)
	case c == 1:
		return d.typeDef(r)
	case c == 2:
		return d.alias(r)
	case c == 3 && component:
		return &ImportDef{Name: externName(r), Type: externType(r)}
	case c == 4:
		return &ExportDecl{Name: externName(r), Type: externType(r)}
	default:
		r.failAt(at, "a core type (0x00), type (0x01), alias (0x02), import (0x03, components only) or export (0x04)", "%#02x", c)
		return nil
	}
}
