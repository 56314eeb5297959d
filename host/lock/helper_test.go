package lock_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abilock "github.com/mrt-wasm/mrt-wasm/abi/lock"
	"github.com/mrt-wasm/mrt-wasm/components/lock/sqlite"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/lock"
)

var (
	errDown = fmt.Errorf("%w: the cable is out", lock.ErrUnavailable)
	errLost = fmt.Errorf("%w: the cable was cut", lock.ErrUnknown)
)

// watched is a real store that tells what it was asked for and can be made to fail.
type watched struct {
	lock.Store

	mu   sync.Mutex
	seen []string
	// fail is the error of each call, or of so many if left is not 0; after has the call carried out first.
	fail  error
	left  int
	after bool
}

func (w *watched) failing(err error, after bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fail, w.after, w.left = err, after, 0
}

// losing has the next call carried out, and its answer lost.
func (w *watched) losing() {
	w.failing(errLost, true)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = 1
}

// ask notes a call, and gives its error and whether to make it all the same.
func (w *watched) ask(what string) (call bool, fail error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, what)
	call, fail = w.fail == nil || w.after, w.fail
	if w.left--; w.left == 0 {
		w.fail = nil
	}
	return call, fail
}

// calls gives the calls since it was asked last.
func (w *watched) calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.seen
	w.seen = nil
	return seen
}

func (w *watched) TryLock(ctx context.Context, resource, owner string, expiry time.Duration) (bool, error) {
	call, fail := w.ask(fmt.Sprintf("try-lock %s %s %s", resource, owner, expiry))
	got, err := false, error(nil)
	if call {
		got, err = w.Store.TryLock(ctx, resource, owner, expiry)
	}
	return got && fail == nil, errors.Join(fail, err)
}

func (w *watched) Unlock(ctx context.Context, resource, owner string) (lock.Status, error) {
	call, fail := w.ask(fmt.Sprintf("unlock %s %s", resource, owner))
	status, err := lock.Success, error(nil)
	if call {
		status, err = w.Store.Unlock(ctx, resource, owner)
	}
	return status, errors.Join(fail, err)
}

func (w *watched) Ping(context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fail
}

// app is an app that only asks.
type app string

func (a app) Name() string                                                   { return string(a) }
func (app) Handles(string) bool                                              { return false }
func (app) Do(context.Context, func(context.Context, abi.Guest) error) error { return nil }

// fixture is a host's block under test.
type fixture struct {
	*lock.Block
	stores map[string]*watched // by component
	hosts  map[string]abilock.StoreHost
}

// declared is a component.
func declared(name string, metadata component.Metadata, scopes ...string) component.Decl {
	return component.Decl{Name: name, Type: "lock.watched", Where: "manifest.yaml:1", Metadata: metadata, Scopes: scopes}
}

// prepare gives the configuration of a block with these components, for the apps one and two.
func prepare(t *testing.T, decls ...component.Decl) (lock.Config, map[string]*watched) {
	t.Helper()
	dir := t.TempDir()
	stores := map[string]*watched{}
	drivers, err := component.NewSet("lock", component.Spec[lock.Store]{
		Type: "lock.watched", Doc: "-",
		New: func(ctx context.Context, cfg component.Config) (lock.Store, error) {
			if fail, _ := cfg.Metadata.Get("fail"); fail != "" {
				return nil, component.Permanent(errors.New(fail))
			}
			cfg.Metadata = component.Metadata{"connectionString": filepath.Join(dir, cfg.Name+".db"), "busyTimeout": "60s"}
			s, err := sqlite.Spec.New(ctx, cfg)
			stores[cfg.Name] = &watched{Store: s}
			return stores[cfg.Name], err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return lock.Config{
		Drivers: drivers, Decls: decls, Apps: []string{"one", "two"},
		CallerApp: func(r *http.Request) string { return r.Header.Get("app") },
	}, stores
}

// started makes the block, whose calls pass ch.
func started(t *testing.T, ch *chain.Chain, decls ...component.Decl) *fixture {
	t.Helper()
	cfg, stores := prepare(t, decls...)
	cfg.Chain = ch
	b, err := lock.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	f := &fixture{Block: b, stores: stores, hosts: map[string]abilock.StoreHost{}}
	for _, name := range []string{"one", "two", component.PluginApp("plug")} {
		s, err := b.Open(t.Context(), app(name))
		if err != nil {
			t.Fatal(err)
		}
		f.hosts[name] = s.(abilock.StoreHost)
	}
	return f
}
