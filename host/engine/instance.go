package engine

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// Instance is one running copy of an app's module.
//
// It serves one call at a time: whoever holds it calls it from one goroutine. A host function that the guest calls
// may call Realloc, which runs guest code inside of the guest's call, but not Call.
type Instance struct {
	pool   *Pool
	module api.Module
	// starting is the module while its start function runs and module is not known.
	starting api.Module
	mem      *memory
	// funcs are the functions called so far. Each holds a stack of its own, so they are made when first needed and
	// kept, and none may be entered twice.
	funcs map[string]function
	// main is the instance as its host functions see it that are given no other side.
	main side
	// components has one entry for each component instance: one for a core module.
	components []componentState
	single     [1]componentState
	// sides are the instance as the canonical options of a component see it.
	sides []side
	// parts are the core instances of a component that is run as a graph, memories theirs, and fuels count the fuel of
	// those that have a counter; nil where module is all.
	parts    []api.Module
	memories []partMemory
	fuels    []api.Global
	// resources are the identities of the plan's resources in this instance, callees the functions that its component
	// instances call of each other, and caller is the component instance that drops a handle.
	resources []*canon.Resource
	callees   []*callee
	caller    int
	// spare counts the function objects that callees keep.
	spare int
	// calling is true while guest code runs, and for good once the instance is closed.
	calling atomic.Bool
	// outside is true while the guest waits for a host function: only then may it be entered again (Kept.Do).
	outside bool
	// nested counts the calls into the guest that are in flight, hostCalls those of host functions.
	nested    int
	hostCalls uint32
	// trap is what ended the instance; nil while it is usable.
	trap *abi.Trap
	// call is the context of the current call, and between calls the pool's.
	call context.Context //nolint:containedctx // the runtime gives no context to these
	// between is the context of what is dropped when no call is in flight; idle is that context.
	between context.Context //nolint:containedctx // as call
	idle    callContext
	stdout  output
	stderr  output
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
	// interruptible tells that guest code ends with its context.
	interruptible bool
	// unseeded tells that the random state is still the image's, cooled that an idle instance holds no memory.
	unseeded, cooled bool
	// arena is where the guest says which memory the host may cut parameters and results from; 0 if it does not.
	arena uint32
	// yields are the times that the guest came back for fuel.
	yields uint32
}

// maxNested bounds how many calls into the guest may be in each other, by way of host functions: each has a stack of its
// own, which may be 50 MB, and takes some of the goroutine's, which ends the process when it is used up.
const maxNested = 40

// function is an export and the stack that it needs.
type function struct {
	fn    api.Function
	slots int
	// entered are the component instances that a call enters.
	entered []int
	// cleans is the component instance that the function cleans up; nil if it is no clean-up.
	cleans *componentState
}

var _ canon.Side = (*Instance)(nil)

// newInstance makes what holds an instance.
func (p *Pool) newInstance(mem *memory) *Instance {
	inst := &Instance{pool: p, mem: mem, interruptible: !p.module.engine.cfg.Uninterruptible}
	inst.idle.Context, inst.idle.inst = p.base, inst
	inst.between = &inst.idle
	inst.components = inst.single[:]
	inst.main = side{Instance: inst, comp: &inst.components[0], mem: mem, allocator: coreRef{name: reallocName}}
	if prog := p.module.program; prog != nil {
		prog.prepare(inst)
	}
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
	if p.module.isGraph() {
		return i.instantiateGraph(ctx, cfg)
	}
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
func (i *Instance) Memory() []byte { return i.main.Memory() }

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
	_, ok := i.pool.module.find(name)
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
	return i.callExport(i.carriedBy(ctx), name, &f, stack)
}

// callExport calls a function for the host.
func (i *Instance) callExport(ctx context.Context, name string, f *function, stack []uint64) error {
	for _, c := range f.entered {
		if i.components[c].entered {
			return &abi.Trap{App: i.pool.app, Func: name, Kind: abi.TrapHost, Reason: "the component instance is in a call"}
		}
		i.components[c].entered = true
	}
	if f.cleans != nil {
		f.cleans.mayNotLeave = true
	}
	stop := i.watch(ctx)
	err := i.enter(ctx, name, f.fn, stack)
	stop()
	if f.cleans != nil {
		f.cleans.mayNotLeave = false
	}
	i.leaveAll(f.entered)
	return err
}

func (i *Instance) lookup(name string) (function, error) {
	m := i.pool.module
	found, ok := m.find(name)
	if !ok {
		found = name // one that the rewriter has added
	}
	f := function{}
	ref := coreRef{name: found}
	if strings.HasPrefix(found, postReturn) {
		f.cleans = i.main.comp
	}
	if m.program != nil && ok {
		x := m.program.exports[found]
		ref, f.cleans = x.ref, nil
		if x.post {
			f.cleans = i.sides[x.side].comp
		} else {
			f.entered = x.entered
		}
	}
	fn := i.core(ref)
	if fn == nil {
		return function{}, &abi.Trap{
			App: i.pool.app, Func: name, Kind: abi.TrapABI,
			Reason: "the guest does not export this function",
		}
	}
	d := fn.Definition()
	f.fn, f.slots = fn, max(len(d.ParamTypes()), len(d.ResultTypes()))
	if i.funcs == nil {
		i.funcs = make(map[string]function, 2)
	}
	i.funcs[name] = f
	return f, nil
}

// dropFuncs gives up the functions, each of which has a stack.
func (i *Instance) dropFuncs() {
	i.funcs, i.main.realloc = nil, nil
	for k := range i.sides {
		i.sides[k].realloc = nil
	}
	i.callees, i.spare = nil, 0
}

// Realloc implements abi.Guest.
func (i *Instance) Realloc(ctx context.Context, old, oldSize, align, size uint32) uint32 {
	return i.main.Realloc(ctx, old, oldSize, align, size)
}

// Handles implements canon.Side.
func (i *Instance) Handles() *canon.Handles { return i.main.Handles() }

// Encoding implements canon.Side.
func (i *Instance) Encoding() canon.Encoding { return i.main.encoding }

// endCall writes out what the guest left unfinished in its output.
func (i *Instance) endCall() {
	i.stdout.flush()
	i.stderr.flush()
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
		return !i.closed() && !i.calling.Load()
	}
	return i.image != nil && i.clean()
}

// close ends the instance. No call may be in flight: its memory goes away.
func (i *Instance) close(ctx context.Context) {
	if !i.calling.CompareAndSwap(false, true) {
		i.pool.log.ErrorContext(ctx, "an instance is given back while it runs and cannot be closed; this is a bug of the host")
		return
	}
	i.endCall()
	i.resetHandles(nil)
	if err := i.closeModules(ctx); err != nil {
		i.pool.log.WarnContext(ctx, "an instance did not close cleanly", "error", err)
	}
}
