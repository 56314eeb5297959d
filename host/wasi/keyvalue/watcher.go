package keyvalue

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abikv "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvalue"
	abidraft "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvaluedraft"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// Bounds of what waits for an app that watches.
const (
	// lanes is how many changes are told at a time. All those of a key take the same lane.
	lanes = 4
	// laneLength is how many changes wait in a lane, maxWaiting how many bytes of values in all lanes.
	laneLength = 1024
	maxWaiting = 64 << 20
)

// App is an app that watches.
type App interface {
	Name() string
	Handles(iface string) bool
	Do(ctx context.Context, fn func(ctx context.Context, g abi.Guest) error) error
}

// WatcherConfig says whom to call.
type WatcherConfig struct {
	App   App
	Chain *chain.Chain
	// Busy tells from an error of App.Do that the app's queue is full, and when to try again; nil for never.
	Busy func(err error) (retryAfter time.Duration, ok bool)
	// Root gives a call its own trace; may be nil.
	Root func(ctx context.Context) context.Context
	Log  *slog.Logger
}

// Watches tells whether an app exports wasi:keyvalue/watcher, in either dialect.
func Watches(app App) bool {
	return app.Handles(abikv.WatcherModule) || app.Handles(abidraft.WatcherModule)
}

// Watcher brings the changes of keys to one app, at most once each and those of a key in their order. What comes faster
// than the app can take is dropped, and that is logged.
type Watcher struct {
	cfg   WatcherConfig
	host  *Host
	point [2]*chain.Point // on-set, on-delete
	seed  maphash.Seed
	lanes [lanes]chan change

	mu      sync.Mutex
	bytes   int    // of the values that wait; guarded by mu
	dropped uint64 // since the last line about it; guarded by mu
	stopped bool   // guarded by mu

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// change is one write.
type change struct {
	store, key string
	value      []byte
	deleted    bool
}

// NewWatcher makes what calls an app that exports the interface. Buckets that the app is given are those of h.
func (h *Host) NewWatcher(cfg WatcherConfig) *Watcher {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	w := &Watcher{cfg: cfg, host: h, seed: maphash.MakeSeed(), cancel: func() {}}
	op := chain.Op{Direction: chain.Inbound, Block: "state", Name: "on-set", App: cfg.App.Name()}
	w.point[0] = cfg.Chain.Point(op)
	op.Name = "on-delete"
	w.point[1] = cfg.Chain.Point(op)
	for i := range w.lanes {
		w.lanes[i] = make(chan change, laneLength)
	}
	return w
}

// Changed takes a change of a key in a store that the app sees. It never blocks, and keeps value. Changes before Start
// wait for it; those after Stop are dropped.
func (w *Watcher) Changed(store, key string, value []byte, deleted bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	lane := w.lanes[maphash.String(w.seed, store+"\x00"+key)%lanes]
	if w.bytes > 0 && w.bytes+len(value) > maxWaiting || len(lane) == cap(lane) {
		w.dropLocked(store, key)
		return
	}
	w.bytes += len(value)
	lane <- change{store, key, value, deleted}
}

// dropLocked logs the first change that is dropped and then every thousandth.
func (w *Watcher) dropLocked(store, key string) {
	if w.dropped%1000 == 0 {
		w.cfg.Log.Warn("changes of keys are dropped: the app that watches cannot keep up", "app", w.cfg.App.Name(),
			"store", store, "key", key, "dropped", w.dropped+1)
	}
	w.dropped++
}

// Start begins to call the app. ctx gives values only.
func (w *Watcher) Start(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.cancel = cancel
	for _, lane := range w.lanes {
		w.done.Go(func() {
			for c := range lane {
				w.take(c)
				w.tell(ctx, c)
			}
		})
	}
}

// Stop tells what waits, until ctx ends; then the rest is dropped and what runs is ended.
func (w *Watcher) Stop(ctx context.Context) error {
	w.mu.Lock()
	if w.stopped {
		w.mu.Unlock()
		return nil
	}
	w.stopped = true
	for _, lane := range w.lanes {
		close(lane)
	}
	w.mu.Unlock()
	idle := make(chan struct{})
	go func() {
		w.done.Wait()
		close(idle)
	}()
	defer w.cancel()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
	}
	w.cancel()
	<-idle
	return ctx.Err()
}

// take notes that a change waits no more.
func (w *Watcher) take(c change) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes -= len(c.value)
}

// tell calls the app. A call that fails is logged and not repeated, unless the app's queue was full.
func (w *Watcher) tell(ctx context.Context, c change) {
	if w.cfg.Root != nil {
		ctx = w.cfg.Root(ctx)
	}
	point := w.point[0]
	if c.deleted {
		point = w.point[1]
	}
	for ctx.Err() == nil && Watches(w.cfg.App) {
		_, err := chain.Do(ctx, point, w.call, c)
		if err == nil {
			return
		}
		after, full := w.busy(err)
		if !full {
			w.cfg.Log.WarnContext(ctx, "an app that watches keys failed on a change; it is not told again", "app", w.cfg.App.Name(),
				"store", c.store, "key", c.key, "error", err)
			return
		}
		select {
		case <-time.After(max(after, time.Millisecond)):
		case <-ctx.Done():
		}
	}
}

func (w *Watcher) busy(err error) (time.Duration, bool) {
	if w.cfg.Busy == nil {
		return 0, false
	}
	return w.cfg.Busy(err)
}

// call calls the handler of the dialect that the app exports.
func (w *Watcher) call(ctx context.Context, c change) (struct{}, error) {
	b := &bucket{h: w.host, store: c.store}
	two := w.cfg.App.Handles(abikv.WatcherModule)
	return struct{}{}, w.cfg.App.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		switch {
		case two && c.deleted:
			return abikv.CallWatcherOnDelete(ctx, g, bucket2{b}, c.key)
		case two:
			return abikv.CallWatcherOnSet(ctx, g, bucket2{b}, c.key, c.value)
		case c.deleted:
			return abidraft.CallWatcherOnDelete(ctx, g, bucket1{b}, c.key)
		default:
			return abidraft.CallWatcherOnSet(ctx, g, bucket1{b}, c.key, c.value)
		}
	})
}
