package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// While a guest is started for its image, host functions see the clocks and random numbers of the start.
func TestHostFunctionsSeeTheStart(t *testing.T) {
	if images == engine.ImagesOff {
		return // there is no such start; TestHostFunctionsSeeTheCall has the rest
	}
	starts := func() (seen []string) {
		h := newThings()
		h.shared = true
		funcs := h.funcs()
		constructor := funcs[0].Call
		var mu sync.Mutex
		funcs[0].Call = func(ctx context.Context, g abi.Guest, stack []uint64) {
			before := engine.Monotonic(ctx)
			if !engine.Skip(ctx, time.Minute) {
				t.Error("want time to be simulated")
			}
			if d := engine.Monotonic(ctx) - before; d < uint64(time.Minute) || d > uint64(time.Minute+time.Second) {
				t.Errorf("want a minute to pass, got %d ns", d)
			}
			var random [8]byte
			if _, err := io.ReadFull(engine.Random(ctx), random[:]); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, fmt.Sprint(engine.Wall(ctx).Unix(), engine.Monotonic(ctx), random))
			constructor(ctx, g, stack)
		}
		seed := &engine.BootSeed{Secret: [32]byte{1}}
		p := enginetest.Pool(t, newEngine(t), component(t, "start"), engine.PoolConfig{Funcs: funcs, Boot: seed})
		if got, err := enginetest.Call(t.Context(), p, "use"); err != nil || got != 7 {
			t.Errorf("want 7, got %d, %v", got, err)
		}
		return seen
	}
	first, second := starts(), starts()
	if len(first) != 2 || first[0] == first[1] {
		t.Errorf("want two starts that differ, got %q", first)
	}
	if !slices.Equal(first, second) {
		t.Errorf("want the starts of one seed to be equal, got %q and %q", first, second)
	}
}

func TestHostFunctionsSeeTheCall(t *testing.T) {
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		logs := newLogs()
		funcs := newThings().funcs()
		funcs[2].Call = func(ctx context.Context, _ abi.Guest, stack []uint64) {
			if d := time.Since(engine.Wall(ctx)); d < -time.Hour || d > time.Hour {
				t.Errorf("want the time of day, it is off by %v", d)
			}
			if engine.Skip(ctx, time.Second) {
				t.Error("want real time in a call")
			}
			before := engine.Monotonic(ctx)
			if after := engine.Monotonic(ctx); after < before || before == 0 {
				t.Errorf("want a clock that goes on, got %d and %d", before, after)
			}
			fmt.Fprintln(engine.Stdout(ctx), "to stdout")
			fmt.Fprint(engine.Stderr(ctx), "to stderr")
			engine.Exit(ctx, uint32(stack[0]))
		}
		p := enginetest.Pool(t, e, component(t, "things"), engine.PoolConfig{Funcs: funcs, Log: slog.New(logs)})
		_, err := enginetest.Call(t.Context(), p, "take", 3)
		wantTrap(t, err, abi.TrapExit, "exited with code 3")
		if exit, ok := errors.AsType[*engine.ExitError](err); !ok || exit.Code != 3 {
			t.Errorf("want an ExitError with code 3, got %v", err)
		}
		for _, stream := range []string{"stdout", "stderr"} {
			if got := logs.stream(stream); len(got) != 1 || got[0].text != "to "+stream {
				t.Errorf("want one line on %s, got %+v", stream, got)
			}
		}
	})
	if engine.Stdout(t.Context()) != io.Discard || engine.Stderr(t.Context()) != io.Discard || engine.Skip(t.Context(), 1) {
		t.Error("want nothing outside of a guest's call")
	}
}
