package witgen_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/all/echo"
	all "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/all/host"
)

// recorder is a guest that allocates one block after the other, from address 256 on, and keeps what it is called with.
type recorder struct {
	mem   []byte
	next  uint32
	stack []uint64
}

func newRecorder() *recorder { return &recorder{mem: make([]byte, 4096), next: 256} }

func (r *recorder) Memory() []byte { return r.mem }

func (r *recorder) Realloc(_ context.Context, _, _, align, size uint32) uint32 {
	ptr := (r.next + align - 1) &^ (align - 1)
	r.next = ptr + size
	return ptr
}

func (r *recorder) Call(_ context.Context, name string, stack []uint64) error {
	r.stack = append([]uint64(nil), stack...)
	return &abi.Trap{Kind: abi.TrapGuest, Func: name, Reason: "no more than this was wanted"}
}

func (r *recorder) Has(string) bool { return false }

// used is what was allocated, in hex, without spaces.
func (r *recorder) used() string { return hex.EncodeToString(r.mem[256:r.next]) }

var scalars = all.Scalars{
	B: true, S8: -2, U8: 0xfe, S16: -2, U16: 0xfedc, S32: -2, U32: 0xfedcba98, S64: -2, U64: 0xfedcba9876543210,
	F32: 1, F64: -2, C: '€', S: "ab",
}

// The layouts of the Canonical ABI, written out by hand.
func TestResultBytes(t *testing.T) {
	const ret = 16
	area := map[string]string{
		// b s8 u8 pad, s16 u16, s32, u32, pad, s64, u64, f32, pad, f64, c, s
		"scalars-record": "01fefe00 feffdcfe feffffff 98badcfe feffffffffffffff 1032547698badcfe 0000803f 00000000 00000000000000c0 " +
			"ac200000 00010000 02000000 00000000",
		"pair-tuple":     "07000000 01000000 00010000 02000000",
		"labels-alias":   "00010000 01000000",
		"maybe-twice":    "01000000 01000000 00010000 01000000",
		"more-flags":     "01000000 01000000 00000000 00000080 00000000 00000000 20000000",
		"shape-variant":  "03000000 00000000 00010000 05000000",
		"number-variant": "01000000 0000c03f",
		"fallible":       "01000000 00010000 02000000",
		"fail-color":     "01000000 00000000 02000000 00000000",
	}
	blocks := map[string]string{
		"scalars-record": "6162",
		"pair-tuple":     "6869",
		"labels-alias":   "10010000 01000000 11010000 02000000 61 6263",
		"maybe-twice":    "78",
		"shape-variant":  "68c3a96a6f",
		"fallible":       "6e6f",
	}
	text, twice, no, blue := "hi", "x", "no", all.ColorDeepBlue
	maybe := &twice
	host := &fixed{results: map[string]any{
		"scalars": scalars,
		"pair":    all.Pair{F0: 7, F1: &text},
		"labels":  all.Meta{{F0: "a", F1: "bc"}},
		"maybe":   &maybe,
		"flags":   echo.MoreFlags{F0: 1<<32 | 1, F1: 1 << 63, F2: all.Flags70{0, 0, 1 << 5}},
		"shape":   all.Shape{Tag: all.ShapeLabel, Label: "héjo"},
		"number":  all.Number{Tag: all.NumberFloat, Float: 1.5},
		"no":      &no,
		"color":   &blue,
	}}
	tested := 0
	for _, f := range all.EchoFuncs(host) {
		want, ok := area[f.Name]
		if !ok {
			continue
		}
		tested++
		t.Run(f.Name, func(t *testing.T) {
			g := newRecorder()
			stack := make([]uint64, len(f.Params))
			if len(f.Params) > 0 {
				stack[len(stack)-1] = ret
			}
			f.Call(t.Context(), g, stack)
			wantArea, err := hex.DecodeString(strings.ReplaceAll(want, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			if got := g.mem[ret : ret+len(wantArea)]; !bytes.Equal(got, wantArea) {
				t.Errorf("return area: want % x, got % x", wantArea, got)
			}
			if want := strings.ReplaceAll(blocks[f.Name], " ", ""); g.used() != want {
				t.Errorf("blocks: want %s, got %s", want, g.used())
			}
		})
	}
	if tested != len(area) {
		t.Errorf("want %d functions, found %d", len(area), tested)
	}
}

// fixed gives results that do not depend on parameters.
type fixed struct {
	echo.Host
	results map[string]any
}

func (f *fixed) ScalarsRecord(context.Context, all.Scalars) all.Scalars {
	return f.results["scalars"].(all.Scalars)
}
func (f *fixed) PairTuple(context.Context, all.Pair) all.Pair { return f.results["pair"].(all.Pair) }
func (f *fixed) LabelsAlias(context.Context, all.Labels) all.Meta {
	return f.results["labels"].(all.Meta)
}
func (f *fixed) MaybeTwice(context.Context, **string) **string { return f.results["maybe"].(**string) }
func (f *fixed) ShapeVariant(context.Context, all.Shape) all.Shape {
	return f.results["shape"].(all.Shape)
}

func (f *fixed) NumberVariant(context.Context, all.Number) all.Number {
	return f.results["number"].(all.Number)
}

func (f *fixed) MoreFlags(context.Context, all.Flags33, all.Flags64, all.Flags70) echo.MoreFlags {
	return f.results["flags"].(echo.MoreFlags)
}

func (f *fixed) Fallible(context.Context, canon.Result[uint32, string]) (uint32, *string) {
	return 0, f.results["no"].(*string)
}

func (f *fixed) FailColor(context.Context, canon.Result[uint64, all.Color]) (uint64, *all.Color) {
	return 0, f.results["color"].(*all.Color)
}

// Core parameters of the Canonical ABI, written out by hand: what a variant does not use is zero, and floats that
// share a slot with integers are their bits.
func TestParameterBytes(t *testing.T) {
	nan := math.Float64frombits(0xfff8000000000123)
	tests := map[string]struct {
		call func(context.Context, abi.Guest) error
		want []uint64
		used string
	}{
		"scalars": {
			call: func(ctx context.Context, g abi.Guest) error {
				_, err := all.CallEchoScalarsRecord(ctx, g, scalars)
				return err
			},
			want: []uint64{
				1, 0xfffffffe, 0xfe, 0xfffffffe, 0xfedc, 0xfffffffe, 0xfedcba98, 0xfffffffffffffffe, 0xfedcba9876543210,
				0x3f800000, 0xc000000000000000, 0x20ac, 256, 2,
			},
			used: "6162",
		},
		"number": {
			call: func(ctx context.Context, g abi.Guest) error {
				_, err := all.CallEchoNumberVariant(ctx, g, all.Number{Tag: all.NumberFloat, Float: 1.5})
				return err
			},
			want: []uint64{1, 0x3fc00000},
		},
		"wide, with the canonical NaN": {
			call: func(ctx context.Context, g abi.Guest) error {
				_, err := all.CallEchoWideVariant(ctx, g, all.Wide{Tag: all.WideFloat, Float: nan})
				return err
			},
			want: []uint64{1, 0x7ff8000000000000},
		},
		"shape": {
			call: func(ctx context.Context, g abi.Guest) error {
				_, err := all.CallEchoShapeVariant(ctx, g, all.Shape{Tag: all.ShapePath, Path: []uint16{1, 0x203}})
				return err
			},
			want: []uint64{8, 256, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
			used: "01000302",
		},
		"none": {
			call: func(ctx context.Context, g abi.Guest) error { _, err := all.CallEchoMaybe(ctx, g, nil); return err },
			want: make([]uint64, 15),
		},
		"flags": {
			call: func(ctx context.Context, g abi.Guest) error {
				_, err := all.CallEchoMoreFlags(ctx, g, 1<<32|2, 1<<63|3, all.Flags70{4, 5, 6})
				return err
			},
			want: []uint64{2, 1, 3, 1 << 31, 4, 5, 6},
		},
		"through memory": {
			call: func(ctx context.Context, g abi.Guest) error {
				_, err := all.CallEchoSeventeen(ctx, g, "", "", "", "", "", "", "z", 9, 1, true)
				return err
			},
			want: []uint64{256},
			// Seven pairs, of which six are of nothing; u8, pad, f64, bool, pad; the text.
			used: strings.Repeat("0100000000000000", 6) + "5001000001000000" + "0900000000000000" + "000000000000f03f" + "0100000000000000" + "7a",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := newRecorder()
			if err := test.call(t.Context(), g); err == nil {
				t.Fatal("want the recorder's trap, got none")
			}
			if len(g.stack) != len(test.want) {
				t.Fatalf("want %d values, got %d: %x", len(test.want), len(g.stack), g.stack)
			}
			for i, want := range test.want {
				if g.stack[i] != want {
					t.Errorf("value %d: want %#x, got %#x", i, want, g.stack[i])
				}
			}
			if g.used() != test.used {
				t.Errorf("blocks: want %s, got %s", test.used, g.used())
			}
		})
	}
}
