package engine_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

func TestManyCallsOverFewInstances(t *testing.T) {
	h := newHost()
	var mu sync.Mutex
	busy := map[abi.Guest]bool{}
	h.onTrap = func(_ context.Context, g abi.Guest, _ uint32) {
		mu.Lock()
		twice := busy[g]
		busy[g] = true
		mu.Unlock()
		runtime.Gosched()
		mu.Lock()
		busy[g] = false
		mu.Unlock()
		if twice {
			panic("two calls at a time in one instance")
		}
	}
	p := start(t, h, engine.PoolConfig{Limits: engine.Limits{MaxInstances: 8, Queue: 1000}})
	var wg sync.WaitGroup
	for i := range uint64(1000) {
		wg.Go(func() {
			if got, err := enginetest.Call(t.Context(), p, export("add"), i, 1); err != nil || got != i+1 {
				t.Errorf("want %d, got %d, %v", i+1, got, err)
			}
			if _, err := enginetest.Call(t.Context(), p, export("trap"), 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	// An instance may still be in the making for a call that another one has served.
	eventually(t, "no instance is being made", func() bool { return p.Stats().Starting == 0 })
	s := p.Stats()
	if s.Live > 8 || s.Started > 8 || s.Calls != 2000 || s.Queued != 0 || s.Idle != s.Live {
		t.Errorf("want at most 8 instances, all idle, and 2000 calls, got %+v", s)
	}
}

// occupy starts calls that stay in their host function until h.release is closed, and waits until they are there.
func occupy(t *testing.T, h *host, p *engine.Pool, n int) *sync.WaitGroup {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if _, err := enginetest.Call(t.Context(), p, export("block"), 0); err != nil {
				t.Error(err)
			}
		})
	}
	for range n {
		<-h.entered
	}
	return &wg
}

func TestQueue(t *testing.T) {
	h := newHost()
	overloads := atomic.Int64{}
	p := start(t, h, engine.PoolConfig{
		Limits: engine.Limits{MaxInstances: 2, Queue: 3},
		Hooks:  engine.Hooks{Overload: func() { overloads.Add(1) }},
	})
	running := occupy(t, h, p, 2)
	// Three wait, in order.
	var order []uint64
	var mu sync.Mutex
	var waiting sync.WaitGroup
	for i := range uint64(3) {
		waiting.Go(func() {
			err := p.Do(t.Context(), func(context.Context, abi.Guest) error {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, i)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
		eventually(t, "a call waits", func() bool { return p.Stats().Queued == int(i)+1 })
	}
	// The fourth is refused.
	_, err := enginetest.Call(t.Context(), p, export("add"), 1, 2)
	overloaded, ok := errors.AsType[*engine.OverloadedError](err)
	if !ok || overloaded.App != "test" || overloaded.RetryAfter <= 0 || !strings.Contains(err.Error(), "spec.limits.queue") {
		t.Errorf("want an OverloadedError of test, got %v", err)
	}
	if n := overloads.Load(); n != 1 || p.Stats().Overloads != 1 {
		t.Errorf("want one overload counted, got %d and %+v", n, p.Stats())
	}
	h.release <- struct{}{}
	waiting.Wait()
	for i, got := range order {
		if got != uint64(i) {
			t.Errorf("want the calls in order of arrival, got %v", order)
			break
		}
	}
	close(h.release)
	running.Wait()
}

func TestContextEndsInTheQueue(t *testing.T) {
	h := newHost()
	p := start(t, h, engine.PoolConfig{Limits: engine.Limits{MaxInstances: 1, Queue: 1}})
	running := occupy(t, h, p, 1)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := enginetest.Call(ctx, p, export("add"), 1, 2)
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "waited for a free instance") {
			t.Errorf("want DeadlineExceeded, got %v", err)
		}
	}
	if s := p.Stats(); s.Queued != 0 {
		t.Errorf("want an empty queue, got %+v", s)
	}
	close(h.release)
	running.Wait()
	if got, err := enginetest.Call(t.Context(), p, export("count")); err != nil || got != 1 {
		t.Errorf("want 1, got %d, %v", got, err)
	}
}

// A call waits for an instance no longer than a call may run.
func TestQueueWaitIsBounded(t *testing.T) {
	h := newHost()
	p := start(t, h, engine.PoolConfig{Limits: engine.Limits{MaxInstances: 1, Timeout: 300 * time.Millisecond}})
	first := make(chan error, 1)
	go func() {
		first <- p.Do(t.Context(), func(context.Context, abi.Guest) error {
			h.entered <- 0
			<-h.release // fn does not heed its context
			return nil
		})
	}()
	<-h.entered
	_, err := enginetest.Call(t.Context(), p, export("add"), 1, 2)
	if _, ok := errors.AsType[*engine.OverloadedError](err); !ok {
		t.Errorf("want an OverloadedError, got %v", err)
	}
	close(h.release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// No instance serves a call after a trap as it was, whatever runs at the same time: it is another one or is reset.
func TestTrapped_hammer(t *testing.T) {
	h := newHost()
	var mu sync.Mutex
	dead := map[abi.Guest]bool{}
	check := func(ctx context.Context, g abi.Guest) {
		mu.Lock()
		trapped := dead[g]
		delete(dead, g)
		mu.Unlock()
		if !trapped {
			return
		}
		stack := make([]uint64, 1)
		if err := g.Call(ctx, export("count"), stack); err != nil || stack[0] != 1 {
			t.Errorf("an instance that trapped serves a call: it counts %d, %v", stack[0], err)
		}
	}
	h.onTrap = func(ctx context.Context, g abi.Guest, kind uint32) {
		switch kind {
		case 0:
			abi.Trapf("on purpose")
		case 1:
			panic("on purpose")
		case 2:
			g.Realloc(ctx, 0, 0, 32, 64)
		default:
			g.Realloc(ctx, 0, 0, 128, 8)
		}
	}
	p := start(t, h, engine.PoolConfig{Limits: engine.Limits{MaxInstances: 4, Queue: 1000, Timeout: 20 * time.Second}})
	fns := []string{"trap", "panic", "exit", "loop", "add", "add", "add", "text"}
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for n := range 25 {
				fn := fns[(worker+n)%len(fns)]
				ctx, cancel := context.WithCancel(t.Context())
				err := p.Do(ctx, func(ctx context.Context, g abi.Guest) error {
					check(ctx, g)
					if fn == "loop" {
						time.AfterFunc(2*time.Millisecond, cancel)
					}
					err := g.Call(ctx, export(fn), []uint64{uint64(n % 4), 1})
					if err != nil {
						mu.Lock()
						dead[g] = true
						mu.Unlock()
					}
					return err
				})
				cancel()
				if _, trapped := asTrap(err); trapped == (fn == "add" || fn == "text") {
					t.Errorf("%s: %v", fn, err)
				}
			}
		})
	}
	wg.Wait()
	eventually(t, "the pool calms down", func() bool {
		s := p.Stats()
		return s.Live == s.Idle && s.Live <= 4 && s.Queued == 0 && s.Starting == 0
	})
}

func TestCloseWaitsForCalls(t *testing.T) {
	h := newHost()
	p := start(t, h, engine.PoolConfig{Limits: engine.Limits{MaxInstances: 1}})
	running := occupy(t, h, p, 1)
	queued := make(chan error, 1)
	go func() {
		_, err := enginetest.Call(t.Context(), p, export("add"), 1, 2)
		queued <- err
	}()
	eventually(t, "a call waits", func() bool { return p.Stats().Queued == 1 })
	closed := make(chan error, 1)
	go func() { closed <- p.Close(t.Context()) }()
	eventually(t, "no new calls", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := enginetest.Call(ctx, p, export("add"), 1, 2)
		return errors.Is(err, engine.ErrClosed)
	})
	select {
	case err := <-closed:
		t.Fatalf("Close returned with a call in flight: %v", err)
	default:
	}
	close(h.release)
	running.Wait()
	if err := <-queued; err != nil {
		t.Errorf("the call that waited: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s.Live != 0 || s.Idle != 0 {
		t.Errorf("want no instances, got %+v", s)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Errorf("closed again: %v", err)
	}
}

// Close gives up with its context, and the engine is not torn down under the guest.
func TestCloseGivesUp(t *testing.T) {
	h := newHost()
	e, err := engine.New(t.Context(), engine.Config{CacheDir: enginetest.CacheDir(t), Images: images})
	if err != nil {
		t.Fatal(err)
	}
	p := enginetest.Pool(t, e, guest(t), engine.PoolConfig{Funcs: h.funcs(), Limits: engine.Limits{MaxInstances: 1}})
	running := occupy(t, h, p, 1)
	queued := make(chan error, 1)
	go func() {
		_, err := enginetest.Call(t.Context(), p, export("add"), 1, 2)
		queued <- err
	}()
	eventually(t, "a call waits", func() bool { return p.Stats().Queued == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := e.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 calls have not ended") {
		t.Errorf("want an error that counts the calls, got %v", err)
	}
	if err := <-queued; !errors.Is(err, engine.ErrClosed) {
		t.Errorf("the call that waited: want ErrClosed, got %v", err)
	}
	close(h.release)
	running.Wait() // it ends without an error
	if err := e.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := e.Compile(t.Context(), "late", guest(t)); err == nil {
		t.Error("want an error of Compile after Close")
	}
}

func TestIdleInstancesAreTrimmed(t *testing.T) {
	h := newHost()
	p := start(t, h, engine.PoolConfig{IdleTimeout: 50 * time.Millisecond, Warm: 1})
	if s := p.Stats(); s.Idle != 1 {
		t.Errorf("want one warm instance, got %+v", s)
	}
	for range 2 {
		h.release = make(chan struct{})
		running := occupy(t, h, p, 3)
		close(h.release)
		running.Wait()
		eventually(t, "idle instances are closed", func() bool { s := p.Stats(); return s.Live == 1 && s.Idle == 1 })
	}
}

func TestHooks(t *testing.T) {
	var instances, failed, traps atomic.Int64
	cfg := engine.PoolConfig{Hooks: engine.Hooks{
		Instance: func(took time.Duration, err error) {
			if took <= 0 {
				t.Errorf("want the time it took, got %s", took)
			}
			instances.Add(1)
			if err != nil {
				failed.Add(1)
			}
		},
		Trap:   func(kind abi.TrapKind) { traps.Add(int64(kind)) },
		Waited: func(d time.Duration) {},
	}}
	p := start(t, newHost(), cfg)
	if _, err := enginetest.Call(t.Context(), p, export("exit"), 1); err == nil {
		t.Error("want a trap")
	}
	if instances.Load() != 1 || failed.Load() != 0 || traps.Load() != int64(abi.TrapExit) {
		t.Errorf("want one instance and one exit, got %d, %d failed, trap %d", instances.Load(), failed.Load(), traps.Load())
	}
}

// Pools that come and go leave no goroutines behind.
func TestNoGoroutineLeaks(t *testing.T) {
	e := newEngine(t)
	wasm := guest(t)
	m, err := e.Compile(t.Context(), "m", wasm)
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	for range 3 {
		p, err := m.Pool(t.Context(), engine.PoolConfig{App: "test", Funcs: newHost().funcs()})
		if err != nil {
			t.Fatal(err)
		}
		for _, fn := range []string{"add", "panic", "exit"} {
			_, _ = enginetest.Call(t.Context(), p, export(fn), 1, 2)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	eventually(t, "all goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}
