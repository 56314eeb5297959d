package link_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/componenttest"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
)

// unsupported are the reference tests outside of async/ that need what is not supported yet, by source: those of
// post-return call asynchronous built-ins where they trap.
var unsupported = map[string]int{
	"binary/binary.wast":      1,
	"values/post-return.wast": 30,
	"values/variants.wast":    1,
}

func TestReferenceTests(t *testing.T) {
	refused := map[string]int{}
	built := 0
	for _, f := range componenttest.Cases(t) {
		if f.Async() {
			continue
		}
		for _, c := range f.Cases {
			if c.Kind != componenttest.Instantiate || !c.Generated() {
				continue
			}
			d, err := component.Decode(c.Wasm)
			if err != nil {
				t.Logf("%s: %v", c.ID, err) // the decoder's tests say which
				continue
			}
			p, err := link.Build(d)
			var u *link.Unsupported
			switch {
			case errors.As(err, &u):
				refused[f.Source]++
				continue
			case err != nil:
				t.Errorf("%s: %v", c.ID, err)
				continue
			}
			built++
			checkPlan(t, c.ID, p)
			for _, a := range c.Actions {
				if !slices.ContainsFunc(p.Exports, func(e link.Export) bool { return e.Interface == "" && e.Name == a.Export }) {
					t.Errorf("%s: no export %q", c.ID, a.Export)
				}
			}
		}
	}
	if built < 200 {
		t.Errorf("got %d plans, want at least 200", built)
	}
	for source, n := range unsupported {
		if refused[source] != n {
			t.Errorf("%s: %d cases are refused as not supported, the list has %d", source, refused[source], n)
		}
		delete(refused, source)
	}
	for source, n := range refused {
		t.Errorf("%s: %d cases are refused as not supported, the list has none", source, n)
	}
}

// checkPlan checks that all indices of a plan point to something that is there.
func checkPlan(t *testing.T, id string, p *link.Plan) {
	t.Helper()
	below := func(what string, i, n int) {
		if i < 0 || i >= n {
			t.Errorf("%s: %s %d, want one below %d", id, what, i, n)
		}
	}
	core := func(d *link.CoreDef, instances int) {
		switch {
		case d == nil:
		case d.Instance < 0:
			below("trampoline", d.Trampoline, len(p.Trampolines))
		default:
			below("core instance", d.Instance, instances)
		}
	}
	lifted := func(l *link.Lifted) {
		core(&l.Core, len(p.Instances))
		core(l.PostReturn, len(p.Instances))
		below("options", l.Options, len(p.Options))
		if l.Func == nil || l.Name == "" {
			t.Errorf("%s: lifted function %q without name or type", id, l.Name)
		}
	}
	for i, in := range p.Instances {
		below("module", in.Module, len(p.Modules))
		below("component", in.Component, p.Components)
		for _, a := range in.Args {
			core(&a.Def, i)
		}
	}
	for _, o := range p.Options {
		core(o.Memory, len(p.Instances))
		core(o.Realloc, len(p.Instances))
		below("component", o.Component, p.Components)
	}
	for _, tr := range p.Trampolines {
		below("options", tr.Options, len(p.Options))
		switch tr.Kind {
		case link.CallImport:
			below("import", tr.Import, len(p.Imports))
		case link.CallLifted:
			lifted(tr.Callee)
		default:
			below("resource", tr.Resource, len(p.Resources))
		}
	}
	for _, r := range p.Resources {
		core(r.Dtor, len(p.Instances))
		if r.Type.Name == "" || r.Type.Host != (r.Component < 0) {
			t.Errorf("%s: resource %+v", id, r)
		}
	}
	for _, e := range p.Exports {
		if e.Lifted != nil {
			lifted(e.Lifted)
		} else {
			below("import", e.Import, len(p.Imports))
		}
	}
	for i, parent := range p.Parents {
		if parent >= i {
			t.Errorf("%s: component instance %d has the parent %d", id, i, parent)
		}
	}
}

func TestPlan(t *testing.T) {
	for _, name := range []string{"app", "counter", "front", "plug"} {
		golden(t, name+".plan", dump(build(t, name)))
	}
}

func TestPlanOfReferenceTests(t *testing.T) {
	for _, source := range []string{"linking/link-time-virtualization.wast", "resources/multiple-resources.wast"} {
		for _, f := range componenttest.Cases(t) {
			if f.Source != source {
				continue
			}
			p, err := link.Build(decode(t, f.Cases[0].Wasm))
			if err != nil {
				t.Fatal(err)
			}
			golden(t, strings.TrimSuffix(source[strings.Index(source, "/")+1:], ".wast")+".plan", dump(p))
		}
	}
}

func TestHostCannotProvide(t *testing.T) {
	_, err := link.Build(load(t, "host"))
	if err != nil {
		t.Fatalf("imports that are not used: got %v, want none", err)
	}
	c := load(t, "host")
	c.Defs = append(c.Defs, &component.CoreInstanceDef{Module: 0})
	_, err = link.Build(c)
	want := `definition 9 (core instance): import "lib": a host can provide functions, types and instances of them, but it is a core module`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestUnsupported checks that each feature that is to come has a sentence that says what it is and where.
func TestUnsupported(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range componenttest.Cases(t) {
		for _, c := range f.Cases {
			if c.Kind.Refused() || !c.Generated() {
				continue
			}
			d, err := component.Decode(c.Wasm)
			if err != nil {
				continue
			}
			_, err = link.Build(d)
			var u *link.Unsupported
			if errors.As(err, &u) {
				seen[u.Feature] = true
				if !strings.Contains(err.Error(), "definition ") || !strings.HasSuffix(err.Error(), " is not supported yet") {
					t.Errorf("%s: got %q", c.ID, err)
				}
			} else if err != nil {
				t.Errorf("%s: %v", c.ID, err)
			}
		}
	}
	for _, want := range []string{"an async function", "canon task.return", "canon context.get"} {
		if !seen[want] {
			t.Errorf("no error for %s among %v", want, seen)
		}
	}
}

func TestRelated(t *testing.T) {
	p := &link.Plan{Parents: []int{-1, 0, 0, 1, -1}}
	for _, tc := range []struct {
		a, b int
		want bool
	}{{0, 0, true}, {0, 3, true}, {3, 1, true}, {1, 2, false}, {3, 2, false}, {0, 4, false}, {4, 4, true}} {
		if got := p.Related(tc.a, tc.b); got != tc.want {
			t.Errorf("%d and %d: got %t, want %t", tc.a, tc.b, got, tc.want)
		}
	}
}
