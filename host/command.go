package host

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiwasicli "github.com/mrt-wasm/mrt-wasm/abi/wasi/cli"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

// IsCommand tells whether an app is a program that runs once and ends (wasi:cli/run), and handles nothing else.
func (h *Host) IsCommand(name string) bool {
	a := h.apps[name]
	if a == nil || !a.Handles(abiwasicli.RunModule) {
		return false
	}
	return !slices.ContainsFunc(h.exports(), func(iface string) bool {
		return iface != abiwasicli.RunModule && a.Handles(iface)
	})
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
