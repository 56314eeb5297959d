package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/mrt-wasm/mrt-wasm/abi"
)

// Instance is one running copy of an app's module.
//
// It serves one call at a time: whoever holds it calls it from one goroutine. A host function that the guest calls
// may call Realloc, which runs guest code inside of the guest's call, but not Call.
type Instance struct {
	pool   *Pool
	module api.Module
	mem    *memory
	// funcs are the functions called so far. Each holds a stack of its own, so they are made when first needed and
	// kept, and none may be entered twice.
	funcs        map[string]function
	realloc      function
	reallocStack [4]uint64
	// calling is true while guest code runs, and for good once the instance is closed.
	calling atomic.Bool
	// mayNotLeave is true while the guest allocates for the host: it may then not call imports.
	mayNotLeave bool
	// trap is what ended the instance; nil while it is usable.
	trap *abi.Trap
	// call is the context of the current call, and between calls the pool's.
	call   context.Context //nolint:containedctx // the runtime gives no context to these
	stdout output
	stderr output
	// idleSince is when the last call ended.
	idleSince time.Time
}

// function is an export and the stack that it needs.
type function struct {
	fn    api.Function
	slots int
}

var _ abi.Guest = (*Instance)(nil)

// instantiate makes a new instance and runs its _initialize, within the pool's start timeout.
func (p *Pool) instantiate(ctx context.Context) (*Instance, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.startTimeout, errStartTimeout)
	defer cancel()
	inst := &Instance{pool: p, mem: &memory{limit: p.limits.Memory}, funcs: make(map[string]function, 4)}
	inst.stdout = output{inst: inst, log: p.stdout}
	inst.stderr = output{inst: inst, log: p.stderr, panics: true}
	cctx := inst.carriedBy(ctx)
	inst.call = cctx
	start := time.Now()
	err := inst.tryBoot(cctx)
	inst.endCall()
	p.hooks.instance(time.Since(start), err)
	if err != nil {
		inst.close(context.WithoutCancel(ctx))
		return nil, fmt.Errorf("app %s: the guest did not start: %w", p.app, err)
	}
	return inst, nil
}

// tryBoot keeps a panic of the runtime on a module that it should have refused from ending the process.
func (i *Instance) tryBoot(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = i.ended(ctx, "instantiate", hostPanic(ctx, i.pool.log, "instantiate", r))
		}
	}()
	return i.boot(ctx)
}

func (i *Instance) boot(ctx context.Context) error {
	p := i.pool
	cfg := p.moduleConfig.WithStdout(&i.stdout).WithStderr(&i.stderr).WithNanosleep(i.sleep)
	ictx := experimental.WithMemoryAllocator(ctx, i.mem)
	ictx = experimental.WithImportResolver(ictx, p.resolve)
	module, err := p.module.engine.runtime.InstantiateModule(ictx, p.module.compiled, cfg)
	if err != nil {
		return i.ended(ctx, "instantiate", err)
	}
	i.module = module
	if fn := module.ExportedFunction(reallocName); fn != nil {
		i.realloc = function{fn: fn, slots: len(i.reallocStack)}
	}
	if !i.Has(initializeName) {
		return nil
	}
	if err := i.Call(ctx, initializeName, nil); err != nil {
		return err
	}
	delete(i.funcs, initializeName)
	return nil
}

// Memory implements abi.Guest.
func (i *Instance) Memory() []byte { return i.mem.buf }

// Has implements abi.Guest.
func (i *Instance) Has(name string) bool {
	_, ok := i.pool.module.exports[name]
	return ok
}

// App is the name of the app that the instance runs.
func (i *Instance) App() string { return i.pool.app }

// Call implements abi.Guest. It allocates nothing of its own once name was called before.
func (i *Instance) Call(ctx context.Context, name string, stack []uint64) error {
	if i.trap != nil {
		return i.trap
	}
	if !i.calling.CompareAndSwap(false, true) {
		return &abi.Trap{
			App: i.pool.app, Func: name, Kind: abi.TrapHost,
			Reason: "the instance is closed or in a call; it serves one call at a time",
		}
	}
	defer i.calling.Store(false)
	f, ok := i.funcs[name]
	if !ok {
		var err error
		if f, err = i.lookup(name); err != nil {
			return err
		}
	}
	if len(stack) < f.slots {
		return &abi.Trap{
			App: i.pool.app, Func: name, Kind: abi.TrapHost,
			Reason: fmt.Sprintf("the call needs a stack of %d values, found %d", f.slots, len(stack)),
		}
	}
	return i.enter(i.carriedBy(ctx), name, f, stack)
}

// enter runs guest code.
func (i *Instance) enter(ctx context.Context, name string, f function, stack []uint64) error {
	err := ctx.Err()
	if err == nil {
		err = f.fn.CallWithStack(ctx, stack)
	}
	if err == nil && !i.pool.module.engine.cfg.Uninterruptible {
		// The runtime may be closing the module just now, because ctx ended as the call did.
		err = ctx.Err()
	}
	if err != nil {
		return i.ended(ctx, name, err)
	}
	return nil
}

func (i *Instance) lookup(name string) (function, error) {
	fn := i.module.ExportedFunction(name)
	if fn == nil {
		return function{}, &abi.Trap{
			App: i.pool.app, Func: name, Kind: abi.TrapABI,
			Reason: "the guest does not export this function",
		}
	}
	d := fn.Definition()
	f := function{fn: fn, slots: max(len(d.ParamTypes()), len(d.ResultTypes()))}
	i.funcs[name] = f
	return f, nil
}

// Realloc implements abi.Guest.
func (i *Instance) Realloc(ctx context.Context, old, oldSize, align, size uint32) uint32 {
	if i.trap != nil {
		panic(i.trap)
	}
	if i.realloc.fn == nil {
		abi.Trapf("the guest exports no %s, which is needed to pass strings and lists to it", reallocName)
	}
	if i.mayNotLeave {
		abi.Trapf("%s is entered twice", reallocName)
	}
	ctx = i.carriedBy(ctx)
	i.mayNotLeave = true
	i.reallocStack = [4]uint64{uint64(old), uint64(oldSize), uint64(align), uint64(size)}
	err := i.enter(ctx, reallocName, i.realloc, i.reallocStack[:])
	i.mayNotLeave = false
	if err != nil {
		panic(i.trap)
	}
	ptr := uint32(i.reallocStack[0])
	if align != 0 && ptr%align != 0 {
		i.lied(ctx, "%s(align %d, size %d) gave %#x, which is not aligned", reallocName, align, size, ptr)
	}
	if uint64(ptr)+uint64(size) > uint64(len(i.mem.buf)) {
		i.lied(ctx, "%s(align %d, size %d) gave %#x, which ends past the memory of %#x bytes",
			reallocName, align, size, ptr, len(i.mem.buf))
	}
	return ptr
}

// lied ends the instance for breaking the ABI.
func (i *Instance) lied(ctx context.Context, format string, args ...any) {
	trap := &abi.Trap{Kind: abi.TrapABI, Reason: fmt.Sprintf(format, args...)}
	panic(i.ended(ctx, reallocName, trap))
}

// endCall writes out what the guest left unfinished in its output.
func (i *Instance) endCall() {
	i.stdout.flush()
	i.stderr.flush()
	i.call = i.pool.base
	i.mem.refused = 0
}

// usable tells whether the instance may serve another call.
func (i *Instance) usable() bool { return i.trap == nil && !i.module.IsClosed() && !i.calling.Load() }

// close ends the instance. No call may be in flight: its memory goes away.
func (i *Instance) close(ctx context.Context) {
	if !i.calling.CompareAndSwap(false, true) {
		i.pool.log.ErrorContext(ctx, "an instance is given back while it runs and cannot be closed; this is a bug of the host")
		return
	}
	i.endCall()
	var err error
	if i.module != nil {
		err = i.module.Close(ctx)
	}
	if err := errors.Join(err, i.mem.release()); err != nil {
		i.pool.log.WarnContext(ctx, "an instance did not close cleanly", "error", err)
	}
}
