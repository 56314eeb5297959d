package link_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	. "github.com/mrt-wasm/mrt-wasm/abi/wasm/wasmtest"
)

// memoriesOf gives a core module that exports so many memories, and one that imports them all.
func memoriesOf(n int) (exporter, importer []byte) {
	out, in := &Builder{}, &Builder{}
	for i := range n {
		name := fmt.Sprint("m", i)
		out.Memories = append(out.Memories, wasm.Limits{Min: uint32(i)})
		out.Exports = append(out.Exports, wasm.Export{Name: name, Kind: wasm.KindMemory, Index: uint32(i)})
		in.Imports = append(in.Imports, wasm.Import{Module: name, Name: "m0", Kind: wasm.KindMemory})
		in.Exports = append(in.Exports, wasm.Export{Name: name, Kind: wasm.KindMemory, Index: uint32(i)})
	}
	return out.Encode(), in.Encode()
}

// sharings gives a component that instantiates a module with so many imported memories once for each list: it tells by
// the number of a provider where each memory is from.
func sharings(memories int, lists ...[]uint32) *component.Component {
	provider, _ := memoriesOf(1)
	_, importer := memoriesOf(memories)
	c := &component.Component{Defs: []component.Def{
		&component.CoreModuleDef{Bytes: provider}, &component.CoreModuleDef{Bytes: importer},
	}}
	for range memories {
		c.Defs = append(c.Defs, &component.CoreInstanceDef{Module: 0})
	}
	for _, l := range lists {
		in := &component.CoreInstanceDef{Module: 1}
		for i, from := range l {
			in.Args = append(in.Args, component.CoreArg{Name: fmt.Sprint("m", i), Instance: from})
		}
		c.Defs = append(c.Defs, in)
	}
	return c
}

// memoriesIn counts the memories of each instance's module.
func memoriesIn(t *testing.T, p *link.Plan) []int {
	t.Helper()
	var out []int
	for _, in := range p.Instances {
		m, err := wasm.Decode(p.Modules[in.Module])
		if err != nil {
			t.Fatalf("%s: %v", in.Name, err)
		}
		if len(in.Args) != len(m.Imports) {
			t.Errorf("%s: want an argument for each of %d imports, got %d", in.Name, len(m.Imports), len(in.Args))
		}
		f := m.Facts()
		out = append(out, f.Memories+f.ImportedMemories)
	}
	return out
}

func TestSeveralMemories(t *testing.T) {
	cases := []struct {
		name  string
		c     *component.Component
		want  []int
		merge bool
	}{
		{"distinct", sharings(3, []uint32{0, 1, 2}), []int{1, 1, 1, 1, 1, 1}, false},
		{"two of three are one", sharings(3, []uint32{0, 1, 0}), []int{1, 1, 1, 1, 1}, false},
		{"all are one", sharings(3, []uint32{1, 1, 1}), []int{1, 1, 1, 1}, false},
		{"one provider", sharings(1, []uint32{0}), []int{1, 1}, true},
		{"twice", sharings(2, []uint32{0, 1}, []uint32{0, 0}, []uint32{1, 0}), []int{1, 1, 1, 1, 1, 1, 1}, false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			p, err := link.Build(tc.c)
			if err != nil {
				t.Fatal(err)
			}
			if got := memoriesIn(t, p); !slices.Equal(got, tc.want) {
				t.Errorf("want instances with %v memories, got %v", tc.want, got)
			}
			if ok, why := p.Mergeable(); ok != tc.merge {
				t.Errorf("want mergeable %t, got %t (%s)", tc.merge, ok, why)
			}
		})
	}
}

// TestMemoriesAgain: a module imports what another exports again; all is told by where the memories come from.
func TestMemoriesAgain(t *testing.T) {
	c := sharings(2, []uint32{0, 1}) // instances 0 and 1 have the memories, 2 exports them
	alias := func(name string) {
		c.Defs = append(c.Defs, &component.AliasDef{Kind: component.AliasCoreExport, Sort: component.SortCoreMemory, Instance: 2, Name: name})
	}
	alias("m0")
	alias("m1")
	for i := range uint32(2) {
		c.Defs = append(c.Defs, &component.CoreInstanceDef{Exports: []component.CoreExport{
			{Name: "m0", Ref: component.Ref{Sort: component.SortCoreMemory, Index: i}},
		}})
	}
	for _, args := range [][]uint32{{4, 1}, {3, 4}} { // memories 1 and 1, memories 0 and 1
		c.Defs = append(c.Defs, &component.CoreInstanceDef{Module: 1, Args: []component.CoreArg{
			{Name: "m0", Instance: args[0]}, {Name: "m1", Instance: args[1]},
		}})
	}
	p, err := link.Build(c)
	if err != nil {
		t.Fatal(err)
	}
	// 0 and 1 provide, 2 is memory 1 of 3, 4 has one memory, 5 is memory 1 of 6.
	if got, want := memoriesIn(t, p), []int{1, 1, 1, 1, 1, 1, 1}; !slices.Equal(got, want) {
		t.Fatalf("want instances with %v memories, got %v", want, got)
	}
	for _, tc := range []struct {
		instance, from int
		name           string
	}{{2, 1, "m0"}, {3, 0, "m0"}, {4, 2, wasm.SplitExport}, {5, 2, wasm.SplitExport}, {6, 3, "m0"}} {
		if d := p.Instances[tc.instance].Args[0].Def; d.Instance != tc.from || d.Name != tc.name {
			t.Errorf("instance %d: want the memory %q of %d, got %s", tc.instance, tc.name, tc.from, def(&d))
		}
	}
}

func TestSeveralMemoriesRefused(t *testing.T) {
	ways := func(n int) [][]uint32 {
		var out [][]uint32
		for i := range n {
			out = append(out, []uint32{0, uint32(i & 1), uint32(i >> 1 & 1), uint32(i >> 2 & 1), uint32(i >> 3 & 1)})
		}
		return out
	}
	hundred, _ := memoriesOf(101)
	broken, _ := memoriesOf(2)
	many := &component.Component{Defs: []component.Def{&component.CoreModuleDef{Bytes: broken}}}
	for range 600 {
		many.Defs = append(many.Defs, &component.CoreInstanceDef{})
	}
	cases := []struct {
		name string
		c    *component.Component
		want string
	}{
		{"ways to share", sharings(5, ways(9)...), "at most 8 ways"},
		{"memories", &component.Component{Defs: []component.Def{&component.CoreModuleDef{Bytes: hundred}, &component.CoreInstanceDef{}}}, "at most 100 memories, found 101"},
		{"instances", many, "at most 1000 core instances with one for each further memory"},
		{
			"code", &component.Component{Defs: []component.Def{
				&component.CoreModuleDef{Bytes: append(slices.Clone(broken), 10, 2, 1, 0)}, &component.CoreInstanceDef{},
			}}, "core module \"core 0\": wasm: code section",
		},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := link.Build(tc.c); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("want %s, got %v", tc.want, err)
			}
		})
	}
	if _, err := link.Build(sharings(5, ways(8)...)); err != nil {
		t.Errorf("8 ways to share: want none refused, got %v", err)
	}
}
