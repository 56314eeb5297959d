package component_test

import (
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
)

// TestCoreCode checks bodies of a function (i32, i64) -> (i32) with a local f32, a memory, a table of funcref, a
// mutable global i64 and a tag (i32). The second function type is (i64) -> (i64).
func TestCoreCode(t *testing.T) {
	tests := []struct {
		name string
		code []byte
		want string // part of the error, empty if it is valid
	}{
		{"local.get", cat(byte(0x20), 0), ""},
		{"wrong result", cat(byte(0x20), 1), "an operand of type i32, found i64"},
		{"no result", nil, "an operand on the stack, found none"},
		{"too many", cat(byte(0x20), 0, byte(0x20), 0), "nothing more on the stack"},
		{"unknown local", cat(byte(0x20), 3), "the index of a local, found 3"},
		{"unreachable", cat(byte(0)), ""},
		{"dead code", cat(byte(0), byte(0x6a)), ""},
		{"dead code of a wrong type", cat(byte(0), byte(0x42), 1), "an operand of type i32, found i64"},
		{"block", cat(byte(0x02), byte(0x7f), byte(0x41), 1, byte(0x0b)), ""},
		{"block type by index", cat(byte(0x20), 1, byte(0x02), 1, byte(0x50), byte(0xad), byte(0x0b), byte(0xa7)), ""},
		{"branch", cat(byte(0x02), byte(0x40), byte(0x0c), 0, byte(0x0b), byte(0x20), 0), ""},
		{"branch with a value missing", cat(byte(0x0c), 0), "an operand"},
		{"branch too far", cat(byte(0x0c), 7), "a label below 1, found 7"},
		{"br_table", cat(byte(0x41), 5, byte(0x20), 0, byte(0x0e), 2, 0, 0, 0), ""},
		{"if without else", cat(byte(0x20), 0, byte(0x04), byte(0x7f), byte(0x41), 1, byte(0x0b)), "an else"},
		{"if", cat(byte(0x20), 0, byte(0x04), byte(0x7f), byte(0x41), 1, byte(0x05), byte(0x41), 2, byte(0x0b)), ""},
		{"else alone", cat(byte(0x05)), "else in an if"},
		{"unclosed", cat(byte(0x02), byte(0x40)), "the end of the function"},
		{"load", cat(byte(0x20), 0, byte(0x2d), 0, 4), ""},
		{"store of a wrong type", cat(byte(0x20), 0, byte(0x20), 0, byte(0x37), 3, 0, byte(0x20), 0), "i64, found i32"},
		{"global", cat(byte(0x20), 1, byte(0x24), 0, byte(0x20), 0), ""},
		{"call", cat(byte(0x20), 0, byte(0x20), 1, byte(0x10), 0), ""},
		{"tail call", cat(byte(0x20), 0, byte(0x20), 1, byte(0x12), 0), ""},
		{"call of a wrong type", cat(byte(0x20), 1, byte(0x20), 0, byte(0x10), 0), "i64, found i32"},
		{"call_indirect", cat(byte(0x20), 1, byte(0x20), 0, byte(0x11), 1, 0, byte(0xa7)), ""},
		{"throw", cat(byte(0x20), 0, byte(0x08), 0), ""},
		{"catch", cat(byte(0x02), byte(0x7f), byte(0x1f), byte(0x40), 1, byte(0), 0, 0, byte(0x0b), byte(0x41), 3, byte(0x0b)), ""},
		{"catch of a wrong type", cat(byte(0x02), byte(0x7e), byte(0x1f), byte(0x40), 1, byte(0), 0, 0, byte(0x0b), byte(0), byte(0x0b), byte(0xa7)), "a label of type (i32)"},
		{"select", cat(byte(0x20), 0, byte(0x20), 0, byte(0x20), 0, byte(0x1b)), ""},
		{"select of two types", cat(byte(0x20), 0, byte(0x20), 1, byte(0x20), 0, byte(0x1b)), "two numbers of one type"},
		{"table", cat(byte(0x20), 0, byte(0xd2), 0, byte(0x26), 0, byte(0x20), 0, byte(0x25), 0, byte(0xd1)), ""},
		{"memory.copy", cat(byte(0x20), 0, byte(0x20), 0, byte(0x20), 0, byte(0xfc), 10, 0, 0, byte(0x20), 0), ""},
		{"v128", cat(byte(0x20), 0, byte(0xfd), 17, byte(0xfd), 27, byte(1)), ""},
		{"v128 of a wrong type", cat(byte(0x20), 0, byte(0xfd), 18, byte(0xfd), 27, byte(1)), "i64, found i32"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := component.Parse(comp(moduleOf(tt.code)))
			if tt.want == "" && err != nil {
				t.Errorf("got %v, want it to be valid", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// moduleOf is a core module section with one function of that code.
func moduleOf(code []byte) []byte {
	body := cat(1, 1, byte(0x7d), code, byte(0x0b))
	return sec(idModule, []byte("\x00asm\x01\x00\x00\x00"),
		vec(1, cat(byte(0x60), 2, byte(0x7f), byte(0x7e), 1, byte(0x7f)), cat(byte(0x60), 1, byte(0x7e), 1, byte(0x7e)),
			cat(byte(0x60), 1, byte(0x7f), 0)),
		vec(3, cat(0)),
		vec(4, cat(byte(0x70), byte(0), 1)),
		vec(5, cat(byte(0), 1)),
		vec(13, cat(byte(0), 2)),
		vec(6, cat(byte(0x7e), byte(1), byte(0x42), 0, byte(0x0b))),
		vec(10, cat(len(body), body)))
}
