package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

var (
	errTimeout      = errors.New("the app's timeout is over")
	errStartTimeout = errors.New("the app's start timeout is over")
)

// maxFrames is how many functions of the guest's stack stand in a trap's reason.
const maxFrames = 5

// ended makes err, with which guest code ended, the trap of the instance.
func (i *Instance) ended(ctx context.Context, name string, err error) error {
	if i.trap != nil {
		return i.trap
	}
	trap, stack := i.classify(ctx, name, err)
	line := i.stderr.firstPanicLine()
	switch {
	case i.mem.refused > 0 && (trap.Kind == abi.TrapGuest || trap.Kind == abi.TrapExit):
		trap.Reason = fmt.Sprintf("out of memory: the guest asked for %s, its limit is %s (spec.limits.memory); %s",
			size(i.mem.refused), size(i.mem.limit), trap.Reason)
	case line != "" && (trap.Kind == abi.TrapGuest || trap.Kind == abi.TrapExit):
		trap.Reason = line + "; " + trap.Reason
	}
	i.trap = trap
	level := slog.LevelWarn
	if _, exited := errors.AsType[*ExitError](err); exited {
		level = slog.LevelDebug // a program that ends by itself, which is for its caller to judge
	}
	i.pool.log.LogAttrs(ctx, level, "the guest's call ended in a trap",
		slog.String("func", trap.Func), slog.String("kind", trap.Kind.String()), slog.String("reason", trap.Reason),
		slog.String("stack", stack))
	i.pool.trapped(trap.Kind)
	return trap
}

// classify makes a new trap of a runtime's error. It also gives the guest's stack.
func (i *Instance) classify(ctx context.Context, name string, err error) (*abi.Trap, string) {
	reason, stack, _ := strings.Cut(err.Error(), "\nwasm stack trace:")
	stack, _, _ = strings.Cut(stack, "\n\nGo runtime stack trace:")
	if known, ok := errors.AsType[*abi.Trap](err); ok {
		t := *known
		t.App = i.pool.app
		if t.Func == "" {
			t.Func = name
		}
		return &t, stack
	}
	t := &abi.Trap{App: i.pool.app, Func: name, Kind: abi.TrapGuest, Reason: reason, Cause: err}
	exit, exited := errors.AsType[*sys.ExitError](err)
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled),
		exited && (exit.ExitCode() == sys.ExitCodeDeadlineExceeded || exit.ExitCode() == sys.ExitCodeContextCanceled):
		t.Kind, t.Cause = abi.TrapTimeout, context.Canceled
		if cause := ctx.Err(); cause != nil {
			t.Cause = cause
		}
		t.Reason = i.timeoutReason(ctx)
		return t, stack
	case exited:
		t.Kind, t.Reason = abi.TrapExit, fmt.Sprintf("exited with code %d", exit.ExitCode())
		return t, stack
	}
	if bug, ok := errors.AsType[runtime.Error](err); ok {
		t.Kind, t.Reason = abi.TrapHost, "the host panicked: "+bug.Error()
		i.pool.log.ErrorContext(ctx, "the runtime panicked; this is a bug of the host", "error", err)
	}
	t.Reason += frames(stack)
	return t, stack
}

// timeoutReason says whose time was over.
func (i *Instance) timeoutReason(ctx context.Context) string {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errTimeout):
		return fmt.Sprintf("did not end within %s (spec.limits.timeout)", i.pool.limits.Timeout)
	case errors.Is(cause, errStartTimeout):
		return fmt.Sprintf("did not start within %s", i.pool.startTimeout)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return "did not end before the caller's deadline"
	default:
		return "the caller went away before the end"
	}
}

// frames gives the innermost functions of a stack trace, for example "; in main.crash, main.handle". Those of the Go
// runtime that come first say only that the guest panicked.
func frames(stack string) string {
	var names []string
	for line := range strings.SplitSeq(stack, "\n") {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "."), "(")
		source := strings.HasPrefix(line, "\t\t")
		if name == "" || source || len(names) == 0 && strings.HasPrefix(name, "runtime.") {
			continue
		}
		if names = append(names, name); len(names) == maxFrames {
			break
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "; in " + strings.Join(names, ", ")
}

// size writes bytes as the manifest does.
func size(n uint64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%dMi", n>>20)
	case n >= 1<<10:
		return fmt.Sprintf("%dKi", n>>10)
	default:
		return fmt.Sprint(n)
	}
}
