package configuration_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	"github.com/mrt-wasm/mrt-wasm/components/configuration/sqlite"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/configuration/configurationtest"
	"github.com/mrt-wasm/mrt-wasm/host/trigger"
)

const patience = 60 * time.Second

// faulty is a real store that can be made to fail. polled hides that it tells of changes.
type faulty struct {
	configuration.Store
	mu   sync.Mutex
	err  error
	gets int
	subs int
}

func (f *faulty) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *faulty) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func (f *faulty) Get(ctx context.Context, keys []string, m map[string]string) ([]configuration.Item, error) {
	f.mu.Lock()
	f.gets++
	f.mu.Unlock()
	if err := f.failure(); err != nil {
		return nil, err
	}
	return f.Store.Get(ctx, keys, m)
}

func (f *faulty) Ping(context.Context) error { return f.failure() }

// telling is a faulty store that tells of changes.
type telling struct{ *faulty }

func (f telling) Subscribe(ctx context.Context, keys []string, m map[string]string, c configuration.Changed) (func(), error) {
	if err := f.failure(); err != nil {
		return nil, err
	}
	stop, err := f.Store.(configuration.Subscriber).Subscribe(ctx, keys, m, c)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.subs++
	return func() {
		f.mu.Lock()
		f.subs--
		f.mu.Unlock()
		stop()
	}, err
}

func (f telling) Set(ctx context.Context, key, value string, m map[string]string) error {
	return f.Store.(configuration.Setter).Set(ctx, key, value, m)
}

func (f telling) Delete(ctx context.Context, keys []string, m map[string]string) error {
	return f.Store.(configuration.Setter).Delete(ctx, keys, m)
}

// fixture is a host's block under test: it can be stopped and started again over the same data folder.
type fixture struct {
	t    *testing.T
	dir  string
	cfg  configuration.Config
	apps []*configurationtest.App
	// outside is the operator's view of the file.
	outside configuration.Setter

	*configuration.Block
	host   map[string]abiconfiguration.StoreHost // by app
	trig   []trigger.Trigger
	faulty *faulty
	logs   *logs
}

// prepare makes a fixture whose store is configstore, of the type given: configuration.telling or configuration.polled.
func prepare(t *testing.T, typ string, apps ...*configurationtest.App) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir(), apps: apps, logs: &logs{}}
	file := filepath.Join(f.dir, "config.db")
	open := func(wrap func(*faulty) configuration.Store) func(context.Context, component.Config) (configuration.Store, error) {
		return func(ctx context.Context, cfg component.Config) (configuration.Store, error) {
			cfg.Metadata = component.Metadata{"connectionString": file, "checkInterval": "20ms"}
			s, err := sqlite.Spec.New(ctx, cfg)
			f.faulty = &faulty{Store: s}
			return wrap(f.faulty), err
		}
	}
	drivers, err := component.NewSet("configuration",
		component.Spec[configuration.Store]{Type: "configuration.telling", Doc: "-", New: open(func(s *faulty) configuration.Store { return telling{s} })},
		component.Spec[configuration.Store]{Type: "configuration.polled", Doc: "-", New: open(func(s *faulty) configuration.Store { return s })})
	if err != nil {
		t.Fatal(err)
	}
	f.cfg = configuration.Config{
		Drivers: drivers, Env: component.Env{DataDir: filepath.Join(f.dir, "data")}, Log: slog.New(slog.NewTextHandler(f.logs, nil)),
		Decls: []component.Decl{{
			Name: "configstore", Type: typ, Where: "manifest.yaml:1", Metadata: component.Metadata{"pollInterval": "20ms"},
		}},
		CallerApp: func(r *http.Request) string { return r.Header.Get("app") },
	}
	if typ == "configuration.telling" {
		f.cfg.Decls[0].Metadata = nil // or the interval would hide that it does not tell
	}
	for _, a := range apps {
		f.cfg.Apps = append(f.cfg.Apps, a.Name())
	}
	s, err := sqlite.Spec.New(t.Context(), component.Config{Metadata: component.Metadata{"connectionString": file}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	f.outside = s.(configuration.Setter)
	return f
}

// start begins a life of the host.
func (f *fixture) start() *fixture {
	f.t.Helper()
	var err error
	if f.Block, err = configuration.New(f.t.Context(), f.cfg); err != nil {
		f.t.Fatal(err)
	}
	f.host = map[string]abiconfiguration.StoreHost{}
	for _, a := range f.apps {
		s, err := f.Open(f.t.Context(), a)
		if err != nil {
			f.t.Fatal(err)
		}
		f.host[a.Name()] = s.(abiconfiguration.StoreHost)
	}
	if f.trig, err = f.Triggers(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	for _, tr := range f.trig {
		if err := tr.Start(f.t.Context()); err != nil {
			f.t.Fatal(err)
		}
	}
	f.t.Cleanup(f.stop)
	return f
}

// stop ends it; again does nothing.
func (f *fixture) stop() {
	f.t.Helper()
	if f.Block == nil {
		return
	}
	for _, tr := range f.trig {
		if err := tr.Stop(context.Background()); err != nil {
			f.t.Errorf("stop of %s: %v", tr.Name(), err)
		}
	}
	if err := f.Close(context.Background()); err != nil {
		f.t.Errorf("close: %v", err)
	}
	f.Block = nil
}

func (f *fixture) set(key, value string) {
	f.t.Helper()
	if err := f.outside.Set(f.t.Context(), key, value, nil); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) drop(key string) {
	f.t.Helper()
	if err := f.outside.Delete(f.t.Context(), []string{key}, nil); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) subscribe(app string, keys ...string) string {
	f.t.Helper()
	id, err := f.host[app].Subscribe(f.t.Context(), "", keys, nil)
	if err != nil {
		f.t.Fatalf("subscribe: %v", err)
	}
	return id
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

var (
	errDown = errors.Join(configuration.ErrUnavailable, errors.New("the cable is out"))
	types   = []string{"configuration.telling", "configuration.polled"}
)

// logs keeps what the block logged.
type logs struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logs) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

func sorted(items []abiconfiguration.Item) []string {
	var out []string
	for _, item := range items {
		out = append(out, item.Key+"="+item.Value)
	}
	slices.Sort(out)
	return out
}
