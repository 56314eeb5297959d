package canon

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// Kind is the outermost constructor of a Type.
type Kind uint8

// The kinds of value types.
const (
	KindBool Kind = iota
	KindS8
	KindU8
	KindS16
	KindU16
	KindS32
	KindU32
	KindS64
	KindU64
	KindF32
	KindF64
	KindChar
	KindString
	KindList
	KindRecord
	KindTuple
	KindVariant
	KindEnum
	KindOption
	KindResult
	KindFlags
)

var kindNames = [...]string{
	"bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string",
	"list", "record", "tuple", "variant", "enum", "option", "result", "flags",
}

// String gives WIT's keyword.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Limits on types, checked when a type is made: a hostile component cannot make the host compute for long.
const (
	// MaxTypeSize bounds Size, in bytes (Component Model validation of elem_size).
	MaxTypeSize = 1<<28 - 1
	// MaxTypeDepth bounds the nesting of types.
	MaxTypeDepth = 100
	// MaxMembers bounds the fields, cases or labels of one type.
	MaxMembers = 1 << 16
)

// Field is a named member: a record's field, a variant's case, or for Func a parameter. Type is nil for a case
// without payload.
type Field struct {
	Name string
	Type *Type
}

// Type is a value type with its layout worked out. It is immutable, safe for concurrent use, and may be shared:
// types made of types form a graph without cycles.
type Type struct {
	kind  Kind
	depth int
	elem  *Type // list
	// members are the record's or tuple's fields, the variant's, enum's, option's or result's cases, the labels.
	members []Field
	// offsets are the members' offsets; for variants all are the payload's.
	offsets []uint32
	size    uint32
	align   uint32
	disc    uint32 // bytes of the discriminant
	flat    []abi.ValType
}

// Prim gives the type of a kind from KindBool to KindString; nil for others.
func Prim(k Kind) *Type {
	type layout struct {
		size, align uint32
		flat        []abi.ValType
	}
	var l layout
	switch k {
	case KindBool, KindS8, KindU8:
		l = layout{1, 1, []abi.ValType{abi.I32}}
	case KindS16, KindU16:
		l = layout{2, 2, []abi.ValType{abi.I32}}
	case KindS32, KindU32, KindChar:
		l = layout{4, 4, []abi.ValType{abi.I32}}
	case KindS64, KindU64:
		l = layout{8, 8, []abi.ValType{abi.I64}}
	case KindF32:
		l = layout{4, 4, []abi.ValType{abi.F32}}
	case KindF64:
		l = layout{8, 8, []abi.ValType{abi.F64}}
	case KindString:
		l = layout{8, 4, []abi.ValType{abi.I32, abi.I32}}
	default:
		return nil
	}
	return &Type{kind: k, size: l.size, align: l.align, flat: l.flat, depth: 1}
}

// ListOf gives list<elem>.
func ListOf(elem *Type) (*Type, error) {
	t := &Type{kind: KindList, elem: elem, size: 8, align: 4, flat: []abi.ValType{abi.I32, abi.I32}}
	if elem == nil {
		return nil, fmt.Errorf("list: expected a type of elements, found none")
	}
	return t, t.setDepth(elem.depth)
}

// RecordOf gives a record. It fails when there is no field, or one without type.
func RecordOf(fields ...Field) (*Type, error) {
	return product(KindRecord, fields)
}

// TupleOf gives a tuple. It fails when there is no type, or one is nil.
func TupleOf(types ...*Type) (*Type, error) {
	fields := make([]Field, len(types))
	for i, t := range types {
		fields[i] = Field{Name: strconv.Itoa(i), Type: t}
	}
	return product(KindTuple, fields)
}

// VariantOf gives a variant. It fails when there is no case.
func VariantOf(cases ...Field) (*Type, error) {
	return sum(KindVariant, cases)
}

// EnumOf gives an enum. It fails when there is no label.
func EnumOf(labels ...string) (*Type, error) {
	return sum(KindEnum, named(labels))
}

// OptionOf gives option<t>: case 0 is none, case 1 some.
func OptionOf(t *Type) (*Type, error) {
	if t == nil {
		return nil, fmt.Errorf("option: expected a type, found none")
	}
	return sum(KindOption, []Field{{Name: "none"}, {Name: "some", Type: t}})
}

// ResultOf gives result<ok, fail>, each nil for none: case 0 is ok, case 1 error.
func ResultOf(ok, fail *Type) (*Type, error) {
	return sum(KindResult, []Field{{Name: "ok", Type: ok}, {Name: "error", Type: fail}})
}

// FlagsOf gives flags. It fails when there is no label.
func FlagsOf(labels ...string) (*Type, error) {
	t := &Type{kind: KindFlags, members: named(labels)}
	if err := t.checkMembers(); err != nil {
		return nil, err
	}
	t.layoutFlags()
	return t, nil
}

// Kind gives the outermost constructor.
func (t *Type) Kind() Kind { return t.kind }

// Elem gives a list's element type; nil for others.
func (t *Type) Elem() *Type { return t.elem }

// Members gives the fields of a record or tuple, the cases of a variant, enum, option or result, or the labels of
// flags. The slice is not to be changed.
func (t *Type) Members() []Field { return t.members }

// String gives the type as WIT text; of records, variants, enums and flags, which WIT only knows by name, the
// definition without the name.
func (t *Type) String() string {
	var s strings.Builder
	t.write(&s)
	return s.String()
}

// maxTypeText bounds the text of a type, in bytes: shared types would be written out over and over.
const maxTypeText = 1 << 12

func (t *Type) write(s *strings.Builder) {
	if s.Len() > maxTypeText {
		s.WriteString("...")
		return
	}
	s.WriteString(t.kind.String())
	switch t.kind {
	case KindList:
		s.WriteByte('<')
		t.elem.write(s)
		s.WriteByte('>')
	case KindTuple:
		writeList(s, "<", ">", t.members, func(f Field) { f.Type.write(s) })
	case KindOption:
		writeList(s, "<", ">", t.members[1:], func(f Field) { f.Type.write(s) })
	case KindResult:
		t.writeResult(s)
	case KindRecord:
		writeList(s, " { ", " }", t.members, func(f Field) {
			s.WriteString(f.Name + ": ")
			f.Type.write(s)
		})
	case KindVariant, KindEnum, KindFlags:
		writeList(s, " { ", " }", t.members, func(f Field) {
			s.WriteString(f.Name)
			if f.Type != nil {
				s.WriteByte('(')
				f.Type.write(s)
				s.WriteByte(')')
			}
		})
	default:
	}
}

func (t *Type) writeResult(s *strings.Builder) {
	ok, fail := t.members[0].Type, t.members[1].Type
	if ok == nil && fail == nil {
		return
	}
	s.WriteByte('<')
	if ok == nil {
		s.WriteByte('_')
	} else {
		ok.write(s)
	}
	if fail != nil {
		s.WriteString(", ")
		fail.write(s)
	}
	s.WriteByte('>')
}

func writeList(s *strings.Builder, open, end string, fields []Field, each func(Field)) {
	s.WriteString(open)
	for i, f := range fields {
		if i > 0 {
			s.WriteString(", ")
		}
		if s.Len() > maxTypeText {
			s.WriteString("...")
			break
		}
		each(f)
	}
	s.WriteString(end)
}

func named(labels []string) []Field {
	fields := make([]Field, len(labels))
	for i, l := range labels {
		fields[i].Name = l
	}
	return fields
}
