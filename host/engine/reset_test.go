package engine_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// wantImage asserts that the pool runs on the kind of image that the mode of the tests says: a fallback that nobody
// notices would make all tests of images pass.
func wantImage(t *testing.T, p *engine.Pool) {
	t.Helper()
	want := map[engine.Images]string{
		engine.ImagesAuto: "mapped", engine.ImagesRead: "mapped", engine.ImagesCopied: "copied", engine.ImagesOff: "",
	}[images]
	if want == "mapped" && runtime.GOOS != "linux" {
		want = "copied"
	}
	if got := p.Stats().Image; got != want {
		t.Fatalf("want instances from the image %q, got %q", want, got)
	}
}

// some is fewer when each call costs the start of a guest.
func some(n int) int {
	if images == engine.ImagesOff {
		return max(n/50, 3)
	}
	return n
}

// engines runs f with a compiling and with an interpreting engine.
func engines(t *testing.T, f func(t *testing.T, e *engine.Engine)) {
	t.Helper()
	for _, interpreter := range []bool{false, true} {
		t.Run(map[bool]string{false: "compiled", true: "interpreted"}[interpreter], func(t *testing.T) {
			f(t, newEngine(t, func(c *engine.Config) { c.Interpreter = interpreter }))
		})
	}
}

// Nothing of one request is there in the next: not in memory, wherever the guest put it, nor in what it sees.
func TestResetLeavesNothing(t *testing.T) {
	wasm := guest(t)
	engines(t, func(t *testing.T, e *engine.Engine) {
		p := enginetest.Pool(t, e, wasm, engine.PoolConfig{
			Funcs: newHost().funcs(), Policy: engine.Reset, Limits: engine.Limits{MaxInstances: 1},
		})
		for round := range uint64(2) {
			mark := 0x6d61726b_00abcdef + round<<32
			pattern := binary.LittleEndian.AppendUint64(nil, mark)
			before, after := 0, 0
			err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
				before = len(g.Memory())
				err := g.Call(ctx, export("mark"), []uint64{mark, 6})
				if n := bytes.Count(g.Memory(), pattern); n < 6<<20/8 || len(g.Memory()) <= before {
					t.Errorf("the guest marked its memory %d times, and has %d bytes after %d", n, len(g.Memory()), before)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			err = p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
				if n := bytes.Count(g.Memory(), pattern); n > 0 || len(g.Memory()) != before {
					t.Errorf("the next call finds %d marks, and has %d bytes of memory instead of %d", n, len(g.Memory()), before)
				}
				// The memory that had grown is clean when it grows again.
				err := g.Call(ctx, export("mark"), []uint64{0, 6})
				if n := bytes.Count(g.Memory(), pattern); n > 0 {
					t.Errorf("the grown memory has %d marks", n)
				}
				after = len(g.Memory())
				return err
			})
			if err != nil || after <= before {
				t.Fatalf("want the memory to grow over %d bytes, got %d, %v", before, after, err)
			}
			if n, err := enginetest.Call(t.Context(), p, export("marked"), mark); err != nil || uint32(n) != 0 {
				t.Errorf("a later call sees %d marks, %v", uint32(n), err)
			}
		}
		wantImage(t, p)
	})
}

// Globals of wasm itself are reset too.
func TestResetOfGlobals(t *testing.T) {
	next := []byte{0x23, 0, 0x41, 1, 0x6a, 0x24, 0, 0x23, 0} // g++; g
	module := genModule{
		funcs:   []genFunc{{name: "next", results: []byte{i32}, body: next}},
		globals: []byte{1, i32, 1, 0x41, 40, 0x0b},
	}.bytes()
	engines(t, func(t *testing.T, e *engine.Engine) {
		for policy, want := range map[engine.Policy][]uint64{engine.Reset: {41, 41, 41}, engine.Reuse: {41, 42, 43}} {
			p := enginetest.Pool(t, e, module, engine.PoolConfig{Policy: policy, Limits: engine.Limits{MaxInstances: 1}})
			for _, want := range want {
				if got, err := enginetest.Call(t.Context(), p, "next"); err != nil || got != want {
					t.Errorf("policy %d: want %d, got %d, %v", policy, want, got, err)
				}
			}
			wantImage(t, p)
		}
	})
}

// No two requests get the same numbers, whether of two instances or of one that was reset.
func TestRandomnessAfterReset(t *testing.T) {
	p := start(t, newHost(), engine.PoolConfig{Policy: engine.Reset, Limits: engine.Limits{MaxInstances: 8}})
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var wg sync.WaitGroup
	draws := some(200)
	for range 8 {
		wg.Go(func() {
			for n := range draws {
				got, err := enginetest.Call(t.Context(), p, export("random"), uint64(1+n%2))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				seen[got] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(seen) != 8*draws {
		t.Errorf("want %d different numbers, got %d", 8*draws, len(seen))
	}
	wantImage(t, p)
}

// Time never goes back, from request to request and from instance to instance.
func TestClockAfterReset(t *testing.T) {
	p := start(t, newHost(), engine.PoolConfig{Policy: engine.Reset, Limits: engine.Limits{MaxInstances: 2}})
	if images == engine.ImagesOff {
		t.Log("each call starts the guest, and its clock, anew")
		return
	}
	last := int64(0)
	for range 200 {
		got, err := enginetest.Call(t.Context(), p, export("clock"), 1)
		if err != nil || int64(got) <= last {
			t.Fatalf("want more than %d, got %d, %v", last, int64(got), err)
		}
		last = int64(got)
	}
}

func TestWarmUp(t *testing.T) {
	p := start(t, newHost(), engine.PoolConfig{Policy: engine.Reset})
	want := uint64(1)
	if images == engine.ImagesOff {
		want = 0
	}
	for range 3 {
		if got, err := enginetest.Call(t.Context(), p, export("warmed")); err != nil || got != want {
			t.Errorf("want %d, got %d, %v", want, got, err)
		}
	}
}

// A guest's trap, exit or panic costs a reset.
func TestTrapThenNext(t *testing.T) {
	h := newHost()
	h.onTrap = func(context.Context, abi.Guest, uint32) { abi.Trapf("on purpose") }
	for _, policy := range []engine.Policy{engine.Reuse, engine.Reset} {
		p := start(t, h, engine.PoolConfig{Policy: policy, Limits: engine.Limits{MaxInstances: 1}})
		for range 3 {
			for _, fn := range []string{"panic", "exit", "trap", "nil"} {
				if _, err := enginetest.Call(t.Context(), p, export(fn), 1); err == nil {
					t.Errorf("%s: want a trap", fn)
				}
				if got, err := enginetest.Call(t.Context(), p, export("count")); err != nil || got != 1 {
					t.Errorf("after %s: want a clean instance that counts 1, got %d, %v", fn, got, err)
				}
			}
		}
		if s := p.Stats(); images != engine.ImagesOff && (s.Started != 1 || s.Resets < 12) {
			t.Errorf("want one instance that is reset each time, got %+v", s)
		}
	}
}

// An instance whose memory grew to its limit serves the next request like any other.
func TestGrowToTheLimitAndBack(t *testing.T) {
	wasm := guest(t)
	engines(t, func(t *testing.T, e *engine.Engine) {
		p := enginetest.Pool(t, e, wasm, engine.PoolConfig{
			Funcs: newHost().funcs(), Policy: engine.Reset, // The interpreter takes its time.
			Limits: engine.Limits{MaxInstances: 1, Memory: 8 << 20, Timeout: 5 * time.Minute},
		})
		size := 0
		for range 2 {
			_, err := enginetest.Call(t.Context(), p, export("allocate"), 1<<20)
			if trap, ok := asTrap(err); !ok || !strings.Contains(trap.Reason, "its limit is 8Mi") {
				t.Fatalf("want a trap that names the limit, got %v", err)
			}
			err = p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
				if size == 0 {
					size = len(g.Memory())
				}
				if len(g.Memory()) != size || size > 6<<20 {
					t.Errorf("want %d bytes of memory, got %d", size, len(g.Memory()))
				}
				return g.Call(ctx, export("allocate"), []uint64{1 << 10})
			})
			if err != nil {
				t.Errorf("1 MiB after the limit: %v", err)
			}
		}
	})
}

// Guests in endless loops do not keep the host's garbage collector or other apps from running, and end in time.
func TestManyEndlessLoops(t *testing.T) {
	if images == engine.ImagesOff {
		t.Log("the runtime's own checks are tested elsewhere")
		return
	}
	const loops = 64
	e := newEngine(t)
	wasm := guest(t)
	looping := enginetest.Pool(t, e, wasm, engine.PoolConfig{
		App: "test", Funcs: newHost().funcs(), Policy: engine.Reset, Warm: loops,
		Limits: engine.Limits{MaxInstances: loops, Timeout: 2 * time.Second},
	})
	other := enginetest.Pool(t, e, wasm, engine.PoolConfig{App: "other", Funcs: newHost().funcs(), Policy: engine.Reset, Warm: 1})
	var wg sync.WaitGroup
	for range loops {
		wg.Go(func() {
			_, err := enginetest.Call(t.Context(), looping, export("loop"))
			wantTrap(t, err, abi.TrapTimeout, "did not end within 2s (spec.limits.timeout)")
		})
	}
	eventually(t, "all guests loop", func() bool { return looping.Stats().Calls == loops })
	start, worst := time.Now(), time.Duration(0)
	collections := 0
	for ; time.Since(start) < time.Second; collections++ {
		if got, err := enginetest.Call(t.Context(), other, export("add"), 1, 2); err != nil || got != 3 {
			t.Errorf("the other app: want 3, got %d, %v", got, err)
		}
		before := time.Now()
		runtime.GC()
		worst = max(worst, time.Since(before))
	}
	wg.Wait()
	t.Logf("%d collections while %d guests looped, the longest took %s", collections, loops, worst)
	if collections == 0 || time.Since(start) > 20*time.Second {
		t.Errorf("want collections and an end in time, got %d and %s", collections, time.Since(start))
	}
	if got, err := enginetest.Call(t.Context(), looping, export("count")); err != nil || got != 1 {
		t.Errorf("the next call: want 1, got %d, %v", got, err)
	}
	if s := looping.Stats(); s.Fuel == 0 || s.Resets < loops {
		t.Errorf("want fuel and resets counted, got %+v", s)
	}
}

func TestReset_hammer(t *testing.T) {
	h := newHost()
	h.onTrap = func(context.Context, abi.Guest, uint32) { abi.Trapf("on purpose") }
	p := start(t, h, engine.PoolConfig{
		Policy: engine.Reset, IdleTimeout: 20 * time.Millisecond,
		Limits: engine.Limits{MaxInstances: 4, Queue: 1000, Timeout: 20 * time.Second},
	})
	fns := []string{"panic", "mark", "exit", "trap", "text", "encode", "add", "loop"}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range some(150) {
				if n%40 == 39 {
					time.Sleep(30 * time.Millisecond) // instances are cooled and closed
				}
				fn := fns[(worker+n)%len(fns)]
				ctx, cancel := context.WithCancel(t.Context())
				err := p.Do(ctx, func(ctx context.Context, g abi.Guest) error {
					stack := []uint64{0, 0}
					if err := g.Call(ctx, export("count"), stack); err != nil || stack[0] != 1 {
						t.Errorf("want a clean instance that counts 1, got %d, %v", stack[0], err)
					}
					if fn == "loop" {
						time.AfterFunc(2*time.Millisecond, cancel)
					}
					return g.Call(ctx, export(fn), []uint64{uint64(n), 1})
				})
				cancel()
				fails := fn == "panic" || fn == "exit" || fn == "trap" || fn == "loop"
				if _, trapped := asTrap(err); trapped != fails {
					t.Errorf("%s: %v", fn, err)
				}
			}
		})
	}
	wg.Wait()
	wantImage(t, p)
}

func TestFuelIsCounted(t *testing.T) {
	var hooked uint64
	p := start(t, newHost(), engine.PoolConfig{
		Policy: engine.Reset, Hooks: engine.Hooks{Spent: func(fuel uint64) { hooked += fuel }},
	})
	spin := func(n uint64) uint64 {
		t.Helper()
		before := p.Stats().Fuel
		if _, err := enginetest.Call(t.Context(), p, export("spin"), n); err != nil {
			t.Fatal(err)
		}
		return p.Stats().Fuel - before
	}
	one, ten := spin(100_000), spin(1_000_000)
	if images == engine.ImagesOff {
		if one != 0 || ten != 0 {
			t.Errorf("want no fuel without an image, got %d and %d", one, ten)
		}
		return
	}
	if one < 500_000 || one > 5_000_000 || ten < 9*one || ten > 11*one {
		t.Errorf("want about ten instructions a round, got %d for 100,000 and %d for 1,000,000", one, ten)
	}
	if hooked != p.Stats().Fuel {
		t.Errorf("want the hook to be told of all %d, got %d", p.Stats().Fuel, hooked)
	}
}

// A module that the rewriter refuses runs as it is: with the policy reset, each call gets a new instance.
func TestModuleWithoutImage(t *testing.T) {
	next := []byte{0x23, 0, 0x41, 1, 0x6a, 0x24, 0, 0x23, 0}
	loop := []byte{0x03, 0x40, 0x0c, 0, 0x0b}
	module := genModule{
		funcs:   []genFunc{{name: "next", results: []byte{i32}, body: next}, {name: "mrt:fuel", body: loop}},
		globals: []byte{1, i32, 1, 0x41, 40, 0x0b},
	}.bytes()
	p := enginetest.Pool(t, newEngine(t), module, engine.PoolConfig{
		Policy: engine.Reset, Limits: engine.Limits{MaxInstances: 1, Timeout: 200 * time.Millisecond},
	})
	for range 3 {
		if got, err := enginetest.Call(t.Context(), p, "next"); err != nil || got != 41 {
			t.Errorf("want 41, got %d, %v", got, err)
		}
	}
	_, err := enginetest.Call(t.Context(), p, "mrt:fuel")
	wantTrap(t, err, abi.TrapTimeout, "did not end within 200ms")
	if s := p.Stats(); s.Image != "" || s.Started != 4 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want no image and an instance for each call, got %+v, %v", s, err)
	}
}
