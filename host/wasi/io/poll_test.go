package io_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// flag is a Source that the test sets.
type flag struct {
	wasiio.Notifier
	mu  sync.Mutex
	set bool
}

func (f *flag) Ready(context.Context) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.set
}

func (f *flag) Watch(_ context.Context, wake func()) func() { return f.Notifier.Watch(wake) }

func (f *flag) raise() {
	f.mu.Lock()
	f.set = true
	f.mu.Unlock()
	f.Notify()
}

// foreign is a pollable of another package.
type foreign struct{ ch chan struct{} }

func (f foreign) Ready(context.Context) bool {
	select {
	case <-f.ch:
		return true
	default:
		return false
	}
}

func (f foreign) Block(ctx context.Context) {
	select {
	case <-f.ch:
	case <-ctx.Done():
		wasiio.Ended(ctx)
	}
}

func (foreign) Drop(context.Context) {}

func never() *wasiio.Pollable {
	return wasiio.NewPollable(wasiio.Channel(func() <-chan struct{} { return nil }))
}

func always() *wasiio.Pollable { return wasiio.NewPollable(wasiio.Always()) }

func TestPoll(t *testing.T) {
	ctx := limited(t)
	later, gone := &flag{}, make(chan struct{})
	other := foreign{make(chan struct{})}
	for name, c := range map[string]struct {
		in   []abiio.Pollable
		then func()
		want []uint32
	}{
		"ready":          {in: []abiio.Pollable{never(), always(), never(), always()}, want: []uint32{1, 3}},
		"same twice":     {in: []abiio.Pollable{always(), always()}, want: []uint32{0, 1}},
		"notified":       {in: []abiio.Pollable{never(), wasiio.NewPollable(later)}, then: later.raise, want: []uint32{1}},
		"channel":        {in: []abiio.Pollable{wasiio.NewPollable(wasiio.Channel(func() <-chan struct{} { return gone })), never()}, then: func() { close(gone) }, want: []uint32{0}},
		"other package":  {in: []abiio.Pollable{never(), other}, then: func() { close(other.ch) }, want: []uint32{1}},
		"many":           {in: append(slices.Repeat([]abiio.Pollable{never()}, 2000), always()), want: []uint32{2000}},
		"closed streams": {in: []abiio.Pollable{never(), droppedInput(ctx).Subscribe(ctx)}, want: []uint32{1}},
	} {
		t.Run(name, func(t *testing.T) {
			if c.then != nil {
				go c.then()
			}
			if got := wasiio.Poll(ctx, c.in); !slices.Equal(got, c.want) {
				t.Errorf("got %v ready, want %v", got, c.want)
			}
		})
	}
}

func droppedInput(ctx context.Context) *wasiio.Input {
	in := wasiio.NewInput(newGate(), wasiio.InputOptions{})
	in.Drop(ctx)
	return in
}

func TestPollTraps(t *testing.T) {
	wantKind(t, abi.TrapABI, func() { wasiio.Poll(t.Context(), nil) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	wantKind(t, abi.TrapTimeout, func() { wasiio.Poll(ctx, []abiio.Pollable{never()}) })
	wantKind(t, abi.TrapTimeout, func() { wasiio.Poll(ctx, []abiio.Pollable{never(), foreign{nil}, wasiio.NewPollable(&flag{})}) })
	wantKind(t, abi.TrapTimeout, func() { never().Block(ctx) })
}

// jump is a timer of a simulated clock.
type jump struct {
	now  *time.Duration
	when time.Duration
}

func (j jump) Ready(context.Context) bool                   { return *j.now >= j.when }
func (jump) Watch(context.Context, func()) func()           { return func() {} }
func (j jump) Remaining(context.Context) time.Duration      { return j.when - *j.now }
func (j jump) Skip(_ context.Context, d time.Duration) bool { *j.now += d; return true }

func TestPollSkipsSimulatedTime(t *testing.T) {
	var now time.Duration
	got := wasiio.Poll(limited(t), []abiio.Pollable{
		never(), wasiio.NewPollable(jump{&now, 3 * time.Hour}), wasiio.NewPollable(jump{&now, time.Hour}),
	})
	if !slices.Equal(got, []uint32{2}) || now != time.Hour {
		t.Errorf("got %v after %v, want the timer of one hour after one hour", got, now)
	}
}

func TestNotifierUnderLoad(t *testing.T) {
	ctx := limited(t)
	var wg sync.WaitGroup
	for range 50 {
		f := &flag{}
		wg.Go(func() { wasiio.Wait(ctx, f, wasiio.Channel(func() <-chan struct{} { return nil })) })
		wg.Go(f.raise)
	}
	wg.Wait()
}
