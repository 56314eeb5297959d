package rewritetest

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

const (
	compiled    = "compiled"
	interpreted = "interpreted"
)

// errNoFuel ends a call whose fuel is used up for good.
var errNoFuel = errors.New("the fuel budget is used up")

// host runs modules in one runtime.
type host struct {
	runtime wazero.Runtime
	out     bytes.Buffer
	fuel    *tank
	started int // calls of the import env started, since the last start
}

// tank is the fuel of the running call.
type tank struct {
	slice  int64 // given at each yield
	budget int64 // what may be spent; negative is no end
	spent  int64
	yields int
}

// newHost keeps what it compiles for the next run.
func newHost(t testing.TB, engine string) *host {
	t.Helper()
	cache, err := wazero.NewCompilationCacheWithDir(enginetest.CacheDir(t))
	if err != nil {
		t.Fatal(err)
	}
	return newHostWith(t, engine, cache)
}

// newHostUncached is for modules that are seen once.
func newHostUncached(t testing.TB, engine string) *host {
	t.Helper()
	return newHostWith(t, engine, wazero.NewCompilationCache())
}

func newHostWith(t testing.TB, engine string, cache wazero.CompilationCache) *host {
	t.Helper()
	rc := wazero.NewRuntimeConfigCompiler()
	if engine == interpreted {
		rc = wazero.NewRuntimeConfigInterpreter()
	}
	ctx := context.Background()
	rc = rc.WithCompilationCache(cache).WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExtendedConst)
	h := &host{runtime: wazero.NewRuntimeWithConfig(ctx, rc), fuel: &tank{}}
	t.Cleanup(func() {
		if err := errors.Join(h.runtime.Close(ctx), cache.Close(ctx)); err != nil {
			t.Error(err)
		}
	})
	wasi_snapshot_preview1.MustInstantiate(ctx, h.runtime)
	_, err := h.runtime.NewHostModuleBuilder(wasm.FuelModule).NewFunctionBuilder().
		WithGoFunction(api.GoFunc(h.yield), []api.ValueType{api.ValueTypeI64}, []api.ValueType{api.ValueTypeI64}).
		Export(wasm.FuelFunc).Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	none, i32 := []api.ValueType{}, []api.ValueType{api.ValueTypeI32}
	_, err = h.runtime.NewHostModuleBuilder("env").
		NewFunctionBuilder().WithGoFunction(api.GoFunc(func(context.Context, []uint64) { h.started++ }), none, none).Export("started").
		NewFunctionBuilder().WithGoFunction(api.GoFunc(func(_ context.Context, s []uint64) { s[0] = uint64(h.started) }), none, i32).Export("count").
		Instantiate(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// yield refills the tank as the engine does.
func (h *host) yield(_ context.Context, stack []uint64) {
	left := int64(stack[0])
	h.fuel.yields++
	h.fuel.spent += h.fuel.slice - left
	if h.fuel.budget >= 0 && h.fuel.spent > h.fuel.budget {
		panic(errNoFuel)
	}
	stack[0] = uint64(h.fuel.slice)
}

// instance is one instance and what was said about its module.
type instance struct {
	api.Module
	host   *host
	result *wasm.Result
}

// plain gives a module that is not rewritten the shape of one that is.
func plain(b []byte) *wasm.Result { return &wasm.Result{Wasm: b} }

// start instantiates a module the way the engine does: instantiate, write the image, call what was the start
// function. It does not call _initialize.
func (h *host) start(t testing.TB, r *wasm.Result) (*instance, error) {
	t.Helper()
	ctx := context.Background()
	compiled, err := h.runtime.CompileModule(ctx, r.Wasm)
	if err != nil {
		t.Fatalf("the module is not valid: %v", err)
	}
	t.Cleanup(func() { compiled.Close(ctx) })
	h.started = 0
	cfg := wazero.NewModuleConfig().WithName("").WithStartFunctions().WithSysWalltime().WithSysNanotime().WithSysNanosleep().
		WithOsyield(runtime.Gosched).WithRandSource(rand.NewChaCha8([32]byte{})).WithStdout(&h.out).WithStderr(&h.out)
	mod, err := h.runtime.InstantiateModule(ctx, compiled, cfg)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { mod.Close(ctx) })
	i := &instance{mod, h, r}
	for _, s := range r.Image {
		if !mod.Memory().Write(s.Offset, s.Bytes) {
			t.Fatalf("the image has %d bytes at %d, outside of the memory", len(s.Bytes), s.Offset)
		}
	}
	if r.StartExport != "" {
		if _, err := i.call(tank{slice: 1000, budget: -1}, r.StartExport); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// call calls an export with so much fuel, and reports what was spent through the host.
func (i *instance) call(f tank, name string, args ...uint64) ([]uint64, error) {
	*i.host.fuel = f
	fn := i.ExportedFunction(name)
	var counter api.MutableGlobal
	if i.result.FuelGlobal != "" {
		counter = i.ExportedGlobal(i.result.FuelGlobal).(api.MutableGlobal)
		counter.Set(uint64(f.slice))
	}
	results, err := fn.Call(context.Background(), args...)
	if counter != nil {
		i.host.fuel.spent += f.slice - int64(counter.Get())
	}
	return results, err
}

// must is call with endless fuel, which may not fail.
func (i *instance) must(t testing.TB, name string, args ...uint64) []uint64 {
	t.Helper()
	results, err := i.call(tank{slice: 100_000, budget: -1}, name, args...)
	if err != nil {
		t.Fatalf("%s%v: %v\n%s", name, args, err, i.host.out.String())
	}
	return results
}

// transform rewrites or fails.
func transform(t testing.TB, b []byte, o wasm.Options) *wasm.Result {
	t.Helper()
	r, err := wasm.Transform(b, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// firstLine is an error without its stack trace.
func firstLine(err error) string {
	if err == nil {
		return ""
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
