package configuration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Config says how the block works.
type Config struct {
	// Drivers are the stores that this binary has.
	Drivers component.Set[Store]
	// Decls are the components of the manifest; those of other kinds are ignored.
	Decls []component.Decl
	// Declared are the subscriptions that apps have in the manifest.
	Declared []Declaration
	// Apps are the names of all apps.
	Apps []string
	// Env is what drivers get from the host. Subscriptions are kept in its DataDir; without one they end with the
	// host.
	Env   component.Env
	Chain *chain.Chain
	// Root gives the context of a change that is brought to an app its own trace; may be nil.
	Root func(ctx context.Context) context.Context
	// Log may be nil.
	Log *slog.Logger
	// CallerApp says on whose behalf a call of the HTTP API is made; "" is no app. Nil means always "".
	CallerApp func(r *http.Request) string
}

// Declaration is a subscription of the manifest.
type Declaration struct {
	App, Store string
	// Keys are watched; none means all.
	Keys []string
	// Where is file:line of the declaration, for errors.
	Where string
}

// fallback is the component that an app means by an empty name when it sees several.
const fallback = "configstore"

// How often a store is read and compared: one that does not tell of changes, and one that does, since a message of it
// can get lost without anybody noticing.
const (
	defaultPoll = 10 * time.Second
	safetyPoll  = time.Minute
	fastestPoll = 10 * time.Millisecond
)

// Block is the configuration block of a host.
type Block struct {
	cfg     Config
	manager *component.Manager[Store]
	log     *slog.Logger
	keep    keep

	mu     sync.Mutex
	stores map[[2]string]*bound // by app and name
	apps   map[string]block.App
	subs   map[string]*subscription // by id
	// spawn starts the worker of a subscription; nil unless the trigger runs.
	spawn func(*subscription)
}

var (
	_ block.Triggerer = (*Block)(nil)
	_ block.Routes    = (*Block)(nil)
	_ block.Describer = (*Block)(nil)
	_ block.Checker   = (*Block)(nil)
)

// New checks all declarations and opens the components. The error has all that is wrong with the declarations, or the
// first component that does not start.
func New(ctx context.Context, cfg Config) (*Block, error) {
	b := &Block{
		cfg: cfg, log: cfg.Log, keep: keepIn(cfg.Env.DataDir),
		stores: map[[2]string]*bound{}, apps: map[string]block.App{}, subs: map[string]*subscription{},
	}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	var err error
	b.manager, err = component.NewManager(cfg.Drivers, cfg.Env, cfg.Decls)
	errs := []error{err}
	for _, d := range cfg.Decls {
		if _, err := interval(d.Metadata, 0); err != nil {
			errs = append(errs, fmt.Errorf("%s: component %s: %w", d.Where, d.Name, err))
		}
	}
	for _, d := range cfg.Declared {
		if err := checkKeys(d.Keys); err != nil {
			errs = append(errs, fmt.Errorf("%s: app %s: configuration: %w", d.Where, d.App, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if err := b.manager.Open(ctx, cfg.Apps); err != nil {
		return nil, errors.Join(err, b.manager.Close(context.WithoutCancel(ctx)))
	}
	return b, nil
}

// interval reads pollInterval.
func interval(m component.Metadata, otherwise time.Duration) (time.Duration, error) {
	text, ok := m.Get("pollInterval")
	if !ok || text == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < fastestPoll {
		return 0, fmt.Errorf("metadata field pollInterval: want a duration of %s or more, such as 5s, found %q", fastestPoll, text)
	}
	return d, nil
}

// Name is "configuration".
func (b *Block) Name() string { return "configuration" }

// Imports lists the interface of apps.
func (b *Block) Imports() []string { return []string{abiconfiguration.StoreModule} }

// Exports lists the handler interface.
func (b *Block) Exports() []string { return []string{abiconfiguration.HandlerModule} }

// Open makes the block's side of one app. It fails when the app has declared a subscription that it cannot have.
func (b *Block) Open(_ context.Context, app block.App) (block.Session, error) {
	var errs []error
	for _, d := range b.cfg.Declared {
		if d.App != app.Name() {
			continue
		}
		err := handles(app)
		if err == nil {
			_, err = b.manager.Find(d.App, d.Store, fallback)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: app %s: configuration: %w", d.Where, d.App, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.apps[app.Name()] = app
	return &session{b: b, app: app.Name()}, nil
}

// handles says what an app lacks that cannot take changes.
func handles(app block.App) error {
	if app.Handles(abiconfiguration.HandlerModule) {
		return nil
	}
	return fmt.Errorf("%w: app %s does not export %s; handle changes in it (in Go: import guest-sdk/go/configuration/handler and set a handler)",
		ErrInvalid, app.Name(), abiconfiguration.HandlerModule)
}

// Close closes all stores; the trigger is stopped before.
func (b *Block) Close(ctx context.Context) error { return b.manager.Close(ctx) }

// Ready asks every store that can tell whether its server answers. A component that was let go on without
// (ignoreErrors) does not count.
func (b *Block) Ready(ctx context.Context) error {
	opened := b.manager.All()
	errs := make([]error, len(opened))
	var wg sync.WaitGroup
	for i, o := range opened {
		p, ok := o.Driver.(Pinger)
		if !ok || o.Err != nil {
			continue
		}
		wg.Go(func() {
			if err := p.Ping(ctx); err != nil {
				errs[i] = fmt.Errorf("configuration store %s: %w", o.Decl.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Describe gives the components in the form of Dapr's metadata.
func (b *Block) Describe(context.Context) map[string]any {
	components := []map[string]any{}
	seen := map[string]bool{}
	for _, o := range b.manager.All() {
		if seen[o.Decl.Name] {
			continue // open once for each app
		}
		seen[o.Decl.Name] = true
		version := o.Decl.Version
		if version == "" {
			version = "v1"
		}
		components = append(components, map[string]any{
			"name": o.Decl.Name, "type": o.Type, "version": version, "capabilities": []string{},
		})
	}
	return map[string]any{"components": components}
}

// bound is a store as one app sees it.
type bound struct {
	name, typ string
	store     Store
	every     time.Duration // between comparisons
	// change is held while a subscription is made or ended.
	change sync.Mutex

	get, set, subscribe, handle *chain.Point
	// The functions are made once: a method value would be allocated for each call.
	getFn func(context.Context, request) ([]Item, error)
}

// request is one Get.
type request struct {
	keys     []string
	metadata map[string]string
}

// bound gives a store as one app sees it. It is made once.
func (b *Block) bound(app, name string) (*bound, error) {
	o, err := b.manager.Find(app, name, fallback)
	if err != nil {
		return nil, err
	}
	if o.Err != nil {
		return nil, fmt.Errorf("%w: configuration store %s did not start: %w", ErrUnavailable, o.Decl.Name, o.Err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := [2]string{app, o.Decl.Name}
	if found := b.stores[key]; found != nil {
		return found, nil
	}
	made := &bound{name: o.Decl.Name, typ: o.Type, store: o.Driver}
	otherwise := defaultPoll
	if _, ok := o.Driver.(Subscriber); ok {
		otherwise = safetyPoll
	}
	if made.every, err = interval(o.Metadata, otherwise); err != nil {
		return nil, err
	}
	op := chain.Op{Block: "configuration", Target: o.Decl.Name, Type: o.Type}
	if slices.Contains(b.cfg.Apps, app) {
		op.App = app // a name that a program outside made up would be a label of its own in every metric
	}
	point := func(d chain.Direction, name string) *chain.Point {
		op.Direction, op.Name = d, name
		return b.cfg.Chain.Point(op)
	}
	made.get, made.set = point(chain.Outbound, "get"), point(chain.Outbound, "set")
	made.subscribe, made.handle = point(chain.Outbound, "subscribe"), point(chain.Inbound, "handle")
	made.getFn = made.doGet
	const most = 10_000
	if len(b.stores) >= most {
		// Programs outside may use any number of app names; keep memory bounded.
		for k := range b.stores {
			if b.apps[k[0]] == nil {
				delete(b.stores, k)
			}
		}
	}
	b.stores[key] = made
	return made, nil
}

// read passes the chain.
func (s *bound) read(ctx context.Context, keys []string, metadata map[string]string) ([]Item, error) {
	items, err := chain.Do(ctx, s.get, s.getFn, request{keys, metadata})
	if err != nil {
		return nil, fmt.Errorf("configuration store %s: %w", s.name, err)
	}
	return items, nil
}

func (s *bound) doGet(ctx context.Context, r request) ([]Item, error) {
	return s.store.Get(ctx, r.keys, r.metadata)
}

// Get reads items of a store on behalf of an app, "" for none; no keys means all.
func (b *Block) Get(ctx context.Context, app, store string, keys []string, metadata map[string]string) ([]Item, error) {
	if err := checkKeys(keys); err != nil {
		return nil, err
	}
	s, err := b.bound(app, store)
	if err != nil {
		return nil, err
	}
	return s.read(ctx, keys, metadata)
}
