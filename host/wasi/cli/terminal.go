package cli

import (
	"context"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abicli "github.com/mrt-wasm/mrt-wasm/abi/wasi/cli"
)

// The names of the terminals.
const (
	terminalStdin  = "terminal-stdin"
	terminalStdout = "terminal-stdout"
	terminalStderr = "terminal-stderr"
)

// terminal is both sides of a terminal; there is nothing to be done with one.
type terminal struct{ name string }

var _ canon.Shared = terminal{}

// SharedResource implements canon.Shared.
func (t terminal) SharedResource() string { return t.name }

// Drop does nothing.
func (terminal) Drop(context.Context) {}

// terminals says which standard streams are terminals.
type terminals struct{ c Config }

var (
	_ abicli.TerminalStdinHost  = terminals{}
	_ abicli.TerminalStdoutHost = terminals{}
	_ abicli.TerminalStderrHost = terminals{}
)

// shared gives those that there are.
func (t terminals) shared() (out []canon.SharedObject) {
	add := func(there bool, r *canon.Resource, name string) {
		if there {
			out = append(out, canon.SharedObject{Resource: r, Object: terminal{name}})
		}
	}
	add(t.c.TerminalStdin, abicli.TerminalInputResource, terminalStdin)
	add(t.c.TerminalStdout, abicli.TerminalOutputResource, terminalStdout)
	add(t.c.TerminalStderr, abicli.TerminalOutputResource, terminalStderr)
	return out
}

// GetTerminalStdin gives the terminal of standard input, nil for none.
func (t terminals) GetTerminalStdin(context.Context) abicli.TerminalInput {
	if !t.c.TerminalStdin {
		return nil
	}
	return terminal{terminalStdin}
}

// GetTerminalStdout gives the terminal of standard output, nil for none.
func (t terminals) GetTerminalStdout(context.Context) abicli.TerminalOutput {
	if !t.c.TerminalStdout {
		return nil
	}
	return terminal{terminalStdout}
}

// GetTerminalStderr gives the terminal of standard error, nil for none.
func (t terminals) GetTerminalStderr(context.Context) abicli.TerminalOutput {
	if !t.c.TerminalStderr {
		return nil
	}
	return terminal{terminalStderr}
}
