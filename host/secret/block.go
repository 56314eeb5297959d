package secret

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abisecret "github.com/mrt-wasm/mrt-wasm/abi/secret"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Config says how the block works.
type Config struct {
	// Resolver has the stores; the block closes it.
	Resolver *Resolver
	// Apps are the names of all apps.
	Apps []string
	// Scopes gives the scopes that hold for an app, one a store; "" is no app. Nil means that there are none.
	Scopes func(app string) []Scope
	// HideDefault leaves the embedded default store to secretKeyRefs: neither apps nor the HTTP API see it. It is for
	// hosts none of whose apps reads secrets, since that store knows the environment.
	HideDefault bool
	Chain       *chain.Chain
	// CallerApp says on whose behalf a call of the HTTP API is made; "" is no app. Nil means always "".
	CallerApp func(r *http.Request) string
}

// Block is the secret block of a host.
type Block struct {
	cfg Config

	mu    sync.Mutex
	bound map[[2]string]*bound // by app and name
}

var (
	_ block.Routes    = (*Block)(nil)
	_ block.Describer = (*Block)(nil)
	_ block.Checker   = (*Block)(nil)
)

// New makes the block over the open stores.
func New(cfg Config) *Block { return &Block{cfg: cfg, bound: map[[2]string]*bound{}} }

// Name is "secret".
func (b *Block) Name() string { return "secret" }

// Imports lists the interface of apps.
func (b *Block) Imports() []string { return []string{abisecret.StoreModule} }

// Exports is empty: the block calls no handler of an app.
func (b *Block) Exports() []string { return nil }

// Open makes the block's side of one app.
func (b *Block) Open(_ context.Context, app block.App) (block.Session, error) {
	return &session{host: &Host{block: b, app: app.Name()}}, nil
}

// session is what an app has of the block.
type session struct{ host *Host }

// Funcs are the host functions.
func (s *session) Funcs() []abi.Func { return abisecret.StoreFuncs(s.host) }

// Host gives what the host functions call, for adapters of other interfaces over the same stores.
func (s *session) Host() abisecret.StoreHost { return s.host }

// Close has nothing to release: stores belong to the resolver.
func (s *session) Close(context.Context) error { return nil }

// Close closes all stores.
func (b *Block) Close(ctx context.Context) error { return b.cfg.Resolver.Close(ctx) }

// Get reads one secret on behalf of an app, or of none (""), as its scopes allow. An empty store is the only one that
// the app sees, or DefaultStore.
func (b *Block) Get(ctx context.Context, app, store, name string, metadata map[string]string) (Values, error) {
	s, err := b.bind(app, store)
	if err != nil {
		return nil, err
	}
	return s.get(ctx, name, metadata)
}

// BulkGet reads all secrets that the app may read.
func (b *Block) BulkGet(ctx context.Context, app, store string, metadata map[string]string) (map[string]Values, error) {
	s, err := b.bind(app, store)
	if err != nil {
		return nil, err
	}
	return s.bulk(ctx, metadata)
}

// Describe gives the components with Dapr's names for what they can do.
func (b *Block) Describe(context.Context) map[string]any {
	list := []map[string]any{}
	seen := map[string]bool{}
	for _, o := range b.all() {
		if seen[o.Decl.Name] {
			continue // open once for each app
		}
		seen[o.Decl.Name] = true
		version := o.Decl.Version
		if version == "" {
			version = "v1"
		}
		can := []string{}
		if m, ok := o.Driver.(MultiValued); ok && m.MultiValued() {
			can = append(can, "MULTIPLE_KEY_VALUES_PER_SECRET")
		}
		list = append(list, map[string]any{"name": o.Decl.Name, "type": o.Type, "version": version, "capabilities": can})
	}
	return map[string]any{"components": list}
}

// Ready asks every store that can tell whether its server takes requests. A component that was let go on without
// (ignoreErrors) does not count.
func (b *Block) Ready(ctx context.Context) error {
	all := b.all()
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, o := range all {
		if p, ok := o.Driver.(Pinger); ok && o.Err == nil {
			wg.Go(func() {
				if err := p.Ping(ctx); err != nil {
					errs[i] = fmt.Errorf("secret store %s: %w", o.Decl.Name, err)
				}
			})
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// all gives every open store but a hidden one.
func (b *Block) all() []*component.Opened[Store] {
	if b.hidden() {
		return nil
	}
	return b.cfg.Resolver.all()
}

// hidden tells that the only store is one to hide.
func (b *Block) hidden() bool { return b.cfg.HideDefault && b.cfg.Resolver.embedded != "" }

// bind gives a store as one app sees it. It is made once.
func (b *Block) bind(app, name string) (*bound, error) {
	if b.hidden() {
		return nil, &component.NotFoundError{Kind: Kind, Name: name, App: app}
	}
	o, err := b.cfg.Resolver.find(app, name)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := [2]string{app, o.Decl.Name}
	if s := b.bound[key]; s != nil {
		return s, nil
	}
	var held scopes
	if b.cfg.Scopes != nil {
		held = scopesOf(b.cfg.Scopes(app), o.Decl.Name)
	}
	// Programs outside may make up names; metrics do not tell them apart, so that their number is bounded.
	label := app
	if !slices.Contains(b.cfg.Apps, app) {
		label = ""
	}
	const most = 10_000
	if len(b.bound) >= most {
		clear(b.bound) // programs outside may use any number of app names; keep memory bounded
	}
	s := newBound(o, label, held, b.cfg.Chain)
	b.bound[key] = s
	return s, nil
}
