package host

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	abilog "github.com/mrt-wasm/mrt-wasm/abi/log"
	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
	abikv "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvalue"
	abikvdraft "github.com/mrt-wasm/mrt-wasm/abi/wasi/keyvaluedraft"
	abimessaging "github.com/mrt-wasm/mrt-wasm/abi/wasi/messaging"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/pubsub"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/trigger"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/blobstore"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/config"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/keyvalue"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/logging"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/messaging"
)

// standards are the standard interfaces over the blocks: to the host one block more, which comes after those whose
// sessions it uses.
type standards struct {
	h     *Host
	files *blobstore.Files
	state *state.Block

	mu       sync.Mutex
	hosts    map[string]*keyvalue.Host // by app; guarded by mu
	watchers []*keyvalue.Watcher       // guarded by mu
	watched  map[string]bool           // apps that have a watcher; guarded by mu
	started  bool                      // guarded by mu
}

var (
	_ block.Triggerer = (*standards)(nil)
	_ block.Reloader  = (*standards)(nil)
)

// blobType is what kind of blob store there is.
const blobType = "blobstore.files"

// openStandards makes the standard interfaces.
func (h *Host) openStandards() error {
	s := &standards{h: h, hosts: map[string]*keyvalue.Host{}, watched: map[string]bool{}}
	for _, b := range h.blocks.all {
		if found, ok := b.(*state.Block); ok {
			s.state = found
		}
	}
	if s.state == nil {
		return errors.New("the standard interfaces need the state block, which did not open")
	}
	var err error
	if s.files, err = blobstore.OpenFiles(filepath.Join(h.data.path, "blobs")); err != nil {
		return err
	}
	h.blocks.all = append(h.blocks.all, s)
	return nil
}

// Name is "wasi".
func (s *standards) Name() string { return "wasi" }

// Imports lists the interfaces that apps may import.
func (s *standards) Imports() []string {
	var out []string
	for _, p := range standardProviders() {
		for _, f := range p.funcs {
			if !slices.Contains(out, f.Module) {
				out = append(out, f.Module)
			}
		}
	}
	return out
}

// Exports lists the interfaces by which apps are told of keys; messages are the pubsub block's.
func (s *standards) Exports() []string {
	return []string{abikv.WatcherModule, abikvdraft.WatcherModule}
}

// standardSession is what one app has of the standard interfaces.
type standardSession struct{ funcs []abi.Func }

// Funcs are the host functions of all of them.
func (s *standardSession) Funcs() []abi.Func { return s.funcs }

// Close has nothing to release.
func (s *standardSession) Close(context.Context) error { return nil }

// Open makes the interfaces of one app over the sessions that the blocks have opened for it.
func (s *standards) Open(_ context.Context, app block.App) (block.Session, error) {
	a := s.h.apps[app.Name()]
	stores, okState := sessionOf[interface{ StoreHost() abistate.StoreHost }](a)
	topics, okTopics := sessionOf[messaging.Topics](a)
	configs, okConfig := sessionOf[abiconfiguration.StoreHost](a)
	logger, okLog := sessionOf[abilog.LoggerHost](a)
	if !okState || !okTopics || !okConfig || !okLog {
		return nil, fmt.Errorf("app %s: the standard interfaces need the blocks state, pubsub, configuration and log, and one did not open", a.name)
	}
	kvStores, ok := stores.StoreHost().(keyvalue.Stores)
	if !ok {
		return nil, fmt.Errorf("app %s: a %T has not what wasi:keyvalue needs", a.name, stores.StoreHost())
	}
	kv := keyvalue.New(keyvalue.Config{Stores: kvStores, Denied: s.denied("state", a.name)})
	cfg := config.Config{Env: a.spec.Env()}
	if s.sees("configuration", a.name) {
		cfg.Store = configs
	}
	s.mu.Lock()
	s.hosts[a.name] = kv
	s.watchLocked(a)
	s.mu.Unlock()
	return &standardSession{funcs: slices.Concat(
		kv.Funcs(), config.New(cfg).Funcs(), logging.New(logger).Funcs(),
		messaging.New(messaging.Config{Topics: topics, Denied: s.denied("pubsub", a.name)}).Funcs(),
		blobstore.New(blobstore.Config{Store: s.files, App: a.name, Type: blobType, Chain: s.h.chain}).Funcs(),
	)}, nil
}

// sessionOf gives the first of an app's sessions that is a T.
func sessionOf[T any](a *app) (T, bool) {
	for _, s := range a.sessions {
		if t, ok := s.(T); ok {
			return t, true
		}
	}
	var none T
	return none, false
}

// declared gives the components of a kind, the embedded default included if there is no other.
func (s *standards) declared(kind string) []component.Decl {
	used := map[string]func() bool{"state": s.h.usesState, "pubsub": s.h.usesTopics, "configuration": s.h.usesConfiguration}
	return s.h.decls(kind, used[kind]())
}

// denied tells of a name whether there is a component of the kind that the app may not use.
func (s *standards) denied(kind, app string) func(name string) bool {
	decls := s.declared(kind)
	return func(name string) bool {
		return slices.ContainsFunc(decls, func(d component.Decl) bool { return d.Name == name && !d.Visible(app) })
	}
}

// sees tells whether the app may use a component of the kind.
func (s *standards) sees(kind, app string) bool {
	return slices.ContainsFunc(s.declared(kind), func(d component.Decl) bool { return d.Visible(app) })
}

// watchLocked has an app told of the changes of keys if it exports wasi:keyvalue/watcher. It gives the new watcher, nil if
// there is none.
func (s *standards) watchLocked(a *app) *keyvalue.Watcher {
	if s.watched[a.name] || !keyvalue.Watches(a) {
		return nil
	}
	w := s.hosts[a.name].NewWatcher(keyvalue.WatcherConfig{
		App: a, Chain: s.h.chain, Root: s.h.tel.Root, Log: s.h.log,
		Busy: func(err error) (time.Duration, bool) {
			full, ok := errors.AsType[*block.ErrOverloaded](err)
			if !ok {
				return 0, false
			}
			return full.RetryAfter, true
		},
	})
	s.state.Watch(a.name, func(c state.Change) { w.Changed(c.Store, c.Key, c.Value, c.Deleted) })
	s.watched[a.name] = true
	s.watchers = append(s.watchers, w)
	return w
}

// Triggers gives what tells apps of changes.
func (s *standards) Triggers(context.Context) ([]trigger.Trigger, error) {
	return []trigger.Trigger{s.trigger()}, nil
}

func (s *standards) trigger() *watching { return &watching{s} }

// Reloaded begins to tell an app whose new code wants to know.
func (s *standards) Reloaded(ctx context.Context, app string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.watchLocked(s.h.apps[app]); w != nil && s.started {
		w.Start(ctx)
	}
}

// Close closes the blob store.
func (s *standards) Close(context.Context) error { return s.files.Close() }

// watching is the trigger of all watchers. It stops after those triggers by which keys are written.
type watching struct{ s *standards }

var _ trigger.Last = (*watching)(nil)

// Name says what it is.
func (w *watching) Name() string { return "watchers of keys" }

// StopLast is a marker.
func (w *watching) StopLast() {}

// Start begins to call the apps.
func (w *watching) Start(ctx context.Context) error {
	w.s.mu.Lock()
	defer w.s.mu.Unlock()
	w.s.started = true
	for _, one := range w.s.watchers {
		one.Start(ctx)
	}
	return nil
}

// Stop tells what waits, while ctx lasts.
func (w *watching) Stop(ctx context.Context) error {
	w.s.mu.Lock()
	w.s.started = false
	watchers := slices.Clone(w.s.watchers)
	w.s.mu.Unlock()
	errs := make([]error, len(watchers))
	var wg sync.WaitGroup
	for i, one := range watchers {
		wg.Go(func() { errs[i] = one.Stop(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// receivers are the standard interfaces by which apps take messages.
func receivers() []pubsub.Receiver {
	return []pubsub.Receiver{{Interface: abimessaging.IncomingHandlerModule, Handle: messaging.Handle}}
}

// standardExports are the functions of the standard interfaces that apps may export.
func standardExports() []abi.Func {
	return slices.Concat(abikv.WatcherExports(), abikvdraft.WatcherExports(), abimessaging.IncomingHandlerExports())
}

// standardProviders are the standard interfaces that apps can import.
func standardProviders() []provider {
	return []provider{
		{"wasi:keyvalue", componentLine("state", true), keyvalue.New(keyvalue.Config{}).Funcs()},
		{"wasi:config", componentLine("configuration", true) + ", and spec.env", config.New(config.Config{}).Funcs()},
		{"wasi:logging", "", logging.New(nil).Funcs()},
		{"wasi:messaging", componentLine("pubsub", true), messaging.New(messaging.Config{}).Funcs()},
		{"wasi:blobstore", "", blobstore.New(blobstore.Config{}).Funcs()},
	}
}

// standardHandlers tell what calls the standard interfaces that apps export.
func standardHandlers() map[string]string {
	return map[string]string{
		abikv.WatcherModule:                "changes of keys in its state stores",
		abikvdraft.WatcherModule:           "changes of keys in its state stores",
		abimessaging.IncomingHandlerModule: "messages of a Subscription",
	}
}

// importsOf tells whether an app imports an interface of a WIT package, such as "wasi:keyvalue".
func (h *Host) importsOf(pkg string) bool {
	return slices.ContainsFunc(h.names, func(n string) bool {
		for _, i := range h.apps[n].current.Load().module.Imports() {
			if strings.HasPrefix(i.Module, pkg+"/") {
				return true
			}
		}
		return false
	})
}

// usesState tells whether an app, or the host on behalf of its actors, needs a state store.
func (h *Host) usesState() bool {
	return h.importer(abistate.StoreModule) || hasActors(h.opts.Manifest) || h.importsOf("wasi:keyvalue")
}

// usesConfiguration tells whether an app needs a configuration store.
func (h *Host) usesConfiguration() bool {
	for _, app := range h.opts.Manifest.Apps {
		if len(app.Spec.Configuration) > 0 {
			return true
		}
	}
	return h.importer(abiconfiguration.StoreModule) || h.importsOf("wasi:config")
}
