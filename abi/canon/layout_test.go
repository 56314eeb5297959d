package canon

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

func prims(kinds ...Kind) []*Type {
	out := make([]*Type, len(kinds))
	for i, k := range kinds {
		out[i] = Prim(k)
	}
	return out
}

func tuple(kinds ...Kind) *Type { return must(TupleOf(prims(kinds...)...)) }

// flatText gives core types as text: i I f F for i32 i64 f32 f64.
func flatText(vs []abi.ValType) string {
	letters := map[abi.ValType]string{abi.I32: "i", abi.I64: "I", abi.F32: "f", abi.F64: "F"}
	var s strings.Builder
	for _, v := range vs {
		s.WriteString(letters[v])
	}
	return s.String()
}

func TestLayout(t *testing.T) {
	str, u8, u32, u64, f32, f64 := Prim(KindString), Prim(KindU8), Prim(KindU32), Prim(KindU64), Prim(KindF32), Prim(KindF64)
	tests := []struct {
		t           *Type
		size, align uint32
		flat        string
	}{
		{Prim(KindBool), 1, 1, "i"},
		{Prim(KindS8), 1, 1, "i"},
		{u8, 1, 1, "i"},
		{Prim(KindS16), 2, 2, "i"},
		{Prim(KindU16), 2, 2, "i"},
		{Prim(KindS32), 4, 4, "i"},
		{u32, 4, 4, "i"},
		{Prim(KindS64), 8, 8, "I"},
		{u64, 8, 8, "I"},
		{f32, 4, 4, "f"},
		{f64, 8, 8, "F"},
		{Prim(KindChar), 4, 4, "i"},
		{str, 8, 4, "ii"},
		{must(ListOf(u64)), 8, 4, "ii"},
		{tuple(KindU8, KindU16, KindU8, KindU32), 12, 4, "iiii"},
		{tuple(KindU16, KindU8), 4, 2, "ii"},
		{must(TupleOf(tuple(KindU16, KindU8), u8)), 6, 2, "iii"},
		{must(RecordOf(field("a", u8), field("b", str), field("c", Prim(KindU16)))), 16, 4, "iiii"},
		{must(VariantOf(field("none", nil), field("small", u8), field("big", u64))), 16, 8, "iI"},
		{must(VariantOf(field("a", u8), field("b", f32), field("c", str), field("d", f64))), 16, 8, "iIi"},
		{must(VariantOf(field("x", u8), field("y", f32), field("z", nil))), 8, 4, "ii"},
		{must(VariantOf(field("x", f32), field("y", f32))), 8, 4, "if"},
		{must(VariantOf(field("x", f64), field("y", f32))), 16, 8, "iI"},
		{must(VariantOf(field("x", nil))), 1, 1, "i"},
		{must(EnumOf(labels(1)...)), 1, 1, "i"},
		{must(EnumOf(labels(256)...)), 1, 1, "i"},
		{must(EnumOf(labels(257)...)), 2, 2, "i"},
		{must(EnumOf(labels(65536)...)), 2, 2, "i"},
		{must(OptionOf(u8)), 2, 1, "ii"},
		{must(OptionOf(str)), 12, 4, "iii"},
		{must(OptionOf(must(OptionOf(u64)))), 24, 8, "iiI"},
		{must(ResultOf(nil, nil)), 1, 1, "i"},
		{must(ResultOf(u8, u32)), 8, 4, "ii"},
		{must(ResultOf(nil, str)), 12, 4, "iii"},
		{must(FlagsOf(labels(1)...)), 1, 1, "i"},
		{must(FlagsOf(labels(8)...)), 1, 1, "i"},
		{must(FlagsOf(labels(9)...)), 2, 2, "i"},
		{must(FlagsOf(labels(17)...)), 4, 4, "i"},
		{must(FlagsOf(labels(32)...)), 4, 4, "i"},
		{must(FlagsOf(labels(33)...)), 8, 4, "ii"},
		{must(FlagsOf(labels(65)...)), 12, 4, "iii"},
	}
	for _, tt := range tests {
		t.Run(tt.t.String()[:min(60, len(tt.t.String()))], func(t *testing.T) {
			if tt.t.Size() != tt.size || tt.t.Align() != tt.align {
				t.Errorf("got size %d align %d, want %d and %d", tt.t.Size(), tt.t.Align(), tt.size, tt.align)
			}
			if got := flatText(tt.t.Flat()); got != tt.flat {
				t.Errorf("got flat %q, want %q", got, tt.flat)
			}
		})
	}
}

func TestOffsets(t *testing.T) {
	str, u8, u64 := Prim(KindString), Prim(KindU8), Prim(KindU64)
	tests := []struct {
		t    *Type
		want []uint32
		disc uint32
	}{
		{must(RecordOf(field("a", u8), field("b", str), field("c", Prim(KindU16)))), []uint32{0, 4, 12}, 0},
		{tuple(KindU8, KindU16, KindU8, KindU32), []uint32{0, 2, 4, 8}, 0},
		{must(VariantOf(field("none", nil), field("small", u8), field("big", u64))), []uint32{8, 8, 8}, 1},
		{must(ResultOf(u8, nil)), []uint32{1, 1}, 1},
		{must(EnumOf(labels(257)...)), []uint32{2, 2}, 2},
		{must(FlagsOf(labels(2)...)), []uint32{0, 0}, 0},
	}
	for _, tt := range tests {
		var got []uint32
		for i := range tt.want {
			got = append(got, tt.t.Offset(i))
		}
		if !slices.Equal(got, tt.want) || tt.t.DiscSize() != tt.disc {
			t.Errorf("%.40s: got offsets %v and discriminant of %d, want %v and %d", tt.t, got, tt.t.DiscSize(), tt.want, tt.disc)
		}
	}
}

func TestDiscSize(t *testing.T) {
	for n, want := range map[int]uint32{1: 1, 2: 1, 256: 1, 257: 2, 65536: 2, 65537: 4} {
		if got := discSize(n); got != want {
			t.Errorf("%d cases: got %d, want %d", n, got, want)
		}
	}
}

func TestSignature(t *testing.T) {
	u8, f32, f64, str := Prim(KindU8), Prim(KindF32), Prim(KindF64), Prim(KindString)
	params := func(types ...*Type) []Field {
		var out []Field
		for _, p := range types {
			out = append(out, field(fmt.Sprintf("p%d", len(out)), p))
		}
		return out
	}
	many := func(n int) (ts []*Type) {
		for range n {
			ts = append(ts, u8)
		}
		return ts
	}
	tests := []struct {
		name               string
		params             []Field
		result             *Type
		imported, exported string
	}{
		{"nothing", nil, nil, "->", "->"},
		{"scalars", params(u8, f32, f64), nil, "ifF->", "ifF->"},
		{"result", params(u8, f32, f64), f32, "ifF->f", "ifF->f"},
		{"one tuple", params(u8, f32, f64), must(TupleOf(f32)), "ifF->f", "ifF->f"},
		{"result of two", params(u8, f32, f64), must(TupleOf(f32, f32)), "ifFi->", "ifF->i"},
		{"string", params(str), str, "iii->", "ii->i"},
		{"16 parameters", params(many(16)...), u8, strings.Repeat("i", 16) + "->i", strings.Repeat("i", 16) + "->i"},
		{"16 parameters and area", params(many(16)...), str, strings.Repeat("i", 17) + "->", strings.Repeat("i", 16) + "->i"},
		{"17 parameters", params(many(17)...), str, "ii->", "i->i"},
		{"record of 17", params(must(TupleOf(many(17)...))), nil, "i->", "i->"},
		{"variant of 17", params(must(OptionOf(must(TupleOf(many(16)...))))), nil, "i->", "i->"},
		{"result of enum", nil, must(ResultOf(nil, nil)), "->i", "->i"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := NewFunc(tt.params, tt.result)
			if err != nil {
				t.Fatal(err)
			}
			for d, want := range map[Direction]string{Import: tt.imported, Export: tt.exported} {
				p, r := f.Signature(d)
				if got := flatText(p) + "->" + flatText(r); got != want {
					t.Errorf("direction %d: got %s, want %s", d, got, want)
				}
				if f.StackLen() < max(len(p), len(r)) {
					t.Errorf("direction %d: got a stack of %d, want room for %s", d, f.StackLen(), want)
				}
			}
		})
	}
}

func TestTypeErrors(t *testing.T) {
	u64 := Prim(KindU64)
	deep, err := u64, error(nil)
	for err == nil {
		deep, err = ListOf(deep)
	}
	if want := "nesting of at most 100"; !strings.Contains(err.Error(), want) {
		t.Errorf("deep list: got %v, want %q", err, want)
	}
	// 2^n fields: neither time nor memory may be exponential.
	wide, levels := []*Type{u64}, 0
	for ; ; levels++ {
		last := wide[len(wide)-1]
		next, err := TupleOf(last, last)
		if err != nil {
			if want := "size of at most"; !strings.Contains(err.Error(), want) {
				t.Errorf("wide tuple: got %v, want %q", err, want)
			}
			if len(last.Flat()) != MaxFlatParams+1 || len(last.String()) > 2*maxMessageText {
				t.Errorf("wide tuple: got %d flat types, %d bytes of text", len(last.Flat()), len(last.String()))
			}
			break
		}
		wide = append(wide, next)
	}
	if levels != 24 {
		t.Errorf("wide tuple: got %d levels, want 24", levels)
	}
	if _, err := VariantOf(field("a", must(TupleOf(wide...)))); err == nil {
		t.Error("variant of the largest tuple: got no error, want one about the size")
	}
	for name, err := range map[string]error{
		"record":     second(RecordOf()),
		"tuple":      second(TupleOf()),
		"variant":    second(VariantOf()),
		"enum":       second(EnumOf()),
		"flags":      second(FlagsOf()),
		"flags many": second(FlagsOf(labels(MaxMembers + 1)...)),
		"no field":   second(RecordOf(field("a", nil))),
		"no element": second(ListOf(nil)),
		"no option":  second(OptionOf(nil)),
		"no param":   func() error { _, err := NewFunc([]Field{{Name: "p"}}, nil); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), "expected") {
			t.Errorf("%s: got error %v, want one", name, err)
		}
	}
	if Prim(KindList) != nil {
		t.Error("Prim(KindList): got a type, want nil")
	}
}

func second(_ *Type, err error) error { return err }

func TestTypeString(t *testing.T) {
	u8, str := Prim(KindU8), Prim(KindString)
	for want, typ := range map[string]*Type{
		"list<u8>":                    must(ListOf(u8)),
		"tuple<u8, string>":           must(TupleOf(u8, str)),
		"option<string>":              must(OptionOf(str)),
		"result":                      must(ResultOf(nil, nil)),
		"result<u8>":                  must(ResultOf(u8, nil)),
		"result<_, u8>":               must(ResultOf(nil, u8)),
		"result<u8, string>":          must(ResultOf(u8, str)),
		"record { a: u8, b: string }": must(RecordOf(field("a", u8), field("b", str))),
		"variant { a(u8), b }":        must(VariantOf(field("a", u8), field("b", nil))),
		"enum { f0, f1 }":             must(EnumOf(labels(2)...)),
		"flags { f0 }":                must(FlagsOf(labels(1)...)),
	} {
		if got := typ.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
