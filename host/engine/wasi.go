package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// ExitError is the cause of a trap of kind abi.TrapExit.
type ExitError struct{ Code uint32 }

// Error gives the code.
func (e *ExitError) Error() string { return fmt.Sprintf("exited with code %d", e.Code) }

// linkWASI makes the WASI preview 1 functions, which all pools share: they work on the instance that calls them.
func (r *runner) linkWASI(ctx context.Context) (hostModule, error) {
	b := r.runtime.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
	// The runtime's own proc_exit closes the module inside of the call.
	b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(procExit), []api.ValueType{api.ValueTypeI32}, nil).
		Export("proc_exit")
	// Those that change the table of open files, which a reset would have to bring back: there are no files but the
	// standard streams, and these stay.
	number := api.ValueTypeI32
	for name, params := range map[string][]api.ValueType{
		"fd_close": {number}, "fd_fdstat_set_flags": {number, number}, "fd_renumber": {number, number},
	} {
		b.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(keepStreams), params, []api.ValueType{number}).Export(name)
	}
	return r.instantiateHost(ctx, b)
}

// keepStreams tells the guest that its standard stream is changed, or that there is no such file.
func keepStreams(_ context.Context, _ api.Module, stack []uint64) {
	const lastStream, badFile = 2, 8 // badFile is WASI's errno for it
	if uint32(stack[0]) > lastStream {
		stack[0] = badFile
		return
	}
	stack[0] = 0
}

func procExit(ctx context.Context, _ api.Module, stack []uint64) { Exit(ctx, uint32(stack[0])) }

// moduleConfig is what all instances of a pool have in common: real clocks and randomness (the runtime's defaults are
// fixed ones), no files, no arguments but the app's name.
func moduleConfig(app string, env map[string]string) (wazero.ModuleConfig, error) {
	cfg := wazero.NewModuleConfig().
		WithName(""). // anonymous: any number of instances
		WithStartFunctions().
		WithArgs(app).
		WithSysWalltime().
		WithSysNanotime().
		WithOsyield(runtime.Gosched).
		WithRandSource(rand.Reader)
	for _, k := range slices.Sorted(maps.Keys(env)) {
		if k == "" || strings.ContainsAny(k, "=\x00") {
			return nil, fmt.Errorf("app %s: want the name of an environment variable, found %q (spec.env)", app, k)
		}
		if strings.Contains(env[k], "\x00") {
			return nil, fmt.Errorf("app %s: the environment variable %s has a zero byte in its value (spec.env)", app, k)
		}
		cfg = cfg.WithEnv(k, env[k])
	}
	return cfg, nil
}

// sleep is the guest's sleep: it ends with the call. While the image is made it takes no time but the guest's own.
func (i *Instance) sleep(ns int64) {
	if i.boot != nil {
		i.boot.elapsed += max(ns, 0)
		return
	}
	t := time.NewTimer(time.Duration(max(ns, 0)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-i.call.Done():
	}
}
