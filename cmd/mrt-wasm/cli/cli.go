// Package cli is the commands of the binaries. It only parses flags and prints; package host does the work and runs inside
// other programs just as well.
package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	_ "time/tzdata" // cron bindings name time zones, and not every machine has their files

	"github.com/spf13/cobra"

	"github.com/mrt-wasm/mrt-wasm/host"
)

// The exit codes.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// Run runs one command line with the drivers of the binary, and gives its exit code.
func Run(drivers host.Drivers, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot(drivers)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteC()
	failed, isFailure := errors.AsType[*failure](err)
	code, exited := errors.AsType[exitCode](err)
	switch {
	case err == nil:
		return exitOK
	case exited:
		return int(code)
	case isFailure:
		fmt.Fprintln(stderr, "mrt-wasm:", failed)
		return exitFailure
	}
	// Everything that cobra itself refuses is a mistake of the command line.
	fmt.Fprintf(stderr, "mrt-wasm: %s\nRun '%s --help' for usage.\n", strings.TrimSpace(err.Error()), cmd.CommandPath())
	return exitUsage
}

// failure is an error of a command's work, as opposed to one of its command line.
type failure struct{ err error }

// Error gives the text to print.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap gives the cause.
func (f *failure) Unwrap() error { return f.err }

// usageError is an error of the command line that cobra cannot see.
type usageError struct{ text string }

// Error gives the text to print.
func (u *usageError) Error() string { return u.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// asFailure marks the errors of a command's work.
func asFailure(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return err
	}
	if _, ok := errors.AsType[*failure](err); ok {
		return err
	}
	return &failure{err}
}

// markFailures makes every command's error a failure.
func markFailures(cmd *cobra.Command) {
	if work := cmd.RunE; work != nil {
		cmd.RunE = func(c *cobra.Command, args []string) error { return asFailure(work(c, args)) }
	}
	for _, sub := range cmd.Commands() {
		markFailures(sub)
	}
}
