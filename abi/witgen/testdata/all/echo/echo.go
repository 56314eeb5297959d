// Package echo is a host for the tests of generated glue: it gives back what it gets.
package echo

import (
	"context"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	all "github.com/mrt-wasm/mrt-wasm/abi/witgen/testdata/all/host"
)

// Host gives back what it gets and remembers it.
type Host struct {
	// Seen is what the last function was given.
	Seen any
	// Notes is what the world's own function and the other interface were given.
	Notes []any
}

// Funcs gives all that a guest may import.
func (e *Host) Funcs() []abi.Func {
	return slices.Concat(all.EchoFuncs(e), all.ClashFuncs(e), all.InnerFuncs(e), all.AllFuncs(e))
}

// Exports gives all that a guest exports.
func Exports() []abi.Func {
	return slices.Concat(all.EchoExports(), all.StoreExports(), all.AllExports())
}

func pass[T any](e *Host, v T) T {
	e.Seen = v
	return v
}

func (e *Host) Nothing(context.Context)                              { e.Seen = nil }
func (e *Host) Bool(_ context.Context, v bool) bool                  { return pass(e, v) }
func (e *Host) S8(_ context.Context, v int8) int8                    { return pass(e, v) }
func (e *Host) U8(_ context.Context, v uint8) uint8                  { return pass(e, v) }
func (e *Host) S16(_ context.Context, v int16) int16                 { return pass(e, v) }
func (e *Host) U16(_ context.Context, v uint16) uint16               { return pass(e, v) }
func (e *Host) S32(_ context.Context, v int32) int32                 { return pass(e, v) }
func (e *Host) U32(_ context.Context, v uint32) uint32               { return pass(e, v) }
func (e *Host) S64(_ context.Context, v int64) int64                 { return pass(e, v) }
func (e *Host) U64(_ context.Context, v uint64) uint64               { return pass(e, v) }
func (e *Host) F32(_ context.Context, v float32) float32             { return pass(e, v) }
func (e *Host) F64(_ context.Context, v float64) float64             { return pass(e, v) }
func (e *Host) Char(_ context.Context, v rune) rune                  { return pass(e, v) }
func (e *Host) String(_ context.Context, v string) string            { return pass(e, v) }
func (e *Host) Bytes(_ context.Context, v []byte) []byte             { return pass(e, v) }
func (e *Host) Numbers(_ context.Context, v []uint32) []uint32       { return pass(e, v) }
func (e *Host) Strings(_ context.Context, v []string) []string       { return pass(e, v) }
func (e *Host) ColorEnum(_ context.Context, v all.Color) all.Color   { return pass(e, v) }
func (e *Host) BigEnum(_ context.Context, v all.Big) all.Big         { return pass(e, v) }
func (e *Host) PermFlags(_ context.Context, v all.Perm) all.Perm     { return pass(e, v) }
func (e *Host) LabelsAlias(_ context.Context, v all.Labels) all.Meta { return pass(e, v) }
func (e *Host) PairTuple(_ context.Context, v all.Pair) all.Pair     { return pass(e, v) }
func (e *Host) DeepRecord(_ context.Context, v all.Deep) all.Deep    { return pass(e, v) }
func (e *Host) DeepList(_ context.Context, v []all.Deep) []all.Deep  { return pass(e, v) }
func (e *Host) MaybeTwice(_ context.Context, v **string) **string    { return pass(e, v) }

func (e *Host) ScalarsRecord(_ context.Context, v all.Scalars) all.Scalars  { return pass(e, v) }
func (e *Host) ShapeVariant(_ context.Context, v all.Shape) all.Shape       { return pass(e, v) }
func (e *Host) NumberVariant(_ context.Context, v all.Number) all.Number    { return pass(e, v) }
func (e *Host) WideVariant(_ context.Context, v all.Wide) all.Wide          { return pass(e, v) }
func (e *Host) PlainVariant(_ context.Context, v all.Plain) all.Plain       { return pass(e, v) }
func (e *Host) ProblemVariant(_ context.Context, v all.Problem) all.Problem { return pass(e, v) }
func (e *Host) EmptyRecord(_ context.Context, v all.EmptyIsh) all.EmptyIsh  { return pass(e, v) }
func (e *Host) Maybe(_ context.Context, v *all.Scalars) *all.Scalars        { return pass(e, v) }
func (e *Host) LongTuple(_ context.Context, v LongTuple) LongTuple          { return pass(e, v) }
func (e *Host) SomeFlags(_ context.Context, a all.Flags8, b all.Flags9, c all.Flags16, d all.Flags17, f all.Flags32) SomeFlags {
	return pass(e, SomeFlags{F0: a, F1: b, F2: c, F3: d, F4: f})
}

func (e *Host) MoreFlags(_ context.Context, a all.Flags33, b all.Flags64, c all.Flags70) MoreFlags {
	return pass(e, MoreFlags{F0: a, F1: b, F2: c})
}

func (e *Host) Sixteen(_ context.Context, a, b, c, d, f, g, h string, i uint8, j float64) string {
	e.Seen = []any{a, b, c, d, f, g, h, i, j}
	return a + b + c + d + f + g + h
}

func (e *Host) Seventeen(_ context.Context, a, b, c, d, f, g, h string, i uint8, j float64, k bool) string {
	e.Seen = []any{a, b, c, d, f, g, h, i, j, k}
	return a + b + c + d + f + g + h
}

func (e *Host) Fallible(_ context.Context, v canon.Result[uint32, string]) (uint32, *string) {
	e.Seen = v
	return v.OK, v.Err
}

func (e *Host) FailUnit(_ context.Context, v canon.Result[struct{}, struct{}]) bool {
	e.Seen = v
	return v.Err == nil
}

func (e *Host) FailOk(_ context.Context, v canon.Result[string, struct{}]) (string, bool) {
	e.Seen = v
	return v.OK, v.Err == nil
}

func (e *Host) FailProblem(_ context.Context, v canon.Result[struct{}, all.Problem]) *all.Problem {
	e.Seen = v
	return v.Err
}

func (e *Host) FailRecord(_ context.Context, v canon.Result[*string, all.Failure]) (*string, *all.Failure) {
	e.Seen = v
	return v.OK, v.Err
}

func (e *Host) FailColor(_ context.Context, v canon.Result[uint64, all.Color]) (uint64, *all.Color) {
	e.Seen = v
	return v.OK, v.Err
}

func (e *Host) Names(_ context.Context, a, b, c, d, f, g, h, i, j uint8, s string, k uint8, stack []string, l uint8) uint32 {
	e.Seen = []any{a, b, c, d, f, g, h, i, j, s, k, stack, l}
	return 7
}

func (e *Host) Make(_ context.Context, level all.Level) (uint8, *all.ClashFailure) {
	e.Notes = append(e.Notes, level)
	return 0, &all.ClashFailure{Text: "too " + level.String()}
}

func (e *Host) Note(_ context.Context, text string, color all.Color) {
	e.Notes = append(e.Notes, text, color)
}

func (e *Host) Add(_ context.Context, a, b uint32) uint32 { return a + b }

// The tuples that need a name here.
type (
	LongTuple = struct {
		F0, F1, F2, F3, F4, F5, F6, F7 uint8
		F8                             string
	}
	SomeFlags = canon.Tuple5[all.Flags8, all.Flags9, all.Flags16, all.Flags17, all.Flags32]
	MoreFlags = canon.Tuple3[all.Flags33, all.Flags64, all.Flags70]
)
