package secret

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// DefaultStore is the name of the embedded default store, and of the store that an app means by an empty name when it
// sees several.
const DefaultStore = "secretstore"

// DefaultDecl is the embedded default store: the environment by name, and file, which may be missing.
func DefaultDecl(file string) component.Decl {
	return component.Decl{
		Name: DefaultStore, Type: Kind + ".local", Where: "embedded default",
		Metadata: component.Metadata{"secretsFile": file},
	}
}

// ResolverConfig says which stores there are.
type ResolverConfig struct {
	// Drivers are the stores that this binary has.
	Drivers component.Set[Store]
	// Decls are the secret stores of the manifest; components of other kinds are ignored.
	Decls []Decl
	// Default is the store when Decls has none, usually DefaultDecl; nothing if its Type is empty.
	Default component.Decl
	// Apps are the names of all apps.
	Apps []string
	// Env is what drivers get from the host.
	Env component.Env
	// Made is told of the resolver before it opens stores: those that are plugins may use others by it. Nil to tell nobody.
	Made func(r *Resolver) error
}

// Resolver holds the open secret stores of a host and gives the manifest's secretKeyRefs their values. It comes before
// all components and before the Block, which shares its stores.
type Resolver struct {
	cfg ResolverConfig
	// embedded is the name of the default store; empty if the manifest has stores of its own, or none is wanted.
	embedded string
	known    *redactor
	// stores are in the order of the manifest, opened in the order in which they need each other.
	stores []*opened
	// started are the same in the order of their start.
	started []*opened
}

// opened is one store of the manifest, open once, or once for each app.
type opened struct {
	name    string
	manager *component.Manager[Store]
	// failed is set for a store without manager: its own secrets could not be resolved, and it has ignoreErrors.
	failed *component.Opened[Store]
}

// visible gives the store as an app sees it; nil if it does not.
func (s *opened) visible(app string) *component.Opened[Store] {
	if s.manager == nil {
		if app == "" || s.failed.Decl.Visible(app) {
			return s.failed
		}
		return nil
	}
	for _, o := range s.manager.Visible(app) {
		return o
	}
	return nil
}

// shared gives the store if it is the same for all apps.
func (s *opened) shared() *component.Opened[Store] { return s.visible("") }

// NewResolver checks all declarations, then opens the stores, each after those that it takes its own secrets from. The
// error has all that is wrong with the declarations, every circle among them included, or the first store that does
// not start. On an error nothing stays open.
func NewResolver(ctx context.Context, cfg ResolverConfig) (*Resolver, error) {
	r := &Resolver{cfg: cfg, known: &redactor{}}
	if cfg.Env.Log != nil {
		r.cfg.Env.Log = r.Log(cfg.Env.Log)
	}
	r.cfg.Env.Redact = r.Redact
	var decls []Decl
	for _, d := range cfg.Decls {
		if isStore(d.Type) {
			decls = append(decls, d)
		}
	}
	if len(decls) == 0 && cfg.Default.Type != "" {
		r.embedded = cfg.Default.Name
		decls = []Decl{{Decl: cfg.Default}}
	}
	plain := make([]component.Decl, len(decls))
	for i, d := range decls {
		plain[i] = d.Decl
	}
	_, err := component.NewManager(cfg.Drivers, r.cfg.Env, plain)
	sorted, errOrder := order(decls)
	if err := errors.Join(err, errOrder); err != nil {
		return nil, err
	}
	if cfg.Made != nil {
		if err := cfg.Made(r); err != nil {
			return nil, err
		}
	}
	for _, d := range sorted {
		if err := r.open(ctx, d); err != nil {
			return nil, errors.Join(r.Redact(err), r.Close(context.WithoutCancel(ctx)))
		}
	}
	r.started = slices.Clone(r.stores)
	slices.SortStableFunc(r.stores, func(a, b *opened) int { return r.place(decls, a) - r.place(decls, b) })
	return r, nil
}

func (r *Resolver) place(decls []Decl, s *opened) int {
	return slices.IndexFunc(decls, func(d Decl) bool { return d.Name == s.name })
}

func isStore(typ string) bool {
	kind, _, _ := strings.Cut(strings.ToLower(typ), ".")
	return kind == Kind
}

// open resolves a store's own secrets and starts it.
func (r *Resolver) open(ctx context.Context, d Decl) error {
	filled, err := r.Fill(ctx, d.Decl, d.Secrets)
	if err != nil {
		if !d.IgnoreErrors {
			return err
		}
		if r.cfg.Env.Log != nil {
			r.cfg.Env.Log.Warn("component did not start; going on without it (ignoreErrors)", "component", d.Name, "error", err)
		}
		typ := d.Type
		if spec, ok := r.cfg.Drivers.Lookup(typ); ok {
			typ = spec.Type
		}
		r.stores = append(r.stores, &opened{name: d.Name, failed: &component.Opened[Store]{Decl: d.Decl, Type: typ, Err: err}})
		return nil
	}
	m, err := component.NewManager(r.cfg.Drivers, r.cfg.Env, []component.Decl{filled})
	if err != nil {
		return err
	}
	r.stores = append(r.stores, &opened{name: d.Name, manager: m})
	return m.Open(ctx, r.cfg.Apps)
}

// Redact takes the values of secrets that the resolver has given out of an error's text. Give it the errors of
// components whose metadata it filled: a driver may quote what it could not read.
func (r *Resolver) Redact(err error) error { return r.known.error(err) }

// Log is a logger that writes what l would, without the values of secrets that the resolver has given.
func (r *Resolver) Log(l *slog.Logger) *slog.Logger {
	return slog.New(&handler{Handler: l.Handler(), r: r.known})
}

// names lists the stores in the order of the manifest.
func (r *Resolver) names() []string {
	out := make([]string, len(r.stores))
	for i, s := range r.stores {
		out[i] = s.name
	}
	return out
}

// all gives every open store, those of single apps included.
func (r *Resolver) all() []*component.Opened[Store] {
	var out []*component.Opened[Store]
	for _, s := range r.stores {
		if s.manager == nil {
			out = append(out, s.failed)
			continue
		}
		out = append(out, s.manager.All()...)
	}
	return out
}

// find gives the store as an app sees it. An empty name is the only store there is for the app, or DefaultStore. The
// error is a *component.NotFoundError, or ErrUnavailable for a store that did not start.
func (r *Resolver) find(app, name string) (*component.Opened[Store], error) {
	var seen []*component.Opened[Store]
	for _, s := range r.stores {
		if o := s.visible(app); o != nil {
			seen = append(seen, o)
		}
	}
	if name == "" {
		name = DefaultStore
		if len(seen) == 1 {
			name = seen[0].Decl.Name
		}
	}
	var have []string
	for _, o := range seen {
		if o.Decl.Name == name {
			if o.Err != nil {
				return nil, fmt.Errorf("%w: secret store %s did not start: %w", ErrUnavailable, name, o.Err)
			}
			return o, nil
		}
		have = append(have, o.Decl.Name)
	}
	return nil, &component.NotFoundError{Kind: Kind, Name: name, App: app, Have: have}
}

// Close closes all stores, the last opened first. It may be called more than once.
func (r *Resolver) Close(ctx context.Context) error {
	list := r.started
	if list == nil {
		list = r.stores // not all were opened
	}
	var errs []error
	for _, s := range slices.Backward(list) {
		if s.manager != nil {
			errs = append(errs, s.manager.Close(ctx)) // does nothing the second time
		}
	}
	return errors.Join(errs...)
}
