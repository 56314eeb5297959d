package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// A component says what it is in terms of its interfaces.
func TestComponentModule(t *testing.T) {
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		m, err := e.Compile(t.Context(), "blobs", component(t, "blobs"))
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, m.Close)
		iface := "test:res/blobs@0.2.1"
		if got := m.Interfaces(); !m.IsComponent() || !slices.Equal(got, []string{iface}) {
			t.Errorf("want a component with the interface %s, got %q", iface, got)
		}
		want := []string{iface + "#[constructor]blob", iface + "#[method]blob.size", iface + "#[static]blob.merge", iface + "#alive"}
		if got := m.Exports(); !slices.Equal(got, want) {
			t.Errorf("want the exports %q, got %q", want, got)
		}
		m, err = e.Compile(t.Context(), "start", component(t, "start"))
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, m.Close)
		imports := m.Imports()
		if len(imports) != 2 || imports[0].Module != "test:res/things@0.2.0" || imports[0].Name != "[constructor]thing" ||
			imports[0].Type != "func(n: u32) -> own<"+thingType+">" {
			t.Errorf("want the imports with their types, got %+v", imports)
		}
	})
}

func TestComponentLinkErrors(t *testing.T) {
	e := newEngine(t)
	change := func(name string, f func(*abi.Func)) []abi.Func {
		funcs := newThings().funcs()
		for k := range funcs {
			if funcs[k].Name == name {
				f(&funcs[k])
			}
		}
		return funcs
	}
	tests := []struct {
		name  string
		funcs []abi.Func
		want  []string
	}{
		{"nothing", nil, []string{"import test:res/things@0.2.3#[constructor]thing: nobody provides the interface test:res/things@0.2.3"}},
		{"another version", change("", func(*abi.Func) {})[:0], []string{"nobody provides"}},
		{
			"another type", change("echo", func(f *abi.Func) { f.Type = "func(s: list<u8>) -> list<u8>" }),
			[]string{"import test:res/things@0.2.3#echo: the component expects func(s: string) -> string, the host has func(s: list<u8>) -> list<u8>"},
		},
		{
			"a type that is not known", change("echo", func(f *abi.Func) { f.Type = "" }),
			[]string{"the host has a function without component type, with the signature (i32 i32 i32) -> ()"},
		},
		{
			"another track", change("echo", func(f *abi.Func) { f.Module = "test:res/things@0.3.0" }),
			[]string{"import test:res/things@0.2.3#echo: the interface has no such function"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := e.Compile(t.Context(), "things", component(t, "things"))
			if err != nil {
				t.Fatal(err)
			}
			defer shut(t, m.Close)
			_, err = m.Pool(t.Context(), engine.PoolConfig{App: "test", Funcs: tt.funcs})
			link, ok := errors.AsType[*engine.LinkError](err)
			if !ok || len(link.Problems) != len(tt.want) {
				t.Fatalf("want a LinkError with %d problems, got %v", len(tt.want), err)
			}
			for k, want := range tt.want {
				if !strings.Contains(link.Problems[k], want) {
					t.Errorf("want %q, got %q", want, link.Problems[k])
				}
			}
		})
	}
}

// Of functions of one name a component gets the one of its type, and a core module the one of its signature.
func TestDialects(t *testing.T) {
	e := newEngine(t)
	other := abi.Func{
		Module: "test:res/things@0.2.3", Name: "echo", Params: []abi.ValType{abi.I32}, Type: "func(n: u32)",
		Call: func(context.Context, abi.Guest, []uint64) {},
	}
	funcs := append(newThings().funcs(), other)
	p := enginetest.Pool(t, e, component(t, "things"), engine.PoolConfig{Funcs: funcs})
	err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
		got, err := shout(ctx, g, "echo", "x")
		if got != "x" {
			t.Errorf("want x, got %q", got)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	link := func(params []byte, funcs []abi.Func) error {
		m, err := e.Compile(t.Context(), "m", genModule{funcs: []genFunc{{module: "test:res/things@0.2.7", name: "echo", params: params}}}.bytes())
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, m.Close)
		p, err := m.Pool(t.Context(), engine.PoolConfig{App: "test", Funcs: funcs})
		if err == nil {
			shut(t, p.Close)
		}
		return err
	}
	three := []byte{i32, i32, i32}
	if err := errors.Join(link([]byte{i32}, funcs), link(three, funcs)); err != nil {
		t.Errorf("want core modules linked by their signatures, got %v", err)
	}
	if err := link([]byte{i64}, funcs); err == nil || !strings.Contains(err.Error(), "(i32 i32 i32) -> () or (i32) -> ()") {
		t.Errorf("want both signatures named, got %v", err)
	}
	other.Params, other.Type = []abi.ValType{abi.I32, abi.I32, abi.I32}, "func(s: string) -> list<u8>"
	funcs[len(funcs)-1] = other
	if err := link(three, funcs); err == nil || !strings.Contains(err.Error(), "the host has 2 functions with the signature") {
		t.Errorf("want it refused to choose, got %v", err)
	}
	for k := range funcs {
		funcs[k].Module = thingsIface
	}
	funcs[len(funcs)-1].Module = "test:res/things@0.2.7"
	if err := link(three, funcs); err != nil {
		t.Errorf("want the function of the very version chosen, got %v", err)
	}
}

// checkExports compares the handlers that the host calls with what the component exports.
func TestComponentExportsAreChecked(t *testing.T) {
	e := newEngine(t)
	m, err := e.Compile(t.Context(), "blobs", component(t, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, m.Close)
	one := []abi.ValType{abi.I32}
	exports := []abi.Func{{Module: blobsIface, Name: "alive", Results: one, Type: "func() -> u64"}, {Module: blobsIface, Name: "count"}}
	_, err = m.Pool(t.Context(), engine.PoolConfig{App: "test", Exports: exports})
	for _, want := range []string{
		"export test:res/blobs@0.2.1#alive: want func() -> u64, found func() -> u32",
		"export test:res/blobs@0.2.0#count: the module exports other functions of the interface, but not this one",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	exports = []abi.Func{{Module: blobsIface, Name: "alive", Results: one, Type: "func() -> u32"}}
	p, err := m.Pool(t.Context(), engine.PoolConfig{App: "test", Exports: exports})
	if err != nil {
		t.Fatal(err)
	}
	shut(t, p.Close)
}

// The host makes, uses and drops resources of a component: by whatever version of the interface it knows.
func TestExportedResource(t *testing.T) {
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		p := enginetest.Pool(t, e, component(t, "blobs"), engine.PoolConfig{Policy: engine.Reset})
		err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error { return useBlobs(ctx, t, g) })
		if err != nil {
			t.Error(err)
		}
		err = p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
			res := canon.At(g, blobsIface+"#alive").(canon.Side).Resource(blobsIface, "blob")
			res.Drop(ctx, canon.Rep{Num: 666})
			return nil
		})
		wantTrap(t, err, abi.TrapGuest, "unreachable")
	})
}

func useBlobs(ctx context.Context, t *testing.T, g abi.Guest) error {
	t.Helper()
	side, ok := canon.At(g, blobsIface+"#[constructor]blob").(canon.Side)
	if !ok {
		t.Fatal("want a Side for an export of a component")
	}
	res := side.Resource(blobsIface, "blob")
	if res == nil || side.Resource(blobsIface, "other") != nil {
		t.Fatalf("want one resource, got %v", res)
	}
	alive := func(want uint64) {
		t.Helper()
		if got, err := callNumber(ctx, g, blobsIface+"#alive"); err != nil || got != want {
			t.Errorf("want %d alive, got %d, %v", want, got, err)
		}
	}
	var reps []canon.Rep
	for _, n := range []uint64{20, 22} {
		h, err := callNumber(ctx, g, blobsIface+"#[constructor]blob", n)
		if err != nil {
			return err
		}
		reps = append(reps, side.Handles().Take(res, uint32(h)))
	}
	alive(2)
	if got, err := callNumber(ctx, g, blobsIface+"#[method]blob.size", uint64(reps[1].Num)); err != nil || got != 22 {
		t.Errorf("want size 22, got %d, %v", got, err)
	}
	a, b := side.Handles().Add(res, reps[0]), side.Handles().Add(res, reps[1])
	h, err := callNumber(ctx, g, blobsIface+"#[static]blob.merge", uint64(a), uint64(b))
	if err != nil {
		return err
	}
	alive(1)
	rep := side.Handles().Take(res, uint32(h))
	if rep.Num != 42 || side.Handles().Len() != 0 {
		t.Errorf("want one blob of 42 and no handles left, got %d and %d", rep.Num, side.Handles().Len())
	}
	res.Drop(ctx, rep)
	alive(0)
	return nil
}

// An import of one component is the export of another: of a compatible version.
func TestCompose(t *testing.T) {
	e := newEngine(t)
	speaker, voice := component(t, "speaker"), component(t, "voice")
	m, err := e.Compose(t.Context(), "speaker", speaker, map[string][]byte{"test:res/voice": voice})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, m.Close)
	p, err := m.Pool(t.Context(), engine.PoolConfig{App: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, p.Close)
	if got, err := enginetest.Call(t.Context(), p, "speak"); err != nil || got != 5 {
		t.Errorf("want 5, got %d, %v", got, err)
	}
	for _, tt := range []struct {
		wasm, dep []byte
		want      string
	}{
		{smallGuest(), voice, "only a component can be composed"},
		{speaker, smallGuest(), "the component that provides test:res/voice: not a valid component"},
		{speaker, component(t, "things"), "test:res/voice"},
	} {
		_, err := e.Compose(t.Context(), "m", tt.wasm, map[string][]byte{"test:res/voice": tt.dep})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("want %q, got %v", tt.want, err)
		}
	}
}
