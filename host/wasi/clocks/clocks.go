// Package clocks implements wasi:clocks 0.2: monotonic-clock, wall-clock and the unstable timezone.
package clocks

import (
	"context"
	"math"
	"math/bits"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiclocks "github.com/mrt-wasm/mrt-wasm/abi/wasi/clocks"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// Config says where the time comes from. The zero value is the host's own time in UTC.
type Config struct {
	// Monotonic gives the monotonic clock of the calling instance, in nanoseconds. It must not go back for a guest that
	// was started from an image or a saved state. Nil for a clock that began with the host's wall time.
	Monotonic func(ctx context.Context) uint64
	// Wall gives the wall clock of the calling instance. Nil for time.Now.
	Wall func(ctx context.Context) time.Time
	// Skip lets d pass at once for the calling instance if its time is simulated, as while its image is made; else it
	// does nothing and gives false. Nil if time never is.
	Skip func(ctx context.Context, d time.Duration) bool
	// Location is the time zone that guests are told. Nil for UTC.
	Location *time.Location
}

// Funcs gives the host functions of the package.
func Funcs(c Config) []abi.Func {
	m, w := newMonotonic(c), &wall{now: c.Wall}
	if w.now == nil {
		w.now = func(context.Context) time.Time { return time.Now() }
	}
	z := &timezone{location: c.Location}
	if z.location == nil {
		z.location = time.UTC
	}
	funcs := abiclocks.MonotonicClockFuncs(m)
	funcs = append(funcs, abiclocks.WallClockFuncs(w)...)
	return append(funcs, abiclocks.TimezoneFuncs(z)...)
}

// resolution is that of both clocks, in nanoseconds.
const resolution = 1

type monotonic struct {
	now  func(ctx context.Context) uint64
	skip func(ctx context.Context, d time.Duration) bool
}

var _ abiclocks.MonotonicClockHost = (*monotonic)(nil)

func newMonotonic(c Config) *monotonic {
	m := &monotonic{now: c.Monotonic, skip: c.Skip}
	if m.now == nil {
		// From the wall time on, so that a guest whose state outlives the process sees no step back.
		start := time.Now()
		base := max(start.UnixNano(), 1)
		m.now = func(context.Context) uint64 { return uint64(base + int64(time.Since(start))) }
	}
	return m
}

// Now gives the clock's value.
func (m *monotonic) Now(ctx context.Context) uint64 { return m.now(ctx) }

// Resolution is one nanosecond.
func (*monotonic) Resolution(context.Context) uint64 { return resolution }

// SubscribeInstant gives a pollable that is ready from when on.
func (m *monotonic) SubscribeInstant(_ context.Context, when uint64) abiio.Pollable {
	return wasiio.NewPollable(&timer{clock: m, when: when})
}

// SubscribeDuration gives a pollable that is ready after d.
func (m *monotonic) SubscribeDuration(ctx context.Context, d uint64) abiio.Pollable {
	when, carry := bits.Add64(m.now(ctx), d, 0)
	if carry != 0 {
		when = math.MaxUint64
	}
	return m.SubscribeInstant(ctx, when)
}

// timer is ready when the clock reaches when.
type timer struct {
	clock *monotonic
	when  uint64
}

var _ wasiio.Timer = (*timer)(nil)

func (t *timer) Ready(ctx context.Context) bool { return t.clock.now(ctx) >= t.when }

func (t *timer) Watch(ctx context.Context, wake func()) func() {
	timer := time.AfterFunc(t.Remaining(ctx), wake)
	return func() { timer.Stop() }
}

func (t *timer) Remaining(ctx context.Context) time.Duration {
	now := t.clock.now(ctx)
	if now >= t.when {
		return 0
	}
	return time.Duration(min(t.when-now, math.MaxInt64))
}

func (t *timer) Skip(ctx context.Context, d time.Duration) bool {
	return t.clock.skip != nil && t.clock.skip(ctx, d)
}

type wall struct {
	now func(ctx context.Context) time.Time
}

var _ abiclocks.WallClockHost = (*wall)(nil)

// Now gives the time; one before 1970 is 1970.
func (w *wall) Now(ctx context.Context) abiclocks.Datetime {
	t := w.now(ctx)
	if t.Unix() < 0 {
		return abiclocks.Datetime{}
	}
	return abiclocks.Datetime{Seconds: uint64(t.Unix()), Nanoseconds: uint32(t.Nanosecond())}
}

// Resolution is one nanosecond.
func (*wall) Resolution(context.Context) abiclocks.Datetime {
	return abiclocks.Datetime{Nanoseconds: resolution}
}
