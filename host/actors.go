package host

import (
	"context"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/actor"
	"github.com/mrt-wasm/mrt-wasm/host/api"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/schedule"
	"github.com/mrt-wasm/mrt-wasm/host/state"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// actorStore is the embedded store of actors, for a manifest that declares state stores and marks none of them.
const actorStore = "actorstore"

// actorTypes are the actor types of all apps.
func (h *Host) actorTypes() []actor.Settings {
	var out []actor.Settings
	for _, app := range h.opts.Manifest.Apps {
		for _, t := range app.Spec.Actors {
			out = append(out, actor.Settings{
				Type: t.Type, App: app.Name(), Where: t.At("type").String(), IdleTimeout: t.IdleTimeout,
				Reentrancy: t.Reentrancy, MaxStackDepth: t.MaxStackDepth, Hibernate: t.Hibernate != "never", Atomic: t.Atomic,
				Mailbox: t.Mailbox, MaxActive: t.MaxActive, DrainTimeout: t.DrainTimeout, TurnTimeout: app.Spec.Limits.Timeout,
			})
		}
	}
	return out
}

// bootOf gives the seed of an app's start if what its instances save is to be of use after a restart.
func (h *Host) bootOf(app *manifest.App) (*engine.BootSeed, error) {
	for _, t := range app.Spec.Actors {
		if t.Hibernate != "never" {
			return h.data.bootSeed()
		}
	}
	return nil, nil //nolint:nilnil // without a seed starts are random
}

// hasActors tells whether an app has actor types.
func hasActors(m *manifest.Manifest) bool {
	for _, app := range m.Apps {
		if len(app.Spec.Actors) > 0 {
			return true
		}
	}
	return false
}

// openActors makes the block of actors. It is there without actor types too, for apps that call some: they learn that
// there are none.
func (h *Host) openActors(ctx context.Context, declared *state.Block) error {
	stores, err := h.actorStores(ctx, declared)
	if err != nil {
		return err
	}
	cfg := actor.Config{
		Types: h.actorTypes(), Store: stores, Chain: h.chain, Log: h.log, CallerApp: api.CallerApp,
		Pressure: h.memoryPressure,
	}
	if len(cfg.Types) > 0 {
		if cfg.Reminders, err = schedule.Open(ctx, h.data.path); err != nil {
			return err
		}
		h.closers = append(h.closers, func(context.Context) error { return cfg.Reminders.Close() })
	}
	h.blocks.actor, err = actor.New(ctx, cfg)
	if err == nil {
		h.blocks.all = append(h.blocks.all, h.blocks.actor)
	}
	return err
}

// collectActors gives the actors' figures to /metrics.
func (h *Host) collectActors(emit func(telemetry.Sample)) {
	for _, s := range h.blocks.actor.Stats() {
		labels := [][2]string{{"app_id", s.App}, {"actor_type", s.Type}}
		for _, g := range []struct {
			name, help string
			value      int64
		}{
			{"runtime_actor_active", "Actors in memory.", s.Active},
			{"runtime_actor_pending_actor_calls", "Calls that wait for their turn.", s.Pending},
			{"runtime_actor_timers", "Timers of all actors.", s.Timers},
		} {
			emit(telemetry.Sample{Name: g.name, Help: g.help, Labels: labels, Value: float64(g.value)})
		}
		for _, c := range []struct {
			name, help string
			value      uint64
		}{
			{"runtime_actor_turns_total", "Turns that ended.", s.Turns},
			{"runtime_actor_turns_failed_total", "Turns that failed.", s.Failed},
			{"runtime_actor_rollbacks_total", "Failed turns after which memory was brought back.", s.Rollbacks},
			{"runtime_actor_waits_total", "Calls that did not get their turn at once.", s.Waits},
			{"runtime_actor_overloads_total", "Calls that were refused because a mailbox was full.", s.Overloads},
			{"runtime_actor_activated_total", "Actors that were activated.", s.Activations},
			{"runtime_actor_activated_failed_total", "Activations that failed.", s.ActivationFailures},
			{"runtime_actor_deactivated_total", "Actors that were deactivated.", s.Deactivations},
			{"runtime_actor_hibernated_total", "Actors whose memory was put away.", s.Hibernations},
			{"runtime_actor_hibernated_bytes_total", "Bytes that hibernation has stored.", s.SavedBytes},
			{"runtime_actor_woken_total", "Actors that came back from hibernation.", s.Wakes},
			{"runtime_actor_reminders_fired_total", "Reminders that were delivered.", s.RemindersFired},
			{"runtime_actor_timers_fired_total", "Timers that were delivered.", s.TimersFired},
			{"runtime_actor_fuel_total", "Fuel that actors have used: about the number of their instructions.", s.Fuel},
		} {
			emit(telemetry.Sample{Name: c.name, Help: c.help, Counter: true, Labels: labels, Value: float64(c.value)})
		}
	}
}

// actorStores finds the store of actors: the component marked for it, or else an embedded one, which is apps' default
// store too if they have no other.
func (h *Host) actorStores(ctx context.Context, declared *state.Block) (func(app string) (actor.Store, error), error) {
	m := h.opts.Manifest
	name, stores := embeddedDefault("state").Name, declared
	if marked := m.ActorStore(); marked != nil {
		name = marked.Name()
	} else if len(m.ComponentsOf("state")) > 0 && hasActors(m) {
		own := embeddedDefault("state")
		own.Name, name = actorStore, actorStore
		var err error
		stores, err = state.New(ctx, state.Config{
			Drivers: h.opts.Drivers.State, Decls: []component.Decl{own}, Apps: h.names, Env: h.env(), Chain: h.chain, Log: h.log,
		})
		if err != nil {
			return nil, err
		}
		h.closers = append(h.closers, stores.Close)
	}
	return func(app string) (actor.Store, error) {
		whole, err := stores.Whole(name, app)
		if err != nil {
			return nil, err
		}
		return actorState{whole}, nil
	}, nil
}

// actorState is a state store in the form of the actor block.
type actorState struct{ store *state.Whole }

// Get reads one key.
func (s actorState) Get(ctx context.Context, key string) (*actor.Entry, error) {
	e, err := s.store.Get(ctx, key)
	if err != nil || e == nil {
		return nil, err
	}
	return &actor.Entry{Value: e.Value, Expires: e.Expires}, nil
}

// Transact does all operations or none.
func (s actorState) Transact(ctx context.Context, ops []actor.Op) error {
	list := make([]state.Operation, len(ops))
	for i, op := range ops {
		if op.Delete {
			list[i].Delete = &state.DeleteRequest{Key: op.Key}
			continue
		}
		ttl := op.TTL
		if ttl == nil {
			ttl = new(time.Duration) // an earlier write's end does not stay
		}
		list[i].Upsert = &state.SetRequest{Key: op.Key, Value: op.Value, TTL: ttl}
	}
	return s.store.Transact(ctx, list)
}

// ListKeys gives a page of keys.
func (s actorState) ListKeys(ctx context.Context, prefix string, limit int, token string) ([]string, string, error) {
	page, err := s.store.ListKeys(ctx, prefix, limit, token)
	return page.Keys, page.Next, err
}
