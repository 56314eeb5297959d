package engine

import (
	"context"
	"crypto/rand"
	"io"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// What host functions can ask of the guest that has called them. While a guest is started for its image, its clocks and
// its random numbers are those of the start: see startup.

// Exit ends the call of the guest that ctx belongs to as the guest's own exit does: it panics with a trap of kind
// abi.TrapExit whose cause is an *ExitError.
func Exit(_ context.Context, code uint32) {
	cause := &ExitError{Code: code}
	panic(&abi.Trap{Kind: abi.TrapExit, Reason: cause.Error(), Cause: cause})
}

// Stdout writes to the log as the standard output of the guest whose call ctx belongs to; outside of a guest's call
// nothing is written. It is for the goroutine of the call.
func Stdout(ctx context.Context) io.Writer {
	if inst := instanceOf(ctx); inst != nil {
		return &inst.stdout
	}
	return io.Discard
}

// Stderr is Stdout for the guest's standard error stream.
func Stderr(ctx context.Context) io.Writer {
	if inst := instanceOf(ctx); inst != nil {
		return &inst.stderr
	}
	return io.Discard
}

// Monotonic is the guest's monotonic clock, in nanoseconds. It goes on where that of the guest's start or of its saved
// instance ended. It is 0 outside of a guest's call.
func Monotonic(ctx context.Context) uint64 {
	inst := instanceOf(ctx)
	switch {
	case inst == nil:
		return 0
	case inst.boot != nil:
		return uint64(inst.boot.nanotime())
	case inst.image != nil:
		return uint64(inst.nanotime())
	default:
		return uint64(inst.pool.module.engine.nanotime())
	}
}

// Wall is the guest's time of day.
func Wall(ctx context.Context) time.Time {
	if inst := instanceOf(ctx); inst != nil && inst.boot != nil {
		sec, nsec := inst.boot.walltime()
		return time.Unix(sec, int64(nsec))
	}
	return time.Now()
}

// Skip lets d pass at once and gives true while the guest is started for its image; else it does nothing.
func Skip(ctx context.Context, d time.Duration) bool {
	inst := instanceOf(ctx)
	if inst == nil || inst.boot == nil {
		return false
	}
	inst.boot.elapsed += max(int64(d), 0)
	return true
}

// Random is where the guest's random numbers come from.
func Random(ctx context.Context) io.Reader {
	if inst := instanceOf(ctx); inst != nil && inst.boot != nil {
		return inst.boot.random
	}
	return rand.Reader
}
