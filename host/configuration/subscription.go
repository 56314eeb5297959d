package configuration

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiconfiguration "github.com/mrt-wasm/mrt-wasm/abi/configuration"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// How long a subscription waits after a failure: twice as long each time.
const (
	minPause      = 50 * time.Millisecond
	maxStorePause = time.Second      // until the store is asked again
	maxAppPause   = 10 * time.Second // until the app gets it again
)

// subscription brings the changes of some keys to an app. What a store tells is only which keys to look at: the worker
// reads them, compares them with what the app has, and delivers the difference. So nothing depends on a message that
// may get lost, come twice or come late; and while the app fails, only the newest value of a key waits.
type subscription struct {
	b     *Block
	app   block.App
	store *bound
	log   *slog.Logger

	wake  chan struct{} // holds one
	ended chan struct{} // closed by unsubscribe
	// handleFn is made once.
	handleFn func(context.Context, []Item) (struct{}, error)

	mu     sync.Mutex
	record record              // the worker alone changes Delivered, and reads it without mu
	hints  map[string]struct{} // keys to look at
	all    bool                // look at all
	stop   func()              // ends the watch; nil while there is none
	over   bool
}

func (b *Block) newSubscription(r record, app block.App, store *bound) *subscription {
	s := &subscription{
		b: b, app: app, store: store, record: r,
		log:  b.log.With("subscription", r.ID, "app", r.App, "store", r.Store),
		wake: make(chan struct{}, 1), ended: make(chan struct{}),
		hints: map[string]struct{}{}, all: true,
	}
	if s.record.Delivered == nil {
		s.record.Delivered = map[string]mark{}
	}
	s.handleFn = s.handle
	return s
}

// changed is told by the driver.
func (s *subscription) changed(keys []string) {
	s.hint(keys, len(keys) == 0)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *subscription) hint(keys []string, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = s.all || all
	for _, k := range keys {
		_, mine := slices.BinarySearch(s.record.Keys, k)
		if mine || len(s.record.Keys) == 0 {
			s.hints[k] = struct{}{}
		}
	}
	const many = 1000
	if len(s.hints) > many {
		s.all = true // one reading of all is cheaper
	}
	if s.all {
		clear(s.hints)
	}
}

// take gives the keys to look at and forgets them.
func (s *subscription) take() (keys []string, all bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k := range s.hints {
		keys = append(keys, k)
	}
	all = s.all
	clear(s.hints)
	s.all = false
	return keys, all
}

// watch has the driver tell of changes, once.
func (s *subscription) watch(ctx context.Context) error {
	sub, ok := s.store.store.(Subscriber)
	s.mu.Lock()
	done := s.stop != nil || s.over
	s.mu.Unlock()
	if !ok || done {
		return nil
	}
	const longest = 10 * time.Second // a driver that does not answer must not keep the caller for ever
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	stop, err := chain.Do(ctx, s.store.subscribe, func(ctx context.Context, _ struct{}) (func(), error) {
		return sub.Subscribe(ctx, s.record.Keys, s.record.Metadata, s.changed)
	}, struct{}{})
	if err != nil {
		return &storeError{fmt.Errorf("configuration store %s: subscribe: %w", s.store.name, err)}
	}
	s.mu.Lock()
	late := s.over
	if !late {
		s.stop = stop
	}
	s.mu.Unlock()
	if late {
		stop()
	}
	return nil
}

// unwatch ends the watch; with over for ever.
func (s *subscription) unwatch(over bool) {
	s.mu.Lock()
	stop := s.stop
	s.stop = nil
	s.over = s.over || over
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// storeError is a failure of the store, not of the app.
type storeError struct{ err error }

func (e *storeError) Error() string { return e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// run is the worker: it ends when the subscription does, or after the running call when stopping is closed. ctx ends
// the running call.
func (s *subscription) run(ctx context.Context, stopping <-chan struct{}) {
	defer s.unwatch(false)
	var pause time.Duration
	for !closed(stopping) && !closed(s.ended) {
		wait, wake := s.store.every, s.wake
		err := s.round(ctx)
		if err == nil {
			pause = 0
		} else {
			pause = next(pause, err)
			wait, wake = pause, nil // what comes meanwhile is seen after the pause
			if ctx.Err() == nil {
				s.log.Warn("configuration changes are not delivered yet; trying again", "error", err, "pause", pause)
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-stopping:
		case <-s.ended:
		case <-wake:
		case <-timer.C:
			if err == nil {
				s.hint(nil, true)
			}
		}
		timer.Stop()
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// next gives the pause after an error.
func next(pause time.Duration, err error) time.Duration {
	if full, ok := errors.AsType[*block.ErrOverloaded](err); ok {
		return min(max(full.RetryAfter, minPause), maxStorePause)
	}
	most := maxAppPause
	if _, ok := errors.AsType[*storeError](err); ok {
		most = maxStorePause
	}
	return min(max(2*pause, minPause), most)
}

// round looks at what has to be looked at, and delivers the difference. After an error it has to be looked at again.
func (s *subscription) round(ctx context.Context) error {
	if err := s.watch(ctx); err != nil {
		return err
	}
	keys, all := s.take()
	if len(keys) == 0 && !all {
		return nil
	}
	err := s.bring(ctx, keys, all)
	if err != nil {
		s.hint(keys, all)
	}
	return err
}

func (s *subscription) bring(ctx context.Context, keys []string, all bool) error {
	asked := keys
	if all {
		asked = s.record.Keys
	}
	const longest = time.Minute
	reading, cancel := context.WithTimeout(ctx, longest)
	items, err := s.store.read(reading, asked, s.record.Metadata)
	cancel()
	if err != nil {
		return &storeError{err}
	}
	changes := compare(items, s.record.Delivered, asked, all)
	if len(changes) == 0 || s.isOver() {
		return nil
	}
	if s.b.cfg.Root != nil {
		ctx = s.b.cfg.Root(ctx)
	}
	if _, err := chain.Do(ctx, s.store.handle, s.handleFn, changes); err != nil {
		return err
	}
	if err := s.save(func(r *record) { apply(r.Delivered, changes) }); err != nil {
		s.log.Error("what was delivered cannot be noted; after a restart it is delivered again", "error", err)
	}
	return nil
}

func (s *subscription) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// save changes the record and keeps it, unless the subscription is over.
func (s *subscription) save(change func(*record)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.record)
	if s.over {
		return nil
	}
	return s.b.keep.save(&s.record)
}

// handle runs inside the chain.
func (s *subscription) handle(ctx context.Context, changes []Item) (struct{}, error) {
	if err := handles(s.app); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, s.app.Do(ctx, func(ctx context.Context, g abi.Guest) error {
		return abiconfiguration.CallHandlerHandle(ctx, g, s.store.name, s.record.ID, wireItems(changes))
	})
}
