// Package engine runs WebAssembly modules: it compiles them, links host functions to them, keeps pools of instances
// and bounds what a guest may use. It is the only package that knows the WebAssembly runtime.
//
// An app starts once: its module is rewritten (package abi/wasm) so that its memory and its globals are all its state,
// the guest is started, and the result is kept as the app's image. An instance is a mapping of the image, copy on
// write, which costs microseconds and 4 KiB, and going back to the image costs copying the pages that a call has
// written. So every call can have a clean instance (policy Reset). Compiled guests count their fuel, and come back to
// the host when a slice of it is used up: that is where deadlines are kept and where Go's garbage collector gets its
// turn. Instances of one image have what the guest made of random numbers while it started in common, except for the
// state of Go's own generators, of which each instance and each call gets its own: see entropy.go. Modules that cannot
// have an image, such as those that change their tables, are started for each instance.
//
// A component is linked by its plan (package abi/component/link). If its core modules share one memory they are merged into
// one module, for which all of the above is true. Otherwise they are instances of the runtime that import from each other,
// a graph, which counts fuel but has no image. What no core module provides, such as functions of the host, built-ins of
// resources, and calls from one component instance to another, are trampolines: see trampoline.go.
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
	"github.com/tetratelabs/wazero/experimental"

	"github.com/mrt-wasm/mrt-wasm/abi/component"
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
	// Images says how instances are made.
	Images Images
	// Uninterruptible compiles guests without checks for their deadline. A guest that loops then never ends. It is
	// there to measure what the checks cost.
	Uninterruptible bool
	// Graph runs each component as a graph of its core modules, also where they could be made one: for suspected faults
	// of that, and for tests.
	Graph bool
	// Workers is how many functions of a module are compiled at a time; 0 is one per CPU.
	Workers int
}

// Images says how instances are made.
type Images uint8

const (
	// ImagesAuto takes an image of each app once it has started, and makes its instances from that: mapped copy on
	// write where the system can do it, else copied. Modules that cannot have an image are started for each instance.
	ImagesAuto Images = iota
	// ImagesRead is ImagesAuto without the system call that finds written pages, which Linux has since 6.7.
	ImagesRead
	// ImagesCopied copies the whole image for each instance and each reset, as systems other than Linux do.
	ImagesCopied
	// ImagesOff starts the guest for each instance, and interrupts it by checks of the runtime, which make it several
	// times slower.
	ImagesOff
)

// Engine compiles and runs modules. It is safe for concurrent use.
type Engine struct {
	cfg     Config
	log     *slog.Logger
	started time.Time
	// cacheDir is empty when compiled modules are kept in memory only.
	cacheDir string
	// metered runs modules that are rewritten, checked runs others as they are.
	metered, checked *runner
	// tracker finds what a reset has to copy back; nil if images are copied whole.
	tracker tracker
	slots   *slotBudget

	mu     sync.Mutex
	pools  map[*Pool]struct{} // guarded by mu
	closed bool               // guarded by mu
}

// New starts an engine. It fails only when the runtime itself cannot start.
func New(ctx context.Context, cfg Config) (*Engine, error) {
	e := &Engine{cfg: cfg, log: cfg.Log, started: time.Now(), pools: map[*Pool]struct{}{}}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if cfg.Workers <= 0 {
		e.cfg.Workers = runtime.GOMAXPROCS(0)
	}
	e.openCache(ctx)
	e.openTracker(ctx)
	var err error
	if e.checked, err = e.newRunner(ctx, false); err != nil {
		return nil, err
	}
	if e.metered, err = e.newRunner(ctx, true); err != nil {
		return nil, errors.Join(err, e.checked.close(ctx))
	}
	return e, nil
}

// openTracker finds out how instances get their memory on this system.
func (e *Engine) openTracker(ctx context.Context) {
	e.slots = newSlotBudget(systemSlots())
	if e.cfg.Images == ImagesOff || e.cfg.Images == ImagesCopied {
		return
	}
	t, err := newTracker(e.cfg.Images == ImagesAuto)
	if err != nil {
		e.log.DebugContext(ctx, "images are copied, not mapped", "error", err)
		return
	}
	e.tracker = t
}

// openCache opens the cache directory, or says why it goes on in memory.
func (e *Engine) openCache(ctx context.Context) {
	dir := e.cfg.CacheDir
	if dir == "" {
		return
	}
	cache, err := wazero.NewCompilationCacheWithDir(dir)
	if err == nil {
		err = errors.Join(probe(dir), cache.Close(ctx))
	}
	if err != nil {
		e.log.WarnContext(ctx, "the cache for compiled modules cannot be written; modules are compiled anew at each start",
			"dir", dir, "error", err)
		return
	}
	e.cacheDir = dir
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

// Compile checks and compiles a core module or a component; name stands in errors and logs. A module that was compiled
// before comes from the cache. The module may keep wasm, which must not change any more.
func (e *Engine) Compile(ctx context.Context, name string, wasm []byte) (*Module, error) {
	return e.Compose(ctx, name, wasm, nil)
}

// Compose is Compile for a component some of whose imports are the exports of other components: deps has these by the
// interface's name, with a version, which stands for all that are compatible, or without.
func (e *Engine) Compose(ctx context.Context, name string, wasm []byte, deps map[string][]byte) (*Module, error) {
	if err := sniff(name, wasm); err != nil {
		return nil, err
	}
	start := time.Now()
	ctx = experimental.WithCompilationWorkers(ctx, e.cfg.Workers)
	var m *Module
	var err error
	switch {
	case component.IsComponent(wasm):
		m, err = e.compileComponent(ctx, name, wasm, deps)
	case len(deps) > 0:
		return nil, fmt.Errorf("%s: this is a core module; only a component can be composed with others", name)
	default:
		if m, err = e.compileCore(ctx, name, wasm); err == nil {
			err = m.check()
		}
	}
	if err != nil {
		if m != nil {
			err = errors.Join(err, m.closeCode(ctx))
		}
		return nil, err
	}
	e.log.DebugContext(ctx, "module is compiled", "module", name, "bytes", len(wasm), "took", time.Since(start))
	return m, nil
}

// compileCore compiles a core module.
func (e *Engine) compileCore(ctx context.Context, name string, wasm []byte) (*Module, error) {
	wasm, err := prepare(wasm)
	if err != nil {
		return nil, compileError(name, err)
	}
	m := e.compileRewritten(ctx, name, wasm)
	if m == nil {
		compiled, err := e.compile(ctx, e.checked, wasm)
		if err != nil {
			return nil, compileError(name, err)
		}
		m = newModule(e, name, compiled)
	}
	if mem, ok := m.compiled.ExportedMemories()[memoryName]; ok {
		m.minMemory = uint64(mem.Min()) * pageSize
	}
	return m, nil
}

// compileRewritten gives a module that can have an image; nil for one that has to be run as it is.
func (e *Engine) compileRewritten(ctx context.Context, name string, wasm []byte) *Module {
	if e.cfg.Images == ImagesOff {
		return nil
	}
	r, key := e.rewrite(ctx, name, wasm)
	if r.Unfit != "" {
		e.log.DebugContext(ctx, "module runs without an image", "module", name, "reason", r.Unfit)
		return nil
	}
	compiled, err := e.compile(ctx, e.metered, r.Wasm)
	if err != nil {
		e.log.DebugContext(ctx, "module runs without an image", "module", name, "reason", err)
		return nil
	}
	m := newModule(e, name, compiled)
	// The code is compiled, and kept in the module's own memory no longer.
	r.Wasm = nil
	m.runner, m.rewritten, m.key = e.metered, r, key
	return m
}

// compile compiles, and mends the cache if that is in the way.
func (e *Engine) compile(ctx context.Context, r *runner, wasm []byte) (wazero.CompiledModule, error) {
	compiled, err := e.tryCompile(ctx, r, wasm)
	if err != nil && e.mendCache(ctx, err) {
		return e.tryCompile(ctx, r, wasm)
	}
	return compiled, err
}

// tryCompile keeps a panic of the decoder or the compiler on a strange module from ending the process.
func (e *Engine) tryCompile(ctx context.Context, r *runner, wasm []byte) (_ wazero.CompiledModule, err error) {
	defer func() {
		if r := recover(); r != nil {
			e.log.ErrorContext(ctx, "the compiler panicked on a module; this is a bug of the host", "panic", fmt.Sprint(r),
				"stack", string(debug.Stack()))
			err = fmt.Errorf("the compiler panicked: %v", r)
		}
	}()
	return r.runtime.CompileModule(ctx, wasm)
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
	err := errors.Join(e.metered.close(ctx), e.checked.close(ctx))
	if e.tracker != nil {
		err = errors.Join(err, e.tracker.close())
		e.tracker = nil
	}
	return err
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
