package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

func asTrap(err error) (*abi.Trap, bool) { return errors.AsType[*abi.Trap](err) }

func TestCall(t *testing.T) {
	wasm := guest(t)
	for _, interpreter := range []bool{false, true} {
		t.Run(map[bool]string{false: "compiled", true: "interpreted"}[interpreter], func(t *testing.T) {
			h := newHost()
			h.text = strings.Repeat("text ", 1000)
			e := newEngine(t, func(c *engine.Config) { c.Interpreter = interpreter })
			p := enginetest.Pool(t, e, wasm, engine.PoolConfig{Funcs: h.funcs()})
			if got, err := enginetest.Call(t.Context(), p, export("add"), 2, 40); err != nil || got != 42 {
				t.Errorf("add: want 42, got %d, %v", got, err)
			}
			if got, err := enginetest.Call(t.Context(), p, export("text")); err != nil || got != uint64(len(h.text)) {
				t.Errorf("text: want %d, got %d, %v", len(h.text), got, err)
			}
			// Reuse: state survives.
			for want := uint64(1); want <= 3; want++ {
				if got, err := enginetest.Call(t.Context(), p, export("count")); err != nil || got != want {
					t.Errorf("count: want %d, got %d, %v", want, got, err)
				}
			}
			_, err := enginetest.Call(t.Context(), p, export("panic"))
			wantTrap(t, err, abi.TrapGuest, "panic: boom")
		})
	}
}

func TestTraps(t *testing.T) {
	errHost := errors.New("the disk is on fire")
	h := newHost()
	h.onTrap = func(ctx context.Context, g abi.Guest, kind uint32) {
		switch kind {
		case 0:
			abi.Trapf("unknown tag %d", 9)
		case 1:
			panic(errHost)
		case 2:
			panic("plain")
		case 3:
			g.Realloc(ctx, 0, 0, 16, 8)
		case 4:
			g.Realloc(ctx, 0, 0, 32, 64)
		case 5:
			g.Realloc(ctx, 0, 0, 64, 8)
		case 6:
			g.Realloc(ctx, 0, 0, 128, 8)
		case 7:
			// A host function that does not let itself be stopped.
			func() {
				defer func() { _ = recover() }()
				g.Realloc(ctx, 0, 0, 128, 8)
			}()
		case 8:
			if err := g.Call(ctx, export("noop"), nil); err != nil {
				panic(err)
			}
		case 9:
			var none []int
			none[kind]++
		}
	}
	p := start(t, h, engine.PoolConfig{})
	tests := []struct {
		name   string
		fn     string
		param  uint64
		kind   abi.TrapKind
		want   string
		inFunc string
	}{
		{"a panic", "panic", 0, abi.TrapGuest, "panic: boom", export("panic")},
		{"a nil pointer", "nil", 1, abi.TrapGuest, "panic: runtime error: invalid memory address", export("nil")},
		{"exit", "exit", 3, abi.TrapExit, "exited with code 3", export("exit")},
		{"exit 0", "exit", 0, abi.TrapExit, "exited with code 0", export("exit")},
		{"a broken ABI", "trap", 0, abi.TrapABI, "unknown tag 9", hostIface + "#trap"},
		{"a host error", "trap", 1, abi.TrapHost, "the disk is on fire", hostIface + "#trap"},
		{"a host panic", "trap", 2, abi.TrapHost, "plain", hostIface + "#trap"},
		{"a host bug", "trap", 9, abi.TrapHost, "index out of range", hostIface + "#trap"},
		{"realloc not aligned", "trap", 3, abi.TrapABI, "not aligned", "cabi_realloc"},
		{"realloc past the end", "trap", 4, abi.TrapABI, "past the memory", "cabi_realloc"},
		{"realloc calls the host", "trap", 5, abi.TrapABI, "must not call imports", hostIface + "#add"},
		{"realloc exits", "trap", 6, abi.TrapExit, "exited with code 9", "cabi_realloc"},
		{"realloc exits and the host goes on", "trap", 7, abi.TrapExit, "exited with code 9", "cabi_realloc"},
		{"a call from a host function", "trap", 8, abi.TrapHost, "one call at a time", export("noop")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := p.Stats()
			_, err := enginetest.Call(t.Context(), p, export(tt.fn), tt.param)
			wantTrap(t, err, tt.kind, tt.want)
			trap, _ := asTrap(err)
			if trap.Func != tt.inFunc {
				t.Errorf("want the trap in %s, got %s", tt.inFunc, trap.Func)
			}
			if after := p.Stats(); after.Traps[tt.kind] != before.Traps[tt.kind]+1 {
				t.Errorf("want one more trap of kind %s, got %v after %v", tt.kind, after.Traps, before.Traps)
			}
			// The instance is gone: the next one counts from the start.
			if got, err := enginetest.Call(t.Context(), p, export("count")); err != nil || got != 1 {
				t.Errorf("want a new instance that counts 1, got %d, %v", got, err)
			}
		})
	}
	if _, err := enginetest.Call(t.Context(), p, export("trap"), 1); !errors.Is(err, errHost) {
		t.Errorf("want the host's error as the cause, got %v", err)
	}
	var exit *engine.ExitError
	if _, err := enginetest.Call(t.Context(), p, export("exit"), 3); !errors.As(err, &exit) || exit.Code != 3 {
		t.Errorf("want an ExitError of code 3, got %v", err)
	}
}

// A trap of wasm itself names the functions of the guest.
func TestTrapOfWasm(t *testing.T) {
	unreachable := []byte{0x00}
	recursion := []byte{0x10, 2} // calls itself
	outOfBounds := []byte{0x41, 0x7f, 0x28, 2, 0, 0x1a}
	wasm := genModule{funcs: []genFunc{
		{name: "unreachable", body: unreachable},
		{name: "bounds", body: outOfBounds},
		{name: "recursion", body: recursion},
	}}.bytes()
	p := enginetest.Pool(t, newEngine(t), wasm, engine.PoolConfig{})
	for fn, want := range map[string]string{
		"unreachable": "unreachable; in ", "bounds": "out of bounds memory access", "recursion": "stack overflow",
	} {
		_, err := enginetest.Call(t.Context(), p, fn)
		wantTrap(t, err, abi.TrapGuest, want)
	}
}

func TestCallOfTheUnknown(t *testing.T) {
	p := start(t, newHost(), engine.PoolConfig{})
	err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
		if g.Has(export("nothing")) || !g.Has(export("add")) {
			t.Error("Has does not tell the truth")
		}
		return g.Call(ctx, export("nothing"), nil)
	})
	wantTrap(t, err, abi.TrapABI, "does not export")
	err = p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
		return g.Call(ctx, export("add"), make([]uint64, 1))
	})
	wantTrap(t, err, abi.TrapHost, "needs a stack of 2 values, found 1")
}

// What fn does wrong does not harm others.
func TestDo(t *testing.T) {
	h := newHost()
	p := start(t, h, engine.PoolConfig{Limits: engine.Limits{MaxInstances: 1}})
	count := func(want uint64) {
		t.Helper()
		if got, err := enginetest.Call(t.Context(), p, export("count")); err != nil || got != want {
			t.Fatalf("want %d, got %d, %v", want, got, err)
		}
	}
	do := func(fn func() error) error {
		return p.Do(t.Context(), func(context.Context, abi.Guest) error { return fn() })
	}
	count(1)
	ordinary := errors.New("ordinary")
	if err := do(func() error { return ordinary }); !errors.Is(err, ordinary) {
		t.Errorf("want fn's error, got %v", err)
	}
	count(2) // still the same instance
	wantTrap(t, do(func() error { abi.Trapf("bad UTF-8"); return nil }), abi.TrapABI, "bad UTF-8")
	count(1)
	wantTrap(t, do(func() error { panic("bug") }), abi.TrapHost, "bug")
	count(1)
	wantTrap(t, do(func() error { return &abi.Trap{Kind: abi.TrapABI, Reason: "found by the glue"} }), abi.TrapABI, "glue")
	count(1)
	if err := do(func() error { return &abi.Trap{App: "other", Reason: "of another app"} }); err == nil {
		t.Error("want the other app's trap")
	}
	count(2)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = do(func() error { exitGoroutine(); return nil })
	}()
	<-done
	count(1)
	// The same inside of a host function.
	h.onTrap = func(context.Context, abi.Guest, uint32) { exitGoroutine() }
	done = make(chan struct{})
	go func() {
		defer close(done)
		_, _ = enginetest.Call(t.Context(), p, export("trap"), 0)
	}()
	<-done
	count(1)
}

// A host function calls another app, and itself through its pool.
func TestNestedCalls(t *testing.T) {
	e := newEngine(t)
	wasm := guest(t)
	inner := newHost()
	var apps []string
	inner.onTrap = func(ctx context.Context, _ abi.Guest, _ uint32) { apps = append(apps, engine.App(ctx)) }
	b := enginetest.Pool(t, e, wasm, engine.PoolConfig{App: "b", Funcs: inner.funcs()})
	outer := newHost()
	outer.onTrap = func(ctx context.Context, g abi.Guest, kind uint32) {
		if engine.GuestOf(ctx) != g {
			t.Error("the context has another guest")
		}
		fn := "trap"
		if kind == 1 {
			fn = "panic"
		}
		_, err := enginetest.Call(ctx, b, export(fn), 0)
		if _, trapped := asTrap(err); trapped != (kind == 1) {
			t.Errorf("call %d of the other app: %v", kind, err)
		}
		apps = append(apps, engine.App(ctx))
		g.Realloc(ctx, 0, 0, 8, 8)
	}
	a := enginetest.Pool(t, e, wasm, engine.PoolConfig{App: "a", Funcs: outer.funcs()})
	for kind := range uint64(2) {
		// The other app's trap does not harm the caller.
		if _, err := enginetest.Call(t.Context(), a, export("trap"), kind); err != nil {
			t.Error(err)
		}
	}
	if got := strings.Join(apps, " "); got != "b a a" {
		t.Errorf("want the calls seen as b a a, got %s", got)
	}
	if engine.App(t.Context()) != "" || engine.GuestOf(t.Context()) != nil {
		t.Error("a context outside of calls has a guest")
	}
}

// A context that does not carry the guest, or carries another, still reaches the right one.
func TestForeignContext(t *testing.T) {
	h := newHost()
	var seen []abi.Guest
	h.onTrap = func(ctx context.Context, g abi.Guest, _ uint32) {
		seen = append(seen, g)
		g.Realloc(context.WithoutCancel(ctx), 0, 0, 8, 8)
		g.Realloc(context.Background(), 0, 0, 8, 8) //nolint:contextcheck // what is tested
	}
	p := start(t, h, engine.PoolConfig{})
	err := p.Do(t.Context(), func(actx context.Context, a abi.Guest) error {
		return p.Do(actx, func(_ context.Context, b abi.Guest) error {
			if err := b.Call(actx, export("trap"), []uint64{0}); err != nil {
				return err
			}
			if err := a.Call(context.Background(), export("trap"), []uint64{0}); err != nil { //nolint:contextcheck // what is tested
				return err
			}
			if len(seen) != 2 || seen[0] != b || seen[1] != a {
				t.Error("a host function got another guest than the one that called it")
			}
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The way from the guest to a host function and back allocates nothing.
func TestCallsAllocateNothing(t *testing.T) {
	wasm := genModule{funcs: []genFunc{
		{module: hostIface, name: "add", params: []byte{i32, i32}, results: []byte{i32}},
		{name: "f", params: []byte{i32}, results: []byte{i32}, body: []byte{0x20, 0, 0x41, 1, 0x10, 0}},
	}}.bytes()
	// The checks for the deadline make a goroutine for each call.
	e := newEngine(t, func(c *engine.Config) { c.Uninterruptible = true })
	p := enginetest.Pool(t, e, wasm, engine.PoolConfig{Funcs: newHost().funcs()})
	err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
		stack := make([]uint64, 1)
		allocs := testing.AllocsPerRun(1000, func() {
			if err := g.Call(ctx, "f", stack); err != nil {
				t.Error(err)
			}
		})
		if allocs != 0 || stack[0] != 1001 {
			t.Errorf("want no allocation and 1001, got %v and %d", allocs, stack[0])
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
