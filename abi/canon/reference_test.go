package canon

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// jsonType is a type in testdata/reference.jsonl.
type jsonType struct {
	K string
	M []*jsonType
	N int
}

// jsonValue is a Value there.
type jsonValue struct {
	B, S string
	E    []jsonValue
}

type reference struct {
	T           *jsonType
	V           jsonValue
	Size, Align uint32
	Mem, Blocks string
	Flat, Slots []string
	mem, blocks []byte
	typ         *Type
	value       Value
	coreTypes   []abi.ValType
	slots       []uint64
}

// build gives the type; nil for none.
func (j *jsonType) build() *Type {
	if j == nil {
		return nil
	}
	fields := make([]Field, len(j.M))
	for i, m := range j.M {
		fields[i] = field("m"+strconv.Itoa(i), m.build())
	}
	switch j.K {
	case "list":
		return must(ListOf(fields[0].Type))
	case "record":
		return must(RecordOf(fields...))
	case "tuple":
		return must(product(KindTuple, fields))
	case "variant":
		return must(VariantOf(fields...))
	case "enum":
		return must(EnumOf(labels(j.N)...))
	case "option":
		return must(OptionOf(fields[0].Type))
	case "result":
		return must(ResultOf(fields[0].Type, fields[1].Type))
	case "flags":
		return must(FlagsOf(labels(j.N)...))
	default:
		return Prim(Kind(slices.Index(kindNames[:], j.K)))
	}
}

func (j jsonValue) build(t *testing.T) Value {
	v := Value{Str: string(unhex(t, j.S))}
	if j.B != "" {
		v.Bits = parse(t, j.B)
	}
	for _, e := range j.E {
		v.Elems = append(v.Elems, e.build(t))
	}
	return v
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parse(t *testing.T, s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func readReference(t *testing.T) []*reference {
	f, err := os.Open("testdata/reference.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	names := map[string]abi.ValType{"i32": abi.I32, "i64": abi.I64, "f32": abi.F32, "f64": abi.F64}
	var all []*reference
	for d := json.NewDecoder(f); d.More(); {
		r := new(reference)
		if err := d.Decode(r); err != nil {
			t.Fatal(err)
		}
		r.typ, r.value, r.mem, r.blocks = r.T.build(), r.V.build(t), unhex(t, r.Mem), unhex(t, r.Blocks)
		for i, s := range r.Slots {
			r.slots = append(r.slots, parse(t, s))
			r.coreTypes = append(r.coreTypes, names[r.Flat[i]])
		}
		all = append(all, r)
	}
	return all
}

// TestReference compares layout, memory and core values with those of the executable specification.
func TestReference(t *testing.T) {
	all := readReference(t)
	if len(all) != 400 {
		t.Fatalf("got %d cases, want 400", len(all))
	}
	for i, r := range all {
		t.Run(strconv.Itoa(i)+"_"+r.T.K, func(t *testing.T) { r.check(t) })
	}
}

func (r *reference) check(t *testing.T) {
	if r.typ.Size() != r.Size || r.typ.Align() != r.Align {
		t.Fatalf("%v: got size %d align %d, want %d and %d", r.typ, r.typ.Size(), r.typ.Align(), r.Size, r.Align)
	}
	if err := r.typ.Check(r.value); err != nil {
		t.Fatalf("%v: %v", r.typ, err)
	}
	wantTypes := r.coreTypes[:min(len(r.coreTypes), MaxFlatParams+1)]
	if got := r.typ.Flat(); !slices.Equal(got, wantTypes) {
		t.Fatalf("%v: got flat %v, want %v", r.typ, got, wantTypes)
	}

	h := newHeap(make([]byte, r.typ.Size())...)
	w := NewLower(t.Context(), h)
	r.typ.Store(&w, 0, r.value)
	if !bytes.Equal(h.mem, r.mem) {
		t.Errorf("%v: stored\n%x, want\n%x", r.typ, h.mem, r.mem)
	}
	l := NewLift(newHeap(r.mem...))
	if got := r.typ.Load(&l, l.Area(0, r.Size, r.Align)); !got.Equal(r.value) {
		t.Errorf("%v: loaded %v, want %v", r.typ, got, r.value)
	}

	if len(r.slots) > MaxFlatParams {
		return
	}
	h = newHeap(make([]byte, 16)...)
	w = NewLower(t.Context(), h)
	stack := slices.Repeat([]uint64{^uint64(0)}, len(r.slots))
	r.typ.lowerFlat(&w, stack, r.value)
	if !slices.Equal(stack, r.slots) || !bytes.Equal(h.mem, r.blocks) {
		t.Errorf("%v: lowered %x and %x, want %x and %x", r.typ, stack, h.mem, r.slots, r.blocks)
	}
	l = NewLift(newHeap(r.blocks...))
	if got := r.typ.liftFlat(&l, r.slots); !got.Equal(r.value) {
		t.Errorf("%v: lifted %v, want %v", r.typ, got, r.value)
	}
}
