package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abistate "github.com/mrt-wasm/mrt-wasm/abi/state"
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
	// Apps are the names of all apps.
	Apps []string
	// Env is what drivers get from the host.
	Env   component.Env
	Chain *chain.Chain
	// Log may be nil.
	Log *slog.Logger
	// CallerApp says on whose behalf a call of the HTTP API is made; "" is no app. Nil means always "".
	CallerApp func(r *http.Request) string
	// Made is told of the block before its components are opened: those that are plugins may use others by it. Nil to
	// tell nobody.
	Made func(b *Block) error
}

// fallback is the store that an app means by an empty name when it sees several.
const fallback = "statestore"

// Block is the state block of a host.
type Block struct {
	cfg     Config
	manager *component.Manager[Store]
	log     *slog.Logger
	// watchers are told of the writes of apps.
	watchers *watchers

	mu    sync.Mutex
	bound map[[2]string]*bound // by app and name
}

var (
	_ block.Routes    = (*Block)(nil)
	_ block.Describer = (*Block)(nil)
	_ block.Checker   = (*Block)(nil)
)

// New checks all declarations and opens the components. The error has all that is wrong with the declarations, or the
// first component that does not start.
func New(ctx context.Context, cfg Config) (*Block, error) {
	b := &Block{cfg: cfg, log: cfg.Log, bound: map[[2]string]*bound{}, watchers: newWatchers()}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	var err error
	b.manager, err = component.NewManager(cfg.Drivers, cfg.Env, cfg.Decls)
	if err = errors.Join(err, b.check()); err != nil {
		return nil, err
	}
	if cfg.Made != nil {
		if err := cfg.Made(b); err != nil {
			return nil, err
		}
	}
	if err := b.manager.Open(ctx, cfg.Apps); err != nil {
		return nil, errors.Join(err, b.manager.Close(context.WithoutCancel(ctx)))
	}
	return b, nil
}

// check looks at the fields that the block reads itself, whatever the driver.
func (b *Block) check() error {
	var errs []error
	for _, d := range b.cfg.Decls {
		if _, ok := b.cfg.Drivers.Lookup(d.Type); !ok {
			continue // another kind, or reported already
		}
		_, err := keyPrefix(d.Metadata, d.Name, "", "")
		_, errKey := newCrypt(d.Metadata)
		if err = errors.Join(err, errKey); err != nil {
			errs = append(errs, fmt.Errorf("%s: component %s: %w", d.Where, d.Name, err))
		}
		for _, field := range []string{"outboxPublishPubsub", "outboxPublishTopic", "outboxPubsub", "outboxDiscardWhenMissingState"} {
			if _, ok := d.Metadata.Get(field); ok {
				b.log.Warn("transactional outbox is not supported: transactions write state and publish nothing", "component", d.Name, "field", field, "at", d.Where)
			}
		}
	}
	return errors.Join(errs...)
}

// Name is "state".
func (b *Block) Name() string { return "state" }

// Imports lists the interface of apps.
func (b *Block) Imports() []string { return []string{abistate.StoreModule} }

// Exports is empty: the block calls no handler of an app.
func (b *Block) Exports() []string { return nil }

// Open makes the block's side of one app.
func (b *Block) Open(_ context.Context, app block.App) (block.Session, error) {
	return &session{host: &Host{block: b, app: app.Name()}}, nil
}

// session is what an app has of the block.
type session struct{ host *Host }

// Funcs are the host functions.
func (s *session) Funcs() []abi.Func { return abistate.StoreFuncs(s.host) }

// StoreHost gives what the host functions call, for adapters of other interfaces over the same stores.
func (s *session) StoreHost() abistate.StoreHost { return s.host }

// Close has nothing to release: components belong to the block.
func (s *session) Close(context.Context) error { return nil }

// Close closes all stores.
func (b *Block) Close(ctx context.Context) error { return b.manager.Close(ctx) }

// Describe gives the components with Dapr's names for what they can do.
func (b *Block) Describe(context.Context) map[string]any {
	list := []map[string]any{}
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
		list = append(list, map[string]any{
			"name": o.Decl.Name, "type": o.Type, "version": version, "capabilities": capabilities(o.Driver),
		})
	}
	return map[string]any{"components": list}
}

func capabilities(s Store) []string {
	out := []string{}
	if s == nil {
		return out
	}
	out = append(out, "ETAG")
	if _, ok := As[Transactor](s); ok {
		out = append(out, "TRANSACTIONAL", "ACTOR")
	}
	if _, ok := As[Querier](s); ok {
		out = append(out, "QUERY_API")
	}
	if _, ok := As[Expirer](s); ok {
		out = append(out, "TTL")
	}
	if _, ok := As[Lister](s); ok {
		out = append(out, "KEYS_LIKE")
	}
	slices.Sort(out)
	return out
}

// Ready asks every store that can tell whether its server answers. A component that was let go on without
// (ignoreErrors) does not count.
func (b *Block) Ready(ctx context.Context) error {
	opened := b.manager.All()
	errs := make([]error, len(opened))
	each(len(opened), 0, func(i int) {
		o := opened[i]
		if p, ok := As[Pinger](o.Driver); ok && o.Err == nil {
			if err := p.Ping(ctx); err != nil {
				errs[i] = fmt.Errorf("state store %s: %w", o.Decl.Name, err)
			}
		}
	})
	return errors.Join(errs...)
}

// bind gives a store as one app sees it. It is made once.
func (b *Block) bind(app, name string) (*bound, error) {
	o, err := b.manager.Find(app, name, fallback)
	if err != nil {
		return nil, err
	}
	if o.Err != nil {
		return nil, fmt.Errorf("%w: state store %s did not start: %w", ErrUnavailable, o.Decl.Name, o.Err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := [2]string{app, o.Decl.Name}
	if s := b.bound[key]; s != nil {
		return s, nil
	}
	// Programs outside may make up names; metrics do not tell them apart, so that their number is bounded.
	label := app
	if !slices.Contains(b.cfg.Apps, app) {
		label = ""
	}
	s, err := newBound(o, app, label, b.cfg.Env.Namespace, b.cfg.Chain)
	if err != nil {
		return nil, fmt.Errorf("state store %s: %w", o.Decl.Name, err)
	}
	s.watch = b.watchers
	const most = 10_000
	if len(b.bound) >= most {
		clear(b.bound) // programs outside may use any number of app names; keep memory bounded
	}
	b.bound[key] = s
	return s, nil
}
