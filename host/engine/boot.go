package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// nanotime is the engine's monotonic clock. It is never zero, which guests take for a broken one.
func (e *Engine) nanotime() int64 { return int64(time.Since(e.started)) + int64(time.Second) }

// ensureImage gives the pool's image, and makes it first if need be.
func (p *Pool) ensureImage(ctx context.Context) (*image, error) {
	if img := p.image.Load(); img != nil {
		return img, nil
	}
	p.booting.Lock()
	defer p.booting.Unlock()
	if img := p.image.Load(); img != nil {
		return img, nil
	}
	start := time.Now()
	img, err := p.takeImage(ctx)
	if err != nil {
		return nil, err
	}
	p.log.DebugContext(ctx, "the app's image is taken", "took", time.Since(start), "bytes", img.size(), "memory", img.kind(),
		"generators", len(img.generators))
	p.image.Store(img)
	return img, nil
}

// takeImage starts the guest twice and keeps the first one's state.
func (p *Pool) takeImage(ctx context.Context) (*image, error) {
	how := p.firstStart()
	first, err := p.coldStart(ctx, how)
	if err != nil {
		return nil, err
	}
	defer first.close(context.WithoutCancel(ctx))
	second, err := p.coldStart(ctx, p.secondStart(how))
	if err != nil {
		return nil, fmt.Errorf("the second start, which finds out what is random: %w", err)
	}
	defer second.close(context.WithoutCancel(ctx))
	handles, held := first.saveHandles()
	if held != nil {
		return nil, fmt.Errorf("%w: %s", errOwnHandles, held)
	}
	slotSize := uint64(0)
	if p.slots != nil {
		slotSize = p.slots.size
	}
	img, err := newImage(first.mem.buf, slotSize)
	if err != nil {
		return nil, err
	}
	for _, g := range first.globals {
		img.globals = append(img.globals, g.Get())
	}
	var unknown int
	img.generators, unknown = findGenerators(first.mem.buf, second.mem.buf)
	img.key, img.handles = p.key, handles
	p.log.DebugContext(ctx, "what differs between two starts of the app is the same in all of its instances, random number generators excepted",
		"bytes", unknown)
	img.arena = first.arena
	img.ahead = max(0, first.boot.mono+first.boot.elapsed-p.module.engine.nanotime())
	return img, nil
}

// coldStart makes an instance without an image and starts the guest, within the start timeout.
func (p *Pool) coldStart(ctx context.Context, how startup) (*Instance, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, p.startTimeout, errStartTimeout)
	defer cancel()
	inst := p.newInstance(&memory{limit: p.limits.Memory})
	inst.stdout.log, inst.stderr.log = how.stdout, how.stderr
	cctx := inst.carriedBy(ctx)
	inst.call = cctx
	cfg := p.moduleConfig
	if !how.real {
		clock := how.clock
		clock.random = how.random
		inst.boot = &clock
		cfg = cfg.WithNanotime(clock.nanotime, 1).WithWalltime(clock.walltime, 1).WithRandSource(how.random)
	}
	err := inst.try(cctx, func(ctx context.Context) error { return inst.startCold(ctx, cfg) })
	inst.endCall()
	if err != nil {
		inst.close(context.WithoutCancel(ctx))
		return nil, err
	}
	return inst, nil
}

// startCold brings the instance to where its first call may come.
func (i *Instance) startCold(ctx context.Context, cfg wazero.ModuleConfig) error {
	if err := i.instantiate(ctx, cfg); err != nil {
		return err
	}
	r := i.pool.module.rewritten
	if err := i.bind(r); err != nil {
		return err
	}
	for _, s := range r.Init {
		if uint64(s.Offset)+uint64(len(s.Bytes)) > uint64(len(i.mem.buf)) {
			return fmt.Errorf("a data segment ends at %#x, outside of the memory", uint64(s.Offset)+uint64(len(s.Bytes)))
		}
		copy(i.mem.buf[s.Offset:], s.Bytes)
	}
	for _, name := range []string{r.Start, initializeName, warmUpName} {
		if name == "" || name != r.Start && !i.Has(name) {
			continue
		}
		if err := i.Call(ctx, name, nil); err != nil {
			return err
		}
	}
	return i.findArena(ctx)
}

// bind finds the globals by which the instance is captured and reset.
func (i *Instance) bind(r *rewritten) error {
	find := func(name string) (api.MutableGlobal, error) {
		g, ok := i.module.ExportedGlobal(name).(api.MutableGlobal)
		if !ok {
			return nil, fmt.Errorf("the rewritten module has no global %s; this is a bug of the host", name)
		}
		return g, nil
	}
	var err error
	i.globals = make([]api.MutableGlobal, len(r.Globals))
	for k, name := range r.Globals {
		if i.globals[k], err = find(name); err != nil {
			return err
		}
	}
	if r.Fuel != "" {
		i.fuel, err = find(r.Fuel)
	}
	return err
}

// fromImage makes an instance from the pool's image.
func (p *Pool) fromImage(ctx context.Context) (*Instance, error) {
	if p.noImage.Load() {
		return p.coldStart(ctx, startup{real: true, stdout: p.stdout, stderr: p.stderr})
	}
	img, err := p.ensureImage(ctx)
	if errors.Is(err, errOwnHandles) {
		p.noImage.Store(true)
		p.log.InfoContext(ctx, "the app cannot have an image: it is started anew for each call, which takes long", "reason", err)
		return p.fromImage(ctx)
	}
	if err != nil {
		return nil, err
	}
	return p.clone(ctx, img)
}

// errOwnHandles says that a guest that has started cannot be cloned.
var errOwnHandles = errors.New("when it has started it holds handles of resources that its instances cannot share")

// clone makes an instance from an image.
func (p *Pool) clone(ctx context.Context, img *image) (*Instance, error) {
	inst := p.newInstance(&memory{limit: p.limits.Memory})
	inst.image = img
	cctx := inst.carriedBy(ctx)
	inst.call = cctx
	err := inst.try(cctx, inst.startClone)
	inst.endCall()
	if err != nil {
		inst.close(context.WithoutCancel(ctx))
		return nil, err
	}
	return inst, nil
}

func (i *Instance) startClone(ctx context.Context) error {
	p, img := i.pool, i.image
	if img.file != nil {
		if err := i.mem.place(p.slots, img); err != nil {
			return err
		}
	}
	if err := i.instantiate(ctx, p.moduleConfig.WithNanotime(i.nanotime, 1)); err != nil {
		return err
	}
	if err := i.bind(p.module.rewritten); err != nil {
		return err
	}
	if grow := (img.size() - uint64(len(i.mem.buf))) / pageSize; grow > 0 {
		if _, ok := i.module.Memory().Grow(uint32(grow)); !ok {
			return fmt.Errorf("the memory does not grow to the image's %d bytes", img.size())
		}
	}
	if img.file == nil {
		copy(i.mem.buf, img.bytes)
	}
	for k, g := range i.globals {
		g.Set(img.globals[k])
	}
	i.arena = img.arena
	i.resetHandles(img.handles)
	i.unseeded = true
	return nil
}

// nanotime is the guest's monotonic clock. It goes on where that of the start ended, or where the saved instance's was.
func (i *Instance) nanotime() int64 { return i.pool.module.engine.nanotime() + i.image.ahead + i.ahead }

// errNotReset says that an instance has no image to go back to.
var errNotReset = errors.New("the instance has no image")

// reset brings the instance back to its image. No call may be in flight.
func (i *Instance) reset() error {
	if i.image == nil {
		return errNotReset
	}
	p := i.pool
	var t tracker
	if i.image.file != nil {
		t = p.module.engine.tracker
	}
	if err := i.mem.restore(i.image, t); err != nil {
		return err
	}
	if err := shrink(i.module.Memory(), i.mem, i.image.size()); err != nil {
		return err
	}
	for k, g := range i.globals {
		g.Set(i.image.globals[k])
	}
	i.resetHandles(i.image.handles)
	if i.trap != nil {
		// The functions' stacks may have grown, and their state is not that of a call that returned.
		i.trap = nil
		i.dropFuncs()
	}
	i.outside = false
	i.unseeded = true
	p.counters.resets.Add(1)
	return nil
}

// cool gives back what an idle instance that has been reset need not hold.
func (i *Instance) cool() {
	i.cooled = true
	i.dropFuncs()
	if i.mem.slots != nil {
		i.mem.dirty = dirtyPages{}
		if err := discard(i.mem.region); err != nil {
			i.pool.log.Debug("the memory of an idle instance stays", "error", err)
		}
	}
}

// seed gives the instance random state of its own, if it does not have one yet.
func (i *Instance) seed() {
	if i.unseeded {
		i.unseeded, i.cooled = false, false
		reseed(i.mem.buf, i.image.generators)
	}
}
