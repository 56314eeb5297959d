package io_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// outputs makes each kind of output stream; the first result gives what reached the writer.
func outputs() map[string]func() (func() string, abiio.OutputStream) {
	return map[string]func() (func() string, abiio.OutputStream){
		"sync": func() (func() string, abiio.OutputStream) {
			var b bytes.Buffer
			return b.String, wasiio.NewSyncOutput(func(_ context.Context, p []byte) error { b.Write(p); return nil }, nil, nil)
		},
		"shared": func() (func() string, abiio.OutputStream) {
			var b bytes.Buffer
			return b.String, wasiio.NewSharedOutput("stdout", func(_ context.Context, p []byte) error { b.Write(p); return nil })
		},
		"background": func() (func() string, abiio.OutputStream) {
			g := newGate()
			g.allow(1 << 20)
			return g.written, wasiio.NewOutput(g, wasiio.OutputOptions{})
		},
		"direct": func() (func() string, abiio.OutputStream) {
			g := newGate()
			g.allow(1 << 20)
			return g.written, wasiio.NewOutput(g, wasiio.OutputOptions{Interrupt: g.interrupt, Flush: func() error { return nil }})
		},
	}
}

func TestOutput(t *testing.T) {
	for name, open := range outputs() {
		t.Run(name, func(t *testing.T) {
			ctx := limited(t)
			written, out := open()
			wantTag(t, "blocking-write-and-flush", out.BlockingWriteAndFlush(ctx, []byte("ab")), ok)
			if got := written(); got != "ab" {
				t.Fatalf("got %q flushed, want ab", got)
			}
			n, err := out.CheckWrite(ctx)
			wantTag(t, "check-write", err, ok)
			if n < 4096 {
				t.Fatalf("got a permit of %d bytes, want some thousands", n)
			}
			wantTag(t, "write", out.Write(ctx, []byte("cd")), ok)
			wantTag(t, "write-zeroes", out.WriteZeroes(ctx, 2), ok)
			wantTag(t, "flush", out.Flush(ctx), ok)
			block(ctx, out)
			n, err = out.CheckWrite(ctx)
			wantTag(t, "check-write", err, ok)
			if got := written(); got != "abcd\x00\x00" || n == 0 {
				t.Fatalf("got %q flushed and a permit of %d, want abcd and two zeroes", got, n)
			}
			wantTag(t, "blocking-write-zeroes-and-flush", out.BlockingWriteZeroesAndFlush(ctx, 1), ok)
			m, err := out.Splice(ctx, wasiio.NewSyncInput(func(_ context.Context, p []byte) (int, error) { return copy(p, "efg"), nil }, nil), 2)
			wantTag(t, "splice", err, ok)
			k, err := out.BlockingSplice(ctx, wasiio.NewInput(strings.NewReader("hi"), wasiio.InputOptions{}), 10)
			wantTag(t, "blocking-splice", err, ok)
			wantTag(t, "blocking-flush", out.BlockingFlush(ctx), ok)
			if got := written(); got != "abcd\x00\x00\x00efhi" || m != 2 || k != 2 {
				t.Fatalf("got %q (%d and %d spliced), want efhi at its end", got, m, k)
			}
			out.Drop(ctx)
		})
	}
}

func TestOutputTraps(t *testing.T) {
	for name, open := range outputs() {
		for what, do := range map[string]func(ctx context.Context, out abiio.OutputStream){
			"write": func(ctx context.Context, out abiio.OutputStream) {
				n, _ := out.CheckWrite(ctx)
				_ = out.Write(ctx, make([]byte, n+1))
			},
			"write-zeroes": func(ctx context.Context, out abiio.OutputStream) {
				n, _ := out.CheckWrite(ctx)
				_ = out.WriteZeroes(ctx, n+1)
			},
			"write-zeroes of all": func(ctx context.Context, out abiio.OutputStream) { _ = out.WriteZeroes(ctx, 1<<64-1) },
			"blocking-write-and-flush": func(ctx context.Context, out abiio.OutputStream) {
				_ = out.BlockingWriteAndFlush(ctx, make([]byte, 4097))
			},
			"blocking-write-zeroes-and-flush": func(ctx context.Context, out abiio.OutputStream) { _ = out.BlockingWriteZeroesAndFlush(ctx, 4097) },
		} {
			t.Run(name+" "+what, func(t *testing.T) {
				ctx := limited(t)
				_, out := open()
				wantKind(t, abi.TrapABI, func() { do(ctx, out) })
			})
		}
	}
	t.Run("write without permit", func(t *testing.T) {
		ctx := limited(t)
		_, out := outputs()["background"]()
		wantKind(t, abi.TrapABI, func() { _ = out.Write(ctx, []byte("x")) })
	})
	t.Run("write after the permit is used", func(t *testing.T) {
		ctx := limited(t)
		_, out := outputs()["sync"]()
		n, _ := out.CheckWrite(ctx)
		_ = out.Write(ctx, make([]byte, n))
		wantKind(t, abi.TrapABI, func() { _ = out.Write(ctx, []byte("x")) })
	})
}

func TestOutputErrorCloses(t *testing.T) {
	for name, open := range map[string]func(err error) *wasiio.Output{
		"sync": func(err error) *wasiio.Output {
			return wasiio.NewSyncOutput(func(context.Context, []byte) error { return err }, nil, nil)
		},
		"background": func(err error) *wasiio.Output {
			g := newGate()
			g.end(err)
			return wasiio.NewOutput(g, wasiio.OutputOptions{})
		},
		"direct": func(err error) *wasiio.Output {
			g := newGate()
			g.end(err)
			return wasiio.NewOutput(g, wasiio.OutputOptions{Interrupt: func() {}})
		},
	} {
		for _, c := range []struct {
			err  error
			want string
		}{{errBroken, failed}, {io.EOF, closed}} {
			t.Run(name+" "+c.want, func(t *testing.T) {
				ctx := limited(t)
				out := open(c.err)
				wantTag(t, "blocking-write-and-flush", out.BlockingWriteAndFlush(ctx, []byte("x")), c.want)
				block(ctx, out)
				_, err := out.CheckWrite(ctx)
				wantTag(t, "check-write", err, closed)
				wantTag(t, "write", out.Write(ctx, nil), closed)
				wantTag(t, "write-zeroes", out.WriteZeroes(ctx, 0), closed)
				wantTag(t, "blocking-write-and-flush", out.BlockingWriteAndFlush(ctx, nil), closed)
				wantTag(t, "flush", out.Flush(ctx), closed)
				wantTag(t, "blocking-flush", out.BlockingFlush(ctx), closed)
				_, err = out.Splice(ctx, wasiio.EmptyInput(), 1)
				wantTag(t, "splice", err, closed)
				_, err = out.BlockingSplice(ctx, wasiio.EmptyInput(), 1)
				wantTag(t, "blocking-splice", err, closed)
				out.Drop(ctx)
			})
		}
	}
}

func TestOutputBackPressure(t *testing.T) {
	ctx := limited(t)
	g := newGate()
	out := wasiio.NewOutput(g, wasiio.OutputOptions{Buffer: 10})
	n, err := out.CheckWrite(ctx)
	wantTag(t, "check-write", err, ok)
	if n != 10 {
		t.Fatalf("got a permit of %d, want 10", n)
	}
	wantTag(t, "write", out.Write(ctx, []byte("0123456789")), ok)
	p := out.Subscribe(ctx)
	if n, _ := out.CheckWrite(ctx); n != 0 || p.Ready(ctx) {
		t.Fatalf("got a permit of %d, ready %v; want a full stream", n, p.Ready(ctx))
	}
	g.allow(10)
	p.Block(ctx)
	if n, _ := out.CheckWrite(ctx); n != 10 {
		t.Fatalf("got a permit of %d, want 10", n)
	}
	// A flush grants nothing until it is done.
	wantTag(t, "write", out.Write(ctx, []byte("ab")), ok)
	wantTag(t, "flush", out.Flush(ctx), ok)
	if n, _ := out.CheckWrite(ctx); n != 0 {
		t.Fatalf("got a permit of %d while flushing, want 0", n)
	}
	g.allow(2)
	p.Block(ctx)
	if got := g.written(); got != "0123456789ab" {
		t.Fatalf("got %q, want all", got)
	}
	// What does not fit into the buffer is written piece by piece.
	g.allow(100)
	wantTag(t, "blocking-write-and-flush", out.BlockingWriteAndFlush(ctx, bytes.Repeat([]byte("z"), 25)), ok)
	if got := g.written(); len(got) != 37 {
		t.Fatalf("got %d bytes, want 37", len(got))
	}
}

func TestOutputSpliceErrors(t *testing.T) {
	ctx := limited(t)
	broken := func() *wasiio.Input {
		return wasiio.NewSyncInput(func(context.Context, []byte) (int, error) { return 0, errBroken }, nil)
	}
	_, out := outputs()["sync"]()
	_, err := out.Splice(ctx, broken(), 5)
	wantTag(t, "splice", err, failed)
	_, err = out.BlockingSplice(ctx, broken(), 5)
	wantTag(t, "blocking-splice", err, failed)
	_, err = out.Splice(ctx, wasiio.EmptyInput(), 5)
	wantTag(t, "splice of the end", err, closed)
	// The output is not closed by the input's error.
	n, err := out.CheckWrite(ctx)
	wantTag(t, "check-write", err, ok)
	if n == 0 {
		t.Error("got no permit after the input's error")
	}
}

func TestOutputDropDrains(t *testing.T) {
	ctx := limited(t)
	g, done := newGate(), make(chan struct{})
	out := wasiio.NewOutput(g, wasiio.OutputOptions{Close: func() { close(done) }})
	_, _ = out.CheckWrite(ctx)
	wantTag(t, "write", out.Write(ctx, []byte("late")), ok)
	out.Drop(ctx)
	select {
	case <-done:
		t.Fatal("got Close before all was written")
	default:
	}
	g.allow(4)
	select {
	case <-done:
	case <-ctx.Done():
		t.Fatal("Close was not called")
	}
	if got := g.written(); got != "late" {
		t.Errorf("got %q, want late", got)
	}
}

func TestOutputFinish(t *testing.T) {
	t.Run("waits", func(t *testing.T) {
		ctx := limited(t)
		g := newGate()
		out := wasiio.NewOutput(g, wasiio.OutputOptions{})
		_, _ = out.CheckWrite(ctx)
		wantTag(t, "write", out.Write(ctx, []byte("ab")), ok)
		out.Drop(ctx)
		go g.allow(2)
		if err := out.Finish(ctx); err != nil || g.written() != "ab" {
			t.Fatalf("got %v and %q, want ab", err, g.written())
		}
	})
	t.Run("gives the error", func(t *testing.T) {
		ctx := limited(t)
		g := newGate()
		out := wasiio.NewOutput(g, wasiio.OutputOptions{})
		_, _ = out.CheckWrite(ctx)
		wantTag(t, "write", out.Write(ctx, []byte("ab")), ok)
		g.end(errBroken)
		if err := out.Finish(ctx); err != errBroken { //nolint:errorlint // the writer's own
			t.Fatalf("got %v, want %v", err, errBroken)
		}
	})
	t.Run("closes", func(t *testing.T) {
		ctx := limited(t)
		out := wasiio.NewOutput(newGate(), wasiio.OutputOptions{})
		if err := out.Finish(ctx); err != nil {
			t.Fatal(err)
		}
		_, err := out.CheckWrite(ctx)
		wantTag(t, "check-write", err, closed)
	})
	t.Run("interrupts", func(t *testing.T) {
		g := newGate()
		out := wasiio.NewOutput(g, wasiio.OutputOptions{Interrupt: g.interrupt})
		ctx, cancel := context.WithCancel(t.Context())
		_, _ = out.CheckWrite(ctx)
		wantTag(t, "write", out.Write(ctx, []byte("ab")), ok)
		cancel()
		if err := out.Finish(ctx); err != context.Canceled { //nolint:errorlint // ctx's own
			t.Fatalf("got %v, want %v", err, context.Canceled)
		}
	})
}

func TestOutputFails(t *testing.T) {
	ctx := limited(t)
	for _, c := range []struct {
		err  error
		want string
	}{{errBroken, failed}, {nil, closed}} {
		g := newGate()
		out := wasiio.NewOutput(g, wasiio.OutputOptions{Buffer: 1, Interrupt: g.interrupt})
		_, _ = out.CheckWrite(ctx)
		wantTag(t, "write", out.Write(ctx, []byte("x")), ok)
		go out.Fail(c.err)
		block(ctx, out)
		_, err := out.CheckWrite(ctx)
		wantTag(t, "check-write", err, c.want)
		_, err = out.CheckWrite(ctx)
		wantTag(t, "check-write", err, closed)
		g.interrupt()
	}
}

func TestOutputEndsWithTheCall(t *testing.T) {
	for name, interrupt := range map[string]bool{"background": false, "direct": true} {
		t.Run(name, func(t *testing.T) {
			g := newGate()
			o := wasiio.OutputOptions{}
			if interrupt {
				o.Interrupt = g.interrupt
			}
			out := wasiio.NewOutput(g, o)
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			wantKind(t, abi.TrapTimeout, func() { _ = out.BlockingWriteAndFlush(ctx, []byte("x")) })
			g.interrupt()
		})
	}
}

func TestOutputSurvivesABrokenWriter(t *testing.T) {
	ctx := limited(t)
	for kind, o := range map[string]wasiio.OutputOptions{"background": {}, "direct": {Interrupt: func() {}}} {
		for name, w := range map[string]io.Writer{"panics": panics{}, "writes little": short{}} {
			out := wasiio.NewOutput(w, o)
			wantTag(t, kind+" "+name, out.BlockingWriteAndFlush(ctx, []byte("xy")), failed)
		}
	}
}

type short struct{}

func (short) Write([]byte) (int, error) { return 1, nil }

func TestSharedOutputStaysAfterAnError(t *testing.T) {
	ctx := limited(t)
	fail := true
	out := wasiio.NewSharedOutput("stdout", func(context.Context, []byte) error {
		if fail {
			return errBroken
		}
		return nil
	})
	wantTag(t, "write", out.BlockingWriteAndFlush(ctx, []byte("x")), failed)
	out.Drop(ctx)
	fail = false
	wantTag(t, "write", out.BlockingWriteAndFlush(ctx, []byte("x")), ok)
}
