package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// CompileError is what the Go toolchain said when it refused a source.
type CompileError struct {
	// Dir is the folder that was built.
	Dir string
	// Output is the toolchain's own text, unchanged.
	Output string
}

// Error gives the toolchain's text.
func (e *CompileError) Error() string {
	return "go build in " + e.Dir + " failed:\n" + strings.TrimRight(e.Output, "\n")
}

// Path is where the wasm of a Go source is built to.
func (b *Builder) Path(app string) string { return filepath.Join(b.opts.Dir, app+".wasm") }

// build compiles a Go source and gives its wasm.
func (b *Builder) build(ctx context.Context, s Spec) ([]byte, error) {
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	b.opts.Progress(Event{App: s.App, Phase: Started})
	begin := time.Now()
	wasm, err := b.compile(ctx, s)
	took := time.Since(begin)
	if err != nil {
		b.opts.Progress(Event{App: s.App, Phase: Failed, Took: took, Err: err})
		return nil, err
	}
	b.opts.Progress(Event{App: s.App, Phase: Done, Took: took, Size: int64(len(wasm))})
	return wasm, nil
}

func (b *Builder) compile(ctx context.Context, s Spec) ([]byte, error) {
	if err := checkFolder(s.Go); err != nil {
		return nil, err
	}
	goCmd, err := b.findGo()
	if err != nil {
		return nil, err
	}
	if err := checkGo(ctx, goCmd, s.Go); err != nil {
		return nil, err
	}
	out, err := filepath.Abs(b.Path(s.App))
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return nil, fmt.Errorf("the folder for built apps cannot be made: %w; choose one that can be written", err)
	}
	// go build leaves the file alone when it is up to date, which saves the link; so it is not built beside and
	// renamed, and a lock keeps another process from reading it half written.
	lock := flock.New(filepath.Join(filepath.Dir(out), "."+filepath.Base(out)+".lock"))
	if _, err := lock.TryLockContext(ctx, 50*time.Millisecond); err != nil {
		return nil, fmt.Errorf("lock of %s: %w", out, err)
	}
	defer func() { _ = lock.Unlock() }()
	if err := clear(out); err != nil {
		return nil, err
	}
	return b.goBuild(ctx, goCmd, s.Go, out)
}

// clear removes a built file that is no wasm, for example one cut off by a full disk: go build would refuse to
// write over it.
func clear(out string) error {
	wasm, err := os.ReadFile(out)
	if errors.Is(err, fs.ErrNotExist) || err == nil && isWasm(wasm) {
		return nil
	}
	if err := os.Remove(out); err != nil {
		return fmt.Errorf("the earlier build is damaged and cannot be removed: %w", err)
	}
	return nil
}

func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("source.go: %s does not exist; expected the folder of a Go main package", dir)
	case err != nil:
		return fmt.Errorf("source.go: %w", err)
	case !info.IsDir():
		return fmt.Errorf("source.go: %s is a file, expected the folder of a Go main package", dir)
	}
	return nil
}

// goBuild runs the compiler. -w leaves out DWARF but keeps the names of functions, which stack traces need;
// -buildvcs=false keeps a commit from changing the module and so the key of the compile cache.
func (b *Builder) goBuild(ctx context.Context, goCmd, dir, out string) ([]byte, error) {
	cmd := command(ctx, goCmd, dir, "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-w", "-o", out, ".")
	cmd.Env = append(cmd.Env, "GOOS=wasip1", "GOARCH=wasm")
	text, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if _, refused := errors.AsType[*exec.ExitError](err); refused {
		return nil, &CompileError{Dir: dir, Output: string(text)}
	}
	if err != nil {
		return nil, fmt.Errorf("%s build: %w", goCmd, err)
	}
	wasm, err := os.ReadFile(out)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !isWasm(wasm) {
		return nil, fmt.Errorf("go build in %s gave no wasm at %s: expected a main package that builds with GOOS=wasip1 GOARCH=wasm",
			dir, out)
	}
	return wasm, err
}

// command makes a go command that runs in dir and is ended kindly with ctx.
func command(ctx context.Context, goCmd, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, goCmd, args...)
	cmd.Dir = dir
	cmd.Env = cmd.Environ() // with PWD set for dir
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}
