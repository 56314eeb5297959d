package clocks

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiclocks "github.com/mrt-wasm/mrt-wasm/abi/wasi/clocks"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

func TestMonotonic(t *testing.T) {
	ctx := t.Context()
	m := newMonotonic(Config{})
	if got := m.Resolution(ctx); got != 1 {
		t.Errorf("got resolution %d, want 1", got)
	}
	last := m.Now(ctx)
	if began := uint64(time.Now().Add(-time.Hour).UnixNano()); last < began {
		t.Errorf("got %d, want the wall time or later", last)
	}
	for range 1000 {
		now := m.Now(ctx)
		if now < last {
			t.Fatalf("got %d after %d", now, last)
		}
		last = now
	}
	if !m.SubscribeInstant(ctx, last).Ready(ctx) || !m.SubscribeInstant(ctx, 0).Ready(ctx) || !m.SubscribeDuration(ctx, 0).Ready(ctx) {
		t.Error("got not ready, want the past to be")
	}
	for _, far := range []uint64{uint64(time.Hour), math.MaxUint64} {
		if m.SubscribeDuration(ctx, far).Ready(ctx) {
			t.Errorf("got ready, want the future (%d) not to be", far)
		}
	}
	if m.SubscribeInstant(ctx, math.MaxUint64).Ready(ctx) {
		t.Error("got ready, want the end of time not to be")
	}
}

func TestTimerWakes(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	m := newMonotonic(Config{})
	const d = 3 * time.Millisecond
	start := m.Now(ctx)
	p := m.SubscribeDuration(ctx, uint64(d))
	far := m.SubscribeDuration(ctx, uint64(time.Hour))
	if got := wasiio.Poll(ctx, []abiio.Pollable{far, p}); len(got) != 1 || got[0] != 1 {
		t.Errorf("got %v ready, want the near timer", got)
	}
	if got := m.Now(ctx) - start; got < uint64(d) {
		t.Errorf("got ready after %v, want %v", time.Duration(got), d)
	}
	p = m.SubscribeInstant(ctx, m.Now(ctx)+uint64(d))
	p.Block(ctx)
	if !p.Ready(ctx) {
		t.Error("got not ready after block")
	}
}

func TestTimerEndsWithTheCall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	defer func() {
		if trap, ok := recover().(*abi.Trap); !ok || trap.Kind != abi.TrapTimeout {
			t.Errorf("got %v, want a timeout", trap)
		}
	}()
	newMonotonic(Config{}).SubscribeDuration(ctx, math.MaxUint64).Block(ctx)
}

// TestSimulatedTime is what the engine does while it makes an image: the clock goes on by what the guest sleeps.
func TestSimulatedTime(t *testing.T) {
	ctx := t.Context()
	now := uint64(1000)
	m := newMonotonic(Config{
		Monotonic: func(context.Context) uint64 { return now },
		Skip:      func(_ context.Context, d time.Duration) bool { now += uint64(d); return true },
	})
	far, near := m.SubscribeDuration(ctx, uint64(50*time.Hour)), m.SubscribeDuration(ctx, uint64(time.Hour))
	if got := wasiio.Poll(ctx, []abiio.Pollable{far, near}); len(got) != 1 || got[0] != 1 {
		t.Errorf("got %v ready, want the near timer", got)
	}
	if want := 1000 + uint64(time.Hour); now != want {
		t.Errorf("got %d, want %d", now, want)
	}
	far.Block(ctx)
	if want := 1000 + uint64(50*time.Hour); now != want {
		t.Errorf("got %d, want %d", now, want)
	}
}

func TestWall(t *testing.T) {
	for _, c := range []struct {
		now  time.Time
		want abiclocks.Datetime
	}{
		{time.Unix(5, 6), abiclocks.Datetime{Seconds: 5, Nanoseconds: 6}},
		{time.Unix(-5, 6), abiclocks.Datetime{}},
	} {
		w := &wall{now: func(context.Context) time.Time { return c.now }}
		if got := w.Now(t.Context()); got != c.want {
			t.Errorf("got %v, want %v", got, c.want)
		}
		if got := w.Resolution(t.Context()); got != (abiclocks.Datetime{Nanoseconds: 1}) {
			t.Errorf("got resolution %v, want a nanosecond", got)
		}
	}
}

func TestTimezone(t *testing.T) {
	ctx := t.Context()
	utc := abiclocks.TimezoneDisplay{Name: "UTC"}
	for _, c := range []struct {
		location *time.Location
		when     uint64
		want     abiclocks.TimezoneDisplay
	}{
		{time.UTC, 0, utc},
		{time.FixedZone("XST", -3600), 0, abiclocks.TimezoneDisplay{UtcOffset: -3600, Name: "XST"}},
		{time.FixedZone("", 4*3600+1800), 0, abiclocks.TimezoneDisplay{UtcOffset: 16200, Name: "+04:30"}},
		{time.FixedZone("XST", 3600), math.MaxUint64, utc},
		{time.FixedZone("far", 86400), 0, utc},
	} {
		z := &timezone{location: c.location}
		when := abiclocks.Datetime{Seconds: c.when}
		if got := z.Display(ctx, when); got != c.want {
			t.Errorf("%v at %d: got %+v, want %+v", c.location, c.when, got, c.want)
		}
		if got := z.UtcOffset(ctx, when); got != c.want.UtcOffset {
			t.Errorf("%v at %d: got %d, want %d", c.location, c.when, got, c.want.UtcOffset)
		}
	}
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatalf("the time zone database is needed (package tzdata): %v", err)
	}
	z := &timezone{location: berlin}
	for when, want := range map[time.Time]abiclocks.TimezoneDisplay{
		time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC): {UtcOffset: 3600, Name: "CET"},
		time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC): {UtcOffset: 7200, Name: "CEST", InDaylightSavingTime: true},
	} {
		if got := z.Display(ctx, abiclocks.Datetime{Seconds: uint64(when.Unix())}); got != want {
			t.Errorf("%v: got %+v, want %+v", when, got, want)
		}
	}
}
