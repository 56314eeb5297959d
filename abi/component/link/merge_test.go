package link_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/componenttest"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// checkMerged checks that a merged module imports trampolines only and exports all that the plan names.
func checkMerged(t *testing.T, id string, p *link.Plan, merged *link.Merged) []string {
	t.Helper()
	m, err := wasm.Decode(merged.Wasm)
	if err != nil {
		t.Fatalf("%s: %v", id, err)
	}
	for _, imp := range m.Imports {
		n, err := strconv.Atoi(imp.Name)
		if imp.Module != link.TrampolineModule || err != nil || n >= len(p.Trampolines) {
			t.Errorf("%s: imports %q %q, want a trampoline", id, imp.Module, imp.Name)
			continue
		}
		typ := m.Types[imp.Func]
		if len(typ.Params) != len(p.Trampolines[n].Params) || len(typ.Results) != len(p.Trampolines[n].Results) {
			t.Errorf("%s: imports trampoline %d as %v, it is %v -> %v", id, n, typ, p.Trampolines[n].Params, p.Trampolines[n].Results)
		}
	}
	var names []string
	for _, e := range m.Exports {
		names = append(names, e.Name)
	}
	has := func(d *link.CoreDef) {
		if d != nil && !slices.Contains(names, merged.ExportOf(*d)) {
			t.Errorf("%s: does not export %s", id, def(d))
		}
	}
	lifted := func(l *link.Lifted) {
		has(&l.Core)
		has(l.PostReturn)
	}
	for _, o := range p.Options {
		has(o.Memory)
		has(o.Realloc)
	}
	for _, r := range p.Resources {
		has(r.Dtor)
	}
	for _, tr := range p.Trampolines {
		if tr.Callee != nil {
			lifted(tr.Callee)
		}
	}
	for _, e := range p.Exports {
		if e.Lifted != nil {
			lifted(e.Lifted)
		}
	}
	return names
}

func TestMergeReferenceTests(t *testing.T) {
	merged, apart := 0, 0
	for _, f := range componenttest.Cases(t) {
		for _, c := range f.Cases {
			if c.Kind != componenttest.Instantiate || !c.Generated() {
				continue
			}
			d, err := component.Decode(c.Wasm)
			if err != nil {
				continue
			}
			p, err := link.Build(d)
			if err != nil {
				continue
			}
			if ok, why := p.Mergeable(); !ok {
				apart++
				if why == "" {
					t.Errorf("%s: not mergeable, and nothing says why", c.ID)
				}
				continue
			}
			m, err := p.Merge()
			if err != nil {
				// One module imports a memory twice, which only multi-memory allows.
				if c.ID != "linking__unit__0054__L355" {
					t.Errorf("%s: %v", c.ID, err)
				}
				continue
			}
			merged++
			checkMerged(t, c.ID, p, m)
		}
	}
	if merged < 150 || apart < 20 {
		t.Errorf("got %d merged and %d that have several memories or tags, want at least 150 and 20", merged, apart)
	}
}

func TestMergeNames(t *testing.T) {
	cases := map[string][]string{
		"plug": {
			"memory", "cabi_realloc", "demo:plug/handler@0.1.0#handle", "cabi_post_demo:plug/handler@0.1.0#handle",
			"demo:plug/handler@0.1.0#version",
		},
		"counter": {
			"memory",
			"test:count/counters@1.2.0#[constructor]counter", "test:count/counters@1.2.0#[method]counter.bump",
			"test:count/counters@1.2.0#[method]counter.label", "cabi_post_test:count/counters@1.2.0#[method]counter.label",
			"mrt:link/dtor.1",
		},
		"front": {"test:chain/front#go"},
	}
	for name, want := range cases {
		p := build(t, name)
		m, err := p.Merge()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := checkMerged(t, name, p, m); !slices.Equal(got, want) {
			t.Errorf("%s: got exports %q, want %q", name, got, want)
		}
	}
}

func TestMergeComposed(t *testing.T) {
	p, err := link.Compose(load(t, "app"), map[string]*component.Component{"test:count/counters": load(t, "counter")})
	if err != nil {
		t.Fatal(err)
	}
	if ok, why := p.Mergeable(); !ok {
		t.Fatal(why)
	}
	m, err := p.Merge()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"memory", "run", "mrt:link/callee.2", "mrt:link/callee.3", "mrt:link/dtor.1"}
	if got := checkMerged(t, "composed", p, m); !slices.Equal(got, want) {
		t.Errorf("got exports %q, want %q", got, want)
	}
}
