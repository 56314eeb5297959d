package link_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/abi/component"
	"github.com/mrt-wasm/mrt-wasm/abi/component/link"
)

// The components of testdata are made of testdata/wat by "wasm-tools parse NAME.wat -o ../NAME.wasm" (1.262);
// plug.wasm is what AssemblyScript and wit-component make of a world with records, variants and a resource.
var update = flag.Bool("update", false, "write the golden files")

func load(tb testing.TB, name string) *component.Component {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		tb.Fatal(err)
	}
	return decode(tb, b)
}

func decode(tb testing.TB, b []byte) *component.Component {
	tb.Helper()
	c, err := component.Decode(b)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func build(tb testing.TB, name string) *link.Plan {
	tb.Helper()
	p, err := link.Build(load(tb, name))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make it with go test ./abi/component/link -update", err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// dump writes all that is in a plan.
func dump(p *link.Plan) string {
	var s strings.Builder
	for i, m := range p.Modules {
		fmt.Fprintf(&s, "module %d: %d bytes\n", i, len(m))
	}
	fmt.Fprintf(&s, "components: %d, parents %v\n", p.Components, p.Parents)
	for i, in := range p.Instances {
		fmt.Fprintf(&s, "core instance %d (%s): module %d in component instance %d\n", i, in.Name, in.Module, in.Component)
		for _, a := range in.Args {
			fmt.Fprintf(&s, "  %q %q = %s\n", a.Module, a.Name, def(&a.Def))
		}
	}
	for i, o := range p.Options {
		enc := map[canon.Encoding]string{canon.UTF8: "utf8", canon.UTF16: "utf16", canon.Latin1UTF16: "latin1+utf16"}[o.Encoding]
		fmt.Fprintf(&s, "options %d: component instance %d, %s, memory %s, realloc %s\n", i, o.Component, enc, def(o.Memory), def(o.Realloc))
	}
	for i, r := range p.Resources {
		fmt.Fprintf(&s, "resource %d: %s, host %t, import %q %q, component instance %d, dtor %s\n",
			i, r.Type.Name, r.Type.Host, r.Interface, r.Name, r.Component, def(r.Dtor))
	}
	for i, t := range p.Trampolines {
		kind := [...]string{"import", "lifted", "resource.new", "resource.rep", "resource.drop", "trap"}[t.Kind]
		fmt.Fprintf(&s, "trampoline %d: %s %s %v -> %v, options %d", i, kind, t.Name, t.Params, t.Results, t.Options)
		switch t.Kind {
		case link.CallImport:
			fmt.Fprintf(&s, ", import %d\n", t.Import)
		case link.CallLifted:
			fmt.Fprintf(&s, ", %s\n", lifted(t.Callee))
		default:
			fmt.Fprintf(&s, ", resource %d\n", t.Resource)
		}
	}
	for i, imp := range p.Imports {
		fmt.Fprintf(&s, "import %d: %q %q: %s\n", i, imp.Interface, imp.Name, imp.Type)
	}
	for _, e := range p.Exports {
		fmt.Fprintf(&s, "export %q %q: %s", e.Interface, e.Name, e.Type)
		if e.Lifted != nil {
			fmt.Fprintf(&s, ", %s\n", lifted(e.Lifted))
		} else {
			fmt.Fprintf(&s, ", import %d\n", e.Import)
		}
	}
	return s.String()
}

func lifted(l *link.Lifted) string {
	return fmt.Sprintf("%s = %s, options %d, post-return %s", l.Name, def(&l.Core), l.Options, def(l.PostReturn))
}

func def(d *link.CoreDef) string {
	switch {
	case d == nil:
		return "none"
	case d.Instance < 0:
		return fmt.Sprintf("trampoline %d", d.Trampoline)
	default:
		sort := map[component.Sort]string{
			component.SortCoreFunc: "func", component.SortCoreTable: "table", component.SortCoreMemory: "memory",
			component.SortCoreGlobal: "global", component.SortCoreTag: "tag",
		}[d.Sort]
		return fmt.Sprintf("%s %q of %d", sort, d.Name, d.Instance)
	}
}

func seedOf(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
