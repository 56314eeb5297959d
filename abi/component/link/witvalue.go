package link

import (
	"strconv"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// value writes a value type that has no name.
func (p *witWriter) value(iface string, s *scope, v *component.ValueType) string {
	const tooDeep = 1000
	if p.depth++; p.depth > tooDeep || p.full() {
		p.depth--
		return "..."
	}
	defer func() { p.depth-- }()
	out := p.unnamed(iface, s, v)
	p.spent += len(out) + 1
	return out
}

func (p *witWriter) unnamed(iface string, s *scope, v *component.ValueType) string {
	switch v.Kind {
	case component.KindOwn:
		return p.ref(iface, s, component.ValType{Index: v.Resource})
	case component.KindBorrow:
		return "borrow<" + p.ref(iface, s, component.ValType{Index: v.Resource}) + ">"
	case component.KindList:
		return "list<" + p.optional(iface, s, v.Elem) + ">"
	case component.KindFixedList:
		return "list<" + p.optional(iface, s, v.Elem) + ", " + strconv.FormatUint(uint64(v.Length), 10) + ">"
	case component.KindOption:
		return "option<" + p.optional(iface, s, v.Elem) + ">"
	case component.KindResult:
		return p.result(iface, s, v)
	case component.KindMap:
		return "map<" + p.optional(iface, s, v.Elem) + ", " + p.optional(iface, s, v.Err) + ">"
	case component.KindStream:
		return p.carrier("stream", iface, s, v.Elem)
	case component.KindFuture:
		return p.carrier("future", iface, s, v.Elem)
	case component.KindTuple:
		return "tuple<" + p.fields(iface, s, v) + ">"
	case component.KindRecord:
		return "record { " + p.fields(iface, s, v) + " }"
	case component.KindVariant:
		return "variant { " + p.fields(iface, s, v) + " }"
	case component.KindFlags:
		return "flags { " + p.fields(iface, s, v) + " }"
	case component.KindEnum:
		return "enum { " + p.fields(iface, s, v) + " }"
	default:
		return primName(v.Kind)
	}
}

func (p *witWriter) carrier(keyword, iface string, s *scope, elem *component.ValType) string {
	if elem == nil {
		return keyword
	}
	return keyword + "<" + p.ref(iface, s, *elem) + ">"
}

func (p *witWriter) result(iface string, s *scope, v *component.ValueType) string {
	switch {
	case v.Elem == nil && v.Err == nil:
		return "result"
	case v.Err == nil:
		return "result<" + p.ref(iface, s, *v.Elem) + ">"
	default:
		return "result<" + p.optional(iface, s, v.Elem) + ", " + p.ref(iface, s, *v.Err) + ">"
	}
}

func (p *witWriter) fields(iface string, s *scope, v *component.ValueType) string {
	out := make([]string, len(v.Fields))
	for i, f := range v.Fields {
		if v.Kind == component.KindTuple {
			out[i] = p.optional(iface, s, f.Type)
		} else {
			out[i] = p.field(iface, s, v.Kind, f)
		}
	}
	return strings.Join(out, ", ")
}

var primNames = [...]string{
	"bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string", "error-context",
}

func primName(k component.ValueKind) string {
	if int(k) < len(primNames) {
		return primNames[k]
	}
	return "_"
}

// keywords are the words that an identifier of WIT can be only after a percent sign.
const keywords = " as async bool borrow char constructor enum export f32 f64 flags from func future import include " +
	"interface list map option own package record resource result s16 s32 s64 s8 static stream string tuple type " +
	"u16 u32 u64 u8 use variant with world error-context "

func ident(name string) string {
	if strings.Contains(keywords, " "+name+" ") {
		return "%" + name
	}
	return name
}
