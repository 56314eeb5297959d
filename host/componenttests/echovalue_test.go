package componenttests

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// valueGen makes values. A thing, which only exists within an instance, is the number that it is made with: handles
// are Values of Bits.
type valueGen struct {
	r *rand.Rand
}

// value makes a value of t; small bounds lists and strings within others.
func (g *valueGen) value(t *canon.Type, small bool) canon.Value {
	switch t.Kind() {
	case canon.KindString:
		return canon.Str(g.text(small))
	case canon.KindList:
		return g.list(t.Elem(), small)
	case canon.KindRecord, canon.KindTuple:
		elems := make([]canon.Value, len(t.Members()))
		for k, f := range t.Members() {
			elems[k] = g.value(f.Type, small)
		}
		return canon.Elems(elems...)
	case canon.KindVariant, canon.KindEnum, canon.KindOption, canon.KindResult:
		k := g.r.IntN(len(t.Members()))
		if p := t.Members()[k].Type; p != nil {
			return canon.Case(uint32(k), g.value(p, small))
		}
		return canon.Case(uint32(k))
	case canon.KindFlags:
		var set []int
		for k := range t.Members() {
			if g.r.IntN(2) == 0 {
				set = append(set, k)
			}
		}
		return canon.Flags(len(t.Members()), set...)
	default:
		return canon.Value{Bits: g.scalar(t)}
	}
}

func (g *valueGen) scalar(t *canon.Type) uint64 {
	switch t.Kind() {
	case canon.KindBool:
		return uint64(g.r.IntN(2))
	case canon.KindF32:
		return uint64(math.Float32bits(float32(g.float())))
	case canon.KindF64:
		return math.Float64bits(g.float())
	case canon.KindChar:
		return uint64(g.char())
	case canon.KindOwn:
		return uint64(g.r.Uint32N(1 << 30)) // of representations jco keeps only so many bits
	default:
		return g.integer(t)
	}
}

// integer makes an integer, sign-extended as canon.Value has it. Half of them are at a bound.
func (g *valueGen) integer(t *canon.Type) uint64 {
	v := g.r.Uint64()
	if g.r.IntN(2) == 0 {
		v = []uint64{0, 1, math.MaxUint64, 1 << (8*t.Size() - 1), 1<<(8*t.Size()-1) - 1}[g.r.IntN(5)]
	}
	unused := 64 - 8*t.Size()
	switch t.Kind() {
	case canon.KindS8, canon.KindS16, canon.KindS32, canon.KindS64:
		return uint64(int64(v<<unused) >> unused)
	default:
		return v << unused >> unused
	}
}

func (g *valueGen) float() float64 {
	special := []float64{
		0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat32, math.MaxFloat64, math.SmallestNonzeroFloat32,
		math.SmallestNonzeroFloat64, 1, -1.5,
	}
	if k := g.r.IntN(2 * len(special)); k < len(special) {
		return special[k]
	}
	return math.Float64frombits(g.r.Uint64())
}

func (g *valueGen) char() rune {
	for {
		c := []rune{rune(g.r.IntN(0x80)), rune(g.r.IntN(0x100)), rune(g.r.IntN(0x10000)), rune(g.r.IntN(0x110000))}[g.r.IntN(4)]
		if g.r.IntN(8) == 0 {
			c = []rune{0, 0x7f, 0x80, 0xff, 0x100, 0x7ff, 0x800, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x10ffff}[g.r.IntN(12)]
		}
		if c < 0xd800 || c > 0xdfff {
			return c
		}
	}
}

// text makes a string. Those of one script are what transcoding takes short ways for.
func (g *valueGen) text(small bool) string {
	n := g.length(small)
	switch g.r.IntN(4) {
	case 0:
		return strings.Repeat("a", n)
	case 1:
		return strings.Repeat("ü", n)
	default:
		var b strings.Builder
		for range n {
			b.WriteRune(g.char())
		}
		return b.String()
	}
}

func (g *valueGen) length(small bool) int {
	if small {
		return g.r.IntN(6)
	}
	return []int{0, 1, g.r.IntN(20), g.r.IntN(300)}[g.r.IntN(4)]
}

func (g *valueGen) list(elem *canon.Type, small bool) canon.Value {
	n := g.length(small)
	if elem.Kind() == canon.KindU8 {
		b := make([]byte, n)
		for k := range b {
			b[k] = byte(g.r.Uint32())
		}
		return canon.Str(string(b))
	}
	elems := make([]canon.Value, n)
	for k := range elems {
		elems[k] = g.value(elem, true)
	}
	return canon.Value{Elems: elems}
}

// same tells whether two values of t are equal. All NaNs are: the Canonical ABI keeps none apart.
func same(t *canon.Type, a, b canon.Value) bool {
	switch t.Kind() {
	case canon.KindF32:
		x, y := math.Float32frombits(uint32(a.Bits)), math.Float32frombits(uint32(b.Bits))
		return a.Bits == b.Bits || x != x && y != y
	case canon.KindF64:
		x, y := math.Float64frombits(a.Bits), math.Float64frombits(b.Bits)
		return a.Bits == b.Bits || x != x && y != y
	case canon.KindList:
		return a.Str == b.Str && slices.EqualFunc(a.Elems, b.Elems, func(x, y canon.Value) bool { return same(t.Elem(), x, y) })
	case canon.KindRecord, canon.KindTuple, canon.KindVariant, canon.KindEnum, canon.KindOption, canon.KindResult:
		if a.Bits != b.Bits || len(a.Elems) != len(b.Elems) {
			return false
		}
		for k := range a.Elems {
			member := k
			if t.Kind() != canon.KindRecord && t.Kind() != canon.KindTuple {
				member = int(a.Bits)
			}
			if !same(t.Members()[member].Type, a.Elems[k], b.Elems[k]) {
				return false
			}
		}
		return true
	default:
		return a.Bits == b.Bits && a.Str == b.Str
	}
}

// mapHandles gives v with each handle in it changed by f.
func mapHandles(t *canon.Type, v canon.Value, f func(canon.Value) (canon.Value, error)) (canon.Value, error) {
	if t.Kind() == canon.KindOwn {
		return f(v)
	}
	out := v
	out.Elems = slices.Clone(v.Elems)
	for k, e := range v.Elems {
		elem := t.Elem()
		switch t.Kind() {
		case canon.KindList:
		case canon.KindRecord, canon.KindTuple:
			elem = t.Members()[k].Type
		default:
			elem = t.Members()[v.Bits].Type
		}
		var err error
		if out.Elems[k], err = mapHandles(elem, e, f); err != nil {
			return out, err
		}
	}
	return out, nil
}

// jsonType is a type as the driver in JavaScript reads it.
type jsonType struct {
	Kind    string       `json:"kind"`
	Elem    *jsonType    `json:"elem,omitempty"`
	Members []jsonMember `json:"members,omitempty"`
}

type jsonMember struct {
	Name string    `json:"name"`
	Type *jsonType `json:"type,omitempty"`
}

func jsonTypeOf(t *canon.Type) *jsonType {
	if t == nil {
		return nil
	}
	j := &jsonType{Kind: t.Kind().String(), Elem: jsonTypeOf(t.Elem())}
	for _, f := range t.Members() {
		j.Members = append(j.Members, jsonMember{f.Name, jsonTypeOf(f.Type)})
	}
	return j
}

// jsonValue is a value as the driver reads and writes it: Bits in decimal, strings as they are, the bytes of a list<u8>
// and flags as the code units of Str, and what it is made of.
type jsonValue struct {
	Bits  string      `json:"bits,omitempty"`
	Str   string      `json:"str,omitempty"`
	Elems []jsonValue `json:"elems,omitempty"`
}

func jsonOf(t *canon.Type, v canon.Value) jsonValue {
	j := jsonValue{Bits: fmt.Sprint(v.Bits), Str: v.Str}
	if t.Kind() != canon.KindString {
		var units []rune
		for _, b := range []byte(v.Str) {
			units = append(units, rune(b))
		}
		j.Str = string(units)
	}
	for k, e := range v.Elems {
		j.Elems = append(j.Elems, jsonOf(elemType(t, v, k), e))
	}
	return j
}

// elemType gives the type of element k of v.
func elemType(t *canon.Type, v canon.Value, k int) *canon.Type {
	switch t.Kind() {
	case canon.KindList:
		return t.Elem()
	case canon.KindRecord, canon.KindTuple:
		return t.Members()[k].Type
	default:
		return t.Members()[v.Bits].Type
	}
}

// valueOf reads what the driver wrote.
func valueOf(t *canon.Type, j jsonValue) (v canon.Value, err error) {
	if _, err := fmt.Sscan(j.Bits, &v.Bits); err != nil {
		return v, fmt.Errorf("%v: bits %q: %w", t.Kind(), j.Bits, err)
	}
	v.Str = j.Str
	if t.Kind() != canon.KindString {
		var b []byte
		for _, r := range j.Str {
			b = append(b, byte(r))
		}
		v.Str = string(b)
	}
	if sum := t.Kind() != canon.KindList && len(t.Members()) > 0 && t.Kind() != canon.KindRecord && t.Kind() != canon.KindTuple; sum &&
		v.Bits >= uint64(len(t.Members())) {
		return v, fmt.Errorf("%v: want a case, got %d", t.Kind(), v.Bits)
	}
	for k, e := range j.Elems {
		if t.Kind() == canon.KindRecord || t.Kind() == canon.KindTuple {
			if k >= len(t.Members()) {
				return v, fmt.Errorf("%v: want %d fields, got %d", t.Kind(), len(t.Members()), len(j.Elems))
			}
		}
		elem, err := valueOf(elemType(t, v, k), e)
		if err != nil {
			return v, err
		}
		v.Elems = append(v.Elems, elem)
	}
	return v, t.Check(v)
}

// show gives a value for a message.
func show(t *canon.Type, v canon.Value) string {
	b, err := json.Marshal(jsonOf(t, v))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%v %.300s", t, b)
}
