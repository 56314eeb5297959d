package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
)

func TestEnvironment(t *testing.T) {
	ctx := t.Context()
	e := newEnvironment(Config{Args: []string{"app", "x"}, Env: map[string]string{"B": "2", "A": "1"}, InitialCWD: "/data"})
	if got := fmt.Sprint(e.GetArguments(ctx), e.GetEnvironment(ctx), *e.InitialCwd(ctx)); got != "[app x] [{A 1} {B 2}]/data" {
		t.Errorf("got %s", got)
	}
	e = newEnvironment(Config{})
	if len(e.GetArguments(ctx)) != 0 || len(e.GetEnvironment(ctx)) != 0 || e.InitialCwd(ctx) != nil {
		t.Error("got something, want an empty environment")
	}
}

func TestExit(t *testing.T) {
	failed := canon.Result[struct{}, struct{}]{Err: &struct{}{}}
	for name, c := range map[string]struct {
		do   func(ctx context.Context, e exit)
		code uint32
	}{
		"ok":   {func(ctx context.Context, e exit) { e.Exit(ctx, canon.Result[struct{}, struct{}]{}) }, 0},
		"err":  {func(ctx context.Context, e exit) { e.Exit(ctx, failed) }, 1},
		"code": {func(ctx context.Context, e exit) { e.ExitWithCode(ctx, 42) }, 42},
	} {
		t.Run(name, func(t *testing.T) {
			func() {
				defer func() {
					trap, ok := recover().(*abi.Trap)
					var cause *ExitError
					if !ok || trap.Kind != abi.TrapExit || !errors.As(trap, &cause) || cause.Code != c.code {
						t.Errorf("got %v, want an exit with %d", trap, c.code)
					}
				}()
				c.do(t.Context(), exit{})
			}()
			func() {
				defer func() {
					if got := recover(); got != c.code {
						t.Errorf("got %v, want the engine's end with %d", got, c.code)
					}
				}()
				c.do(t.Context(), exit{func(_ context.Context, code uint32) { panic(code) }})
			}()
		})
	}
}

type writerKey struct{}

func TestOutputGoesToTheCallingInstance(t *testing.T) {
	of := func(ctx context.Context) io.Writer {
		w, _ := ctx.Value(writerKey{}).(io.Writer)
		return w
	}
	s := newStdio(Config{Stdout: of})
	for _, text := range []string{"one", "two"} {
		var b bytes.Buffer
		ctx := context.WithValue(t.Context(), writerKey{}, &b)
		out := s.GetStdout(ctx)
		if err := out.BlockingWriteAndFlush(ctx, []byte(text)); err != nil || b.String() != text {
			t.Errorf("got %q, %v; want %s", b.String(), err, text)
		}
		out.Drop(ctx)
		if err := s.GetStderr(ctx).BlockingWriteAndFlush(ctx, []byte("x")); err != nil || b.String() != text {
			t.Errorf("got %q, %v; want stderr to go nowhere", b.String(), err)
		}
	}
	if err := s.GetStdout(t.Context()).BlockingWriteAndFlush(t.Context(), []byte("x")); err != nil {
		t.Errorf("got %v, want output without a writer to go nowhere", err)
	}
	short := newStdio(Config{Stdout: func(context.Context) io.Writer { return shortWriter{} }})
	if err := short.GetStdout(t.Context()).BlockingWriteAndFlush(t.Context(), []byte("x")); err == nil || err.Tag != abiio.StreamErrorLastOperationFailed {
		t.Errorf("got %v, want a failure", err)
	}
}

type shortWriter struct{}

func (shortWriter) Write([]byte) (int, error) { return 0, nil }

func TestStdin(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := newStdio(Config{}).GetStdin(ctx).BlockingRead(ctx, 1); err == nil || err.Tag != abiio.StreamErrorClosed {
		t.Errorf("got %v, want the end", err)
	}
	s := newStdio(Config{Stdin: strings.NewReader("hello")})
	var got []byte
	for {
		in := s.GetStdin(ctx)
		b, err := in.BlockingRead(ctx, 2)
		in.Drop(ctx)
		if err != nil {
			if err.Tag != abiio.StreamErrorClosed {
				t.Errorf("got %v, want the end", err)
			}
			break
		}
		got = append(got, b...)
	}
	if string(got) != "hello" {
		t.Errorf("got %q, want hello", got)
	}
}

func TestTerminals(t *testing.T) {
	ctx := t.Context()
	none := terminals{}
	if none.GetTerminalStdin(ctx) != nil || none.GetTerminalStdout(ctx) != nil || none.GetTerminalStderr(ctx) != nil {
		t.Error("got a terminal, want none")
	}
	for _, c := range []Config{{TerminalStdin: true}, {TerminalStdout: true}, {TerminalStderr: true}} {
		x := terminals{c}
		if (x.GetTerminalStdin(ctx) != nil) != c.TerminalStdin || (x.GetTerminalStdout(ctx) != nil) != c.TerminalStdout ||
			(x.GetTerminalStderr(ctx) != nil) != c.TerminalStderr {
			t.Errorf("%+v: got other terminals", c)
		}
	}
}

// TestSharedHandles is what lets an image have been made after the guest asked for its standard streams.
func TestSharedHandles(t *testing.T) {
	ctx := t.Context()
	s := newStdio(Config{})
	for name, obj := range map[string]any{"stdin": s.GetStdin(ctx), "stdout": s.GetStdout(ctx), "stderr": s.GetStderr(ctx), "terminal": terminals{Config{TerminalStdin: true}}.GetTerminalStdin(ctx)} {
		if _, ok := obj.(canon.Shared); !ok {
			t.Errorf("%s: got %T, want a canon.Shared", name, obj)
		}
	}
}
