package wasm_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	. "github.com/mrt-wasm/mrt-wasm/abi/wasm/wasmtest"
)

func TestTransform(t *testing.T) {
	b := everything()
	b.Customs = append(b.Customs, wasm.Custom{Name: "component-type", Bytes: []byte("keep")})
	in := b.Encode()
	o := wasm.Options{MaxPages: 60, KeepCustoms: []string{"component-type"}}
	r, err := wasm.Transform(in, o)
	if err != nil {
		t.Fatal(err)
	}
	again, err := wasm.Transform(in, o)
	if err != nil || !reflect.DeepEqual(r, again) {
		t.Errorf("want the same result for the same input, got another one (%v)", err)
	}
	m, err := wasm.Decode(r.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	if r.StartExport != wasm.StartExport || m.HasStart || r.FuelGlobal != wasm.FuelExport || len(r.Globals) != 1 || len(r.Image) != 1 {
		t.Errorf("want start, fuel, a global and a segment, got %+v", r)
	}
	if m.Memories[0].Max != 60 || m.Names == nil || m.Names.Module != "all" || len(m.Customs) != 2 || m.Customs[0].Name != "component-type" || m.Customs[1].Name != wasm.MarkSection {
		t.Errorf("want the maximum, the names and two custom sections, got %+v %+v %+v", m.Memories, m.Names, m.Customs)
	}
	if len(r.Obstacles) == 0 || !strings.Contains(r.String(), "cannot be captured") {
		t.Errorf("want obstacles in %q", r)
	}
	stored, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back wasm.Result
	if err := json.Unmarshal(stored, &back); err != nil || !reflect.DeepEqual(*r, back) {
		t.Errorf("want the same result after storing it, got %v", err)
	}
	for name, b := range map[string][]byte{"rewritten": r.Wasm, "marked": raw(0, append(Code(len(wasm.MarkSection)), wasm.MarkSection...))} {
		if _, err := wasm.Transform(b, wasm.Options{}); !errors.Is(err, wasm.ErrRewritten) {
			t.Errorf("%s: want ErrRewritten, got %v", name, err)
		}
	}
}

func TestTransformOptions(t *testing.T) {
	b := everything()
	nothing := wasm.Options{KeepData: true, KeepGlobals: true, KeepStart: true, KeepTables: true, NoFuel: true, DropNames: true}
	r, err := wasm.Transform(b.Encode(), nothing)
	if err != nil {
		t.Fatal(err)
	}
	m, err := wasm.Decode(r.Wasm)
	if err != nil {
		t.Fatal(err)
	}
	want := b.Module
	want.Names, want.Customs, m.Customs = nil, nil, nil
	if !reflect.DeepEqual(*m, want) {
		t.Errorf("want nothing but names and custom sections to change, got %+v", *m)
	}
	keys := map[string]bool{}
	for _, o := range []wasm.Options{{}, nothing, {NoFuel: true}, {KeepData: true}, {KeepTables: true}, {MaxPages: 1}, {KeepCustoms: []string{"a"}}, {KeepCustoms: []string{"b"}}, {DropNames: true}, {Linked: true}} {
		keys[o.Key()] = true
	}
	if len(keys) != 10 {
		t.Errorf("want a key for each of the options, got %v", keys)
	}
}

// TestTransformSkips: what does not apply is left out and reported.
func TestTransformSkips(t *testing.T) {
	b := &Builder{}
	b.Memory(1)
	b.Table(1)
	b.Exports = append(b.Exports, wasm.Export{Name: "t", Kind: wasm.KindTable})
	f := b.Func("f", b.Type("", ""), "", I32Const, 0, CallIndirect, 0, 0)
	b.Elems(0, 0, f)
	r, err := wasm.Transform(b.Encode(), wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Skipped) != 1 || r.Skipped[0].Pass != "devirtualise" || r.FuelGlobal == "" {
		t.Errorf("want the table pass skipped and fuel injected, got %+v", r)
	}
	if want := []string{"table 0 is exported, so that others may change it"}; !slices.Equal(r.Obstacles, want) {
		t.Errorf("want %q, got %q", want, r.Obstacles)
	}
}

// TestGuestCannotReachWhatIsAdded: code that names something a pass would add is refused, though after the rewrite
// it would be valid.
func TestGuestCannotReachWhatIsAdded(t *testing.T) {
	for name, code := range map[string][]byte{
		"the fuel counter": Code(I64Const, S(1<<60), GlobalSet, 1),
		"the yield import": Code(I64Const, 0, Call, 1, Drop),
	} {
		if _, err := wasm.Transform(oneFunc(code), wasm.Options{}); err == nil || !strings.Contains(err.Error(), "index below 1, found 1") {
			t.Errorf("%s: want a refusal, got %v", name, err)
		}
	}
}

func BenchmarkTransform(b *testing.B) {
	guest := goGuest(b)
	b.SetBytes(int64(len(guest)))
	for b.Loop() {
		if _, err := wasm.Transform(guest, wasm.Options{MaxPages: 1024}); err != nil {
			b.Fatal(err)
		}
	}
}
