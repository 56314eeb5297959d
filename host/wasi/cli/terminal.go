package cli

import (
	"context"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abicli "github.com/mrt-wasm/mrt-wasm/abi/wasi/cli"
)

// terminal is both sides of a terminal; there is nothing to be done with one.
type terminal struct{}

var _ canon.Shared = terminal{}

// SharedResource implements canon.Shared.
func (terminal) SharedResource() {}

// Drop does nothing.
func (terminal) Drop(context.Context) {}

// terminals says which standard streams are terminals.
type terminals struct{ c Config }

var (
	_ abicli.TerminalStdinHost  = terminals{}
	_ abicli.TerminalStdoutHost = terminals{}
	_ abicli.TerminalStderrHost = terminals{}
)

// GetTerminalStdin gives the terminal of standard input, nil for none.
func (t terminals) GetTerminalStdin(context.Context) abicli.TerminalInput {
	if !t.c.TerminalStdin {
		return nil
	}
	return terminal{}
}

// GetTerminalStdout gives the terminal of standard output, nil for none.
func (t terminals) GetTerminalStdout(context.Context) abicli.TerminalOutput {
	if !t.c.TerminalStdout {
		return nil
	}
	return terminal{}
}

// GetTerminalStderr gives the terminal of standard error, nil for none.
func (t terminals) GetTerminalStderr(context.Context) abicli.TerminalOutput {
	if !t.c.TerminalStderr {
		return nil
	}
	return terminal{}
}
