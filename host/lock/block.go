package lock

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	abilock "github.com/mrt-wasm/mrt-wasm/abi/lock"
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
	// CallerApp says on whose behalf a call of the HTTP API is made; "" is no app. Nil means always "".
	CallerApp func(r *http.Request) string
}

// fallback is the component that an app means by an empty name when it sees several.
const fallback = "lockstore"

// Block is the lock block of a host.
type Block struct {
	cfg     Config
	manager *component.Manager[Store]

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
	b := &Block{cfg: cfg, bound: map[[2]string]*bound{}}
	var err error
	b.manager, err = component.NewManager(cfg.Drivers, cfg.Env, cfg.Decls)
	errs := []error{err}
	for _, d := range cfg.Decls {
		if _, ok := cfg.Drivers.Lookup(d.Type); !ok {
			continue // another kind, or reported already
		}
		if _, err := keyPrefix(d.Metadata, d.Name, ""); err != nil {
			errs = append(errs, fmt.Errorf("%s: component %s: %w", d.Where, d.Name, err))
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

// Name is "lock".
func (b *Block) Name() string { return "lock" }

// Imports lists the interface of apps.
func (b *Block) Imports() []string { return []string{abilock.StoreModule} }

// Exports is empty: the block calls no handler of an app.
func (b *Block) Exports() []string { return nil }

// Open makes the block's side of one app.
func (b *Block) Open(_ context.Context, app block.App) (block.Session, error) {
	return &session{b: b, app: app.Name()}, nil
}

// Close closes all stores. Locks stay until their time is over.
func (b *Block) Close(ctx context.Context) error { return b.manager.Close(ctx) }

// TryLock takes the lock of a resource on behalf of an app, "" for none, if nobody has it, and tells whether it did. An
// empty store is the only one that the app sees, or the one called lockstore.
func (b *Block) TryLock(ctx context.Context, app, store, resource, owner string, expiry time.Duration) (bool, error) {
	if err := checkExpiry(store, expiry); err != nil {
		return false, err
	}
	s, stored, err := b.check(app, store, resource, owner)
	if err != nil {
		return false, err
	}
	return s.tryLock(ctx, &attempt{resource: stored, owner: owner, expiry: expiry})
}

// Unlock gives a lock back on behalf of an app.
func (b *Block) Unlock(ctx context.Context, app, store, resource, owner string) (Status, error) {
	s, stored, err := b.check(app, store, resource, owner)
	if err != nil {
		return 0, err
	}
	return s.unlock(ctx, &attempt{resource: stored, owner: owner})
}

// check gives the store of a request and the resource's name there. What is wrong is found in Dapr's order.
func (b *Block) check(app, store, resource, owner string) (*bound, string, error) {
	s, err := b.bind(app, store)
	if missing, ok := errors.AsType[*component.NotFoundError](err); ok && len(missing.Have) == 0 {
		return nil, "", err
	}
	if err := checkNames(store, resource, owner); err != nil {
		return nil, "", err
	}
	if err != nil {
		return nil, "", err
	}
	stored, err := s.stored(resource)
	return s, stored, err
}

// Describe gives the components in the form of Dapr's metadata.
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
		list = append(list, map[string]any{"name": o.Decl.Name, "type": o.Type, "version": version, "capabilities": []string{}})
	}
	return map[string]any{"components": list}
}

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
				errs[i] = fmt.Errorf("lock store %s: %w", o.Decl.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// bind gives a store as one app sees it. It is made once.
func (b *Block) bind(app, name string) (*bound, error) {
	o, err := b.manager.Find(app, name, fallback)
	if err != nil {
		return nil, err
	}
	if o.Err != nil {
		return nil, fmt.Errorf("%w: lock store %s did not start: %w", ErrUnavailable, o.Decl.Name, o.Err)
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
	s, err := newBound(o, app, label, b.cfg.Chain)
	if err != nil {
		return nil, fmt.Errorf("lock store %s: %w", o.Decl.Name, err)
	}
	const most = 10_000
	if len(b.bound) >= most {
		clear(b.bound) // programs outside may use any number of app names; keep memory bounded
	}
	b.bound[key] = s
	return s, nil
}
