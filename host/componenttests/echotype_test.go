package componenttests

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// The package of the generated components: provider exports echoIface, caller imports it and exports callIface, whose
// functions pass their parameter on to those of echoIface.
const (
	echoIface = "test:echo/echo@1.0.0"
	callIface = "test:echo/call@1.0.0"
	// thingName is the resource of echoIface, whose things know a number.
	thingName = "test:echo/echo@1/thing"
)

// thingRes stands for the resource in generated types, and is the host's where the host provides echoIface.
var thingRes = &canon.Resource{Name: thingName, Host: true}

// typeGen makes types. Types are the same for the same seed.
type typeGen struct {
	t *testing.T
	r *rand.Rand
	// budget bounds the core values and the size of one type.
	budget int
}

// echoTypes gives the types that the functions of one component have: each kind by itself, those at the bounds of the
// Canonical ABI, and n generated ones.
func echoTypes(t *testing.T, seed uint64, n int) []*canon.Type {
	t.Helper()
	g := &typeGen{t: t, r: rand.New(rand.NewPCG(seed, 1))}
	var all []*canon.Type
	for k := canon.KindBool; k <= canon.KindString; k++ {
		all = append(all, canon.Prim(k), g.must(canon.ListOf(canon.Prim(k))))
	}
	u8, u64, s, f32 := canon.Prim(canon.KindU8), canon.Prim(canon.KindU64), canon.Prim(canon.KindString), canon.Prim(canon.KindF32)
	f64 := canon.Prim(canon.KindF64)
	own := canon.OwnOf(thingRes)
	for _, labels := range []int{1, 8, 9, 16, 17, 32} {
		all = append(all, g.must(canon.FlagsOf(names("l", labels)...)))
	}
	for _, labels := range []int{1, 2, 256, 257} {
		all = append(all, g.must(canon.EnumOf(names("c", labels)...)))
	}
	for _, fields := range []int{1, 2, 16, 17} { // 16 is the most that is passed without memory
		types := make([]*canon.Type, fields)
		for k := range types {
			types[k] = u64
		}
		all = append(all, g.must(canon.TupleOf(types...)))
	}
	all = append(all,
		own, g.must(canon.ListOf(own)), g.must(canon.OptionOf(own)), g.must(canon.ResultOf(own, s)),
		g.must(canon.ResultOf(nil, nil)), g.must(canon.ResultOf(s, nil)), g.must(canon.ResultOf(nil, u8)),
		g.must(canon.OptionOf(g.must(canon.OptionOf(u8)))),
		// Cases whose core values are joined: i32 with f32, i64 with f64, i32 with i64.
		g.must(canon.VariantOf(field("a", u8), field("b", f32), field("c", nil))),
		g.must(canon.VariantOf(field("a", u64), field("b", f64))),
		g.must(canon.VariantOf(field("a", f32), field("b", u64), field("c", s))),
		g.must(canon.VariantOf(field("a", f64), field("b", f32), field("c", g.must(canon.TupleOf(u8, f32))))),
	)
	for range n {
		g.budget = 64
		all = append(all, g.compound(4))
	}
	return all
}

func names(prefix string, n int) []string {
	out := make([]string, n)
	for k := range out {
		out[k] = fmt.Sprintf("%s%d", prefix, k)
	}
	return out
}

func field(name string, t *canon.Type) canon.Field { return canon.Field{Name: name, Type: t} }

func (g *typeGen) must(t *canon.Type, err error) *canon.Type {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
	return t
}

func (g *typeGen) any(depth int) *canon.Type {
	if g.budget--; depth == 0 || g.budget < 0 || g.r.IntN(3) == 0 {
		if g.r.IntN(16) == 0 {
			return canon.OwnOf(thingRes)
		}
		return canon.Prim(canon.Kind(g.r.IntN(int(canon.KindString) + 1)))
	}
	return g.compound(depth)
}

// compound makes a type that is made of others.
func (g *typeGen) compound(depth int) *canon.Type {
	switch 1 + g.r.IntN(8) {
	case 1:
		return g.must(canon.ListOf(g.any(depth - 1)))
	case 2:
		return g.must(canon.RecordOf(g.fields("f", depth, false)...))
	case 3:
		types := make([]*canon.Type, 1+g.r.IntN(5))
		for k := range types {
			types[k] = g.any(depth - 1)
		}
		return g.must(canon.TupleOf(types...))
	case 4:
		return g.must(canon.VariantOf(g.fields("c", depth, true)...))
	case 5:
		return g.must(canon.EnumOf(names("e", 1+g.r.IntN(5))...))
	case 6:
		return g.must(canon.OptionOf(g.any(depth - 1)))
	case 7:
		return g.must(canon.ResultOf(g.maybe(depth), g.maybe(depth)))
	default:
		return g.must(canon.FlagsOf(names("l", 1+g.r.IntN(32))...))
	}
}

func (g *typeGen) fields(prefix string, depth int, optional bool) []canon.Field {
	fields := make([]canon.Field, 1+g.r.IntN(5))
	for k, name := range names(prefix, len(fields)) {
		if optional {
			fields[k] = field(name, g.maybe(depth))
		} else {
			fields[k] = field(name, g.any(depth-1))
		}
	}
	return fields
}

func (g *typeGen) maybe(depth int) *canon.Type {
	if g.r.IntN(4) == 0 {
		return nil
	}
	return g.any(depth - 1)
}

// witText writes WIT: types that have to have a name are defined first.
type witText struct {
	defs  strings.Builder
	named map[*canon.Type]string
}

// echoWIT gives the package: interfaces echo and call and the worlds provider and caller.
func echoWIT(types []*canon.Type) string {
	w := &witText{named: map[*canon.Type]string{}}
	var echo, call strings.Builder
	for k, t := range types {
		ref := w.ref(t)
		fmt.Fprintf(&echo, "  e%d: func(x: %s) -> %s;\n", k, ref, ref)
		fmt.Fprintf(&call, "  c%d: func(x: %s) -> %s;\n", k, ref, ref)
	}
	use := []string{"thing"}
	for _, name := range w.named {
		use = append(use, name)
	}
	return "package test:echo@1.0.0;\ninterface echo {\n" +
		"  resource thing {\n    constructor(n: u32);\n    number: func() -> u32;\n  }\n" +
		"  numbers: func(things: list<borrow<thing>>) -> list<u32>;\n" +
		w.defs.String() + echo.String() + "}\ninterface call {\n  use echo.{" + strings.Join(use, ", ") + "};\n" +
		"  make: func(n: u32) -> thing;\n  ask: func(x: thing) -> u32;\n" + call.String() + "}\n" +
		"world provider { export echo; }\nworld caller { import echo; export call; }\n"
}

// ref gives the text that refers to t.
func (w *witText) ref(t *canon.Type) string {
	if name := w.named[t]; name != "" {
		return name
	}
	switch t.Kind() {
	case canon.KindList:
		return "list<" + w.ref(t.Elem()) + ">"
	case canon.KindTuple:
		return "tuple<" + w.list(t.Members(), func(f canon.Field) string { return w.ref(f.Type) }) + ">"
	case canon.KindOption:
		return "option<" + w.ref(t.Members()[1].Type) + ">"
	case canon.KindResult:
		return w.result(t.Members()[0].Type, t.Members()[1].Type)
	case canon.KindOwn:
		return "thing"
	case canon.KindRecord:
		return w.define(t, func(f canon.Field) string { return f.Name + ": " + w.ref(f.Type) })
	case canon.KindVariant, canon.KindEnum, canon.KindFlags:
		return w.define(t, func(f canon.Field) string {
			if f.Type == nil {
				return f.Name
			}
			return f.Name + "(" + w.ref(f.Type) + ")"
		})
	default:
		return t.Kind().String()
	}
}

func (w *witText) result(ok, fail *canon.Type) string {
	switch {
	case ok == nil && fail == nil:
		return "result"
	case fail == nil:
		return "result<" + w.ref(ok) + ">"
	case ok == nil:
		return "result<_, " + w.ref(fail) + ">"
	default:
		return "result<" + w.ref(ok) + ", " + w.ref(fail) + ">"
	}
}

func (w *witText) define(t *canon.Type, member func(canon.Field) string) string {
	body := w.list(t.Members(), member)
	name := fmt.Sprintf("t%d", len(w.named))
	w.named[t] = name
	fmt.Fprintf(&w.defs, "  %v %s { %s }\n", t.Kind(), name, body)
	return name
}

func (w *witText) list(fields []canon.Field, member func(canon.Field) string) string {
	out := make([]string, len(fields))
	for k, f := range fields {
		out[k] = member(f)
	}
	return strings.Join(out, ", ")
}
