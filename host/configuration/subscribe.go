package configuration

import (
	"context"
	"fmt"
	"sync"

	"github.com/mrt-wasm/mrt-wasm/host/trigger"
)

// Subscribe has changes of a store's keys, or of all when there are none, brought to an app, the present values first,
// and gives the subscription's id. It is kept until Unsubscribe. Subscribing again to the same keys gives the same id.
func (b *Block) Subscribe(ctx context.Context, app, store string, keys []string, metadata map[string]string) (string, error) {
	if err := checkKeys(keys); err != nil {
		return "", err
	}
	s, err := b.bound(app, store)
	if err != nil {
		return "", err
	}
	b.mu.Lock()
	target := b.apps[app]
	b.mu.Unlock()
	if target == nil {
		return "", fmt.Errorf("%w: changes are brought to an app, and no app %q runs here", ErrNoApp, app)
	}
	if err := handles(target); err != nil {
		return "", err
	}
	keys = normal(keys)
	r := record{ID: newID(app, s.name, keys), App: app, Store: s.name, Keys: keys, Metadata: metadata}
	s.change.Lock()
	defer s.change.Unlock()
	if found := b.subscription(r.ID); found != nil {
		return r.ID, found.begin(ctx)
	}
	if n := b.count(app); n >= maxSubscriptions {
		return "", fmt.Errorf("%w: app %s has %d subscriptions, which is the most; unsubscribe, or subscribe to several keys at once", ErrInvalid, app, n)
	}
	made := b.newSubscription(r, target, s)
	if err := made.begin(ctx); err != nil {
		made.unwatch(true)
		return "", err
	}
	b.add(made)
	return r.ID, nil
}

// begin makes sure that the subscription can work, and keeps it as one that the app itself has asked for.
func (s *subscription) begin(ctx context.Context) error {
	if err := s.watch(ctx); err != nil {
		return err
	}
	if _, ok := s.store.store.(Subscriber); !ok {
		// Nobody has asked the store yet, and whoever subscribes wants to know that it is there.
		if _, err := s.store.read(ctx, s.record.Keys, s.record.Metadata); err != nil {
			return err
		}
	}
	if err := s.save(func(r *record) { r.Own = true }); err != nil {
		return fmt.Errorf("the subscription cannot be kept; check the host's data folder: %w", err)
	}
	return nil
}

func (b *Block) subscription(id string) *subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.subs[id]
}

func (b *Block) count(app string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subs {
		if s.record.App == app {
			n++
		}
	}
	return n
}

func (b *Block) add(s *subscription) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs[s.record.ID] = s
	if b.spawn != nil {
		b.spawn(s)
	}
}

// Unsubscribe ends a subscription of an app; app "" may end any. A call of the app's handler that runs finishes; no
// other begins.
func (b *Block) Unsubscribe(app, store, id string) error {
	s := b.subscription(id)
	if s == nil || app != "" && s.record.App != app || store != "" && s.record.Store != store {
		return fmt.Errorf("%w: %q; it may have been ended already", ErrNoSubscription, id)
	}
	s.store.change.Lock()
	defer s.store.change.Unlock()
	b.mu.Lock()
	if b.subs[id] != s {
		b.mu.Unlock()
		return fmt.Errorf("%w: %q was ended just now", ErrNoSubscription, id)
	}
	delete(b.subs, id)
	b.mu.Unlock()
	close(s.ended)
	s.unwatch(true)
	if err := b.keep.remove(id); err != nil {
		return fmt.Errorf("subscription %s is ended, but it would be there again after a restart: %w", id, err)
	}
	return nil
}

// Triggers takes up what was kept and what the manifest declares, and gives the trigger that brings the changes.
func (b *Block) Triggers(context.Context) ([]trigger.Trigger, error) {
	kept, err := b.keep.load()
	if err != nil {
		b.log.Warn("some configuration subscriptions are lost", "error", err)
	}
	records := map[string]*record{}
	for i := range kept {
		kept[i].Declared = false
		records[kept[i].ID] = &kept[i]
	}
	for _, d := range b.cfg.Declared {
		o, err := b.manager.Find(d.App, d.Store, fallback)
		if err != nil {
			return nil, fmt.Errorf("%s: app %s: configuration: %w", d.Where, d.App, err)
		}
		keys := normal(d.Keys)
		id := newID(d.App, o.Decl.Name, keys)
		if records[id] == nil {
			records[id] = &record{ID: id, App: d.App, Store: o.Decl.Name, Keys: keys}
		}
		records[id].Declared = true
	}
	for _, r := range records {
		b.takeUp(r)
	}
	return []trigger.Trigger{&deliverer{b: b}}, nil
}

// takeUp makes a subscription of a record, if it can act now.
func (b *Block) takeUp(r *record) {
	log := b.log.With("subscription", r.ID, "app", r.App, "store", r.Store)
	if !r.Own && !r.Declared {
		log.Info("configuration subscription ends: the manifest does not declare it any more")
		if err := b.keep.remove(r.ID); err != nil {
			log.Warn("its file cannot be removed", "error", err)
		}
		return
	}
	b.mu.Lock()
	app, known := b.apps[r.App], b.subs[r.ID] != nil
	b.mu.Unlock()
	if known {
		return
	}
	if app == nil {
		log.Info("configuration subscription rests: its app does not run here")
		return
	}
	s, err := b.bound(r.App, r.Store)
	if err == nil {
		err = handles(app)
	}
	if err != nil {
		log.Warn("configuration subscription rests", "error", err)
		return
	}
	b.add(b.newSubscription(*r, app, s))
}

// deliverer is the trigger of all subscriptions.
type deliverer struct {
	b        *Block
	stopping chan struct{}
	cancel   context.CancelFunc
	workers  sync.WaitGroup
}

// Name is "configuration subscriptions".
func (*deliverer) Name() string { return "configuration subscriptions" }

// Start begins to bring changes.
func (d *deliverer) Start(ctx context.Context) error {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d.cancel, d.stopping = cancel, make(chan struct{})
	d.b.mu.Lock()
	defer d.b.mu.Unlock()
	d.b.spawn = func(s *subscription) {
		d.workers.Go(func() { s.run(life, d.stopping) })
	}
	for _, s := range d.b.subs {
		d.b.spawn(s)
	}
	return nil
}

// Stop begins no further calls, waits for those that run until ctx ends, and ends the watches.
func (d *deliverer) Stop(ctx context.Context) error {
	if d.cancel == nil {
		return nil
	}
	d.b.mu.Lock()
	d.b.spawn = nil
	d.b.mu.Unlock()
	close(d.stopping)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d.workers.Wait()
	}()
	defer d.cancel()
	select {
	case <-done:
	case <-ctx.Done():
		d.cancel()
		return ctx.Err()
	}
	for _, s := range d.b.all() {
		s.unwatch(true) // one that was made meanwhile has a watch and no worker
	}
	return nil
}

func (b *Block) all() []*subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]*subscription, 0, len(b.subs))
	for _, s := range b.subs {
		out = append(out, s)
	}
	return out
}
