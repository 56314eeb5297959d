package engine

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
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
	// outside is true while the guest waits for a host function: only then may it be entered again (Kept.Do).
	outside bool
	// mayNotLeave is true while the guest allocates for the host: it may then not call imports.
	mayNotLeave bool
	// trap is what ended the instance; nil while it is usable.
	trap *abi.Trap
	// call is the context of the current call, and between calls the pool's.
	call   context.Context //nolint:containedctx // the runtime gives no context to these
	stdout output
	stderr output
	// ahead is how far a woken guest's monotonic clock is ahead of its image's others, in nanoseconds.
	ahead int64
	// idleSince is when the last call ended.
	idleSince time.Time

	// image is what the instance was made from and goes back to; nil for one whose guest was started in it.
	image *image
	// boot is the guest's clock while its image is made; nil later.
	boot *bootClock
	// globals are the guest's mutable globals, in the order of the image, and fuel is the one that counts its fuel.
	globals []api.MutableGlobal
	fuel    api.MutableGlobal
	// given is the fuel that the guest got, metered what of it is in the pool's counters.
	given   int64
	metered uint64
	// unseeded tells that the random state is still the image's, cooled that an idle instance holds no memory.
	unseeded, cooled bool
	// arena is where the guest says which memory the host may cut parameters and results from; 0 if it does not.
	arena uint32
	// yields are the times that the guest came back for fuel.
	yields uint32
	// cleanups run when the call has ended.
	cleanups []func()
}

// function is an export and the stack that it needs.
type function struct {
	fn    api.Function
	slots int
}

var _ abi.Guest = (*Instance)(nil)

// newInstance makes what holds an instance.
func (p *Pool) newInstance(mem *memory) *Instance {
	inst := &Instance{pool: p, mem: mem}
	inst.stdout = output{inst: inst, log: p.stdout}
	inst.stderr = output{inst: inst, log: p.stderr, panics: true}
	return inst
}

// make makes a new instance: from the image if the app has one, else by a start of the guest.
func (p *Pool) make(ctx context.Context) (*Instance, error) {
	start := time.Now()
	newInstance := p.startNew
	if p.module.rewritten != nil {
		newInstance = p.fromImage
	}
	inst, err := newInstance(ctx)
	p.hooks.instance(time.Since(start), err)
	if err != nil {
		return nil, fmt.Errorf("app %s: the guest did not start: %w", p.app, err)
	}
	return inst, nil
}

// startNew makes an instance and starts the guest in it, within the pool's start timeout.
func (p *Pool) startNew(ctx context.Context) (*Instance, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.startTimeout, errStartTimeout)
	defer cancel()
	inst := p.newInstance(&memory{limit: p.limits.Memory})
	cctx := inst.carriedBy(ctx)
	inst.call = cctx
	err := inst.try(cctx, inst.start)
	inst.endCall()
	if err != nil {
		inst.close(context.WithoutCancel(ctx))
		return nil, err
	}
	return inst, nil
}

// try keeps a panic of the runtime on a module that it should have refused from ending the process.
func (i *Instance) try(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = i.ended(ctx, "instantiate", hostPanic(ctx, i.pool.log, "instantiate", r))
		}
	}()
	return f(ctx)
}

// instantiate has the runtime make the module's instance.
func (i *Instance) instantiate(ctx context.Context, cfg wazero.ModuleConfig) error {
	p := i.pool
	cfg = cfg.WithStdout(&i.stdout).WithStderr(&i.stderr).WithNanosleep(i.sleep)
	ictx := experimental.WithMemoryAllocator(ctx, i.mem)
	ictx = experimental.WithImportResolver(ictx, p.resolve)
	module, err := p.module.runner.runtime.InstantiateModule(ictx, p.module.compiled, cfg)
	if err != nil {
		return i.ended(ctx, "instantiate", err)
	}
	i.module = module
	return nil
}

func (i *Instance) start(ctx context.Context) error {
	if err := i.instantiate(ctx, i.pool.moduleConfig); err != nil {
		return err
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

// Arena implements canon.Arena.
func (i *Instance) Arena() uint32 { return i.arena }

// findArena asks a guest that has started for its arena. The guest gets ready for calls at that.
func (i *Instance) findArena(ctx context.Context) error {
	if !i.Has(arenaName) {
		return nil
	}
	var stack [1]uint64
	if err := i.Call(ctx, arenaName, stack[:]); err != nil {
		return err
	}
	i.arena = uint32(stack[0])
	return nil
}

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
		// A result that comes late is none. And where the runtime watches over ctx, it may be closing the module just
		// now, because ctx ended as the call did.
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
	if i.funcs == nil {
		i.funcs = make(map[string]function, 2)
	}
	i.funcs[name] = f
	return f, nil
}

// dropFuncs gives up the functions, each of which has a stack.
func (i *Instance) dropFuncs() {
	i.funcs, i.realloc = nil, function{}
}

// Realloc implements abi.Guest.
func (i *Instance) Realloc(ctx context.Context, old, oldSize, align, size uint32) uint32 {
	if i.trap != nil {
		panic(i.trap)
	}
	if i.realloc.fn == nil {
		i.realloc = function{fn: i.module.ExportedFunction(reallocName), slots: len(i.reallocStack)}
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
	for n := len(i.cleanups); n > 0; n = len(i.cleanups) {
		f := i.cleanups[n-1]
		i.cleanups = i.cleanups[:n-1]
		f()
	}
	i.call = i.pool.base
	i.mem.refused = 0
}

// meter counts the fuel that was used since it was last counted.
func (i *Instance) meter() {
	if total := i.spent(); total > i.metered {
		i.pool.spent(total - i.metered)
		i.metered = total
	}
}

// settle ends a call and tells whether the instance may serve another one. An instance that trapped, or whose app
// wants a clean one for each call, goes back to its image, or else is not used again.
func (i *Instance) settle() bool {
	i.endCall()
	i.meter()
	p := i.pool
	if i.trap == nil && p.policy == Reuse {
		return !i.module.IsClosed() && !i.calling.Load()
	}
	return i.image != nil && i.clean()
}

// AtEnd has f run when the guest's call that ctx belongs to has ended, in whatever way, and before the instance serves
// another: to drop what the host keeps for a call. Outside of a guest's call it does nothing and is false.
func AtEnd(ctx context.Context, f func()) bool {
	inst := instanceOf(ctx)
	if inst != nil {
		inst.cleanups = append(inst.cleanups, f)
	}
	return inst != nil
}

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
