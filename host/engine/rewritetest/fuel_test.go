package rewritetest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	. "github.com/mrt-wasm/mrt-wasm/abi/wasm/wasmtest"
)

// spinners are modules that never end by themselves: each is to be ended by its fuel.
var spinners = []struct {
	name  string
	build func(b *Builder)
}{
	{"loop", func(b *Builder) { b.Func("f", b.Type("", ""), "", Loop, Void, Br, 0, End) }},
	{"loop with a condition", func(b *Builder) {
		b.Func("f", b.Type("", ""), "i", Loop, Void, LocalGet, 0, I32Eqz, BrIf, 0, End)
	}},
	{"loop by br_table", func(b *Builder) {
		b.Func("f", b.Type("", ""), "i", Loop, Void, LocalGet, 0, BrTable, 2, 0, 0, 1, End)
	}},
	{"loop with parameters", func(b *Builder) {
		b.Func("f", b.Type("", ""), "", I32Const, 1, Loop, U(b.Type("i", "i")), Br, 0, End, Drop)
	}},
	{"loop with parameters by br_table", func(b *Builder) {
		b.Func("f", b.Type("", ""), "", I32Const, 1, Loop, U(b.Type("i", "i")), I32Const, 0, BrTable, 0, 0, End, Drop)
	}},
	{"nested loops", func(b *Builder) {
		b.Func("f", b.Type("", ""), "i", Loop, Void, Loop, Void, LocalGet, 0, I32Eqz, BrIf, 1, Br, 0, End, End)
	}},
	{"dispatch to itself", func(b *Builder) {
		b.Func("f", b.Type("", ""), "i", Loop, Void, Block, Void, Block, Void, LocalGet, 0, BrTable, 1, 0, 1, End, I32Const, 0, LocalSet, 0, Br, 1, End, End)
	}},
	{"dispatch through an unknown index", func(b *Builder) {
		b.Func("f", b.Type("", ""), "i", Loop, Void, Block, Void, Block, Void, LocalGet, 0, BrTable, 1, 0, 1, End, I32Const, 0, Nop, LocalSet, 0, Br, 1, End, End)
	}},
	{"dispatch on another local", func(b *Builder) {
		b.Func("f", b.Type("", ""), "ii", Loop, Void, Block, Void, Block, Void, LocalGet, 0, BrTable, 1, 0, 1, End, I32Const, 1, LocalSet, 1, Br, 1, End, End)
	}},
	{"dispatch to a closed block under an open one", func(b *Builder) {
		b.Func("f", b.Type("", ""), "i", Loop, Void, Block, Void, Block, Void, LocalGet, 0, BrTable, 2, 0, 1, 0, End,
			Block, Void, I32Const, 0, LocalSet, 0, Br, 2, End, End, End)
	}},
	{"dispatch back to the loop", func(b *Builder) {
		b.Func("f", b.Type("", ""), "i", Loop, Void, Block, Void, LocalGet, 0, BrTable, 2, 0, 1, 0, End, I32Const, 1, LocalSet, 0, Br, 0, End)
	}},
	{"exponential recursion", func(b *Builder) {
		b.Func("f", b.Type("", ""), "", I32Const, 60, Call, 1)
		b.Func("", b.Type("i", ""), "", LocalGet, 0, If, Void, LocalGet, 0, I32Const, 1, I32Sub, Call, 1, LocalGet, 0, I32Const, 1, I32Sub, Call, 1, End)
	}},
	{"exponential recursion through tables", func(b *Builder) {
		void, down := b.Type("", ""), b.Type("i", "")
		less := Code(LocalGet, 0, I32Const, 1, I32Sub)
		b.Func("f", void, "", I32Const, 60, Call, 1)
		b.Func("", down, "", LocalGet, 0, If, Void, less, LocalGet, 0, I32Const, 1, 0x71, CallIndirect, U(down), 0, less, I32Const, 1, CallIndirect, U(down), 0, End)
		b.Func("", down, "", LocalGet, 0, Call, 1)
		b.Table(2)
		b.Elems(0, 0, 1, 2)
	}},
	{"exponential fan", func(b *Builder) {
		void := b.Type("", "")
		b.Func("f", void, "", Call, 1, Call, 1)
		for i := 1; i < 60; i++ {
			b.Func("", void, "", Call, U(i+1), Call, U(i+1))
		}
		b.Func("", void, "", Nop)
	}},
	{"exponential fan through tables", func(b *Builder) {
		var types []uint32
		for i := range 40 { // a type each, so that there is no cycle
			types = append(types, b.Type(strings.Repeat("i", i/8)+strings.Repeat("l", i%8), ""))
		}
		args := func(i int) []byte {
			return append(bytes.Repeat(Code(I32Const, 0), i/8), bytes.Repeat(Code(I64Const, 0), i%8)...)
		}
		b.Table(40)
		for i := range 39 {
			call := Code(args(i+1), I32Const, U(i+1), CallIndirect, U(types[i+1]), 0)
			b.Elems(0, int32(i), b.Func(map[bool]string{true: "f"}[i == 0], types[i], "", call, call))
		}
		b.Elems(0, 39, b.Func("", types[39], "", Nop))
	}},
	{"copies in a row", func(b *Builder) {
		b.Memory(100)
		fill := Code(I32Const, 0, I32Const, 1, I32Const, S(6_000_000), Bulk, MemoryFill, 0)
		b.Func("f", b.Type("", ""), "", bytes.Repeat(fill, 2000))
	}},
}

// TestFuelEndsEverything gives each spinner a budget: it must end soon after that is used up, and be called again.
func TestFuelEndsEverything(t *testing.T) {
	const budget = 3_000_000
	h := newHost(t, compiled)
	for _, s := range spinners {
		t.Run(s.name, func(t *testing.T) {
			b := &Builder{}
			s.build(b)
			for name, o := range map[string]wasm.Options{"with tables": {KeepTables: true}, "without": {}} {
				i, err := h.start(t, transform(t, b.Encode(), o))
				if err != nil {
					t.Fatal(err)
				}
				for range 2 {
					_, err = i.call(tank{slice: 10_000, budget: budget}, "f")
					if err == nil || !strings.Contains(err.Error(), errNoFuel.Error()) {
						t.Fatalf("%s: want the budget used up, got %v after %d", name, err, h.fuel.spent)
					}
					if h.fuel.spent < budget || h.fuel.spent > budget+1_000_000 {
						t.Errorf("%s: want about %d spent, got %d", name, budget, h.fuel.spent)
					}
				}
			}
		})
	}
}

// TestFuelGrowsWithWork: what is spent is near the number of instructions, and the same in each run.
func TestFuelGrowsWithWork(t *testing.T) {
	b := &Builder{}
	b.Func("f", b.Type("i", ""), "", Loop, Void, LocalGet, 0, I32Const, 1, I32Sub, LocalTee, 0, BrIf, 0, End)
	h := newHost(t, compiled)
	i, err := h.start(t, transform(t, b.Encode(), wasm.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{1, 1000, 1_000_000} {
		for range 2 {
			if _, err := i.call(tank{slice: 777, budget: -1}, "f", uint64(n)); err != nil {
				t.Fatal(err)
			}
			if want := 5 * (n - 1); h.fuel.spent != want {
				t.Errorf("%d rounds of 5 instructions: want %d spent, got %d", n, want, h.fuel.spent)
			}
		}
	}
}

// TestFuelOfRounds: a round of a loop costs about what is in it, and not the way to the loop too; also where every jump
// goes through a dispatch at the start of the function and the loop is entered in its middle, as in standard Go.
func TestFuelOfRounds(t *testing.T) {
	const rounds, before = 10_000, 200
	way := bytes.Repeat(Code(I32Const, 0, Drop), before)
	round := Code(LocalGet, 0, I32Const, 1, I32Sub, LocalSet, 0)
	for name, body := range map[string][]byte{
		"loop":    Code(way, Loop, Void, round, LocalGet, 0, BrIf, 0, End),
		"its end": Code(way, Loop, Void, round, LocalGet, 0, If, Void, Br, 1, End, End),
		"dispatch": Code(Loop, Void, Block, Void, Block, Void, Block, Void, LocalGet, 1, BrTable, 2, 0, 1, 2, End,
			way, I32Const, 2, LocalSet, 1, Br, 2, End, round, End, LocalGet, 0, If, Void, I32Const, 1, LocalSet, 1, Br, 1, End, End),
	} {
		t.Run(name, func(t *testing.T) {
			b := &Builder{}
			b.Func("f", b.Type("i", ""), "i", body)
			h := newHost(t, compiled)
			i, err := h.start(t, transform(t, b.Encode(), wasm.Options{}))
			if err != nil {
				t.Fatal(err)
			}
			i.must(t, "f", rounds)
			if least, most := int64(5*rounds), int64(20*rounds+10*before); h.fuel.spent < least || h.fuel.spent > most {
				t.Errorf("%d rounds: want %d to %d spent, got %d", rounds, least, most, h.fuel.spent)
			}
		})
	}
}
