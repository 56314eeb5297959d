package witgen_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"go.bytecodealliance.org/wit"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// TestCanonLayout compares the layouts of abi/canon, which may import nothing, with those of the WIT library.
func TestCanonLayout(t *testing.T) {
	for seed := range uint64(3000) {
		w, c := randomPair(t, rand.New(rand.NewPCG(seed, 3)), 4)
		if c.Size() != uint32(w.Size()) || c.Align() != uint32(w.Align()) {
			t.Errorf("seed %d: %v: got size %d align %d, want %d and %d", seed, c, c.Size(), c.Align(), w.Size(), w.Align())
		}
		var want []abi.ValType
		for _, f := range w.Flat() {
			want = append(want, coreOf(f))
		}
		want = want[:min(len(want), canon.MaxFlatParams+1)]
		if !slices.Equal(c.Flat(), want) {
			t.Errorf("seed %d: %v: got flat %v, want %v", seed, c, c.Flat(), want)
		}
	}
}

// coreOf gives the core type of one of the WIT library's flat types.
func coreOf(t wit.Type) abi.ValType {
	switch t.(type) {
	case wit.F32:
		return abi.F32
	case wit.F64:
		return abi.F64
	case wit.U64, wit.S64:
		return abi.I64
	default:
		return abi.I32
	}
}

// randomPair gives the same type twice.
func randomPair(t *testing.T, r *rand.Rand, depth int) (wit.Type, *canon.Type) {
	prims := []wit.Type{
		wit.Bool{},
		wit.S8{},
		wit.U8{},
		wit.S16{},
		wit.U16{},
		wit.S32{},
		wit.U32{},
		wit.S64{},
		wit.U64{},
		wit.F32{},
		wit.F64{},
		wit.Char{},
		wit.String{},
	}
	if depth <= 1 || r.IntN(5) == 0 {
		i := r.IntN(len(prims))
		return prims[i], canon.Prim(canon.Kind(i))
	}
	n := 1 + r.IntN(4)
	ws, cs := make([]wit.Type, n), make([]*canon.Type, n)
	for i := range n {
		ws[i], cs[i] = randomPair(t, r, depth-1)
	}
	w, c, err := combine(r, ws, cs)
	if err != nil {
		t.Fatal(err)
	}
	return &wit.TypeDef{Kind: w}, c
}

// combine makes a type of a random kind with the given members.
func combine(r *rand.Rand, ws []wit.Type, cs []*canon.Type) (wit.TypeDefKind, *canon.Type, error) {
	fields := make([]canon.Field, len(cs))
	record, variant := &wit.Record{}, &wit.Variant{}
	for i := range cs {
		fields[i] = canon.Field{Name: fmt.Sprint("m", i), Type: cs[i]}
		record.Fields = append(record.Fields, wit.Field{Type: ws[i]})
		variant.Cases = append(variant.Cases, wit.Case{Type: ws[i]})
	}
	switch r.IntN(7) {
	case 0:
		c, err := canon.ListOf(cs[0])
		return &wit.List{Type: ws[0]}, c, err
	case 1:
		c, err := canon.RecordOf(fields...)
		return record, c, err
	case 2:
		c, err := canon.TupleOf(cs...)
		return &wit.Tuple{Types: ws}, c, err
	case 3:
		c, err := canon.VariantOf(append(fields, canon.Field{Name: "none"})...)
		variant.Cases = append(variant.Cases, wit.Case{})
		return variant, c, err
	case 4:
		c, err := canon.OptionOf(cs[0])
		return &wit.Option{Type: ws[0]}, c, err
	case 5:
		c, err := canon.ResultOf(cs[0], nil)
		return &wit.Result{OK: ws[0]}, c, err
	default:
		names := make([]string, []int{1, 8, 9, 17, 32, 33, 70}[r.IntN(7)])
		c, err := canon.FlagsOf(names...)
		return &wit.Flags{Flags: make([]wit.Flag, len(names))}, c, err
	}
}
