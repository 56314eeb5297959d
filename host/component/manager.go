package component

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Decl is one component of the manifest.
type Decl struct {
	Name, Type, Version string
	// Where is file:line of the declaration, for errors.
	Where string
	// Metadata before tags are filled in; secrets and environment are already resolved.
	Metadata Metadata
	// Scopes are the apps that may use it; empty means all.
	Scopes []string
	// Grants are the components whose plugins may use it; empty means none.
	Grants []string
	// IgnoreErrors lets the host start without it.
	IgnoreErrors bool
	// InitTimeout bounds its start; 0 means 5 s, Dapr's default.
	InitTimeout time.Duration
	// Err is why the component cannot start, if that is known already, for example because a secret is missing.
	Err error
}

// Visible tells whether an app may use the component. A plugin (PluginApp) may if it is granted; in scopes it stands by
// the name of its component.
func (d Decl) Visible(app string) bool {
	if name, plugin := PluginOf(app); plugin {
		if !slices.Contains(d.Grants, name) {
			return false
		}
		app = name
	}
	return len(d.Scopes) == 0 || slices.Contains(d.Scopes, app)
}

// DefaultInitTimeout is how long a component may take to start, as in Dapr.
const DefaultInitTimeout = 5 * time.Second

// Env is what a Manager gives to every component.
type Env struct {
	DataDir   string
	Namespace string
	Log       *slog.Logger
	Embedded  Embedded
	Plugins   Plugins
	// Prepare changes a component's metadata for one app before it is opened, for example to put in a consumer
	// id; nil to leave it.
	Prepare func(cfg *Config)
	// Redact takes secrets out of the error of a component that does not start; nil to leave it. A driver may quote
	// what it could not read.
	Redact func(error) error
	// Opened is told of every component that was opened, by name; nil to tell nobody.
	Opened func(name string, driver any)
}

// Opened is one open component.
type Opened[T any] struct {
	Decl Decl
	// Type is the driver's canonical type name.
	Type string
	// Metadata are the fields that the driver got: tags filled in.
	Metadata Metadata
	// Driver is the component itself; the zero value when Err is set.
	Driver T
	// Err is why the component could not be started; only with IgnoreErrors.
	Err error
}

// closer is what every driver has.
type closer interface {
	Close(ctx context.Context) error
}

// Manager opens and closes the components of one kind. A component whose metadata has no tag of an app is
// opened once and shared; one that has, once per app.
type Manager[T closer] struct {
	set   Set[T]
	env   Env
	decls []Decl

	mu     sync.Mutex
	opened map[string]*Opened[T] // by name, or name + NUL + app
	order  []string
}

// NewManager checks the declarations of kind set.Kind() against the drivers and opens nothing. All errors are
// given at once.
func NewManager[T closer](set Set[T], env Env, decls []Decl) (*Manager[T], error) {
	m := &Manager[T]{set: set, env: env, opened: map[string]*Opened[T]{}}
	if m.env.Log == nil {
		m.env.Log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	for _, d := range decls {
		if kind, _, _ := strings.Cut(strings.ToLower(d.Type), "."); kind != set.Kind() {
			continue
		}
		spec, ok := set.Lookup(d.Type)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("%s: component %s: this binary has no driver %s; it has %s",
				d.Where, d.Name, d.Type, strings.Join(set.Types(), ", ")))
			continue
		case !spec.Supports(d.Version):
			errs = append(errs, fmt.Errorf("%s: component %s: %s has no version %s", d.Where, d.Name, d.Type, d.Version))
			continue
		}
		m.decls = append(m.decls, d)
	}
	return m, errors.Join(errs...)
}

// Open opens every component for the given apps, in the order of the manifest. It fails with the first component
// that cannot start and has no ignoreErrors.
func (m *Manager[T]) Open(ctx context.Context, apps []string) error {
	for _, d := range m.decls {
		targets := []string{""}
		if d.Metadata.perApp() {
			targets = apps
		}
		for _, app := range targets {
			if app != "" && !d.Visible(app) {
				continue
			}
			if err := m.open(ctx, d, app); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *Manager[T]) open(ctx context.Context, d Decl, app string) error {
	spec, _ := m.set.Lookup(d.Type)
	cfg := Config{
		Name: d.Name, Type: spec.Type, Version: d.Version,
		Metadata: d.Metadata.fill(app, m.env.Namespace),
		App:      app, DataDir: m.env.DataDir, Embedded: m.env.Embedded, Plugins: m.env.Plugins,
		InitTimeout: cmp.Or(d.InitTimeout, DefaultInitTimeout),
		Log:         m.env.Log.With("component", d.Name, "type", spec.Type),
	}
	if m.env.Prepare != nil {
		m.env.Prepare(&cfg)
	}
	if spec.Fields != nil && !spec.Further {
		for _, name := range cfg.Metadata.Unknown(spec.Fields()) {
			cfg.Log.Warn("component metadata field is not known to this driver and has no effect", "field", name, "at", d.Where)
		}
	}
	var driver T
	err := d.Err
	if err == nil {
		driver, err = start(ctx, spec, cfg, d.InitTimeout)
	}
	o := &Opened[T]{Decl: d, Type: spec.Type, Metadata: cfg.Metadata, Driver: driver}
	if err != nil {
		err = fmt.Errorf("%s: component %s (%s): %w", d.Where, d.Name, spec.Type, err)
		if m.env.Redact != nil {
			err = m.env.Redact(err)
		}
		if !d.IgnoreErrors {
			return err
		}
		cfg.Log.Warn("component did not start; going on without it (ignoreErrors)", "error", err)
		o.Err = err
	} else if m.env.Opened != nil {
		m.env.Opened(d.Name, driver)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := d.Name
	if app != "" {
		key += "\x00" + app
	}
	m.opened[key] = o
	m.order = append(m.order, key)
	return nil
}

// start calls New until it succeeds, fails for good, or the time is over.
func start[T any](ctx context.Context, spec Spec[T], cfg Config, timeout time.Duration) (T, error) {
	if timeout <= 0 {
		timeout = DefaultInitTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var zero T
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		driver, err := spec.New(ctx, cfg)
		if err == nil {
			return driver, nil
		}
		if _, permanent := errors.AsType[*PermanentError](err); permanent {
			return zero, err
		}
		cfg.Log.Debug("component did not start; trying again", "error", err, "pause", pause)
		select {
		case <-ctx.Done():
			return zero, fmt.Errorf("not ready within initTimeout %s: %w", timeout, err)
		case <-time.After(pause):
		}
	}
}

// PermanentError is a failure to start that trying again cannot mend, for example a missing metadata field.
type PermanentError struct{ Err error }

// Error gives the cause's text.
func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *PermanentError) Unwrap() error { return e.Err }

// Permanent marks err as one that trying again cannot mend.
func Permanent(err error) error { return &PermanentError{Err: err} }

// Find gives the component name as app sees it. An empty name is the only component there is for the app, or the
// one called fallback. The error says which components there are; it is nil with Opened.Err set for a component
// that did not start.
func (m *Manager[T]) Find(app, name, fallback string) (*Opened[T], error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	visible := m.visibleLocked(app)
	if name == "" {
		if len(visible) == 1 {
			return visible[0], nil
		}
		name = fallback
	}
	names := make([]string, 0, len(visible))
	for _, o := range visible {
		if o.Decl.Name == name {
			return o, nil
		}
		names = append(names, o.Decl.Name)
	}
	return nil, &NotFoundError{Kind: m.set.Kind(), Name: name, App: app, Have: names}
}

// Visible lists the components that an app may use, in the order of the manifest; app "" sees all shared ones.
func (m *Manager[T]) Visible(app string) []*Opened[T] {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.visibleLocked(app)
}

func (m *Manager[T]) visibleLocked(app string) []*Opened[T] {
	var out []*Opened[T]
	for _, key := range m.order {
		o := m.opened[key]
		if _, owner, per := strings.Cut(key, "\x00"); per && owner != app {
			continue
		}
		if app == "" || o.Decl.Visible(app) {
			out = append(out, o)
		}
	}
	return out
}

// NotFoundError says that an app sees no component of this name.
type NotFoundError struct {
	Kind, Name, App string
	Have            []string
}

// Error says which components there are.
func (e *NotFoundError) Error() string {
	have := "none is declared for it"
	if len(e.Have) > 0 {
		have = "it sees " + strings.Join(e.Have, ", ")
	}
	if e.App == "" {
		return fmt.Sprintf("%s component %q is not found: %s", e.Kind, e.Name, strings.Replace(have, "for it", "", 1))
	}
	return fmt.Sprintf("%s component %q is not found for app %s: %s", e.Kind, e.Name, e.App, have)
}

// All lists every open component in the order of the manifest, those of single apps included.
func (m *Manager[T]) All() []*Opened[T] {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]*Opened[T], 0, len(m.order))
	for _, key := range m.order {
		out = append(out, m.opened[key])
	}
	return out
}

// Close closes all components, the last opened first, and gives all errors.
func (m *Manager[T]) Close(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, key := range slices.Backward(m.order) {
		o := m.opened[key]
		if o.Err != nil {
			continue
		}
		if err := o.Driver.Close(ctx); err != nil {
			errs = append(errs, fmt.Errorf("component %s: %w", o.Decl.Name, err))
		}
	}
	m.order, m.opened = nil, map[string]*Opened[T]{}
	return errors.Join(errs...)
}
