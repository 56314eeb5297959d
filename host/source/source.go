// Package source turns what a manifest names as an app's source into wasm: it builds Go packages with the Go
// toolchain of this machine, reads wasm files, and watches both for changes. It knows nothing of how wasm is run.
package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Spec is where one app's wasm comes from. Exactly one of Go, Wasm and OCI is set.
type Spec struct {
	// App is the app's name; it also names the built file.
	App string
	// Go is the folder of a Go main package.
	Go string
	// Wasm is the path of a wasm file.
	Wasm string
	// OCI names an artefact, which this package refuses with an error that says what to do.
	OCI string
	// Where is file:line:column of the declaration, for errors; empty when there is none.
	Where string
}

// Phase is how far the build of an app has come.
type Phase int

// The phases of a build. Every Started is followed by one Done or Failed.
const (
	Started Phase = iota
	Done
	Failed
)

// Event is one step of a build, for progress output.
type Event struct {
	App   string
	Phase Phase
	// Took is how long the build ran; with Done and Failed.
	Took time.Duration
	// Size is the size of the wasm in bytes; with Done.
	Size int64
	// Err is why the build failed; with Failed. It is a *CompileError when the compiler refused the source.
	Err error
}

// Options configure a Builder. The zero value of each field has a meaning.
type Options struct {
	// Dir is where built files go; empty means ".mrt/build".
	Dir string
	// Go is the go command; empty means the one in PATH.
	Go string
	// Parallel is how many builds may run at the same time; 0 means 2.
	Parallel int
	// Progress is told about every build of a Go source, from many goroutines; nil to tell nobody.
	Progress func(Event)
	// Log takes what is worth a warning; nil for nothing.
	Log *slog.Logger
}

// Builder loads sources. Its methods may be called from many goroutines.
type Builder struct {
	opts  Options
	slots chan struct{}

	mu    sync.Mutex
	ready map[string][]byte // by app: built by Prepare and not yet taken by Load
}

// New gives a builder; it does nothing yet.
func New(o Options) *Builder {
	if o.Dir == "" {
		o.Dir = filepath.Join(".mrt", "build")
	}
	if o.Parallel <= 0 {
		o.Parallel = 2
	}
	if o.Progress == nil {
		o.Progress = func(Event) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Builder{opts: o, slots: make(chan struct{}, o.Parallel), ready: map[string][]byte{}}
}

// Prepare loads all sources at once and keeps what they give for the next Load of each, so that a host which
// loads one app after the other does not build one after the other. It gives the errors of all sources.
func (b *Builder) Prepare(ctx context.Context, specs []Spec) error {
	errs := make([]error, len(specs))
	var wg sync.WaitGroup
	for i, s := range specs {
		wg.Go(func() {
			wasm, err := b.load(ctx, s)
			if err != nil {
				errs[i] = err
				return
			}
			b.mu.Lock()
			b.ready[s.App] = wasm
			b.mu.Unlock()
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Load gives the wasm of a source: what Prepare made, once, and otherwise built or read anew. Its error names the
// app and the place in the manifest.
func (b *Builder) Load(ctx context.Context, s Spec) ([]byte, error) {
	b.mu.Lock()
	wasm, ok := b.ready[s.App]
	delete(b.ready, s.App)
	b.mu.Unlock()
	if ok {
		return wasm, nil
	}
	return b.load(ctx, s)
}

func (b *Builder) load(ctx context.Context, s Spec) (wasm []byte, err error) {
	switch {
	case s.Go != "" && s.Wasm != "":
		err = errors.New("the source names both go and wasm; name one")
	case s.Go != "":
		wasm, err = b.build(ctx, s)
	case s.Wasm != "":
		wasm, err = read(s.Wasm)
	case s.OCI != "":
		err = errors.New("source.oci: this version does not fetch OCI artefacts; fetch the wasm and name it in source.wasm")
	default:
		err = errors.New("there is no source; set spec.source.go to a folder or spec.source.wasm to a file")
	}
	if err != nil {
		return nil, &Error{App: s.App, Where: s.Where, Err: err}
	}
	return wasm, nil
}

// Error is why a source gave no wasm.
type Error struct {
	App, Where string
	Err        error
}

// Error starts with the place in the manifest.
func (e *Error) Error() string {
	text := fmt.Sprintf("app %s: %v", e.App, e.Err)
	if e.Where != "" {
		text = e.Where + ": " + text
	}
	return text
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// magic is how every core module and component starts.
const magic = "\x00asm"

func isWasm(data []byte) bool { return bytes.HasPrefix(data, []byte(magic)) }

func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("source.wasm: %s does not exist; build it first, or name its Go folder in source.go", path)
	case err != nil:
		return nil, fmt.Errorf("source.wasm: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("source.wasm: %s is a folder, expected a wasm file; use source.go for a folder of Go source", path)
	}
	wasm, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("source.wasm: %w", err)
	}
	if !isWasm(wasm) {
		return nil, fmt.Errorf(`source.wasm: %s is not a wasm file: it starts with %q, expected "\x00asm"`,
			path, wasm[:min(len(wasm), len(magic))])
	}
	return wasm, nil
}
