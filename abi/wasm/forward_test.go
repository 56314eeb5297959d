package wasm_test

import (
	"bytes"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	. "github.com/mrt-wasm/mrt-wasm/abi/wasm/wasmtest"
)

// TestDevirtualiseConstantIndex: a call through a table with a constant index is a direct one if it would succeed; a
// call that fails goes to the dispatcher, which has the reason.
func TestDevirtualiseConstantIndex(t *testing.T) {
	tests := []struct {
		name   string
		code   []byte
		want   []byte
		direct int
	}{
		{"success", Code(LocalGet, 0, I32Const, 1, CallIndirect, 0, 0), Code(LocalGet, 0, Call, 0), 1},
		{"two in a row", Code(LocalGet, 0, I32Const, 1, CallIndirect, 0, 0, I32Const, 3, CallIndirect, 0, 0), Code(LocalGet, 0, Call, 0, Call, 1), 2},
		{"of an equal type", Code(LocalGet, 0, I32Const, 1, CallIndirect, 2, 0), Code(LocalGet, 0, Call, 0), 1},
		{"null element", Code(LocalGet, 0, I32Const, 0, CallIndirect, 0, 0), Code(LocalGet, 0, I32Const, 0, Call, 8), 0},
		{"wrong signature", Code(LocalGet, 0, I32Const, 2, CallIndirect, 0, 0), Code(LocalGet, 0, I32Const, 2, Call, 8), 0},
		{"out of range", Code(LocalGet, 0, I32Const, S(-1), CallIndirect, 0, 0), Code(LocalGet, 0, I32Const, S(-1), Call, 8), 0},
		{"not the index", Code(LocalGet, 0, I32Const, 1, LocalGet, 0, I32Add, CallIndirect, 0, 0), Code(LocalGet, 0, I32Const, 1, LocalGet, 0, I32Add, Call, 8), 0},
		{"in a block before", Code(LocalGet, 0, Block, I32Type, I32Const, 1, End, CallIndirect, 0, 0), Code(LocalGet, 0, Block, I32Type, I32Const, 1, End, Call, 8), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := &Builder{}
			unary, void := b.Type("i", "i"), b.Type("", "")
			b.Type("i", "i")
			h := b.Import("env", "host", unary)
			g := b.Func("", unary, "", LocalGet, 0, I32Const, 1, I32Add)
			v := b.Func("", void, "")
			b.Func("f", unary, "", tt.code)
			b.Table(4)
			b.Elems(0, 1, h, v, g)
			var stats wasm.Dispatch
			m := rewrite(t, b, wasm.Devirtualise(&stats))
			if got := m.Funcs[2].Code; !bytes.Equal(got, append(tt.want, End)) || stats.Direct != tt.direct || len(m.Tables) != 0 {
				t.Errorf("want % x 0b, %d direct calls and no table, got % x, %+v", tt.want, tt.direct, got, stats)
			}
		})
	}
}

// TestForwarders: calls of functions that only call another one go there at once.
func TestForwarders(t *testing.T) {
	b := &Builder{}
	binary, unary, void := b.Type("ii", "i"), b.Type("i", "i"), b.Type("", "")
	b.Type("ii", "i")
	h := b.Import("env", "host", binary)                                                   // 0
	add := b.Func("", binary, "", LocalGet, 0, LocalGet, 1, I32Add)                        // 1
	one := b.Func("one", binary, "", LocalGet, 0, LocalGet, 1, Call, 1)                    // 2: to add
	two := b.Func("", 3, "", LocalGet, 0, LocalGet, 1, Call, 2, Return)                    // 3: to one
	host := b.Func("", binary, "", LocalGet, 0, LocalGet, 1, Call, 0)                      // 4: to the import
	swapped := b.Func("", binary, "", LocalGet, 1, LocalGet, 0, Call, 1)                   // 5: none
	fewer := b.Func("", unary, "", LocalGet, 0, LocalGet, 0, Call, 1)                      // 6: none
	more := b.Func("", binary, "", LocalGet, 0, LocalGet, 1, Call, 1, I32Const, 1, I32Add) // 7: none
	self := b.Func("", void, "", Call, 8)                                                  // 8: a cycle
	b.Func("", void, "", Call, 10)                                                         // 9: a cycle of two
	b.Func("", void, "", Call, 9)                                                          // 10
	in := b.Func("", void, "", Call, 9)                                                    // 11: to 9, which is in a cycle
	early := b.Func("", void, "", Call, 13)                                                // 12: to the last
	b.Func("", void, "", Call, 14)                                                         // 13
	b.Func("", void, "", Call, 15)                                                         // 14
	b.Func("", void, "", Nop)                                                              // 15
	args := Code(I32Const, 1, I32Const, 2)
	calls := func(fns ...uint32) []byte {
		var code []byte
		for _, fn := range fns {
			switch fn {
			case h, add, one, two, host, swapped, more:
				code = append(code, Code(args, Call, U(fn), Drop)...)
			case fewer:
				code = append(code, Code(I32Const, 1, Call, U(fn), Drop)...)
			default:
				code = append(code, Code(Call, U(fn))...)
			}
		}
		return code
	}
	b.Func("all", void, "", calls(h, add, one, two, host, swapped, fewer, more, self, 9, 10, in, early, 14, 15))
	var stats wasm.Dispatch
	m := rewrite(t, b, wasm.Devirtualise(&stats))
	want := append(calls(h, add, add, add, h, swapped, fewer, more, self, 9, 10, 9, 15, 15, 15), End)
	if got := m.Funcs[len(m.Funcs)-1].Code; !bytes.Equal(got, want) {
		t.Errorf("want\n% x\ngot\n% x", want, got)
	}
	if got := m.Funcs[two-1].Code; !bytes.Equal(got, Code(LocalGet, 0, LocalGet, 1, Call, 1, Return, End)) {
		t.Errorf("want the forwarder to go to the end itself, got % x", got)
	}
	if m.Exports[0].Index != one || stats.Forwarded == 0 {
		t.Errorf("want the export to stay the forwarder and the calls counted, got %+v, %+v", m.Exports[0], stats)
	}
}

// TestForwardersLong: a long chain, and many short cycles, take no time out of proportion.
func TestForwardersLong(t *testing.T) {
	const n = 200_000
	b := &Builder{}
	void := b.Type("", "")
	for i := range uint32(n) {
		b.Func("", void, "", Call, U(i+1))
	}
	last := b.Func("", void, "", Nop)
	for i := range uint32(n) {
		b.Func("", void, "", Call, U(n+1+(i^1)))
	}
	f := b.Func("", void, "", Call, 0, Call, U(n+2))
	var stats wasm.Dispatch
	m := rewrite(t, b, wasm.Devirtualise(&stats))
	if got, want := m.Funcs[f].Code, Code(Call, U(last), Call, U(n+2), End); !bytes.Equal(got, want) {
		t.Errorf("want % x, got % x", want, got)
	}
}
