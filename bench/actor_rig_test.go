package bench

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiactor "github.com/mrt-wasm/mrt-wasm/abi/actor"
	abiinvoke "github.com/mrt-wasm/mrt-wasm/abi/invoke"
	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host/actor"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/schedule"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

// rig is the block of actors with an engine, an app and a store, without the rest of a host: for what is asked of
// actors from Go.
type rig struct {
	*actor.Block
	store actor.Store
}

// rigApp is an app as the block sees it.
type rigApp struct {
	module *engine.Module
	pool   *engine.Pool
}

func (a *rigApp) Name() string              { return "bench" }
func (a *rigApp) Handles(iface string) bool { return slices.Contains(a.module.Interfaces(), iface) }
func (a *rigApp) Do(ctx context.Context, fn func(context.Context, abi.Guest) error) error {
	return a.pool.Do(ctx, fn)
}

func (a *rigApp) Keep(ctx context.Context, saved []byte) (block.Kept, error) {
	kept, err := a.pool.Keep(ctx, saved)
	switch {
	case errors.Is(err, engine.ErrChanged):
		return nil, errors.Join(err, block.ErrChanged)
	case errors.Is(err, engine.ErrNoRoom):
		return nil, errors.Join(err, block.ErrNoRoom)
	case err != nil:
		return nil, err
	}
	return kept, nil
}

// rigStore is a state store as the block sees it.
type rigStore struct{ *state.Whole }

func (s rigStore) Get(ctx context.Context, key string) (*actor.Entry, error) {
	e, err := s.Whole.Get(ctx, key)
	if err != nil || e == nil {
		return nil, err
	}
	return &actor.Entry{Value: e.Value, Expires: e.Expires}, nil
}

func (s rigStore) Transact(ctx context.Context, ops []actor.Op) error {
	list := make([]state.Operation, len(ops))
	for i, op := range ops {
		if op.Delete {
			list[i].Delete = &state.DeleteRequest{Key: op.Key}
			continue
		}
		list[i].Upsert = &state.SetRequest{Key: op.Key, Value: op.Value, TTL: new(time.Duration)}
	}
	return s.Whole.Transact(ctx, list)
}

func (s rigStore) ListKeys(ctx context.Context, prefix string, limit int, token string) ([]string, string, error) {
	page, err := s.Whole.ListKeys(ctx, prefix, limit, token)
	return page.Keys, page.Next, err
}

// newRig makes a rig with a store of the driver, state.in-memory or state.sqlite, in dir.
func newRig(tb testing.TB, driver, dir string, types ...actor.Settings) *rig {
	tb.Helper()
	ctx := context.WithoutCancel(tb.Context())
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	closing := func(end func(context.Context) error) {
		tb.Cleanup(func() {
			if err := end(ctx); err != nil {
				tb.Error(err)
			}
		})
	}
	drivers, err := standard.Drivers()
	must(err)
	calls, log := chain.New(nil, nil), slog.New(slog.DiscardHandler)
	stores, err := state.New(ctx, state.Config{
		Drivers: drivers.State, Apps: []string{"bench"}, Chain: calls, Log: log, Env: component.Env{DataDir: dir, Log: log},
		Decls: []component.Decl{{Name: "store", Type: driver, Version: "v1"}},
	})
	must(err)
	closing(stores.Close)
	whole, err := stores.Whole("store", "bench")
	must(err)
	store := rigStore{whole}
	reminders, err := schedule.Open(ctx, dir)
	must(err)
	closing(func(context.Context) error { return reminders.Close() })
	if len(types) == 0 {
		types = []actor.Settings{{Type: "Bench", Hibernate: true}, {Type: "Atomic", Hibernate: true, Atomic: true}}
	}
	for i := range types {
		types[i].App, types[i].TurnTimeout = "bench", 10*time.Minute
	}
	b, err := actor.New(ctx, actor.Config{
		Types: types, Store: func(string) (actor.Store, error) { return store, nil }, Reminders: reminders, Chain: calls, Log: log,
	})
	must(err)
	closing(b.Close)
	e := enginetest.New(tb)
	module, err := e.Compile(ctx, "actor", enginetest.Build(tb, "testdata/actor"))
	must(err)
	app := &rigApp{module: module}
	session, err := b.Open(ctx, app)
	must(err)
	app.pool, err = module.Pool(ctx, engine.PoolConfig{
		App: "bench", Funcs: session.Funcs(), Exports: slices.Concat(abiactor.ActorExports(), abiinvoke.ServiceExports()), Log: log,
		Limits: engine.Limits{Timeout: 10 * time.Minute}, Boot: &engine.BootSeed{Epoch: time.Now()},
	})
	must(err)
	closing(app.pool.Close)
	triggers, err := b.Triggers(ctx)
	must(err)
	for _, t := range triggers {
		must(t.Start(ctx))
		closing(t.Stop)
	}
	return &rig{Block: b, store: store}
}

// must calls a method of an actor.
func (r *rig) must(tb testing.TB, typ, id, method string, data []byte) []byte {
	tb.Helper()
	out, err := r.Invoke(tb.Context(), actor.ID{Type: typ, ID: id}, method, actor.Payload{Data: data})
	if err != nil {
		tb.Fatal(err)
	}
	return out.Data
}
