// Package engine runs WebAssembly modules: it compiles them, links host functions to them, keeps pools of instances
// and bounds what a guest may use. It is the only package that knows the WebAssembly runtime.
//
// It knows nothing of building blocks: what a guest may import comes as []abi.Func, and what is called in a guest is
// called through abi.Guest. A guest can end its own call in any way, it can never harm the host or another call.
package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// Config configures an Engine. The zero value is valid.
type Config struct {
	// CacheDir keeps compiled modules between runs; empty keeps them in memory only. A directory that cannot be
	// written is reported in the log and not used.
	CacheDir string
	// Log gets the engine's own messages; nil discards them.
	Log *slog.Logger
	// TraceID gives the trace id of a call for the log lines of its guest; nil or an empty id leaves it out.
	TraceID func(ctx context.Context) string
	// Interpreter runs guests without compiling them to machine code: much slower, for suspected miscompilation.
	Interpreter bool
	// Uninterruptible compiles guests without checks for their deadline. A guest that loops then never ends. It is
	// there to measure what the checks cost.
	Uninterruptible bool
	// Workers is how many functions of a module are compiled at a time; 0 is one per CPU.
	Workers int
}

// Engine compiles and runs modules. It is safe for concurrent use.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	runtime wazero.Runtime
	cache   wazero.CompilationCache
	// cacheDir is empty when compiled modules are kept in memory only.
	cacheDir string
	wasi     hostModule

	mu     sync.Mutex
	pools  map[*Pool]struct{} // guarded by mu
	closed bool               // guarded by mu
}

// New starts an engine. It fails only when the runtime itself cannot start.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	e := &Engine{cfg: cfg, log: cfg.Log, pools: map[*Pool]struct{}{}}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Workers <= 0 {
		e.cfg.Workers = runtime.GOMAXPROCS(0)
	}
	e.openCache(ctx)
	// One runtime for everything: v1.12.0 mixes up type ids when runtimes share a cache.
	rc := wazero.NewRuntimeConfig()
	if cfg.Interpreter {
		rc = wazero.NewRuntimeConfigInterpreter()
	}
	rc = rc.WithCompilationCache(e.cache).
		WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExtendedConst).
		WithCloseOnContextDone(!cfg.Uninterruptible)
	e.runtime = wazero.NewRuntimeWithConfig(ctx, rc)
	wasi, err := e.linkWASI(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the engine: %w", err), e.shutdown(ctx))
	}
	e.wasi = wasi
	return e, nil
}

// openCache opens the cache directory, or says why it goes on in memory.
func (e *Engine) openCache(ctx context.Context) {
	e.cache = wazero.NewCompilationCache()
	dir := e.cfg.CacheDir
	if dir == "" {
		return
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err == nil {
		err = probe(dir)
	}
	if err != nil {
		e.log.WarnContext(ctx, "the cache for compiled modules cannot be written; modules are compiled anew at each start",
			"dir", dir, "error", err)
		return
	}
	e.cache, e.cacheDir = cache, dir
}

// probe finds out whether files can be made in dir and its sub-directories.
func probe(dir string) error {
	dirs, err := filepath.Glob(filepath.Join(dir, "wazero-*"))
	if err != nil {
		return err
	}
	for _, d := range append(dirs, dir) {
		f, err := os.CreateTemp(d, ".probe-*")
		if err != nil {
			return err
		}
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Compile checks and compiles a module; name stands in errors and logs. A module that was compiled before comes from
// the cache.
func (e *Engine) Compile(ctx context.Context, name string, wasm []byte) (*Module, error) {
	if err := sniff(name, wasm); err != nil {
		return nil, err
	}
	wasm, err := prepare(wasm)
	if err != nil {
		return nil, compileError(name, err)
	}
	start := time.Now()
	ctx = experimental.WithCompilationWorkers(ctx, e.cfg.Workers)
	compiled, err := e.compile(ctx, wasm)
	if err != nil && e.mendCache(ctx, err) {
		compiled, err = e.compile(ctx, wasm)
	}
	if err != nil {
		return nil, compileError(name, err)
	}
	m := newModule(e, name, compiled)
	if err := m.check(); err != nil {
		return nil, errors.Join(err, compiled.Close(ctx))
	}
	e.log.DebugContext(ctx, "module is compiled", "module", name, "bytes", len(wasm), "took", time.Since(start))
	return m, nil
}

// compile keeps a panic of the decoder or the compiler on a strange module from ending the process.
func (e *Engine) compile(ctx context.Context, wasm []byte) (_ wazero.CompiledModule, err error) {
	defer func() {
		if r := recover(); r != nil {
			e.log.ErrorContext(ctx, "the compiler panicked on a module; this is a bug of the host", "panic", fmt.Sprint(r),
				"stack", string(debug.Stack()))
			err = fmt.Errorf("the compiler panicked: %v", r)
		}
	}()
	return e.runtime.CompileModule(ctx, wasm)
}

// mendCache tells whether err comes from the cache and not from the module, so that trying again may help.
func (e *Engine) mendCache(ctx context.Context, err error) bool {
	if e.cacheDir == "" {
		return false
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		// The module is compiled and in memory; only the file could not be written.
		e.log.WarnContext(ctx, "a compiled module cannot be kept; it will be compiled anew at the next start",
			"dir", e.cacheDir, "error", err)
		return true
	}
	if !strings.Contains(err.Error(), "compilationcache") {
		return false
	}
	// A damaged entry would fail for ever; a cache may be emptied at any time.
	e.log.WarnContext(ctx, "the cache for compiled modules is damaged and is emptied", "dir", e.cacheDir, "error", err)
	files, err := filepath.Glob(filepath.Join(e.cacheDir, "wazero-*", "*"))
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	if err != nil {
		e.log.WarnContext(ctx, "the cache cannot be emptied", "dir", e.cacheDir, "error", err)
	}
	return true
}

// Close ends all pools and then the engine. When ctx ends before all calls have returned it fails and leaves the
// engine running: closing it under a running guest would end the process.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	pools := make([]*Pool, 0, len(e.pools))
	for p := range e.pools {
		pools = append(pools, p)
	}
	e.mu.Unlock()
	errs := make([]error, len(pools))
	var wg sync.WaitGroup
	for i, p := range pools {
		wg.Go(func() { errs[i] = p.Close(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close the engine: %w", err)
	}
	return e.shutdown(ctx)
}

func (e *Engine) shutdown(ctx context.Context) error {
	return errors.Join(e.runtime.Close(ctx), e.cache.Close(ctx))
}

// ErrClosed is returned by calls to a Pool or an Engine that is closed.
var ErrClosed = errors.New("closed")

func (e *Engine) add(p *Pool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fmt.Errorf("app %s: the engine is %w", p.app, ErrClosed)
	}
	e.pools[p] = struct{}{}
	return nil
}

func (e *Engine) remove(p *Pool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pools, p)
}
