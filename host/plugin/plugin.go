package plugin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiplugin "github.com/mrt-wasm/mrt-wasm/abi/plugin"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

// The pauses before a plugin that trapped is started again: they double from the first to the longest, and begin anew
// when it has gone on for a while.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 30 * time.Second
	healthy      = time.Minute
)

// plugin is one running plugin: one instance, or a pool of them if it is stateless.
type plugin struct {
	cfg    component.PluginConfig
	name   string
	ifaces []string
	pool   *engine.Pool
	// places has the places that are free.
	places    chan *place
	timeout   time.Duration
	stateless bool
	closing   chan struct{}

	// down is why the plugin takes no calls now; nil while it does.
	down atomic.Pointer[outage]

	// last is the instance of the last call, which is usually that of the next one.
	last atomic.Pointer[instance]

	mu sync.Mutex
	// ready are the instances in which init was called. An entry keeps its instance from being collected, so that no
	// other one takes its address.
	ready  map[abi.Guest]*instance // guarded by mu
	pauses *backoff.ExponentialBackOff
	since  time.Time // the last start; guarded by mu
	again  *time.Timer
	closed bool
}

var _ component.Plugin = (*plugin)(nil)

// outage is a time in which a plugin is not there.
type outage struct {
	reason string
	// at is when it is started again.
	at time.Time
}

func newPlugin(cfg component.PluginConfig, pool *engine.Pool, ifaces []string, timeout time.Duration) *plugin {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval, pauses.Multiplier = firstPause, longestPause, 2
	return &plugin{
		cfg: cfg, name: cfg.Config.Name, ifaces: ifaces, pool: pool, timeout: timeout, closing: make(chan struct{}),
		ready: map[abi.Guest]*instance{}, pauses: pauses,
	}
}

// begin starts the first instance; asks tells that the plugin says itself whether it is stateless.
func (p *plugin) begin(ctx context.Context, asks bool, instances int) error {
	if asks {
		err := p.pool.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
			p.stateless, err = abiplugin.CallInfoStateless(ctx, g)
			return err
		})
		if err != nil {
			return component.Permanent(own(err))
		}
	}
	if !p.stateless {
		instances = 1
	}
	p.places = make(chan *place, instances)
	for range instances {
		p.places <- newPlace(p.timeout)
	}
	p.since = time.Now()
	return own(p.pool.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		_, err := p.initialise(ctx, g)
		return err
	}))
}

// initialise gives an instance, and calls init in one that had none yet.
func (p *plugin) initialise(ctx context.Context, g abi.Guest) (*instance, error) {
	if i := p.last.Load(); i != nil && i.Guest == g {
		return i, nil
	}
	p.mu.Lock()
	i := p.ready[g]
	p.mu.Unlock()
	if i != nil {
		p.last.Store(i)
		return i, nil
	}
	i, err := view(ctx, g)
	if err != nil {
		return nil, &initError{err}
	}
	if err := p.cfg.Init(ctx, i); err != nil {
		return nil, &initError{err}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready[g] = i
	return i, nil
}

// initError is a failure of init.
type initError struct{ err error }

// Error says that it was init.
func (e *initError) Error() string { return "init: " + e.err.Error() }

// Unwrap gives what init said.
func (e *initError) Unwrap() error { return e.err }

// Has tells whether the plugin exports the interface.
func (p *plugin) Has(iface string) bool { return has(p.ifaces, iface) }

// Do runs fn with an instance.
func (p *plugin) Do(ctx context.Context, fn func(ctx context.Context, g abi.Guest) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if o := p.down.Load(); o != nil {
		return p.absent(o)
	}
	var at *place
	select {
	case at = <-p.places:
	default:
		select {
		case at = <-p.places:
		case <-ctx.Done():
			return ctx.Err()
		case <-p.closing:
			return p.gone()
		}
	}
	defer func() { p.places <- at.end() }()
	if o := p.down.Load(); o != nil {
		return p.absent(o)
	}
	return p.call(at.begin(ctx), at, fn)
}

// gone is the error of calls of a plugin that is closed.
func (p *plugin) gone() error {
	return fmt.Errorf("%w: the plugin of component %s is closed", p.cfg.Unavailable, p.name)
}

// call runs fn with an instance that had its init, and looks at how that ended. at is nil for a start.
func (p *plugin) call(ctx context.Context, at *place, fn func(ctx context.Context, g abi.Guest) error) error {
	err := p.pool.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		whole := false
		defer func() {
			if !whole { // before another call gets the instance, which has no init then
				p.forget(g)
			}
		}()
		i, err := p.initialise(ctx, g)
		if err == nil {
			err = fn(ctx, i)
		}
		whole = err == nil || !isTrap(err)
		return err
	})
	if err == nil {
		return nil
	}
	if trap, ok := errors.AsType[*abi.Trap](err); ok {
		reason := names.Replace(trap.Reason)
		if at != nil && trap.Kind == abi.TrapTimeout && at.over() {
			reason = fmt.Sprintf("did not end within %s (metadata field timeout)", p.timeout)
		}
		return p.trapped("it trapped in "+trap.Func+": "+reason, err)
	}
	if failed, ok := errors.AsType[*initError](err); ok {
		return p.absent(p.fail(failed.Error(), err))
	}
	if errors.Is(err, engine.ErrClosed) {
		return p.gone()
	}
	return err
}

// isTrap tells that a guest's call ended in a trap.
func isTrap(err error) bool {
	_, ok := errors.AsType[*abi.Trap](err)
	return ok
}

// forget takes an instance for one without init.
func (p *plugin) forget(g abi.Guest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.ready, g)
	if i := p.last.Load(); i != nil && i.Guest == g {
		p.last.CompareAndSwap(i, nil)
	}
}

// trapped says what a trap means. Without state nothing is lost with the instance; else the plugin is down until it is
// started again.
func (p *plugin) trapped(reason string, err error) error {
	if _, atInit := errors.AsType[*initError](err); p.stateless && !atInit {
		return fmt.Errorf("%w: the plugin of component %s failed: %s", p.cfg.Unavailable, p.name, reason)
	}
	return p.absent(p.fail(reason, err))
}

// absent is the error of calls while the plugin is down.
func (p *plugin) absent(o *outage) error {
	in := max(time.Until(o.at), 0).Round(time.Millisecond)
	return fmt.Errorf("%w: the plugin of component %s is down: %s; it is started again in %s", p.cfg.Unavailable, p.name, o.reason, in)
}

// fail begins an outage, or goes on with the one that there is, and sees to the next start.
func (p *plugin) fail(reason string, err error) *outage {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.down.Load(); o != nil && p.again != nil {
		return o
	}
	if time.Since(p.since) > healthy {
		p.pauses.Reset()
	}
	pause := p.pauses.NextBackOff()
	o := &outage{reason: reason, at: time.Now().Add(pause)}
	p.down.Store(o)
	if p.closed {
		return o
	}
	p.cfg.Config.Log.Warn("the plugin is down; it is started again after a pause", "pause", pause, "error", own(err))
	p.again = time.AfterFunc(pause, p.restart)
	return o
}

// restart starts the plugin again.
func (p *plugin) restart() {
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.Config.InitTimeout)
	defer cancel()
	p.mu.Lock()
	p.again = nil
	p.since = time.Now()
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return
	}
	if err := p.call(ctx, nil, func(context.Context, abi.Guest) error { return nil }); err != nil {
		p.mu.Lock()
		waits := p.again != nil
		p.mu.Unlock()
		if !waits { // call has not seen to it: no instance could be made
			p.fail(err.Error(), err)
		}
		return
	}
	p.down.Store(nil)
	p.cfg.Config.Log.Info("the plugin is up again")
}

// Close ends the plugin.
func (p *plugin) Close(ctx context.Context) error {
	p.mu.Lock()
	first := !p.closed
	p.closed = true
	if p.again != nil {
		p.again.Stop()
	}
	p.mu.Unlock()
	if first {
		close(p.closing)
	}
	return p.pool.Close(ctx)
}
