package host

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/component"
	abiwasicli "github.com/mrt-wasm/mrt-wasm/abi/wasi/cli"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

// IsCommand tells whether a wasm file is a component that runs once and ends (wasi:cli/run), and handles nothing else. Of
// a file that is no component it is false.
func IsCommand(wasm []byte) bool {
	if !component.IsComponent(wasm) {
		return false
	}
	c, err := component.Decode(wasm)
	if err != nil {
		return false
	}
	runs := false
	for _, d := range c.Defs {
		e, ok := d.(*component.ExportDef)
		if !ok {
			continue
		}
		switch track := abi.Track(e.Name.Name); {
		case track == abi.Track(abiwasicli.RunModule):
			runs = true
		case slices.ContainsFunc(exportFuncs(), func(f abi.Func) bool { return abi.Track(f.Module) == track }):
			return false
		}
	}
	return runs
}

// RunCommand runs an app that is a command and gives its exit code: 0 for success, 1 for a failure without a code. It
// fails with what kept it from ending by itself.
func (h *Host) RunCommand(ctx context.Context, name string) (code int, err error) {
	a := h.apps[name]
	if a == nil {
		return 0, fmt.Errorf("app %s is not known", name)
	}
	err = a.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		if failed := abiwasicli.CallRunRun(ctx, g); failed != nil {
			return failed
		}
		return nil
	})
	if exit, ok := errors.AsType[*engine.ExitError](err); ok {
		return int(exit.Code), nil
	}
	if _, trapped := errors.AsType[*abi.Trap](err); err == nil || trapped {
		return 0, err
	}
	return 1, nil
}
