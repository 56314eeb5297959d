package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// A guest that loops ends at its deadline, and others run meanwhile.
func TestEndlessLoop(t *testing.T) {
	p := start(t, newHost(), engine.PoolConfig{Limits: engine.Limits{Timeout: 3 * time.Second}})
	ended := make(chan error, 1)
	go func() {
		_, err := enginetest.Call(t.Context(), p, export("loop"))
		ended <- err
	}()
	eventually(t, "the loop runs", func() bool { s := p.Stats(); return s.Calls == 1 })
	others := 0
	for {
		select {
		case err := <-ended:
			wantTrap(t, err, abi.TrapTimeout, "did not end within 3s (spec.limits.timeout)")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("want DeadlineExceeded as the cause, got %v", err)
			}
			if others == 0 {
				t.Error("no other call ran while the guest looped")
			}
			return
		default:
			if got, err := enginetest.Call(t.Context(), p, export("add"), 1, 2); err != nil || got != 3 {
				t.Fatalf("want 3, got %d, %v", got, err)
			}
			others++
		}
	}
}

func TestCallEndsWithItsContext(t *testing.T) {
	tests := []struct {
		name string
		fn   string
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want string
	}{
		{"deadline in a loop", "loop", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 100*time.Millisecond)
		}, "the caller's deadline"},
		{"deadline in a sleep", "sleep", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 100*time.Millisecond)
		}, "the caller's deadline"},
		{"deadline in a host function", "block", func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 100*time.Millisecond)
		}, "the caller's deadline"},
		{"cancelled in a loop", "loop", func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(100*time.Millisecond, cancel)
			return ctx, cancel
		}, "the caller went away"},
	}
	p := start(t, newHost(), engine.PoolConfig{Limits: engine.Limits{MaxInstances: 1}})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			// An instance is there before the clock runs.
			if got, err := enginetest.Call(t.Context(), p, export("count")); err != nil || got != 1 {
				t.Fatalf("want a new instance that counts 1, got %d, %v", got, err)
			}
			ctx, cancel := tt.ctx(t.Context())
			defer cancel()
			_, err := enginetest.Call(ctx, p, export(tt.fn), 1<<31)
			wantTrap(t, err, abi.TrapTimeout, tt.want)
		})
	}
	// A context that is over before the call costs nothing.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := enginetest.Call(ctx, p, export("add"), 1, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("want Canceled, got %v", err)
	}
}

// The deadline of a nested allocation ends the guest, not the host.
func TestDeadlineInRealloc(t *testing.T) {
	h := newHost()
	h.onTrap = func(ctx context.Context, g abi.Guest, _ uint32) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		g.Realloc(ctx, 0, 0, 8, 8)
	}
	p := start(t, h, engine.PoolConfig{})
	for range 10 {
		_, err := enginetest.Call(t.Context(), p, export("trap"), 0)
		wantTrap(t, err, abi.TrapTimeout, "went away")
	}
}

func TestMemoryLimit(t *testing.T) {
	wasm := guest(t)
	for _, interpreter := range []bool{false, true} {
		t.Run(map[bool]string{false: "compiled", true: "interpreted"}[interpreter], func(t *testing.T) {
			e := newEngine(t, func(c *engine.Config) { c.Interpreter = interpreter })
			small := enginetest.Pool(t, e, wasm, engine.PoolConfig{Funcs: newHost().funcs(), Limits: engine.Limits{Memory: 6 << 20}})
			large := enginetest.Pool(t, e, wasm, engine.PoolConfig{Funcs: newHost().funcs(), Limits: engine.Limits{Memory: 64 << 20}})
			const kib = 5 << 10
			_, err := enginetest.Call(t.Context(), small, export("allocate"), kib)
			trap, ok := asTrap(err)
			if !ok || !strings.Contains(trap.Reason, "its limit is 6Mi (spec.limits.memory)") {
				t.Fatalf("want a trap that names the limit, got %v", err)
			}
			if !strings.Contains(trap.Reason, "out of memory") {
				t.Errorf("want out of memory, got %v", err)
			}
			if _, err := enginetest.Call(t.Context(), large, export("allocate"), kib); err != nil {
				t.Errorf("the same app with a higher limit: %v", err)
			}
			if got, err := enginetest.Call(t.Context(), small, export("add"), 1, 2); err != nil || got != 3 {
				t.Errorf("the next call: want 3, got %d, %v", got, err)
			}
		})
	}
}

// memory.grow over the limit gives the guest -1 and does no harm.
func TestMemoryGrowFails(t *testing.T) {
	grow := []byte{0x20, 0, 0x40, 0}
	wasm := genModule{funcs: []genFunc{{name: "grow", params: []byte{i32}, results: []byte{i32}, body: grow}}}.bytes()
	p := enginetest.Pool(t, newEngine(t), wasm, engine.PoolConfig{Limits: engine.Limits{Memory: 1 << 20, MaxInstances: 1}})
	for _, step := range []struct{ pages, want uint64 }{{15, 1}, {1, 0xffffffff}, {0, 16}, {0xffff_ffff, 0xffffffff}} {
		got, err := enginetest.Call(t.Context(), p, "grow", step.pages)
		if err != nil || got&0xffffffff != step.want {
			t.Errorf("grow by %d: want %#x, got %#x, %v", step.pages, step.want, got, err)
		}
	}
}

// A guest that cannot start says so when the pool is made, or else at the first call.
func TestGuestThatDoesNotStart(t *testing.T) {
	loop := []byte{0x03, 0x40, 0x0c, 0, 0x0b}
	unreachable := []byte{0x00}
	tests := []struct {
		name string
		wasm genModule
		want string
	}{
		{"_initialize traps", genModule{funcs: []genFunc{{name: "_initialize", body: unreachable}}}, "unreachable"},
		{"_initialize loops", genModule{funcs: []genFunc{{name: "_initialize", body: loop}}}, "did not start within 100ms"},
		{"the start section traps", genModule{funcs: []genFunc{{name: "x"}, {name: "s", body: unreachable}}, start: 1}, "unreachable"},
		{"the start section loops", genModule{funcs: []genFunc{{name: "x"}, {name: "s", body: loop}}, start: 1}, "did not start within 100ms"},
	}
	e := newEngine(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := e.Compile(t.Context(), "m", tt.wasm.bytes())
			if err != nil {
				t.Fatal(err)
			}
			cfg := engine.PoolConfig{App: "test", Warm: 1, StartTimeout: 100 * time.Millisecond}
			_, err = m.Pool(t.Context(), cfg)
			if err == nil || !strings.Contains(err.Error(), "the guest did not start") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q, got %v", tt.want, err)
			}
			cfg.Warm = 0
			p := enginetest.Pool(t, e, tt.wasm.bytes(), cfg)
			_, err = enginetest.Call(t.Context(), p, "x")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("at the first call: want %q, got %v", tt.want, err)
			}
		})
	}
}
