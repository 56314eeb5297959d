package canon

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"unicode/utf8"
)

// Value is a value of some Type, which it does not know. The zero Value is false, 0, the empty string, the empty
// list or the first case, if that has no payload.
type Value struct {
	// Bits is a bool (0 or 1), an integer (sign-extended to 64 bits if signed), the IEEE 754 bits of a float, a
	// char, the case of a variant, enum, option or result, or the number of a handle's Rep.
	Bits uint64
	// Str is a string, the bytes of a list<u8>, or flags as little-endian bits, a byte for each 8 labels begun.
	Str string
	// Elems are the elements of a list of another type, the fields of a record or tuple, or the payload of a case,
	// which is one Value or none. A map's elements are tuples of a key and a value.
	Elems []Value
	// Obj is the object of a handle's Rep; nil for other types.
	Obj any
}

// BoolOf gives a bool.
func BoolOf(v bool) Value { return Value{Bits: BoolBits(v)} }

// Int gives an s8, s16, s32 or s64.
func Int(v int64) Value { return Value{Bits: uint64(v)} }

// Uint gives a u8, u16, u32 or u64.
func Uint(v uint64) Value { return Value{Bits: v} }

// Float32 gives an f32.
func Float32(v float32) Value { return Value{Bits: F32Bits(v)} }

// Float64 gives an f64.
func Float64(v float64) Value { return Value{Bits: F64Bits(v)} }

// CharOf gives a char.
func CharOf(v rune) Value { return Value{Bits: CharBits(v)} }

// Str gives a string or a list<u8>.
func Str(s string) Value { return Value{Str: s} }

// Elems gives a list of another type than u8, a record or a tuple.
func Elems(vs ...Value) Value { return Value{Elems: vs} }

// Case gives case i of a variant, enum, option (1 is some) or result (1 is error), with its payload if it has one.
func Case(i uint32, payload ...Value) Value { return Value{Bits: uint64(i), Elems: payload} }

// Flags gives flags of n labels of which those of the given numbers are set.
func Flags(n int, set ...int) Value {
	b := make([]byte, flagBytes(n))
	for _, i := range set {
		b[i/8] |= 1 << (i % 8)
	}
	return Value{Str: string(b)}
}

// Flag tells whether label i of flags is set.
func (v Value) Flag(i int) bool { return i/8 < len(v.Str) && v.Str[i/8]>>(i%8)&1 != 0 }

// HandleOf gives an own or a borrow of the resource that rep stands for.
func HandleOf(rep Rep) Value { return Value{Bits: uint64(rep.Num), Obj: rep.Obj} }

// Rep gives what an own or a borrow stands for.
func (v Value) Rep() Rep { return Rep{Num: uint32(v.Bits), Obj: v.Obj} }

// Equal tells whether both are the same value, given that they are of the same type. A NaN equals itself; objects that
// Go cannot compare equal none.
func (v Value) Equal(o Value) bool {
	return v.Bits == o.Bits && v.Str == o.Str && sameObject(v.Obj, o.Obj) && slices.EqualFunc(v.Elems, o.Elems, Value.Equal)
}

func sameObject(a, b any) bool {
	return a == nil && b == nil || reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// Check tells whether v is a value of t, in an error that says where and what was expected and found.
func (t *Type) Check(v Value) error {
	switch t.kind {
	case KindString:
		if !utf8.ValidString(v.Str) {
			return fmt.Errorf("string: expected UTF-8, found %q", v.Str[:min(len(v.Str), 64)])
		}
	case KindList, KindFixedList, KindMap:
		return t.checkList(v)
	case KindRecord, KindTuple:
		return t.checkProduct(v)
	case KindVariant, KindEnum, KindOption, KindResult:
		return t.checkSum(v)
	case KindFlags:
		return t.checkFlags(v)
	default:
		if !t.holds(v.Bits) {
			return fmt.Errorf("%v: expected a value in range, found bits %#x", t.kind, v.Bits)
		}
	}
	return nil
}

// holds tells whether bits are a value of the scalar type t.
func (t *Type) holds(bits uint64) bool {
	switch t.kind {
	case KindBool:
		return bits <= 1
	case KindU8, KindU16, KindU32, KindOwn, KindBorrow:
		return bits>>(8*t.size) == 0
	case KindS8, KindS16, KindS32:
		unused := 64 - 8*t.size
		return uint64(int64(bits)<<unused>>unused) == bits
	case KindF32:
		return bits <= math.MaxUint32
	case KindChar:
		return bits <= utf8.MaxRune && utf8.ValidRune(rune(bits))
	default:
		return true
	}
}

func (t *Type) checkList(v Value) error {
	if t.elem.kind == KindU8 {
		if len(v.Elems) != 0 {
			return fmt.Errorf("list<u8>: expected the bytes in Str, found %d elements", len(v.Elems))
		}
		return t.checkLen(len(v.Str))
	}
	if err := t.checkLen(len(v.Elems)); err != nil {
		return err
	}
	for i, e := range v.Elems {
		if err := t.elem.Check(e); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	return nil
}

// checkLen checks the number of elements of a list of fixed length.
func (t *Type) checkLen(n int) error {
	if t.kind == KindFixedList && n != int(t.count) {
		return fmt.Errorf("list of fixed length: expected %d elements, found %d", t.count, n)
	}
	return nil
}

func (t *Type) checkProduct(v Value) error {
	if len(v.Elems) != len(t.members) {
		return fmt.Errorf("%v: expected %d fields, found %d", t.kind, len(t.members), len(v.Elems))
	}
	for i, f := range t.members {
		if err := f.Type.Check(v.Elems[i]); err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
	}
	return nil
}

func (t *Type) checkSum(v Value) error {
	if v.Bits >= uint64(len(t.members)) {
		return fmt.Errorf("%v: expected a case below %d, found %d", t.kind, len(t.members), v.Bits)
	}
	c := t.members[v.Bits]
	want := 0
	if c.Type != nil {
		want = 1
	}
	if len(v.Elems) != want {
		return fmt.Errorf("case %s: expected %d payloads, found %d", c.Name, want, len(v.Elems))
	}
	if want == 1 {
		if err := c.Type.Check(v.Elems[0]); err != nil {
			return fmt.Errorf("case %s: %w", c.Name, err)
		}
	}
	return nil
}

func (t *Type) checkFlags(v Value) error {
	n := len(t.members)
	if len(v.Str) != flagBytes(n) {
		return fmt.Errorf("flags: expected %d bytes for %d labels, found %d", flagBytes(n), n, len(v.Str))
	}
	if n%8 != 0 && v.Str[len(v.Str)-1]>>(n%8) != 0 {
		return fmt.Errorf("flags: expected no bit beyond the %d labels, found one", n)
	}
	return nil
}

// flagBytes gives how many bytes n flags take in a Value.
func flagBytes(n int) int { return (n + 7) / 8 }
