package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// A guest that has handles when it has started has an image only if they stand for what instances share.
func TestHandlesFromTheStart(t *testing.T) {
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		for _, shared := range []bool{true, false} {
			h := newThings()
			h.shared = shared
			p := enginetest.Pool(t, e, component(t, "start"), engine.PoolConfig{Funcs: h.funcs(), Policy: engine.Reset})
			for range 3 {
				if got, err := enginetest.Call(t.Context(), p, "use"); err != nil || got != 7 {
					t.Errorf("shared %t: want 7, got %d, %v", shared, got, err)
				}
			}
			image := p.Stats().Image != ""
			merged := strings.HasSuffix(t.Name(), "merged") && images != engine.ImagesOff
			if want := shared && merged; image != want {
				t.Errorf("shared %t: want an image %t, got %t", shared, want, image)
			}
		}
	})
}

func TestKeepComponent(t *testing.T) {
	e := newEngine(t)
	h := newThings()
	p := enginetest.Pool(t, e, component(t, "things"), engine.PoolConfig{Funcs: h.funcs()})
	k, err := p.Keep(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	do := func(k *engine.Kept, fn string, param, want uint64) {
		t.Helper()
		err := k.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
			got, err := callNumber(ctx, g, fn, param)
			if got != want {
				t.Errorf("%s(%d): want %d, got %d", fn, param, want, got)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s(%d): %v", fn, param, err)
		}
	}
	do(k, "count", 0, 1)
	if images == engine.ImagesOff {
		if _, err := k.Save(); !errors.Is(err, engine.ErrNoImage) {
			t.Errorf("want ErrNoImage, got %v", err)
		}
		k.Close(t.Context())
		return
	}
	if err := k.Mark(); err != nil {
		t.Fatal(err)
	}
	do(k, "new", 5, 1)
	const want = "it holds handles of what only this process has: 1 of test:res/things@0.2/thing; have the guest drop them"
	wantHeld := func(name string, err error) {
		t.Helper()
		if !errors.Is(err, engine.ErrHeld) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: want ErrHeld with %q, got %v", name, want, err)
		}
	}
	_, err = k.Save()
	wantHeld("Save", err)
	wantHeld("Savable", k.Savable())
	if err := k.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := h.gone(); len(got) != 1 || got[0] != 5 {
		t.Errorf("want the thing dropped by the rollback, got %d", got)
	}
	do(k, "count", 0, 2)
	saved, err := k.Save()
	if err != nil {
		t.Fatal(err)
	}
	k.Close(t.Context())
	woken, err := p.Keep(t.Context(), saved)
	if err != nil {
		t.Fatal(err)
	}
	defer woken.Close(t.Context())
	do(woken, "count", 0, 3)
	do(woken, "new", 6, 1)
	wantHeld("Mark", woken.Mark())
}

func TestKeepGraph(t *testing.T) {
	p := enginetest.Pool(t, newEngine(t), component(t, "pair"), engine.PoolConfig{})
	if _, err := p.Keep(t.Context(), nil); !errors.Is(err, engine.ErrNoImage) || !strings.Contains(err.Error(), "several memories") {
		t.Errorf("want it refused to keep a graph, got %v", err)
	}
}

// coreBlobs is a core module that exports a resource.
func coreBlobs() []byte {
	const iface = "test:res/blobs@0.2.1"
	const export = "[export]" + iface
	one := []byte{i32}
	get0 := []byte{0x20, 0}
	return genModule{funcs: []genFunc{
		{module: export, name: "[resource-new]blob", params: one, results: one},
		{module: export, name: "[resource-rep]blob", params: one, results: one},
		{module: export, name: "[resource-drop]blob", params: one},
		{name: iface + "#[constructor]blob", params: one, results: one, body: cat(get0, []byte{0x10, 0})},
		{name: iface + "#rep", params: one, results: one, body: cat(get0, []byte{0x10, 1})},
		{name: iface + "#drop", params: one, body: cat(get0, []byte{0x10, 2})},
		// The destructor leaves the number of what it destroyed at address 0.
		{name: iface + "#[dtor]blob", params: one, body: cat([]byte{0x41, 0}, get0, []byte{0x36, 2, 0})},
		{name: iface + "#last", results: one, body: []byte{0x41, 0, 0x28, 2, 0}},
	}}.bytes()
}

// A core module has the built-ins of the resources that it exports, and the host drops what it owns.
func TestCoreModuleExportsResource(t *testing.T) {
	p := enginetest.Pool(t, newEngine(t), coreBlobs(), engine.PoolConfig{Policy: engine.Reset})
	err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
		do := func(fn string, param, want uint64) {
			t.Helper()
			if got, err := callNumber(ctx, g, blobsIface+"#"+fn, param); err != nil || got != want {
				t.Errorf("%s(%d): want %d, got %d, %v", fn, param, want, got, err)
			}
		}
		do("[constructor]blob", 70, 1)
		do("[constructor]blob", 80, 2)
		do("rep", 2, 80)
		do("drop", 1, 1)
		do("last", 0, 70)
		side, ok := g.(canon.Side)
		if !ok {
			t.Fatal("want an instance that is a Side")
		}
		res := side.Resource(blobsIface, "blob")
		rep := side.Handles().Take(res, 2)
		res.Drop(ctx, rep)
		do("last", 0, 80)
		_, err := callNumber(ctx, g, blobsIface+"#rep", 2)
		return err
	})
	wantTrap(t, err, abi.TrapABI, "[export]test:res/blobs@0.2.1#[resource-rep]blob: test:res/blobs@0.2/blob: expected a handle of the caller, found 2")
}

func TestCoreModuleIntrinsicsAreChecked(t *testing.T) {
	const export = "[export]test:res/blobs@0.2.1"
	m, err := newEngine(t).Compile(t.Context(), "m", genModule{funcs: []genFunc{
		{module: export, name: "[resource-new]blob", params: []byte{i64}, results: []byte{i32}},
		{module: export, name: "[resource-clone]blob", params: []byte{i32}},
	}}.bytes())
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, m.Close)
	if len(m.Imports()) > 0 {
		t.Errorf("want no imports of the host, got %v", m.Imports())
	}
	_, err = m.Pool(t.Context(), engine.PoolConfig{App: "test"})
	for _, want := range []string{
		"[resource-new]blob: want (i32) -> (i32), the module expects (i64) -> (i32)",
		"[resource-clone]blob: want [resource-new]NAME",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}
