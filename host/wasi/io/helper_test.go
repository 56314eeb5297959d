package io_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// patience is how long tests wait for what must come.
const patience = 20 * time.Second

// limited gives a context that ends long after all is done.
func limited(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// trapOf gives the trap that do panics with.
func trapOf(t *testing.T, do func()) (trap *abi.Trap) {
	t.Helper()
	defer func() {
		t.Helper()
		v := recover()
		got, ok := v.(*abi.Trap)
		if !ok {
			t.Fatalf("got %v, want a trap", v)
		}
		trap = got
	}()
	do()
	return nil
}

// wantKind checks that do traps with a kind.
func wantKind(t *testing.T, kind abi.TrapKind, do func()) {
	t.Helper()
	if trap := trapOf(t, do); trap.Kind != kind {
		t.Fatalf("got a trap of kind %v (%v), want %v", trap.Kind, trap, kind)
	}
}

// tag gives a stream error's case, "ok" for none.
func tag(e *abiio.StreamError) string {
	if e == nil {
		return "ok"
	}
	return e.Tag.String()
}

const (
	ok     = "ok"
	failed = "last-operation-failed"
	closed = "closed"
)

func wantTag(t *testing.T, what string, e *abiio.StreamError, want string) {
	t.Helper()
	if got := tag(e); got != want {
		t.Fatalf("%s: got %s, want %s", what, got, want)
	}
}

var errBroken = errors.New("broken")

// gate is a reader and writer that goes on only as the test lets it.
type gate struct {
	mu      sync.Mutex
	cond    *sync.Cond
	allowed int
	ended   error
	data    []byte // to be read, or written
}

func newGate() *gate {
	g := &gate{}
	g.cond = sync.NewCond(&g.mu)
	return g
}

// allow lets n more bytes pass.
func (g *gate) allow(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.allowed += n
	g.cond.Broadcast()
}

func (g *gate) end(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = err
	g.cond.Broadcast()
}

func (g *gate) interrupt() { g.end(errors.New("interrupted")) }

func (g *gate) Read(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.allowed == 0 && g.ended == nil {
		g.cond.Wait()
	}
	if g.allowed == 0 {
		return 0, g.ended
	}
	n := min(len(p), g.allowed)
	g.allowed -= n
	for i := range n {
		p[i] = 'x'
	}
	return n, nil
}

func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.allowed < len(p) && g.ended == nil {
		g.cond.Wait()
	}
	if g.ended != nil {
		return 0, g.ended
	}
	g.allowed -= len(p)
	g.data = append(g.data, p...)
	return len(p), nil
}

func (g *gate) written() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return string(g.data)
}

// block blocks on what a stream's subscribe gives.
func block(ctx context.Context, s interface {
	Subscribe(ctx context.Context) abiio.Pollable
},
) {
	p := s.Subscribe(ctx)
	p.Block(ctx)
	p.Drop(ctx)
}

var (
	_ abiio.InputStream  = (*wasiio.Input)(nil)
	_ abiio.OutputStream = (*wasiio.Output)(nil)
	_ abiio.OutputStream = (*wasiio.SharedOutput)(nil)
	_ abiio.Error        = (*wasiio.Error)(nil)
	_ io.Reader          = (*gate)(nil)
)
