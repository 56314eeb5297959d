package io_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

func TestErrorKeepsItsCause(t *testing.T) {
	e := wasiio.NewError(errBroken)
	if got := e.ToDebugString(t.Context()); got != "broken" {
		t.Errorf("got %q, want broken", got)
	}
	if got := wasiio.Cause(e); !errors.Is(got, errBroken) {
		t.Errorf("got cause %v, want %v", got, errBroken)
	}
	if got := wasiio.Cause(wasiio.Failed(errBroken).Value); !errors.Is(got, errBroken) {
		t.Errorf("got cause %v, want %v", got, errBroken)
	}
}

// TestSyncInput runs all methods on both kinds of input that end after "hello".
func TestInput(t *testing.T) {
	kinds := map[string]func(end error) *wasiio.Input{
		"sync": func(end error) *wasiio.Input {
			r := io.MultiReader(strings.NewReader("hello"), endsWith{end})
			return wasiio.NewSyncInput(func(_ context.Context, p []byte) (int, error) { return r.Read(p) }, nil)
		},
		"background": func(end error) *wasiio.Input {
			return wasiio.NewInput(io.MultiReader(strings.NewReader("hello"), endsWith{end}), wasiio.InputOptions{})
		},
		"direct": func(end error) *wasiio.Input {
			return wasiio.NewInput(io.MultiReader(strings.NewReader("hello"), endsWith{end}), wasiio.InputOptions{Interrupt: func() {}})
		},
	}
	for name, open := range kinds {
		for _, end := range []error{io.EOF, errBroken} {
			t.Run(name+" "+end.Error(), func(t *testing.T) {
				ctx := limited(t)
				in := open(end)
				b, err := in.BlockingRead(ctx, 2)
				wantTag(t, "blocking-read", err, ok)
				if string(b) != "he" {
					t.Fatalf("got %q, want he", b)
				}
				b, err = in.BlockingRead(ctx, 0)
				wantTag(t, "blocking-read of 0", err, ok)
				if len(b) != 0 {
					t.Fatalf("got %q, want nothing", b)
				}
				n, err := in.BlockingSkip(ctx, 1)
				wantTag(t, "blocking-skip", err, ok)
				if n != 1 {
					t.Fatalf("got %d skipped, want 1", n)
				}
				var rest []byte
				for len(rest) < 2 {
					block(ctx, in)
					b, err := in.Read(ctx, 1<<63)
					wantTag(t, "read", err, ok)
					rest = append(rest, b...)
				}
				if string(rest) != "lo" {
					t.Fatalf("got %q, want lo", rest)
				}
				b, err = in.Read(ctx, 0)
				wantTag(t, "read of 0", err, ok)
				if len(b) != 0 {
					t.Fatalf("got %q, want nothing", b)
				}
				_, err = in.BlockingRead(ctx, 1)
				if errors.Is(end, io.EOF) {
					wantTag(t, "at the end", err, closed)
				} else {
					wantTag(t, "at the end", err, failed)
					if got := err.Value.ToDebugString(ctx); got != "broken" {
						t.Errorf("got error %q, want broken", got)
					}
				}
				block(ctx, in)
				for what, err := range map[string]func() error{
					"read":          func() error { _, e := in.Read(ctx, 1); return streamErr(tag(e)) },
					"read of 0":     func() error { _, e := in.Read(ctx, 0); return streamErr(tag(e)) },
					"blocking-read": func() error { _, e := in.BlockingRead(ctx, 0); return streamErr(tag(e)) },
					"skip":          func() error { _, e := in.Skip(ctx, 1); return streamErr(tag(e)) },
					"blocking-skip": func() error { _, e := in.BlockingSkip(ctx, 1); return streamErr(tag(e)) },
				} {
					if got := err().Error(); got != closed {
						t.Errorf("%s after the end: got %s, want closed", what, got)
					}
				}
				in.Drop(ctx)
			})
		}
	}
}

// streamErr is a tag as an error.
type streamErr string

func (e streamErr) Error() string { return string(e) }

// endsWith is a reader that fails.
type endsWith struct{ err error }

func (e endsWith) Read([]byte) (int, error) {
	return 0, e.err
}

func TestInputDoesNotBlockInRead(t *testing.T) {
	ctx := limited(t)
	g := newGate()
	in := wasiio.NewInput(g, wasiio.InputOptions{Interrupt: g.interrupt})
	p := in.Subscribe(ctx)
	for range 3 {
		b, err := in.Read(ctx, 10)
		wantTag(t, "read", err, ok)
		if len(b) != 0 || p.Ready(ctx) {
			t.Fatalf("got %q, ready %v; want nothing yet", b, p.Ready(ctx))
		}
	}
	g.allow(3)
	p.Block(ctx)
	b, err := in.Read(ctx, 10)
	wantTag(t, "read", err, ok)
	if string(b) != "xxx" {
		t.Fatalf("got %q, want xxx", b)
	}
	in.Drop(ctx)
}

func TestInputReadsAheadNoMoreThanItsBuffer(t *testing.T) {
	ctx := limited(t)
	g := newGate()
	g.allow(1000)
	in := wasiio.NewInput(g, wasiio.InputOptions{Buffer: 100})
	block(ctx, in)
	var got int
	for got < 250 {
		b, err := in.Read(ctx, 50)
		wantTag(t, "read", err, ok)
		if len(b) == 0 {
			block(ctx, in)
		}
		got += len(b)
		g.mu.Lock()
		ahead := 1000 - g.allowed - got
		g.mu.Unlock()
		if ahead > 100 {
			t.Fatalf("got %d bytes read ahead, want at most 100", ahead)
		}
	}
}

func TestInputCloses(t *testing.T) {
	ctx := limited(t)
	t.Run("while idle", func(t *testing.T) {
		n := 0
		in := wasiio.NewInput(strings.NewReader(""), wasiio.InputOptions{Close: func() { n++ }})
		in.Drop(ctx)
		in.Drop(ctx)
		if n != 1 {
			t.Errorf("got Close called %d times, want once", n)
		}
	})
	t.Run("while reading", func(t *testing.T) {
		g, done := newGate(), make(chan struct{})
		in := wasiio.NewInput(g, wasiio.InputOptions{Interrupt: g.interrupt, Close: func() { close(done) }})
		if in.Subscribe(ctx).Ready(ctx) {
			t.Error("got ready, want not")
		}
		in.Drop(ctx)
		select {
		case <-done:
		case <-ctx.Done():
			t.Fatal("Close was not called after Drop")
		}
	})
	t.Run("sync", func(t *testing.T) {
		n := 0
		in := wasiio.NewSyncInput(func(context.Context, []byte) (int, error) { return 0, io.EOF }, func() { n++ })
		in.Drop(ctx)
		in.Drop(ctx)
		if n != 1 {
			t.Errorf("got close called %d times, want once", n)
		}
	})
}

func TestInputEndsWithTheCall(t *testing.T) {
	for name, interrupt := range map[string]bool{"background": false, "direct": true} {
		t.Run(name, func(t *testing.T) {
			g := newGate()
			o := wasiio.InputOptions{}
			if interrupt {
				o.Interrupt = g.interrupt
			}
			in := wasiio.NewInput(g, o)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			wantKind(t, abi.TrapTimeout, func() { _, _ = in.BlockingRead(ctx, 1) })
			g.end(io.EOF)
		})
	}
}

func TestInputFails(t *testing.T) {
	ctx := limited(t)
	for _, c := range []struct {
		err  error
		want string
	}{{errBroken, failed}, {nil, closed}} {
		g := newGate()
		in := wasiio.NewInput(g, wasiio.InputOptions{Interrupt: g.interrupt})
		p := in.Subscribe(ctx)
		go in.Fail(c.err)
		p.Block(ctx)
		_, err := in.Read(ctx, 1)
		wantTag(t, "read", err, c.want)
		_, err = in.Read(ctx, 1)
		wantTag(t, "read", err, closed)
		in.Drop(ctx)

		in = wasiio.NewSyncInput(func(_ context.Context, p []byte) (int, error) { return len(p), nil }, nil)
		in.Fail(c.err)
		_, err = in.BlockingRead(ctx, 1)
		wantTag(t, "sync read", err, c.want)
	}
}

func TestInputSurvivesABrokenReader(t *testing.T) {
	ctx := limited(t)
	for name, r := range map[string]io.Reader{"panics": panics{}, "gives nothing": lazy{}} {
		for kind, o := range map[string]wasiio.InputOptions{"background": {}, "direct": {Interrupt: func() {}}} {
			_, err := wasiio.NewInput(r, o).BlockingRead(ctx, 1)
			wantTag(t, name+" "+kind, err, failed)
		}
	}
}

type panics struct{}

func (panics) Read([]byte) (int, error)  { panic("oh") }
func (panics) Write([]byte) (int, error) { panic("oh") }

type lazy struct{}

func (lazy) Read([]byte) (int, error) { return 0, nil }

func TestSharedInputStays(t *testing.T) {
	ctx := limited(t)
	in := wasiio.SharedInput{Input: wasiio.NewInput(bytes.NewReader([]byte("abc")), wasiio.InputOptions{})}
	in.Drop(ctx)
	b, err := in.BlockingRead(ctx, 3)
	wantTag(t, "read after drop of a handle", err, ok)
	if string(b) != "abc" {
		t.Errorf("got %q, want abc", b)
	}
}

// TestSharedInputServesMany has several guests read one stream at a time.
func TestSharedInputServesMany(t *testing.T) {
	ctx := limited(t)
	for _, o := range []wasiio.InputOptions{{}, {Interrupt: func() {}}} {
		in := wasiio.SharedInput{Input: wasiio.NewInput(strings.NewReader(strings.Repeat("x", 10_000)), o)}
		var got atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					b, err := in.BlockingRead(ctx, 7)
					if err != nil {
						return
					}
					got.Add(int64(len(b)))
				}
			})
		}
		wg.Wait()
		if got.Load() != 10_000 {
			t.Errorf("got %d bytes, want 10000", got.Load())
		}
	}
}
