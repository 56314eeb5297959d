package wasm_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	. "github.com/mrt-wasm/mrt-wasm/abi/wasm/wasmtest"
)

// everything is a module with something in every section.
func everything() *Builder {
	b := &Builder{}
	void, unary := b.Type("", ""), b.Type("i", "i")
	b.Type("lfdvrx", "il")
	b.Import("env", "f", unary)
	b.Imports = append(b.Imports,
		wasm.Import{Module: "env", Name: "t", Kind: wasm.KindTable, Table: wasm.Table{Type: wasm.ExternRef, Limits: wasm.Limits{Min: 1, Max: 9, HasMax: true}}},
		wasm.Import{Module: "env", Name: "g", Kind: wasm.KindGlobal, Global: wasm.GlobalType{Type: wasm.I32}},
		wasm.Import{Module: "env", Name: "h", Kind: wasm.KindGlobal, Global: wasm.GlobalType{Type: wasm.FuncRef, Mutable: true}})
	b.Memory(2)
	b.Memories[0].Max, b.Memories[0].HasMax = 70, true
	b.Table(300)
	b.Global(-7)
	b.Globals = append(b.Globals,
		wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.I64}, Init: wasm.ConstI64(-1 << 40)},
		wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.F64}, Init: Code(0x44, 1, 2, 3, 4, 5, 6, 7, 8, End)},
		wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.FuncRef}, Init: Code(RefFunc, 1, End)},
		wasm.Global{GlobalType: wasm.GlobalType{Type: wasm.I32}, Init: Code(GlobalGet, 0, I32Const, 3, I32Add, End)})
	f := b.Func("f", unary, "ilvv", LocalGet, 0, If, I32Type, I32Const, S(1<<30), Else, I32Const, S(-1), End)
	b.Func("", void, "", Block, Void, Loop, Void, I32Const, 0, BrTable, 2, 0, 1, 0, End, End,
		Bulk, DataDrop, 1, Bulk, ElemDrop, 1, I32Const, 0, CallIndirect, 0, 1)
	b.Start, b.HasStart = f+1, true
	b.Elems(1, 5, f, f, 0)
	b.Module.Elems = append(b.Module.Elems,
		wasm.Elem{Mode: wasm.Passive, Type: wasm.FuncRef, Funcs: []uint32{1}},
		wasm.Elem{Mode: wasm.Declarative, Type: wasm.FuncRef, Funcs: []uint32{1}},
		wasm.Elem{Mode: wasm.Passive, Type: wasm.ExternRef, UsesExprs: true, Exprs: []wasm.ConstExpr{Code(RefNull, 0x6f, End)}},
		wasm.Elem{Table: 0, Offset: wasm.ConstI32(0), Type: wasm.ExternRef, UsesExprs: true, Exprs: []wasm.ConstExpr{Code(RefNull, 0x6f, End)}},
		wasm.Elem{Mode: wasm.Declarative, Type: wasm.FuncRef, UsesExprs: true, Exprs: []wasm.ConstExpr{Code(RefFunc, 2, End)}})
	b.DataAt(100, "hello")
	b.DataPassive("passive")
	b.Names = &wasm.Names{Module: "all", Funcs: []wasm.Name{{Index: 0, Name: "import"}, {Index: 2, Name: "zwei"}}}
	b.Customs = []wasm.Custom{{Name: "producers", Bytes: []byte{1, 2, 3}}}
	return b
}

func TestRoundTrip(t *testing.T) {
	first := everything().Encode()
	m, err := wasm.Decode(first)
	if err != nil {
		t.Fatal(err)
	}
	if second := m.Encode(); !bytes.Equal(first, second) {
		t.Errorf("want the same bytes again, got\n% x\nof\n% x", second, first)
	}
	want := everything().Module
	if !reflect.DeepEqual(*m, want) {
		t.Errorf("want %+v\ngot  %+v", want, *m)
	}
}

// TestRoundTripGo decodes and encodes a real guest: everything stays as it was.
func TestRoundTripGo(t *testing.T) {
	b := goGuest(t)
	m, err := wasm.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	again := m.Encode()
	m2, err := wasm.Decode(again)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(m, m2) {
		t.Error("the module changed when it was encoded and decoded")
	}
	if !bytes.Equal(again, m2.Encode()) {
		t.Error("encoding is not stable")
	}
	if f := m.Facts(); f.Funcs < 1000 || f.ActiveData < 1000 || f.CallIndirects < 100 || !f.Tables[0].Immutable() || f.MemoryMin == 0 {
		t.Errorf("want the facts of a standard Go guest, got %+v", f)
	}
	if len(m.Names.Funcs) < 1000 {
		t.Errorf("want the names of a thousand functions, got %d", len(m.Names.Funcs))
	}
}

// goGuest compiles a small guest with the Go toolchain.
func goGuest(t testing.TB) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "guest.wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-buildvcs=false", "-trimpath", "-o", out, "./testdata/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=", "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build of testdata/guest: %v\n%s", err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// raw puts sections behind the header. A section is its number and its contents.
func raw(sections ...any) []byte {
	b := []byte("\x00asm\x01\x00\x00\x00")
	for i := 0; i < len(sections); i += 2 {
		body := sections[i+1].([]byte)
		b = append(b, Code(sections[i], U(len(body)), body)...)
	}
	return b
}

// oneFunc is a module with one function without parameters, and some of everything that code can name.
func oneFunc(code ...any) []byte {
	b := &Builder{}
	b.Memory(1)
	b.Table(1)
	b.Global(0)
	b.Func("f", b.Type("", ""), "i", code...)
	return b.Encode()
}

func TestDecodeRefuses(t *testing.T) {
	types := Code(1, 0x60, 0, 0)
	tests := []struct {
		name string
		wasm []byte
		want string
	}{
		{"empty", nil, "offset 0x0: expected the header of a core module (00 61 73 6d 01 00 00 00), found "},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), "found 00 61 73 6d 0d 00 01 00"},
		{"cut section", raw(1, types)[:10], "offset 0xa: expected 4 bytes of the section, found 0"},
		{"unknown section", raw(13, []byte{0}), "expected a section of WebAssembly 2.0 (0 to 12), found 13"},
		{"twice", raw(1, types, 1, types), "type section, offset 0x10: expected sections in order, each once, found it after the type section"},
		{"out of order", raw(3, Code(0), 1, types), "found it after the function section"},
		{"more in the section", raw(1, append(types, 9)), "type section, offset 0xe: expected the end of the section, found 1 more bytes"},
		{"count too big", raw(1, Code(U(5), 0x60, 0, 0)), "type section, offset 0xa: expected no more types than bytes left (3), found 5"},
		{"count over the limit", raw(1, Code(U(wasm.MaxTypes+1))), "expected at most 1000000 types, found 1000001"},
		{"number too long", raw(1, Code(0x80, 0x80, 0x80, 0x80, 0x80, 0)), "expected an unsigned number of 32 bits, found a longer one"},
		{"number too big", raw(1, Code(0xff, 0xff, 0xff, 0xff, 0x7f)), "expected an unsigned number of 32 bits"},
		{"type form", raw(1, Code(1, 0x5f, 0, 0)), "type 0: expected a function type (0x60), found 0x5f"},
		{"value type", raw(1, Code(1, 0x60, 1, 0x6e, 0)), "expected a value type, found 0x6e"},
		{"parameters", raw(1, Code(1, 0x60, U(1001))), "expected at most 1000 parameters, found 1001"},
		{"import name", raw(1, types, 2, Code(1, 1, 0xff, 0, 0, 0)), "import 0: expected a name in UTF-8"},
		{"import kind", raw(1, types, 2, Code(1, 0, 0, 4, 0)), "expected an import of a function, table, memory or global (0 to 3), found 4"},
		{"import type", raw(1, types, 2, Code(1, 0, 0, 0, 1)), "expected a type index below 1, found 1"},
		{"shared memory", raw(5, Code(1, 3, 1, 1)), "expected limits of kind 0 or 1 (shared and 64-bit memories are not supported), found 0x3"},
		{"two memories", raw(5, Code(2, 0, 1, 0, 1)), "expected at most 1 memories (several are not supported), found 2"},
		{"imported and own memory", raw(2, Code(1, 0, 0, 2, 0, 1), 5, Code(1, 0, 1)), "expected one memory (several are not supported), found 2"},
		{"memory too big", raw(5, Code(1, 0, U(65537))), "expected at most 65536 pages, found 65537"},
		{"maximum below minimum", raw(5, Code(1, 1, 2, 1)), "memory 0: expected a maximum of at least 2 pages, found 1"},
		{"table type", raw(4, Code(1, 0x7f, 0, 1)), "expected a reference type (funcref 0x70 or externref 0x6f), found 0x7f"},
		{"mutability", raw(6, Code(1, 0x7f, 2, I32Const, 0, End)), "expected mutability 0 or 1, found 2"},
		{"later global", raw(6, Code(1, 0x7f, 0, GlobalGet, 0, End)), "global 0: expected a global index below 0, found 0"},
		{"constant expression", raw(6, Code(1, 0x7f, 0, I32Const, 0, Drop, End)), "expected an instruction of a constant expression, found opcode 0x1a"},
		{"open constant expression", raw(6, Code(1, 0x7f, 0, I32Const, 0)), "expected the end of a constant expression"},
		{"export twice", raw(5, Code(1, 0, 1), 7, []byte{2, 1, 'm', 2, 0, 1, 'm', 2, 0}), `export 1: expected a name that is exported once, found "m" twice`},
		{"export index", raw(7, []byte{1, 1, 'm', 2, 0}), "expected a memory index below 0, found 0"},
		{"export kind", raw(7, []byte{1, 1, 'm', 4, 0}), "expected an export of a function, table, memory or global (0 to 3), found 4"},
		{"start", raw(8, Code(0)), "expected a function index below 0, found 0"},
		{"element kind", raw(9, Code(1, 8)), "expected an element segment of kind 0 to 7, found 8"},
		{"element table", raw(9, Code(1, 0, I32Const, 0, End, 0)), "segment 0: expected a table index below 0, found 0"},
		{"data kind", raw(11, Code(1, 3)), "expected a data segment of kind 0 to 2, found 3"},
		{"data without memory", raw(11, Code(1, 0, I32Const, 0, End, 0)), "expected a memory in a module with active data segments, found none"},
		{"data too long", raw(5, Code(1, 0, 1), 11, Code(1, 0, I32Const, 0, End, 9, 1)), "expected 9 bytes of data, found 1"},
		{"data count", raw(12, Code(1)), "expected 1 data segments, as the DataCount section says, found 0"},
		{"bodies missing", raw(1, types, 3, Code(1, 0)), "expected a code section with 1 bodies, as the function section says, found 0"},
		{"bodies too many", raw(10, Code(1, 2, 0, End)), "function 0: expected 0 bodies, as the function section says, found more"},
		{"locals", raw(1, types, 3, Code(1, 0), 10, Code(1, 6, 1, U(50001), 0x7f, End)), "expected at most 50000 locals, found 50001"},
		{"custom name", raw(0, []byte{5, 'a'}), "custom section, offset 0xb: expected 5 bytes of a name, found 1"},

		{"opcode", oneFunc(0x27), "function 0: expected an instruction of WebAssembly 2.0, found 0x27"},
		{"tail call", oneFunc(0x13, 0, 0), "found 0x13 (return_call, of the tail call proposal)"},
		{"exceptions", oneFunc(0x06, Void), "of the exception handling proposal"},
		{"garbage collection", oneFunc(0xfb, 0), "garbage collection proposal"},
		{"threads", oneFunc(0xfe, 3, 0), "an atomic instruction, of the threads proposal"},
		{"bulk number", oneFunc(Bulk, 18), "expected an instruction of WebAssembly 2.0"},
		{"relaxed SIMD", oneFunc(0xfd, U(0x100)), "found 0xfd 256"},
		{"label", oneFunc(Br, 1), "expected a label index below 1, found 1"},
		{"labels", oneFunc(I32Const, 0, BrTable, 1, 0, 2), "expected a label index below 1, found 2"},
		{"local", oneFunc(LocalGet, 1, Drop), "expected a local index below 1, found 1"},
		{"global", oneFunc(GlobalGet, 1, Drop), "expected a global index below 1, found 1"},
		{"function", oneFunc(Call, 1), "expected a function index below 1, found 1"},
		{"function reference", oneFunc(RefFunc, 1, Drop), "expected a function index below 1, found 1"},
		{"indirect type", oneFunc(I32Const, 0, CallIndirect, 1, 0), "expected a type index below 1, found 1"},
		{"indirect table", oneFunc(I32Const, 0, CallIndirect, 0, 1), "expected a table index below 1, found 1"},
		{"table", oneFunc(I32Const, 0, TableGet, 1, Drop), "expected a table index below 1, found 1"},
		{"block type", oneFunc(Block, 1, End), "expected a type index below 1, found 1"},
		{"negative block type", oneFunc(Block, 0x41, End), "expected a block type, found -63"},
		{"element segment", oneFunc(Bulk, ElemDrop, 0), "expected a element segment index below 0, found 0"},
		{"data segment", oneFunc(Bulk, DataDrop, 0), "expected a DataCount section in a module with memory.init or data.drop, found none"},
		{"second memory", oneFunc(MemorySize, 1, Drop), "expected memory 0 (several memories are not supported), found memory 1"},
		{"memory in the alignment", oneFunc(I32Const, 0, I32Load, U(0x42), 0, 0, Drop), "expected an alignment below 2^32 of memory 0, found 0x42"},
		{"no memory", raw(1, types, 3, Code(1, 0), 10, Code(1, 5, 0, MemorySize, 0, Drop, End)), "expected a memory in a module that uses one, found none"},
		{"else", oneFunc(Else), "expected else only in an if, found it elsewhere"},
		{"else twice", oneFunc(I32Const, 0, If, Void, Else, Else, End), "expected else only in an if"},
		{"not closed", oneFunc(Block, Void), "expected the function's end, found 1 open blocks"},
		{"closed too early", oneFunc(End), "expected the end of the section, found 1 more bytes"},
		{"constant too long", oneFunc(I32Const, 0xff, 0xff, 0xff, 0xff, 0x1f, Drop), "expected a signed number of 32 bits, found a longer one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := wasm.Decode(tt.wasm)
			var e *wasm.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want an *Error with %q, got %v", tt.want, err)
			}
		})
	}
}

// TestDecodeTruncated cuts a module at every length: never a panic, and an error unless a section ends there.
func TestDecodeTruncated(t *testing.T) {
	whole := everything().Encode()
	for n := range whole {
		if m, err := wasm.Decode(whole[:n]); err == nil {
			if _, err := wasm.Decode(m.Encode()); err != nil {
				t.Errorf("cut at %d: decoded, but what it encodes to is refused: %v", n, err)
			}
		}
	}
}

func TestDecodeIgnoresBadNames(t *testing.T) {
	for _, names := range [][]byte{
		Code(1, 3, 2, 0, 0),          // cut off
		Code(1, 5, 2, 1, 0, 0, 0),    // indices descend
		Code(2, 1, 0, 1, 1, 0),       // subsections out of order
		Code(1, 4, 1, 0, 1, 0xff),    // not UTF-8
		Code(1, 200),                 // longer than the section
		Code(2, 5, 1, 0, 1, 0, 0xff), // locals cut off
	} {
		m, err := wasm.Decode(raw(0, append(Code(4, []byte("name")), names...)))
		if err != nil || m.Names != nil {
			t.Errorf("names % x: want no names and no error, got %+v and %v", names, m, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(everything().Encode())
	f.Add(oneFunc(Loop, Void, Br, 0, End))
	f.Add(raw(1, Code(1, 0x60, 0, 0), 3, Code(1, 0), 10, Code(1, 2, 0, End)))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := wasm.Decode(b)
		if err != nil {
			var e *wasm.Error
			if !errors.As(err, &e) || e.Offset > len(b) {
				t.Fatalf("want an *Error within the %d bytes, got %v", len(b), err)
			}
			return
		}
		first := m.Encode()
		again, err := wasm.Decode(first)
		if err != nil {
			t.Fatalf("what was decoded is refused after encoding: %v", err)
		}
		if !bytes.Equal(first, again.Encode()) {
			t.Fatal("encoding is not stable")
		}
		r, err := wasm.Transform(b, wasm.Options{MaxPages: 100})
		if err != nil {
			return
		}
		if _, err := wasm.Decode(r.Wasm); err != nil {
			t.Fatalf("what was rewritten is refused: %v", err)
		}
		if _, err := wasm.Transform(r.Wasm, wasm.Options{}); !errors.Is(err, wasm.ErrRewritten) {
			t.Fatalf("want ErrRewritten for a second application, got %v", err)
		}
	})
}
