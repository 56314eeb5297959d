package wasm_test

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	. "github.com/mrt-wasm/mrt-wasm/abi/wasm/wasmtest"
)

// section writes a section.
func section(id byte, body []byte) []byte { return Code(int(id), U(len(body)), body) }

// memArg is a load or store of a memory by its index.
func memArg(op, memory int, offset U) []byte { return Code(op, 0x40, memory, offset) }

// several gives a module with so many imported memories and others of its own, whose one function has that code, with
// raw data segments, a passive one first.
func several(imported, own int, code []byte, segments ...[]byte) []byte {
	limits := make([][]byte, imported)
	for i := range limits {
		limits[i] = Code(1, 1, 9-i)
	}
	return severalOf("env", limits, own, code, segments...)
}

// severalOf is several for imported memories with these limits; the imported function is that of a module.
func severalOf(module string, limits [][]byte, own int, code []byte, segments ...[]byte) []byte {
	imported := len(limits)
	b := []byte("\x00asm\x01\x00\x00\x00")
	b = append(b, section(1, Code(2, 0x60, 0, 0, 0x60, 1, I32Type, 0))...)
	imports := Code(imported+2, len(module), []byte(module), []byte("\x01f"), 0, 1, []byte("\x03env\x01g"), 3, I32Type, 0)
	for i, l := range limits {
		imports = Code(imports, []byte("\x03env\x02m"), '0'+i, 2, l)
	}
	b = append(b, section(2, imports)...)
	b = append(b, section(3, Code(1, 0))...)
	memories := Code(own)
	for i := range own {
		memories = Code(memories, 0, i+1)
	}
	b = append(b, section(5, memories)...)
	b = append(b, section(6, Code(2, I32Type, 0, I32Const, 5, End, I32Type, 0, GlobalGet, 0, End))...)
	exported := min(imported+own, 4)
	exports := Code(exported+1, []byte("\x01f"), 0, 1)
	for i := range exported {
		exports = Code(exports, []byte("\x01"), 'a'+i, 2, i)
	}
	b = append(b, section(7, exports)...)
	b = append(b, section(12, Code(len(segments)+1))...)
	b = append(b, section(10, Code(1, U(len(code)+2), 0, code, End))...)
	data := Code(len(segments)+1, 1, 3, []byte("abc"))
	for _, s := range segments {
		data = append(data, s...)
	}
	return append(b, section(11, data)...)
}

// kitchen uses three memories in every way.
func kitchen() []byte {
	zero := Code(I32Const, 0)
	three := Code(zero, zero, zero)
	return several(2, 2, Code(
		zero, memArg(I32Load, 1, 1), Drop, zero, memArg(I32Load, 1, 1), Drop, zero, memArg(I32Load8U, 3, 1<<31), Drop,
		zero, I32Load, 2, 7, Drop, zero, memArg(I32Load, 0, 9), Drop, zero, zero, memArg(I32Store8, 2, 0),
		MemorySize, 1, MemoryGrow, 2, MemoryGrow, 0, Drop,
		three, Bulk, MemoryCopy, 1, 0, three, Bulk, MemoryCopy, 1, 2, three, Bulk, MemoryCopy, 3, 3, three, Bulk, MemoryCopy, 0, 0,
		three, Bulk, MemoryFill, 3, three, Bulk, MemoryInit, 0, 1, three, Bulk, MemoryInit, 0, 0, three, Bulk, MemoryInit, 1, 3,
		Bulk, DataDrop, 0, Bulk, DataDrop, 1, zero, Call, 0, Call, 1,
		zero, 0xfd, 0, 0x44, 1, 16, zero, 0xfd, 84, 0x40, 2, 3, 9, Drop,
	), Code(2, 1, I32Const, 8, End, 1, []byte("x")), Code(2, 3, GlobalGet, 0, End, 1, []byte("y")), Code(2, 2, GlobalGet, 1, End, 1, []byte("z")), Code(0, I32Const, 9, End, 1, []byte("w")))
}

// splitAll splits a module and decodes what it becomes, which is the same again.
func splitAll(t *testing.T, b []byte, same []uint32) (*wasm.Split, *wasm.Module, []*wasm.Module) {
	t.Helper()
	s, err := wasm.SplitMemories(b, same)
	if err != nil {
		t.Fatal(err)
	}
	again, err := wasm.SplitMemories(b, same)
	if err != nil || !reflect.DeepEqual(s, again) {
		t.Errorf("want the same again, got %v", err)
	}
	rest, err := wasm.Decode(s.Wasm)
	if err != nil {
		t.Fatalf("the module that is left: %v", err)
	}
	var parts []*wasm.Module
	funcs := 0
	for _, p := range s.Memories {
		m, err := wasm.Decode(p.Wasm)
		if err != nil {
			t.Fatalf("memory %d: %v", p.Index, err)
		}
		parts = append(parts, m)
		if len(m.Imports) != len(p.Imports) || len(m.Funcs) != p.Funcs || len(m.Memories)+len(m.Imports) == 0 {
			t.Errorf("memory %d: want %d imports, %d functions and the memory, got %+v", p.Index, len(p.Imports), p.Funcs, m)
		}
		for i := range p.Funcs {
			imp, exp := rest.Imports[len(s.Imports)+funcs+i], m.Exports[i+1]
			if imp.Module != p.Module || imp.Name != wasm.SplitFunc(i) || exp.Name != imp.Name ||
				rest.Types[imp.Func].String() != m.Types[m.Funcs[i].Type].String() {
				t.Errorf("memory %d, function %d: want one import and export of one type, got %+v and %+v", p.Index, i, imp, exp)
			}
		}
		funcs += p.Funcs
	}
	if len(rest.Imports) != len(s.Imports)+funcs {
		t.Errorf("want %d imports, got %d", len(s.Imports)+funcs, len(rest.Imports))
	}
	return s, rest, parts
}

func TestSplitMemories(t *testing.T) {
	s, rest, parts := splitAll(t, kitchen(), nil)
	if want := []int{0, 1, 2}; !slices.Equal(s.Imports, want) {
		t.Errorf("want the imports %v left, got %v", want, s.Imports)
	}
	var indices []uint32
	for _, p := range s.Memories {
		indices = append(indices, p.Index)
	}
	if want := []uint32{1, 2, 3}; !slices.Equal(indices, want) {
		t.Fatalf("want the memories %v apart, got %v", want, indices)
	}
	if len(rest.Memories) != 0 || len(rest.Exports) != 2 || rest.Exports[1].Name != "a" {
		t.Errorf("want memory 0 alone, imported, and its export, got %+v, %+v", rest.Memories, rest.Exports)
	}
	var data []string
	for _, m := range append([]*wasm.Module{rest}, parts...) {
		text := []string{fmt.Sprint(m.HasDataCount)}
		for _, d := range m.Data {
			text = append(text, fmt.Sprintf("%d:%s", d.Mode, d.Bytes))
		}
		data = append(data, strings.Join(text, " "))
	}
	want := []string{"true 1:abc 1: 1: 1: 0:w", "true 0:x 1:abc", "false 0:z", "true 0:y 1:"}
	if !slices.Equal(data, want) {
		t.Errorf("want the data segments %q, got %q", want, data)
	}
	if at := parts[1].Data[0].Offset; len(parts[1].Imports) != 0 || !bytes.Equal(at, wasm.ConstI32(5)) {
		t.Errorf("want the value of a global of the module as the offset, got % x", at)
	}
	if want := []int{1}; !slices.Equal(s.Memories[2].Imports, want) {
		t.Errorf("want an imported global taken over for an offset, got the imports %v", s.Memories[2].Imports)
	}
	if l := parts[2].Memories[0].Min; l != 2 {
		t.Errorf("want the limits of memory 3, got at least %d pages", l)
	}
}

// TestSplitSharedMemories: memories that are one become one.
func TestSplitSharedMemories(t *testing.T) {
	s, rest, _ := splitAll(t, kitchen(), []uint32{0, 0, 2, 3})
	if len(s.Memories) != 2 || len(rest.Data) != 5 || string(rest.Data[1].Bytes) != "x" || rest.Data[1].Mode != wasm.Active {
		t.Errorf("want memory 1 and its data with memory 0, got %d memories apart and the data %+v", len(s.Memories), rest.Data)
	}
	if l := rest.Imports[2].Memory; l != (wasm.Limits{Min: 1, Max: 8, HasMax: true}) {
		t.Errorf("want an import that allows what both imports allow, got %+v", l)
	}
	if got := rest.Exports[2]; got.Name != "b" || got.Index != 0 {
		t.Errorf("want the export of memory 1 to be memory 0, got %+v", got)
	}
	s, rest, _ = splitAll(t, several(2, 0, Code(I32Const, 0, memArg(I32Load, 1, 3), Drop)), []uint32{0, 0})
	if want := Code(I32Const, 0, I32Load, 0, 3, Drop, End); len(s.Memories) != 0 || !bytes.Equal(rest.Funcs[0].Code, want) {
		t.Errorf("want one memory and the code\n% x, got\n% x", want, rest.Funcs[0].Code)
	}
}

func TestSplitMemoriesRefuses(t *testing.T) {
	unused := several(2, 0, nil)
	segment := bytes.Repeat([]byte("x"), 100)
	cases := []struct {
		name string
		wasm []byte
		same []uint32
		want string
	}{
		{"memory in code", several(1, 1, Code(I32Const, 0, memArg(I32Load, 2, 0), Drop)), nil, "expected a memory index below 2, found 2"},
		{"memory of a copy", several(1, 1, Code(Bulk, MemoryCopy, 1, 2)), nil, "expected a memory index below 2, found 2"},
		{"memory of a segment", several(1, 1, nil, Code(2, 2, I32Const, 0, End, 0)), nil, "expected a memory index below 2, found 2"},
		{"alignment", several(1, 1, Code(I32Const, 0, I32Load, 0x60, 1, 0, Drop)), nil, "expected an alignment below 2^32"},
		{"too many", several(0, 101, nil), nil, "expected at most 100 memories, found 101"},
		{"too many with imports", several(1, 100, nil), nil, "expected at most 100 memories with imports, found 101"},
		{
			"offset", several(1, 1, nil, Code(2, 1, GlobalGet, 2, End, 1, []byte("x"))),
			nil, "expected an offset of data segment 1, which goes to memory 1, from constants and imported globals, found another global",
		},
		{
			"copies of a segment", several(1, 4, Code(
				Bulk, MemoryInit, 1, 1, Bulk, MemoryInit, 1, 2, Bulk, MemoryInit, 1, 3, Bulk, MemoryInit, 1, 4, Bulk, MemoryInit, 1, 0,
			), Code(1, len(segment), segment)), nil, "further copies of them would take 400 bytes",
		},
		{"same: too few", unused, []uint32{0}, "expected which of 2 memories are the same, found it for 1"},
		{"same: not the lowest", several(3, 0, nil), []uint32{0, 0, 1}, "the lowest index of the imported memories that are the same, found 1"},
		{"same: later", unused, []uint32{1, 1}, "memory 0 the lowest index"},
		{"same: own", several(1, 1, nil), []uint32{0, 0}, "memory 1 the lowest index of the imported memories"},
		{"not a module", []byte("asm"), nil, "expected the header of a core module"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			_, err := wasm.SplitMemories(tc.wasm, tc.same)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("want %s, got %v", tc.want, err)
			}
		})
	}
	var e *wasm.Error
	if _, err := wasm.Decode(kitchen()); !errors.As(err, &e) || !strings.Contains(err.Error(), "several are not supported") {
		t.Errorf("want several memories refused by all else, got %v", err)
	}
}

// TestSplitMemoriesLimits: an import can ask for more than another allows.
func TestSplitMemoriesLimits(t *testing.T) {
	_, err := wasm.SplitMemories(severalOf("env", [][]byte{Code(1, 1, 9), Code(0, 10)}, 0, nil), []uint32{0, 0})
	if err == nil || !strings.Contains(err.Error(), "imports of at least 10 and of at most 9 pages") {
		t.Errorf("want limits that exclude each other refused, got %v", err)
	}
}

// TestSplitMemoriesNames: the module names of new imports are no names of imports.
func TestSplitMemoriesNames(t *testing.T) {
	for module, want := range map[string]string{"env": "mrt:memory.0/1", "mrt:memory.0/1": "mrt:memory.1/1", "mrt:memory.0": "mrt:memory.1/1"} {
		s, rest, _ := splitAll(t, severalOf(module, nil, 2, Code(MemorySize, 1, Drop)), nil)
		if got := rest.Imports[len(rest.Imports)-1].Module; got != want || s.Memories[0].Module != want {
			t.Errorf("import of %s: want the module %s, got %s and %s", module, want, got, s.Memories[0].Module)
		}
	}
}

// FuzzSplitMemories splits modules of any bytes: nothing panics, what comes out is bounded and can be decoded and
// rewritten, and a module with one memory keeps its shape.
func FuzzSplitMemories(f *testing.F) {
	f.Add(kitchen(), uint8(0))
	f.Add(kitchen(), uint8(1))
	f.Add(several(0, 3, nil, Code(2, 1, I32Const, 0, End, 1, []byte("x"))), uint8(0))
	f.Add(everything().Encode(), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, choice uint8) {
		var same []uint32
		for i := range uint32(choice % 8) {
			same = append(same, i>>(choice>>4&1))
		}
		s, err := wasm.SplitMemories(b, same)
		if err != nil {
			return
		}
		const piece, factor = 400, 40
		size := len(s.Wasm)
		modules := [][]byte{s.Wasm}
		for _, p := range s.Memories {
			modules = append(modules, p.Wasm)
			size += len(p.Wasm)
		}
		if most := factor*len(b) + piece*(len(s.Memories)+1); size > most {
			t.Errorf("want at most %d bytes of a module of %d, got %d", most, len(b), size)
		}
		for _, m := range modules {
			if _, err := wasm.Decode(m); err != nil {
				t.Fatalf("what was split is refused: %v", err)
			}
			_, _ = wasm.TransformPart(m, wasm.Options{MaxPages: 100})
		}
		if one, err := wasm.Decode(b); err == nil {
			got, _ := wasm.Decode(s.Wasm)
			sameShape(t, "one memory", one, got)
		}
	})
}
