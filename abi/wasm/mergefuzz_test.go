package wasm_test

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// asOne merges a module alone, with all it exports and its imports as they are.
func asOne(m *wasm.Module, b []byte) ([]byte, error) {
	var exports []wasm.MergeExport
	for _, e := range m.Exports {
		exports = append(exports, wasm.MergeExport{Name: e.Name, Export: e.Name})
	}
	host := func(module, name string, _ wasm.Kind) (wasm.Target, bool) { return wasm.FromHost(module, name), true }
	return wasm.Merge([]wasm.Part{{Name: "one", Wasm: b, Imports: host}}, exports)
}

// TestMergeOne: a part alone stays as it is.
func TestMergeOne(t *testing.T) {
	for name, b := range map[string][]byte{"everything": everything().Encode(), "go": goGuest(t)} {
		want, err := wasm.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		out, err := asOne(want, b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := wasm.Decode(out)
		if err != nil {
			t.Fatal(err)
		}
		sameShape(t, name, want, got)
		if again, err := asOne(want, b); err != nil || !bytes.Equal(again, out) {
			t.Errorf("%s: want the same bytes for the same parts", name)
		}
	}
}

// sameShape compares a module with what became of it when it was merged alone.
func sameShape(t *testing.T, name string, want, got *wasm.Module) {
	t.Helper()
	signatures := func(m *wasm.Module) (out []string) {
		for _, f := range m.Funcs {
			out = append(out, m.Types[f.Type].String())
		}
		return out
	}
	if !slices.Equal(signatures(want), signatures(got)) {
		t.Errorf("%s: want the same functions", name)
	}
	if !reflect.DeepEqual(want.Exports, got.Exports) && len(got.Imports) == len(want.Imports) {
		t.Errorf("%s: want the exports %+v, got %+v", name, want.Exports, got.Exports)
	}
	if !reflect.DeepEqual(want.Tables, got.Tables) || !reflect.DeepEqual(want.Memories, got.Memories) || len(want.Globals) != len(got.Globals) {
		t.Errorf("%s: want the same tables, memories and globals", name)
	}
	if len(want.Data) != len(got.Data) || len(got.Elems) < len(want.Elems) || want.HasStart != got.HasStart {
		t.Errorf("%s: want the same segments and start function", name)
	}
}

// FuzzMerge merges modules of any bytes: nothing panics, a module alone keeps its shape, and what is merged can be
// decoded and rewritten.
func FuzzMerge(f *testing.F) {
	f.Add(provider().Encode(), user().Encode(), uint8(0))
	f.Add(everything().Encode(), user().Encode(), uint8(1))
	f.Add(everything().Encode(), everything().Encode(), uint8(2))
	f.Fuzz(func(t *testing.T, a, b []byte, choice uint8) {
		for _, one := range [][]byte{a, b} {
			m, err := wasm.Decode(one)
			if err != nil {
				return
			}
			if out, err := asOne(m, one); err == nil {
				got, err := wasm.Decode(out)
				if err != nil {
					t.Fatalf("a module merged alone is refused: %v", err)
				}
				sameShape(t, "alone", m, got)
			}
		}
		m, _ := wasm.Decode(a)
		find := func(_, name string, kind wasm.Kind) (wasm.Target, bool) {
			for i, e := range m.Exports {
				if e.Kind == kind && (choice == 0 && e.Name == name || choice == 1 || i%3 == int(choice%3)) {
					return wasm.FromPart(0, e.Name), true
				}
			}
			return wasm.FromHost("env", name), true
		}
		host := func(_, name string, _ wasm.Kind) (wasm.Target, bool) { return wasm.FromHost("env", name), true }
		parts := []wasm.Part{{Name: "a", Wasm: a, Imports: host}, {Name: "b", Wasm: b, Imports: find}, {Name: "c", Wasm: b, Imports: find}}
		out, err := wasm.Merge(parts, nil)
		if err != nil {
			return
		}
		if _, err := wasm.Decode(out); err != nil {
			t.Fatalf("a merged module is refused: %v", err)
		}
		_, _ = wasm.Transform(out, wasm.Options{MaxPages: 100}) // it may fail, for example for data outside of the memory
	})
}
