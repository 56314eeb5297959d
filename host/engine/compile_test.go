package engine_test

import (
	"os"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

func TestCompileRefuses(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	elf, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	noop := genFunc{name: "f"}
	good := genModule{funcs: []genFunc{noop}}.bytes()
	// An atomic fence, of the threads proposal.
	threads := genModule{funcs: []genFunc{{name: "f", body: []byte{0xfe, 0x03, 0x00}}}}.bytes()
	// A function with 2^32-1 locals, in place of a function with none.
	locals := cat([]byte{10}, sized(cat([]byte{1}, sized(cat([]byte{1}, uleb(1<<32-1), []byte{i32, 0x0b})))))
	manyLocals := append(good[:len(good)-6:len(good)-6], locals...)
	tests := []struct {
		name string
		wasm []byte
		want string
	}{
		{"empty", nil, "found an empty file"},
		{"a program", elf, "found an ELF program"},
		{"text", []byte("package main\n\nfunc main() {}\n"), `found text that starts with "package main"`},
		{"wat", []byte("(module)"), "wat2wasm"},
		{"bytes", []byte{1, 2, 3, 0xff}, "found a file that starts with 01 02 03 ff"},
		{"only the magic", []byte("\x00asm\x01"), "cut off"},
		{"an old component", []byte("\x00asm\x0c\x00\x01\x00"), "not a valid component"},
		{"version 2", []byte("\x00asm\x02\x00\x00\x00"), "found version 2"},
		{"cut off", good[:len(good)-3], "cut off"},
		{"a section of lies", []byte("\x00asm\x01\x00\x00\x00\x03\x04\x9d\xaa\xa0\x41"), "136844573 items cannot be in 4 bytes"},
		{"garbage after the header", []byte("\x00asm\x01\x00\x00\x00\x7f\x01\x00"), "not a valid WebAssembly module"},
		{"wrong types", genModule{funcs: []genFunc{{name: "f", results: []byte{i32}}}}.bytes(), "not a valid WebAssembly module"},
		{"a feature", threads, "not supported"},
		{"a huge table", withTables(cat([]byte{1, 0x70, 0}, uleb(1<<21))), "want at most 1048576 entries"},
		{"many tables", withTables(cat(uleb(65), make([]byte, 195))), "want at most 64 tables, found 65"},
		{"a table of a new kind", withTables([]byte{1, 0x40, 0, 0x70, 0, 1}), "found type 0x40"},
		{"a table cut off", withTables([]byte{1, 0x70}), "table section"},
		{"a table with more", withTables([]byte{1, 0x70, 0, 1, 9}), "table section"},
		{"many locals", manyLocals, "want at most 50000 local variables"},
		{"no memory", genModule{funcs: []genFunc{noop}, noMemory: true}.bytes(), "exports no memory"},
		{"a command", genModule{funcs: []genFunc{{name: "_start"}}}.bytes(), "-buildmode=c-shared"},
	}
	e := newEngine(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := e.Compile(t.Context(), "bad", tt.wasm)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "bad: ") {
				t.Errorf("want an error of bad with %q, got %v", tt.want, err)
			}
		})
	}
}

func TestModuleTellsWhatItHas(t *testing.T) {
	e := newEngine(t)
	m, err := e.Compile(t.Context(), "guest", guest(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Interfaces(); len(got) != 1 || got[0] != guestIface {
		t.Errorf("want only %s, got %v", guestIface, got)
	}
	exports := strings.Join(m.Exports(), " ")
	for _, want := range []string{"_initialize", "cabi_realloc", export("add")} {
		if !strings.Contains(exports, want) {
			t.Errorf("want the export %s, got %s", want, exports)
		}
	}
	var add *engine.Import
	for _, i := range m.Imports() {
		if i.Module == hostIface && i.Name == "add" {
			add = &i
		}
	}
	if add == nil || len(add.Params) != 2 || len(add.Results) != 1 {
		t.Errorf("want the import add (i32 i32) -> (i32), got %+v", add)
	}
}

func withTables(body []byte) []byte {
	return genModule{funcs: []genFunc{{name: "f"}}, tables: body}.bytes()
}

// Tables grow to a bound only: the host pays for them.
func TestTableGrowth(t *testing.T) {
	// ref.null func; local.get 0; table.grow 0
	grow := genFunc{name: "grow", params: []byte{i32}, results: []byte{i32}, body: []byte{0xd0, 0x70, 0x20, 0, 0xfc, 15, 0}}
	for name, tt := range map[string]struct {
		table []byte
		fits  uint64
	}{
		"no maximum":      {[]byte{1, 0x70, 0, 2}, 64<<10 - 2},
		"a huge maximum":  {cat([]byte{1, 0x70, 1, 2}, uleb(1<<31)), 64<<10 - 2},
		"a small maximum": {[]byte{1, 0x70, 1, 2, 3}, 1},
		"a large minimum": {cat([]byte{1, 0x70, 0}, uleb(1<<17)), 0},
	} {
		t.Run(name, func(t *testing.T) {
			wasm := genModule{funcs: []genFunc{grow}, tables: tt.table}.bytes()
			p := enginetest.Pool(t, newEngine(t), wasm, engine.PoolConfig{Limits: engine.Limits{MaxInstances: 1}})
			if got, err := enginetest.Call(t.Context(), p, "grow", tt.fits); err != nil || got&0xffffffff == 0xffffffff {
				t.Errorf("want growth by %d, got %#x, %v", tt.fits, got, err)
			}
			if got, err := enginetest.Call(t.Context(), p, "grow", 1); err != nil || got&0xffffffff != 0xffffffff {
				t.Errorf("want no more growth, got %#x, %v", got, err)
			}
		})
	}
}
