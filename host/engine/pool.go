package engine

import (
	"container/list"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
)

// Defaults of Limits and PoolConfig.
const (
	DefaultMemory       = 64 << 20
	DefaultTimeout      = 30 * time.Second
	DefaultMaxInstances = 64
	DefaultQueue        = 256
	DefaultStartTimeout = 10 * time.Second
	DefaultIdleTimeout  = 5 * time.Minute
)

// Limits bound what one app may use. Zero fields have defaults.
type Limits struct {
	// Memory is the largest linear memory of one instance, in bytes; at most 4 GiB.
	Memory uint64
	// Timeout bounds one call, from the time it has an instance; and, apart from that, how long it may wait for
	// one. Negative is none.
	Timeout time.Duration
	// MaxInstances bounds the instances that exist at a time.
	MaxInstances int
	// Queue bounds the calls that wait when all instances are busy. Negative is none.
	Queue int
}

// Policy is what happens to an instance between calls.
type Policy uint8

const (
	// Reuse keeps an instance as a call left it: state survives from call to call of one instance.
	Reuse Policy = iota
	// Reset gives every call an instance as it was when the guest had started: nothing of one call is left for the
	// next.
	Reset
)

// PoolConfig configures a Pool. Only App is needed.
type PoolConfig struct {
	// App is the app's name, for errors and logs.
	App string
	// Funcs are the host functions that the app may import.
	Funcs []abi.Func
	// Exports are the handlers that the host knows; those that the module exports are checked.
	Exports []abi.Func
	// Shared are the objects that instances have in common, by which Kept.Save writes down the handles that a guest has
	// of them.
	Shared []canon.SharedObject
	// Env is the guest's environment.
	Env map[string]string
	// Limits bound what the app may use.
	Limits Limits
	// Policy is what happens to an instance between calls.
	Policy Policy
	// Boot makes the start that becomes the app's image the same each time, so that what Kept.Save gives is of use to
	// later processes; nil starts with real randomness and clocks.
	Boot *BootSeed
	// Warm is how many instances are made at once and stay when idle. With one or more, a guest that cannot start
	// is an error of Pool.
	Warm int
	// StartTimeout bounds the making of one instance.
	StartTimeout time.Duration
	// IdleTimeout is how long an instance waits for a call before it is closed.
	IdleTimeout time.Duration
	// Log gets the pool's messages and the guest's output; nil is the engine's.
	Log *slog.Logger
	// Hooks are told what happens, for metrics.
	Hooks Hooks
}

// withDefaults fills in what is not set and refuses what cannot be.
func (c PoolConfig) withDefaults(m *Module) (PoolConfig, error) {
	setDefault(&c.Limits.Memory, DefaultMemory)
	setDefault(&c.Limits.Timeout, DefaultTimeout)
	setDefault(&c.Limits.MaxInstances, DefaultMaxInstances)
	setDefault(&c.Limits.Queue, DefaultQueue)
	setDefault(&c.StartTimeout, DefaultStartTimeout)
	setDefault(&c.IdleTimeout, DefaultIdleTimeout)
	c.Limits.Queue = max(c.Limits.Queue, 0)
	if c.Log == nil {
		c.Log = m.engine.log
	}
	l := c.Limits
	switch {
	case c.App == "":
		return c, errors.New("a pool needs the name of its app")
	case l.Memory > 4<<30:
		return c, fmt.Errorf("app %s: want at most 4Gi of memory, found %s (spec.limits.memory)", c.App, size(l.Memory))
	case l.Memory < m.minMemory:
		return c, fmt.Errorf("app %s: the module starts with %s of memory, which is over its limit of %s; raise spec.limits.memory",
			c.App, size(m.minMemory), size(l.Memory))
	case l.MaxInstances < 1:
		return c, fmt.Errorf("app %s: want at least one instance, found %d (spec.limits.maxInstances)", c.App, l.MaxInstances)
	case c.Warm < 0 || c.Warm > l.MaxInstances:
		return c, fmt.Errorf("app %s: want 0 to %d warm instances, found %d", c.App, l.MaxInstances, c.Warm)
	case c.Policy > Reset:
		return c, fmt.Errorf("app %s: want the policy reuse or reset, found %d", c.App, c.Policy)
	}
	return c, nil
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Pool holds the instances of one app. It is safe for concurrent use.
type Pool struct {
	app            string
	module         *Module
	moduleConfig   wazero.ModuleConfig
	linked         map[string]hostModule
	limits         Limits
	warm           int
	startTimeout   time.Duration
	idleTimeout    time.Duration
	log            *slog.Logger
	stdout, stderr *slog.Logger
	hooks          Hooks
	counters       counters
	policy         Policy
	// slots are the places of the instances' memories; nil if images are not mapped.
	slots *slots
	// image is made by the first who needs it, who holds booting.
	image   atomic.Pointer[image]
	booting sync.Mutex
	// noImage tells that the guest has turned out to be one that cannot have an image.
	noImage atomic.Bool
	// shared are the objects of which saved instances may have handles.
	shared canon.Objects
	// key tells what is started: the app, its code and its environment.
	key [sha256.Size]byte
	// boot makes starts deterministic; nil for starts with real randomness and clocks.
	boot *BootSeed
	// hot are kept instances with stacks.
	hot hotList
	// deadlines end the calls that take too long.
	deadlines deadlines
	// deltas are buffers for the states of kept instances.
	deltas deltas
	// base is the context of what no call waits for.
	base context.Context //nolint:containedctx // it is the pool's life
	// maxStarting bounds the instances that are made at a time: making one keeps a CPU busy.
	maxStarting int
	// drained is closed when the pool is closed and its last instance is gone.
	drained chan struct{}

	// All below is guarded by mu. There are no waiting calls while there are idle instances.
	mu       sync.Mutex
	idle     []*Instance // the last used is last and taken first
	waiting  list.List   // of *waiter, first come first served
	live     int         // instances that exist or are being made, kept ones excepted
	kept     int         // instances that are kept, or being made for that
	starting int         // of these, being made
	closed   bool
	finished bool
	trimmer  *time.Timer
}

// Pool links the module to the host functions of an app and makes a pool of its instances. All imports that nobody
// provides and all signatures that differ are in one *LinkError.
func (m *Module) Pool(ctx context.Context, cfg PoolConfig) (*Pool, error) {
	cfg, err := cfg.withDefaults(m)
	if err != nil {
		return nil, err
	}
	mc, err := moduleConfig(cfg.App, cfg.Env)
	if err != nil {
		return nil, err
	}
	shared, err := canon.NewObjects(cfg.Shared)
	if err != nil {
		return nil, fmt.Errorf("app %s: %w", cfg.App, err)
	}
	if err := m.acquire(); err != nil {
		return nil, fmt.Errorf("app %s: %w", cfg.App, err)
	}
	linked, err := m.runner.link(ctx, m, cfg)
	if err != nil {
		return nil, errors.Join(err, m.release(ctx))
	}
	log := cfg.Log.With("app", cfg.App)
	p := &Pool{
		app: cfg.App, module: m, moduleConfig: mc, linked: linked, shared: shared, limits: cfg.Limits, policy: cfg.Policy,
		key: startKey(cfg.App, m.key, cfg.Env), boot: cfg.Boot,
		deadlines: deadlines{timeout: cfg.Limits.Timeout},
		warm:      cfg.Warm, startTimeout: cfg.StartTimeout, idleTimeout: cfg.IdleTimeout,
		log: log, stdout: log.With("stream", "stdout"), stderr: log.With("stream", "stderr"),
		hooks: cfg.Hooks, base: context.WithoutCancel(ctx), maxStarting: runtime.GOMAXPROCS(0), drained: make(chan struct{}),
	}
	if m.rewritten != nil && m.engine.tracker != nil {
		p.slots = newSlots(cfg.Limits.Memory, cfg.Limits.MaxInstances, m.engine.slots)
	}
	if m.rewritten == nil && cfg.Policy == Reset && m.engine.cfg.Images != ImagesOff {
		p.log.InfoContext(ctx, "the app's module cannot have an image: it is started anew for each call, which takes long")
	}
	if err := m.engine.add(p); err != nil {
		return nil, errors.Join(err, p.Close(ctx))
	}
	if err := p.warmUp(ctx); err != nil {
		return nil, errors.Join(err, p.Close(context.WithoutCancel(ctx)))
	}
	return p, nil
}

// warmUp makes the instances that are to be there from the start.
func (p *Pool) warmUp(ctx context.Context) error {
	for range p.warm {
		p.mu.Lock()
		p.live++
		p.starting++
		p.mu.Unlock()
		if err := p.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// resolve gives the host module that an instance imports.
func (p *Pool) resolve(name string) api.Module {
	if h, ok := p.linked[name]; ok {
		return h.module
	}
	return p.module.runner.shared(name)
}

// Do runs fn with an instance that no other call uses meanwhile, and waits for one if all are busy. fn's context
// carries the instance to the host functions and ends with the app's timeout; fn must not keep the guest.
//
// It fails with an *OverloadedError when the queue is full, with an *abi.Trap when the guest trapped, exited or ran
// out of time, with ErrClosed after Close, and else with fn's error. An instance that trapped is as new in its next
// call, or there is none; one for which fn gives an ordinary error is what the policy says.
func (p *Pool) Do(ctx context.Context, fn func(ctx context.Context, g abi.Guest) error) error {
	inst, err := p.take(ctx)
	if err != nil {
		return err
	}
	inst.seed()
	return p.serve(ctx, &callContext{inst: inst}, fn, func(returned bool) {
		p.giveBack(inst, returned && inst.settle())
	})
}

// serve runs fn as a call of cctx's instance within the app's timeout, and then end, in whatever way fn ends: fn may
// also end by runtime.Goexit, which gives no panic, and then the instance is not reusable: it has not returned.
func (p *Pool) serve(ctx context.Context, cctx *callContext, fn func(context.Context, abi.Guest) error, end func(returned bool)) error {
	p.counters.calls.Add(1)
	if p.limits.Timeout > 0 {
		ctx = p.deadlines.begin(ctx, &cctx.timed)
		defer p.deadlines.end(&cctx.timed)
	}
	ctx = cctx.around(ctx)
	cctx.inst.call = ctx
	returned := false
	defer func() { end(returned) }()
	err := p.run(ctx, cctx.inst, fn)
	returned = true
	return err
}

// run calls fn and turns its panics into errors: glue that lifts results panics with a trap.
func (p *Pool) run(ctx context.Context, inst *Instance, fn func(context.Context, abi.Guest) error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			trap, ok := r.(*abi.Trap)
			if !ok {
				trap = hostPanic(ctx, p.log, "", r)
			}
			err = inst.ended(ctx, "", trap)
		}
	}()
	err = fn(ctx, inst)
	if trap, ok := errors.AsType[*abi.Trap](err); ok && inst.trap == nil && (trap.App == "" || trap.App == p.app) {
		// fn found out by itself that the guest lied.
		return inst.ended(ctx, "", trap)
	}
	return err
}

// Close takes no new calls, lets those that wait or run come to their end, waits until kept instances are closed, and
// gives everything back. When ctx ends first it fails; calls that wait then fail with ErrClosed, those that run and
// kept instances go on, and the last one closes the pool.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	if p.trimmer != nil {
		p.trimmer.Stop()
	}
	idle := p.idle
	p.idle = nil
	p.live -= len(idle)
	last := p.lastLocked()
	p.mu.Unlock()
	for _, inst := range idle {
		inst.close(ctx)
	}
	if last {
		p.finish()
	}
	select {
	case <-p.drained:
		return nil
	default:
	}
	select {
	case <-p.drained:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	running, kept := p.live, p.kept
	p.failLocked(fmt.Errorf("app %s is %w", p.app, ErrClosed))
	last = p.lastLocked()
	p.mu.Unlock()
	if last {
		p.finish()
		return nil
	}
	if kept > 0 {
		return fmt.Errorf("app %s: %d calls have not ended and %d kept instances are not closed: %w", p.app, running, kept, ctx.Err())
	}
	return fmt.Errorf("app %s: %d calls have not ended: %w", p.app, running, ctx.Err())
}

// lastLocked tells, once, that the closed pool has no instance and no call left.
func (p *Pool) lastLocked() bool {
	if !p.closed || p.finished || p.live > 0 || p.kept > 0 || p.waiting.Len() > 0 {
		return false
	}
	p.finished = true
	return true
}

// finish gives back what the pool's instances shared.
func (p *Pool) finish() {
	if err := errors.Join(closeLinked(p.base, p.linked), p.module.release(p.base)); err != nil {
		p.log.WarnContext(p.base, "the pool did not close cleanly", "error", err)
	}
	p.deadlines.stop()
	if img := p.image.Load(); img != nil {
		img.close()
	}
	if p.slots != nil {
		p.slots.close()
	}
	p.module.engine.remove(p)
	close(p.drained)
}
