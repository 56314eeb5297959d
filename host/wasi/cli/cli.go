// Package cli implements wasi:cli 0.2: environment, exit, standard streams and terminals. The interface run is the
// guest's.
package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abicli "github.com/mrt-wasm/mrt-wasm/abi/wasi/cli"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// Config is what the guest finds around it. The zero value is an empty environment, standard input that has ended and
// output that nobody reads.
type Config struct {
	// Args are the arguments, the program's name first.
	Args []string
	// Env are the environment variables.
	Env map[string]string
	// InitialCWD is where the guest's relative paths begin; empty if that is not said.
	InitialCWD string
	// Stdin is read when the guest wants it, and ahead of it. All instances share it. Nil for one that has ended.
	Stdin io.Reader
	// Stdout and Stderr give the writers of the calling instance. Nil, or a nil writer, for none.
	Stdout, Stderr func(ctx context.Context) io.Writer
	// Exit ends the calling instance by a panic. Nil for an *abi.Trap of kind TrapExit whose cause is an *ExitError.
	Exit func(ctx context.Context, code uint32)
	// TerminalStdin, TerminalStdout and TerminalStderr tell that the stream is a terminal.
	TerminalStdin, TerminalStdout, TerminalStderr bool
}

// CLI is the package for one app.
type CLI struct {
	funcs  []abi.Func
	shared []canon.SharedObject
}

// Funcs gives the host functions of the package.
func (c *CLI) Funcs() []abi.Func { return c.funcs }

// Shared gives the standard streams and the terminals, which the app's instances have in common.
func (c *CLI) Shared() []canon.SharedObject { return c.shared }

// New makes the package for one app.
func New(c Config) *CLI {
	s := newStdio(c)
	t := terminals{c}
	return &CLI{funcs: funcs(c, s, t), shared: append(s.shared(), t.shared()...)}
}

func funcs(c Config, s *stdio, t terminals) []abi.Func {
	funcs := abicli.EnvironmentFuncs(newEnvironment(c))
	funcs = append(funcs, abicli.ExitFuncs(exit{c.Exit})...)
	funcs = append(funcs, abicli.StdinFuncs(s)...)
	funcs = append(funcs, abicli.StdoutFuncs(s)...)
	funcs = append(funcs, abicli.StderrFuncs(s)...)
	funcs = append(funcs, abicli.TerminalInputFuncs()...)
	funcs = append(funcs, abicli.TerminalOutputFuncs()...)
	funcs = append(funcs, abicli.TerminalStdinFuncs(t)...)
	funcs = append(funcs, abicli.TerminalStdoutFuncs(t)...)
	return append(funcs, abicli.TerminalStderrFuncs(t)...)
}

type environment struct {
	env  []canon.Tuple2[string, string]
	args []string
	cwd  *string
}

var _ abicli.EnvironmentHost = (*environment)(nil)

func newEnvironment(c Config) *environment {
	e := &environment{args: slices.Clone(c.Args)}
	for _, k := range slices.Sorted(maps.Keys(c.Env)) {
		e.env = append(e.env, canon.Tuple2[string, string]{F0: k, F1: c.Env[k]})
	}
	if c.InitialCWD != "" {
		e.cwd = &c.InitialCWD
	}
	return e
}

// GetEnvironment gives the variables, sorted by name.
func (e *environment) GetEnvironment(context.Context) []canon.Tuple2[string, string] { return e.env }

// GetArguments gives the arguments.
func (e *environment) GetArguments(context.Context) []string { return e.args }

// InitialCwd gives the directory, nil for none.
func (e *environment) InitialCwd(context.Context) *string { return e.cwd }

// ExitError is the cause of the trap by which a guest exits if Config has no Exit.
type ExitError struct {
	// Code is 0 for success.
	Code uint32
}

// Error gives the code.
func (e *ExitError) Error() string { return fmt.Sprintf("exited with code %d", e.Code) }

type exit struct {
	end func(ctx context.Context, code uint32)
}

var _ abicli.ExitHost = exit{}

// Exit ends the instance with the code 0 or 1. It does not return.
func (e exit) Exit(ctx context.Context, status canon.Result[struct{}, struct{}]) {
	if status.Err != nil {
		e.with(ctx, 1)
	}
	e.with(ctx, 0)
}

// ExitWithCode ends the instance. It does not return.
func (e exit) ExitWithCode(ctx context.Context, code uint8) { e.with(ctx, uint32(code)) }

func (e exit) with(ctx context.Context, code uint32) {
	if e.end != nil {
		e.end(ctx, code)
	}
	cause := &ExitError{Code: code}
	panic(&abi.Trap{Kind: abi.TrapExit, Reason: cause.Error(), Cause: cause})
}

type stdio struct {
	in       wasiio.SharedInput
	out, err *wasiio.SharedOutput
}

func newStdio(c Config) *stdio {
	s := &stdio{
		in:  wasiio.SharedInput{Input: wasiio.EmptyInput(), Name: "stdin"},
		out: sharedOutput("stdout", c.Stdout),
		err: sharedOutput("stderr", c.Stderr),
	}
	if c.Stdin != nil {
		s.in.Input = wasiio.NewInput(c.Stdin, wasiio.InputOptions{})
	}
	return s
}

// sharedOutput writes to the writer of the calling instance.
func sharedOutput(name string, of func(ctx context.Context) io.Writer) *wasiio.SharedOutput {
	return wasiio.NewSharedOutput(name, func(ctx context.Context, p []byte) error {
		if of == nil {
			return nil
		}
		w := of(ctx)
		if w == nil {
			return nil
		}
		n, err := w.Write(p)
		if err == nil && n < len(p) {
			err = io.ErrShortWrite
		}
		return err
	})
}

func (s *stdio) shared() []canon.SharedObject {
	return []canon.SharedObject{
		{Resource: abiio.InputStreamResource, Object: s.in},
		{Resource: abiio.OutputStreamResource, Object: s.out},
		{Resource: abiio.OutputStreamResource, Object: s.err},
	}
}

// GetStdin gives standard input, which all share.
func (s *stdio) GetStdin(context.Context) abiio.InputStream { return s.in }

// GetStdout gives standard output, which all share.
func (s *stdio) GetStdout(context.Context) abiio.OutputStream { return s.out }

// GetStderr gives standard error, which all share.
func (s *stdio) GetStderr(context.Context) abiio.OutputStream { return s.err }
