package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// sharedThing is a thing that instances may have in common.
type sharedThing struct{ thing }

func (s *sharedThing) SharedResource() string { return fmt.Sprint("thing ", s.n) }

// objects are shared things of which saved instances may have handles.
func (h *things) objects(numbers ...uint32) (list []canon.SharedObject) {
	for _, n := range numbers {
		list = append(list, canon.SharedObject{Resource: h.res, Object: &sharedThing{thing{n}}})
	}
	return list
}

// sharedPool makes a pool of a component that uses shared things, of which it finds those of the numbers again.
func sharedPool(t *testing.T, numbers ...uint32) *engine.Pool {
	t.Helper()
	h := newThings()
	h.shared = true
	return enginetest.Pool(t, newEngine(t), component(t, "things"), engine.PoolConfig{
		Funcs: h.funcs(), Policy: engine.Reset, Shared: h.objects(numbers...), Boot: &engine.BootSeed{},
	})
}

// does calls exports of a kept instance, each with one number.
func does(t *testing.T, k *engine.Kept, steps ...handleStep) {
	t.Helper()
	err := k.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
		for _, s := range steps {
			got, err := callNumber(ctx, g, s.fn, s.param)
			if err != nil {
				return err
			}
			if s.fn != "drop" && got != s.want {
				t.Errorf("%s(%d): want %d, got %d", s.fn, s.param, s.want, got)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

type handleStep struct {
	fn          string
	param, want uint64
}

// fillTable leaves a table with the handles 2 and 5 of things 11 and 12, and free entries in an order of their own.
var fillTable = []handleStep{
	{"new", 10, 1}, {"new", 11, 2}, {"new", 10, 3}, {"new", 11, 4}, {"new", 12, 5}, {"drop", 4, 0}, {"drop", 1, 0}, {"drop", 3, 0},
}

// afterFill is what must be found in such a table.
var afterFill = []handleStep{
	{"get", 2, 11}, {"get", 5, 12}, {"new", 10, 3}, {"new", 10, 1}, {"new", 10, 4}, {"new", 12, 6}, {"take", 5, 12},
}

// Handles of shared objects are part of what is saved, with their numbers and those of the next ones.
func TestKeepSharedHandles(t *testing.T) {
	p := sharedPool(t, 10, 11, 12)
	k := keep(t, p, nil)
	if withoutImages(t, k) {
		return
	}
	does(t, k, fillTable...)
	saved, err := k.Save()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		does(t, keep(t, p, saved), afterFill...)
	}
	does(t, keep(t, sharedPool(t, 12, 11, 10, 9), saved), afterFill...)
	does(t, keep(t, p, nil), handleStep{"new", 10, 1})

	_, err = sharedPool(t, 11).Keep(t.Context(), saved)
	if err == nil || errors.Is(err, engine.ErrChanged) || !strings.Contains(err.Error(), `it has a handle of "thing 12" of test:res/things@0.2/thing, which the app does not have now`) {
		t.Errorf("want an object named that is not there, got %v", err)
	}
	does(t, k, handleStep{"new", 99, 3})
	if err := k.Savable(); err != nil {
		t.Errorf("Savable: want a shared object accepted, got %v", err)
	}
	if _, err := k.Save(); !errors.Is(err, engine.ErrHeld) || !strings.Contains(err.Error(), "1 of test:res/things@0.2/thing") {
		t.Errorf("want a shared object that nobody finds again refused, got %v", err)
	}
}

// A rollback brings the table back as it was, also in an instance that takes the place of one that is broken.
func TestRollbackHandles(t *testing.T) {
	for _, end := range []string{"drop", "crash"} {
		k := keep(t, sharedPool(t), nil)
		if withoutImages(t, k) {
			return
		}
		does(t, k, fillTable...)
		if err := k.Mark(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			does(t, k, handleStep{"take", 2, 11}, handleStep{"new", 12, 2}, handleStep{"new", 12, 3}, handleStep{"drop", 5, 0})
			if end == "crash" {
				err := k.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
					_, err := callNumber(ctx, g, end)
					return err
				})
				wantTrap(t, err, abi.TrapGuest, "unreachable")
			}
			if err := k.Rollback(); err != nil {
				t.Fatal(err)
			}
		}
		does(t, k, afterFill...)
	}
}

func TestSharedNamesAreUnique(t *testing.T) {
	h := newThings()
	m, err := newEngine(t).Compile(t.Context(), "m", component(t, "things"))
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, m.Close)
	_, err = m.Pool(t.Context(), engine.PoolConfig{App: "test", Funcs: h.funcs(), Shared: h.objects(1, 1)})
	if err == nil || !strings.Contains(err.Error(), `want a name of its own for each shared object of test:res/things@0.2/thing, found "thing 1" twice`) {
		t.Errorf("got %v", err)
	}
}
