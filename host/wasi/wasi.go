// Package wasi composes the host's implementation of WASI 0.2: one implementation serves all versions from 0.2.0 to
// 0.2.12. What an app may do is in Config; the zero Config gives it clocks, randomness and nothing else.
//
// It knows neither the engine nor the instances: what depends on the calling instance is found by the context.
package wasi

import (
	"context"
	"io"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/cli"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/clocks"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/filesystem"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/random"
)

// Part is a WASI package that is made elsewhere.
type Part interface{ Funcs() []abi.Func }

// Config is what an app's guests find of WASI.
type Config struct {
	// Args are the arguments, the program's name first, Env the environment variables.
	Args []string
	Env  map[string]string
	// InitialCWD is where the guest's relative paths begin; empty if that is not said.
	InitialCWD string

	// Stdin is shared by all instances; nil for one that has ended.
	Stdin io.Reader
	// Stdout and Stderr give the writers of the calling instance; nil for none.
	Stdout, Stderr func(ctx context.Context) io.Writer
	// TerminalStdin, TerminalStdout and TerminalStderr tell that the stream is a terminal.
	TerminalStdin, TerminalStdout, TerminalStderr bool
	// Exit ends the calling instance by a panic; nil for an *abi.Trap of kind TrapExit.
	Exit func(ctx context.Context, code uint32)

	// Dirs are the folders that guests see, MaxOpen how many descriptors they hold together at most, 0 for
	// filesystem.DefaultMaxOpen.
	Dirs    []filesystem.Dir
	MaxOpen int
	// HashKey makes the hashes of files' metadata comparable from process to process; empty for a random one.
	HashKey []byte

	// Monotonic (in nanoseconds) and Wall are the clocks of the calling instance; nil for the host's.
	Monotonic func(ctx context.Context) uint64
	Wall      func(ctx context.Context) time.Time
	// Skip lets time pass at once where it is simulated, as while an image is made; see clocks.Config.
	Skip func(ctx context.Context, d time.Duration) bool
	// Location is the time zone that guests are told; nil for UTC.
	Location *time.Location

	// Random and Insecure give the sources of the calling instance; nil for the host's cryptographic one.
	Random, Insecure func(ctx context.Context) io.Reader

	// Sockets and HTTP are wasi:sockets and wasi:http; nil leaves them out, so that guests that import them do not link.
	Sockets, HTTP Part
}

// sharer is a Part that has objects which all instances of an app have in common.
type sharer interface{ Shared() []canon.SharedObject }

// WASI is the host functions of an app.
type WASI struct {
	fs     *filesystem.FS
	funcs  []abi.Func
	shared []canon.SharedObject
}

// New makes the host functions. It fails if a folder of Dirs cannot be opened or the names are not good.
func New(c Config) (*WASI, error) {
	fs, err := filesystem.New(filesystem.Config{Dirs: c.Dirs, MaxOpen: c.MaxOpen, HashKey: c.HashKey})
	if err != nil {
		return nil, err
	}
	w := &WASI{fs: fs, funcs: wasiio.Funcs()}
	terminal := cli.New(cli.Config{
		Args: c.Args, Env: c.Env, InitialCWD: c.InitialCWD, Stdin: c.Stdin, Stdout: c.Stdout, Stderr: c.Stderr, Exit: c.Exit,
		TerminalStdin: c.TerminalStdin, TerminalStdout: c.TerminalStdout, TerminalStderr: c.TerminalStderr,
	})
	for _, f := range [][]abi.Func{
		clocks.Funcs(clocks.Config{Monotonic: c.Monotonic, Wall: c.Wall, Skip: c.Skip, Location: c.Location}),
		random.Funcs(random.Config{Secure: c.Random, Insecure: c.Insecure}),
	} {
		w.funcs = append(w.funcs, f...)
	}
	for _, p := range []Part{terminal, fs, c.Sockets, c.HTTP} {
		if p == nil {
			continue
		}
		w.funcs = append(w.funcs, p.Funcs()...)
		if s, ok := p.(sharer); ok {
			w.shared = append(w.shared, s.Shared()...)
		}
	}
	return w, nil
}

// Funcs gives the host functions of all packages, which an app's guests may import.
func (w *WASI) Funcs() []abi.Func { return w.funcs }

// Shared gives the objects that an app's instances have in common, of which a guest may have handles for good.
func (w *WASI) Shared() []canon.SharedObject { return w.shared }

// Close closes the folders. No guest may run any more.
func (w *WASI) Close() error { return w.fs.Close() }
