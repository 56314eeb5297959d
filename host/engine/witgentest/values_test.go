package witgentest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"

	all "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/all/host"
)

// enums are the numbers of cases of what is an integer in Go.
var enums = map[reflect.Type]int{
	reflect.TypeFor[all.Color]():      3,
	reflect.TypeFor[all.Big]():        257,
	reflect.TypeFor[all.ShapeTag]():   12,
	reflect.TypeFor[all.NumberTag]():  2,
	reflect.TypeFor[all.WideTag]():    3,
	reflect.TypeFor[all.ProblemTag](): 3,
	reflect.TypeFor[all.PlainTag]():   2,
}

// flags are the numbers of labels.
var flags = map[reflect.Type]int{
	reflect.TypeFor[all.Perm]():    3,
	reflect.TypeFor[all.Flags8]():  8,
	reflect.TypeFor[all.Flags9]():  9,
	reflect.TypeFor[all.Flags16](): 16,
	reflect.TypeFor[all.Flags17](): 17,
	reflect.TypeFor[all.Flags32](): 32,
	reflect.TypeFor[all.Flags33](): 33,
	reflect.TypeFor[all.Flags64](): 64,
}

// random makes a value of any type that the glue uses. Half of the numbers are special ones.
func random[T any](r *rand.Rand) T {
	var v T
	fill(r, reflect.ValueOf(&v).Elem(), 0)
	return v
}

func fill(r *rand.Rand, v reflect.Value, depth int) {
	t := v.Type()
	if n, ok := enums[t]; ok {
		v.SetUint(r.Uint64N(uint64(n)))
		return
	}
	if n, ok := flags[t]; ok {
		v.SetUint(bits(r) & (1<<(n-1)<<1 - 1))
		return
	}
	if t == reflect.TypeFor[all.Flags70]() {
		v.Set(reflect.ValueOf(all.Flags70{uint32(bits(r)), uint32(bits(r)), uint32(bits(r)) & 0x3f}))
		return
	}
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 1)
	case reflect.Int32:
		// runes and s32 are one type in Go, so every s32 is a valid rune here; EchoS32 has its own values.
		v.SetInt(int64([]rune{0, 'a', 'ß', '€', 0xd7ff, 0xe000, 0x10ffff}[r.IntN(7)]))
	case reflect.Int8, reflect.Int16, reflect.Int64:
		v.SetInt(int64(bits(r)) << (64 - t.Bits()) >> (64 - t.Bits()))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(bits(r) << (64 - t.Bits()) >> (64 - t.Bits()))
	case reflect.Float32:
		v.SetFloat(float64(float32(float(r))))
	case reflect.Float64:
		v.SetFloat(float(r))
	case reflect.String:
		v.SetString(text(r))
	case reflect.Pointer:
		if r.IntN(3) > 0 {
			v.Set(reflect.New(t.Elem()))
			fill(r, v.Elem(), depth+1)
		}
	case reflect.Slice:
		n := r.IntN(max(1, 6-depth))
		v.Set(reflect.MakeSlice(t, n, n))
		for i := range n {
			fill(r, v.Index(i), depth+1)
		}
	case reflect.Struct:
		fillStruct(r, v, depth)
	default:
		panic("no random " + t.String())
	}
}

func fillStruct(r *rand.Rand, v reflect.Value, depth int) {
	t := v.Type()
	if t.NumField() > 0 && t.Field(0).Name == "Tag" {
		fillVariant(r, v, depth)
		return
	}
	for i := range t.NumField() {
		fill(r, v.Field(i), depth+1)
	}
	if e := v.FieldByName("Err"); e.IsValid() && !e.IsNil() {
		// What a result does not carry is zero.
		v.FieldByName("OK").SetZero()
	}
}

// fillVariant chooses a case and fills the field of its name, or Value.
func fillVariant(r *rand.Rand, v reflect.Value, depth int) {
	fill(r, v.Field(0), depth)
	name := strings.ReplaceAll(fmt.Sprint(v.Field(0).Interface()), "-", "")
	for i := 1; i < v.NumField(); i++ {
		field := v.Type().Field(i).Name
		if strings.EqualFold(field, name) || (field == "Value" && name != "unknown") {
			fill(r, v.Field(i), depth+1)
		}
	}
}

func bits(r *rand.Rand) uint64 {
	special := []uint64{0, 1, math.MaxUint64, 1 << 63, 0x5555555555555555, 0x7f, 0x80, 0x8000, 0x80000000}
	if r.IntN(2) == 0 {
		return special[r.IntN(len(special))]
	}
	return r.Uint64()
}

func float(r *rand.Rand) float64 {
	special := []float64{
		0, math.Copysign(0, -1), 1, -1, math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat32,
		math.SmallestNonzeroFloat32, math.Pi,
	}
	if r.IntN(2) == 0 {
		return special[r.IntN(len(special))]
	}
	return r.NormFloat64()
}

func text(r *rand.Rand) string {
	return []string{"", "a", "ä€😀", "nul\x00nul", strings.Repeat("long ", 1+r.IntN(300))}[r.IntN(5)]
}

// same tells whether a and b are one value: nil and empty lists are, and so are NaNs.
func same(a, b reflect.Value) bool {
	if a.Type() != b.Type() {
		return false
	}
	switch a.Kind() {
	case reflect.Float32, reflect.Float64:
		x, y := a.Float(), b.Float()
		return math.Float64bits(x) == math.Float64bits(y) || (x != x && y != y)
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Pointer:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() == b.IsNil()
		}
		return same(a.Elem(), b.Elem())
	case reflect.Struct:
		for i := range a.NumField() {
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	default:
		return a.Equal(b)
	}
}
