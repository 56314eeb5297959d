package link_test

import (
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
)

var emptyModule = []byte("\x00asm\x01\x00\x00\x00")

// instances gives a component that makes two instances of a component, which makes two of another, and so on: a small
// file that asks for 2^levels instances.
func instances(levels int, inner ...component.Def) *component.Component {
	c := &component.Component{Defs: inner}
	for range levels {
		c = &component.Component{Defs: []component.Def{
			&component.ComponentDef{Component: c},
			&component.InstanceDef{Component: 0},
			&component.InstanceDef{Component: 0},
		}}
	}
	return c
}

// nested gives a component in that many others.
func nested(levels int) *component.Component {
	c := &component.Component{}
	for range levels {
		c = &component.Component{Defs: []component.Def{&component.ComponentDef{Component: c}, &component.InstanceDef{}}}
	}
	return c
}

// exports gives a component that exports an instance with two times the instance before it, and so on.
func exports(levels int) *component.Component {
	c := &component.Component{Defs: []component.Def{&component.InstanceDef{Exports: []component.InlineExport{}}}}
	for i := range uint32(levels) {
		ref := component.Ref{Sort: component.SortInstance, Index: i}
		c.Defs = append(c.Defs, &component.InstanceDef{Exports: []component.InlineExport{
			{Name: component.ExternName{Name: "a"}, Ref: ref}, {Name: component.ExternName{Name: "b"}, Ref: ref},
		}})
	}
	c.Defs = append(c.Defs, &component.ExportDef{
		Name: component.ExternName{Name: "all"}, Ref: component.Ref{Sort: component.SortInstance, Index: uint32(levels)},
	})
	return c
}

// types gives a component that imports and exports a function whose parameter is a tuple of two lists of a tuple of two
// lists, and so on: its text is 2^levels long.
func types(levels int) *component.Component {
	prim := component.ValType{IsPrim: true, Prim: component.KindU8}
	ref := &prim
	c := &component.Component{}
	add := func(v component.ValueType) {
		c.Defs = append(c.Defs, &component.TypeDef{Value: &v})
		ref = &component.ValType{Index: uint32(len(c.Defs) - 1)}
	}
	for range levels {
		add(component.ValueType{Kind: component.KindTuple, Fields: []component.Field{{Type: ref}, {Type: ref}}})
		add(component.ValueType{Kind: component.KindList, Elem: ref})
	}
	n := uint32(len(c.Defs))
	c.Defs = append(
		c.Defs,
		&component.TypeDef{Func: &component.FuncType{Params: []component.Field{{Name: "p", Type: ref}}}},
		&component.ImportDef{Name: component.ExternName{Name: "f"}, Type: component.ExternType{Sort: component.SortFunc, Index: n}},
		&component.ExportDef{Name: component.ExternName{Name: "g"}, Ref: component.Ref{Sort: component.SortFunc}},
	)
	return c
}

// many gives a component with two to the power of levels core instances in few component instances.
func many(n int) *component.Component {
	c := &component.Component{Defs: []component.Def{&component.CoreModuleDef{Bytes: emptyModule}}}
	for range n {
		c.Defs = append(c.Defs, &component.CoreInstanceDef{})
	}
	return c
}

func TestLimits(t *testing.T) {
	cases := []struct {
		name string
		c    *component.Component
		want string
	}{
		{"instances", instances(40), "at most 1000 component instances"},
		{"instances of modules", instances(40, &component.CoreModuleDef{Bytes: emptyModule}, &component.CoreInstanceDef{}), "at most 1000"},
		{"core instances", many(1001), "at most 1000 core instances"},
		{"depth", nested(200), "at most 100 levels"},
		{"exports", exports(60), "at most 1048576 definitions"},
		{"depth of exports", exports(5000), "at most 100 levels"},
		{"types", types(40), "at most 262144 bytes of text"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if _, err := link.Build(tc.c); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if s, err := link.WIT(tc.c); err == nil && len(s) > 1<<24 {
				t.Errorf("got a WIT of %d bytes, want at most 16 MiB", len(s))
			}
		})
	}
	if _, err := link.Build(instances(8)); err != nil {
		t.Errorf("511 instances: got %v, want none", err)
	}
	if _, err := link.Build(types(4)); err != nil {
		t.Errorf("a type of 4 levels: got %v, want none", err)
	}
}
