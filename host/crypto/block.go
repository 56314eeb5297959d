package crypto

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"

	abicrypto "github.com/mrt-wasm/mrt-wasm/abi/crypto"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Config says how the block works.
type Config struct {
	// Drivers are the vaults that this binary has.
	Drivers component.Set[Provider]
	// Decls are the components of the manifest; those of other kinds are ignored.
	Decls []component.Decl
	// Apps are the names of all apps.
	Apps []string
	// Env is what drivers get from the host.
	Env   component.Env
	Chain *chain.Chain
	// Log gets, as debug lines, what apps are not told of a failure; discarded if nil.
	Log *slog.Logger
	// CallerApp says on whose behalf a call of the HTTP API is made; "" is no app. Nil means always "".
	CallerApp func(r *http.Request) string
}

// fallback is the component that an app means by an empty name when it sees several.
const fallback = "crypto"

// Block is the crypto block of a host.
type Block struct {
	cfg     Config
	manager *component.Manager[Provider]

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
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	b := &Block{cfg: cfg, bound: map[[2]string]*bound{}}
	var err error
	if b.manager, err = component.NewManager(cfg.Drivers, cfg.Env, cfg.Decls); err != nil {
		return nil, err
	}
	if err := b.manager.Open(ctx, cfg.Apps); err != nil {
		return nil, errors.Join(err, b.manager.Close(context.WithoutCancel(ctx)))
	}
	return b, nil
}

// Name is "crypto".
func (b *Block) Name() string { return "crypto" }

// Imports lists the interfaces of apps.
func (b *Block) Imports() []string {
	return []string{abicrypto.CipherModule, abicrypto.SubtleModule}
}

// Exports is empty: the block calls no handler of an app.
func (b *Block) Exports() []string { return nil }

// Open makes the block's side of one app.
func (b *Block) Open(_ context.Context, app block.App) (block.Session, error) {
	return &session{b: b, app: app.Name()}, nil
}

// Close ends the use of all vaults.
func (b *Block) Close(ctx context.Context) error { return b.manager.Close(ctx) }

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

// Ready asks every component that can tell whether its vault answers. One that was let go on without (ignoreErrors) does
// not count.
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
				errs[i] = fmt.Errorf("crypto component %s: %w", o.Decl.Name, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// bind gives a vault as one app sees it; an empty name is the only one, or the one called crypto. It is made once.
func (b *Block) bind(app, name string) (*bound, error) {
	o, err := b.manager.Find(app, name, fallback)
	if err != nil {
		return nil, err
	}
	if o.Err != nil {
		return nil, fmt.Errorf("%w: crypto component %s did not start: %w", ErrUnavailable, o.Decl.Name, o.Err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	key := [2]string{app, o.Decl.Name}
	if p := b.bound[key]; p != nil {
		return p, nil
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
	p := newBound(o, label, b.cfg.Chain, b.cfg.Log)
	b.bound[key] = p
	return p, nil
}
