package canon

import (
	"fmt"
	"strconv"

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
	// KindOwn and KindBorrow are handles.
	KindOwn
	KindBorrow
	// KindFixedList is a list whose length the type gives, KindMap a list of pairs of a key and a value.
	KindFixedList
	KindMap
)

var kindNames = [...]string{
	"bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string",
	"list", "record", "tuple", "variant", "enum", "option", "result", "flags",
	"own", "borrow", "list", "map",
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
	elem  *Type     // list, fixed list, map (a tuple)
	count uint32    // fixed list: how many elements
	res   *Resource // own, borrow
	// members are the record's or tuple's fields, the variant's, enum's, option's or result's cases, the labels.
	members []Field
	// offsets are the members' offsets; for variants all are the payload's.
	offsets []uint32
	size    uint32
	align   uint32
	disc    uint32 // bytes of the discriminant
	flat    []abi.ValType
	codec   codec
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
	t := &Type{kind: k, size: l.size, align: l.align, flat: l.flat, depth: 1}
	if t.codec = (stringCodec{}); k != KindString {
		t.codec = scalarOf(k, l.size)
	}
	return t
}

// OwnOf gives own<r>, a handle that passes with the resource.
func OwnOf(r *Resource) *Type { return handleOf(KindOwn, r) }

// BorrowOf gives borrow<r>, a handle that is lent for a call.
func BorrowOf(r *Resource) *Type { return handleOf(KindBorrow, r) }

func handleOf(k Kind, r *Resource) *Type {
	t := &Type{kind: k, res: r, size: 4, align: 4, flat: []abi.ValType{abi.I32}, depth: 1}
	t.codec = handleCodec{t}
	return t
}

// ListOf gives list<elem>. It fails when there is no elem.
func ListOf(elem *Type) (*Type, error) { return listOf(KindList, elem) }

// MapOf gives map<key, value>, whose values are those of list<tuple<key, value>>. It fails when one is nil.
func MapOf(key, value *Type) (*Type, error) {
	pair, err := TupleOf(key, value)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	return listOf(KindMap, pair)
}

func listOf(k Kind, elem *Type) (*Type, error) {
	if elem == nil {
		return nil, fmt.Errorf("%v: expected a type of elements, found none", k)
	}
	t := &Type{kind: k, elem: elem, size: 8, align: 4, flat: []abi.ValType{abi.I32, abi.I32}}
	if t.codec = (listCodec{elem}); elem.kind == KindU8 {
		t.codec = bytesCodec{}
	}
	return t, t.setDepth(elem.depth)
}

// FixedListOf gives list<elem, n>, whose elements are where the list is. It fails when there is no elem, for n 0, and
// when the elements are more than MaxTypeSize bytes.
func FixedListOf(elem *Type, n uint32) (*Type, error) {
	if elem == nil || n == 0 {
		return nil, fmt.Errorf("list of fixed length: expected a type and at least 1 element, found %v and %d", elem, n)
	}
	t := &Type{kind: KindFixedList, elem: elem, count: n, align: elem.align}
	if t.codec = (fixedCodec{t}); elem.kind == KindU8 {
		t.codec = fixedBytesCodec{t}
	}
	size := uint64(n) * uint64(elem.size)
	if size > MaxTypeSize {
		return nil, t.tooLarge()
	}
	t.size = uint32(size)
	for i := uint32(0); i < n && len(t.flat) <= MaxFlatParams; i++ {
		t.flat = appendFlat(t.flat, elem.flat)
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
	t.codec = flagsCodec{t}
	return t, nil
}

// Kind gives the outermost constructor.
func (t *Type) Kind() Kind { return t.kind }

// Elem gives the type of a list's elements, for a map tuple<key, value>; nil for others.
func (t *Type) Elem() *Type { return t.elem }

// Len gives the length of a list of fixed length; 0 for others.
func (t *Type) Len() uint32 { return t.count }

// Resource gives the resource of a handle; nil for others.
func (t *Type) Resource() *Resource { return t.res }

// Members gives the fields of a record or tuple, the cases of a variant, enum, option or result, or the labels of
// flags. The slice is not to be changed.
func (t *Type) Members() []Field { return t.members }

func named(labels []string) []Field {
	fields := make([]Field, len(labels))
	for i, l := range labels {
		fields[i].Name = l
	}
	return fields
}
