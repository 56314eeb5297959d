package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// runner is a runtime and the host modules that all guests in it share. The engine has one for modules that are
// rewritten, which ask for fuel, and one for those that are run as they are, which the runtime has to interrupt: that
// makes their code several times slower.
type runner struct {
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	wasi    hostModule
	// fuel is there for rewritten modules only.
	fuel *hostModule
}

// newRunner starts a runtime. Each has a cache of its own, on the same folder: v1.12.0 mixes up type ids when runtimes
// share one.
func (e *Engine) newRunner(ctx context.Context, metered bool) (*runner, error) {
	rc := wazero.NewRuntimeConfig()
	if e.cfg.Interpreter {
		rc = wazero.NewRuntimeConfigInterpreter()
	}
	r := &runner{cache: e.newCache()}
	features := api.CoreFeaturesV2 | experimental.CoreFeaturesExtendedConst
	if !metered {
		// The rewriter does not know these.
		features |= experimental.CoreFeaturesExceptionHandling
	}
	rc = rc.WithCompilationCache(r.cache).
		WithCoreFeatures(features).
		WithCloseOnContextDone(!metered && !e.cfg.Uninterruptible)
	r.runtime = wazero.NewRuntimeWithConfig(ctx, rc)
	wasi, err := r.linkWASI(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the engine: %w", err), r.close(ctx))
	}
	r.wasi = wasi
	if !metered {
		return r, nil
	}
	b := r.runtime.NewHostModuleBuilder(wasm.FuelModule)
	number := []api.ValueType{api.ValueTypeI64}
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(yield), number, number).Export(wasm.FuelFunc)
	fuel, err := r.instantiateHost(ctx, b)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the engine: %w", err), r.close(ctx))
	}
	r.fuel = &fuel
	return r, nil
}

// newCache opens the folder once more; it has been opened before.
func (e *Engine) newCache() wazero.CompilationCache {
	if e.cacheDir != "" {
		if cache, err := wazero.NewCompilationCacheWithDir(e.cacheDir); err == nil {
			return cache
		}
	}
	return wazero.NewCompilationCache()
}

// shared gives a host module that all guests share, nil if name is none.
func (r *runner) shared(name string) api.Module {
	switch {
	case name == wasi_snapshot_preview1.ModuleName:
		return r.wasi.module
	case name == wasm.FuelModule && r.fuel != nil:
		return r.fuel.module
	default:
		return nil
	}
}

func (r *runner) close(ctx context.Context) error {
	return errors.Join(r.runtime.Close(ctx), r.cache.Close(ctx))
}
