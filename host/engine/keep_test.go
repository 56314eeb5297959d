package engine_test

import (
	"context"
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

// keptHost is the host's side of the guest in testdata/kept.
type keptHost struct {
	// reenter runs for each call of the guest's import of that name.
	reenter func(ctx context.Context, depth uint32) uint32
}

func (h *keptHost) funcs() []abi.Func {
	one := []abi.ValType{abi.I32}
	return []abi.Func{{
		Module: hostIface, Name: "reenter", Params: one, Results: one,
		Call: func(ctx context.Context, _ abi.Guest, stack []uint64) {
			if uint32(stack[0]) == 1<<31 {
				abi.Trapf("on purpose")
			}
			stack[0] = uint64(h.reenter(ctx, uint32(stack[0])))
		},
	}}
}

// keptPool makes a pool of the guest in testdata/kept.
func keptPool(t testing.TB, e *engine.Engine, h *keptHost, cfg engine.PoolConfig) *engine.Pool {
	t.Helper()
	cfg.Funcs = h.funcs()
	return enginetest.Pool(t, e, enginetest.Build(t, "testdata/kept"), cfg)
}

// keep makes a kept instance that ends with the test.
func keep(t testing.TB, p *engine.Pool, saved []byte) *engine.Kept {
	t.Helper()
	k, err := p.Keep(t.Context(), saved)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close(context.Background()) })
	return k
}

// try calls an export of a kept instance.
func try(ctx context.Context, k *engine.Kept, name string, params ...uint64) (uint64, error) {
	stack := make([]uint64, max(len(params), 1))
	copy(stack, params)
	err := k.Do(ctx, func(ctx context.Context, g abi.Guest) error { return g.Call(ctx, name, stack) })
	return stack[0], err
}

// call is try for a call that does not fail.
func call(t testing.TB, k *engine.Kept, name string, params ...uint64) uint64 {
	t.Helper()
	got, err := try(t.Context(), k, name, params...)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return got
}

// A kept instance keeps its state from call to call, whatever the policy, and shares it with nobody.
func TestKeep(t *testing.T) {
	e := newEngine(t)
	for _, policy := range []engine.Policy{engine.Reuse, engine.Reset} {
		p := keptPool(t, e, &keptHost{}, engine.PoolConfig{Policy: policy, Limits: engine.Limits{MaxInstances: 1}})
		var all []*engine.Kept
		for n := range some(100) {
			all = append(all, keep(t, p, nil))
			call(t, all[n], "deposit", uint64(n+1))
		}
		for n, k := range all {
			if got, want := call(t, k, "deposit", 1), uint64(n+2); got != want {
				t.Errorf("instance %d: want a balance of %d, got %d", n, want, got)
			}
		}
		if got, err := enginetest.Call(t.Context(), p, "balance"); err != nil || got != 0 {
			t.Errorf("want the pool's own instance untouched, got %d, %v", got, err)
		}
		if s := p.Stats(); s.Kept != len(all) || s.Live > 1 || s.Calls != uint64(2*len(all)+1) {
			t.Errorf("want %d instances kept besides one, got %+v", len(all), s)
		}
		for _, k := range all {
			k.Close(t.Context())
			k.Close(t.Context())
		}
		if _, err := try(t.Context(), all[0], "balance"); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("want ErrClosed, got %v", err)
		}
		if got := call(t, keep(t, p, nil), "balance"); got != 0 {
			t.Errorf("want a clean instance after others were closed, got %d", got)
		}
		wantImage(t, p)
	}
}

func TestKeep_fuel(t *testing.T) {
	var mu sync.Mutex
	var hooked uint64
	p := keptPool(t, newEngine(t), &keptHost{}, engine.PoolConfig{
		Policy: engine.Reset, Hooks: engine.Hooks{Spent: func(n uint64) { mu.Lock(); hooked += n; mu.Unlock() }},
	})
	k := keep(t, p, nil)
	for range 20 {
		call(t, k, "deposit", 1)
	}
	used := k.Fuel()
	if images == engine.ImagesOff {
		if used != 0 {
			t.Errorf("want no fuel without an image, got %d", used)
		}
		return
	}
	if used < 100_000 || hooked != p.Stats().Fuel || hooked < used-200_000 {
		t.Errorf("want fuel counted, got %d, hook %d, pool %d", used, hooked, p.Stats().Fuel)
	}
	k.Close(t.Context())
	if got := keep(t, p, nil).Fuel(); got != 0 {
		t.Errorf("want no fuel used by a new instance, got %d", got)
	}
}

func TestKeep_trap(t *testing.T) {
	p := keptPool(t, newEngine(t), &keptHost{}, engine.PoolConfig{
		Policy: engine.Reset, Limits: engine.Limits{Timeout: 500 * time.Millisecond},
	})
	for how, kind := range []abi.TrapKind{abi.TrapGuest, abi.TrapExit, abi.TrapTimeout, abi.TrapABI} {
		k, err := p.Keep(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			_, err := try(t.Context(), k, "fails", uint64(how))
			wantTrap(t, err, kind, "")
		}
		ran := false
		if err := k.Do(t.Context(), func(context.Context, abi.Guest) error { ran = true; return nil }); err == nil || ran {
			t.Errorf("want a trapped instance refused, got %v, ran %t", err, ran)
		}
		if _, err := k.Save(); err == nil {
			t.Error("want a trapped instance not saved")
		}
		k.Close(t.Context())
	}
	if n := p.Stats().Traps[abi.TrapGuest]; n != 1 {
		t.Errorf("want one trap of the guest counted, got %d", n)
	}
	if got := call(t, keep(t, p, nil), "balance"); got != 0 {
		t.Errorf("want a clean instance, got %d", got)
	}
}

// A guest is entered again from its host functions, with goroutines and the collector at work on all levels.
func TestKeep_reenter(t *testing.T) {
	const levels = 8
	h := &keptHost{}
	h.reenter = func(ctx context.Context, depth uint32) uint32 {
		k, _ := ctx.Value(holder{}).(*engine.Kept)
		got, err := try(ctx, k, "descend", uint64(depth))
		if err != nil {
			panic(err)
		}
		return uint32(got)
	}
	engines(t, func(t *testing.T, e *engine.Engine) {
		p := keptPool(t, e, h, engine.PoolConfig{Policy: engine.Reset, Limits: engine.Limits{Timeout: time.Minute}})
		k := keep(t, p, nil)
		ctx := context.WithValue(t.Context(), holder{}, k)
		for round := range 5 {
			if got, err := try(ctx, k, "descend", levels); err != nil || got != levels+1 {
				t.Fatalf("round %d: want %d levels, got %d, %v", round, levels+1, got, err)
			}
		}
		call(t, k, "deposit", 1)
		if images != engine.ImagesOff {
			if _, err := k.Save(); err != nil {
				t.Error(err)
			}
		}
		// A trap on any level ends all.
		for _, at := range []uint64{1, levels / 2, levels} {
			k := keep(t, p, nil)
			ctx := context.WithValue(t.Context(), holder{}, k)
			call(t, k, "trapat", at)
			_, err := try(ctx, k, "descend", levels)
			wantTrap(t, err, abi.TrapGuest, "trapped in the depth")
			if _, err := try(ctx, k, "balance"); err == nil {
				t.Error("want the instance ended")
			}
		}
	})
}

// holder is the context key of a test's kept instance.
type holder struct{}

// Two instances that call each other: the first is entered again through the second.
func TestKeep_reenterThroughAnother(t *testing.T) {
	h := &keptHost{}
	var both [2]*engine.Kept
	h.reenter = func(ctx context.Context, depth uint32) uint32 {
		got, err := try(ctx, both[depth%2], "descend", uint64(depth))
		if err != nil {
			panic(err)
		}
		return uint32(got)
	}
	p := keptPool(t, newEngine(t), h, engine.PoolConfig{Policy: engine.Reset, Limits: engine.Limits{Timeout: time.Minute}})
	both[0], both[1] = keep(t, p, nil), keep(t, p, nil)
	for range 3 {
		if got := call(t, both[0], "descend", 6); got != 7 {
			t.Errorf("want 7 levels, got %d", got)
		}
	}
}

// A call from elsewhere while one is in flight is refused, and so is one with the context of a call that is not the
// innermost, or of one that is over.
func TestKeep_busy(t *testing.T) {
	h := &keptHost{}
	p := keptPool(t, newEngine(t), h, engine.PoolConfig{Policy: engine.Reset})
	k := keep(t, p, nil)
	wantBusy := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "is in use; this is a bug of the host") {
			t.Errorf("%s: want the caller's bug named, got %v", what, err)
		}
	}
	var outer context.Context
	elsewhere := t.Context()
	h.reenter = func(ctx context.Context, depth uint32) uint32 {
		_, err := try(elsewhere, k, "noop")
		wantBusy("from elsewhere", err)
		_, err = k.Save()
		wantBusy("Save", err)
		wantBusy("Mark", k.Mark())
		wantBusy("Rollback", k.Rollback())
		k.Close(ctx)
		if depth == 1 {
			outer = ctx
			if got, err := try(ctx, k, "descend", 1); err != nil || got != 1 {
				t.Errorf("want 1 level below, got %d, %v", got, err)
			}
			return 1
		}
		_, err = try(outer, k, "noop")
		wantBusy("from the outer call", err)
		err = k.Do(ctx, func(context.Context, abi.Guest) error {
			_, err := try(ctx, k, "noop")
			return err
		})
		wantBusy("with the context around", err)
		return 0
	}
	// The guest is not in a host function: its caller is.
	err := k.Do(t.Context(), func(ctx context.Context, _ abi.Guest) error {
		_, err := try(ctx, k, "noop")
		return err
	})
	wantBusy("inside of fn", err)
	if got := call(t, k, "descend", 2); got != 2 {
		t.Errorf("want 2 levels, got %d", got)
	}
	if _, err := try(context.WithoutCancel(outer), k, "noop"); err != nil {
		t.Errorf("want a context that outlived its call to be like another, got %v", err)
	}
}

// The pool waits for kept instances, which go on meanwhile, and keeps no new ones.
func TestKeep_close(t *testing.T) {
	p := keptPool(t, newEngine(t), &keptHost{}, engine.PoolConfig{Policy: engine.Reset})
	k := keep(t, p, nil)
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := p.Close(short); err == nil || !strings.Contains(err.Error(), "1 kept instances are not closed") {
		t.Errorf("want Close to name the kept instance, got %v", err)
	}
	if _, err := p.Keep(t.Context(), nil); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("want ErrClosed, got %v", err)
	}
	if got := call(t, k, "deposit", 5); got != 5 {
		t.Errorf("want a balance of 5, got %d", got)
	}
	go k.Close(context.WithoutCancel(t.Context()))
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// A goroutine that ends in a call ends its instance, and nothing else.
func TestKeep_goexit(t *testing.T) {
	h := &keptHost{reenter: func(context.Context, uint32) uint32 { runtime.Goexit(); return 0 }}
	p := keptPool(t, newEngine(t), h, engine.PoolConfig{Policy: engine.Reset})
	k := keep(t, p, nil)
	call(t, k, "deposit", 7)
	marked := images != engine.ImagesOff
	if marked {
		if err := k.Mark(); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = try(t.Context(), k, "descend", 1)
	}()
	<-done
	_, err := try(t.Context(), k, "balance")
	wantTrap(t, err, abi.TrapHost, "goroutine ended")
	if marked {
		if err := k.Rollback(); err != nil {
			t.Fatal(err)
		}
		if got := call(t, k, "balance"); got != 7 {
			t.Errorf("want a balance of 7 after the rollback, got %d", got)
		}
	}
}
