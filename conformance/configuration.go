package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"sync"

	contrib "github.com/dapr/components-contrib/configuration"

	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

// configStore is a configuration driver as Dapr's configuration.Store. A driver tells which keys may have changed; as
// the host does, the adapter reads them and hands on what differs.
type configStore struct {
	opener opener
	store  configuration.Store

	mu      sync.Mutex
	last    int
	watches map[string]func()
}

var _ contrib.Store = (*configStore)(nil)

// Init opens the driver.
func (s *configStore) Init(ctx context.Context, md contrib.Metadata) (err error) {
	s.watches = map[string]func(){}
	s.store, err = start(ctx, s.opener, s.opener.drivers.Configuration, md.Properties)
	return err
}

// Get reads items.
func (s *configStore) Get(ctx context.Context, req *contrib.GetRequest) (*contrib.GetResponse, error) {
	items, err := s.read(ctx, req.Keys, req.Metadata)
	return &contrib.GetResponse{Items: items}, err
}

func (s *configStore) read(ctx context.Context, keys []string, metadata map[string]string) (map[string]*contrib.Item, error) {
	found, err := s.store.Get(ctx, keys, metadata)
	if err != nil {
		return nil, err
	}
	items := map[string]*contrib.Item{}
	for _, i := range found {
		item := &contrib.Item{Value: i.Value, Version: i.Version, Metadata: map[string]string{}}
		maps.Copy(item.Metadata, i.Metadata)
		items[i.Key] = item
	}
	return items, nil
}

// Subscribe watches keys until Unsubscribe.
func (s *configStore) Subscribe(ctx context.Context, req *contrib.SubscribeRequest, h contrib.UpdateHandler) (string, error) {
	driver, ok := s.store.(configuration.Subscriber)
	if !ok {
		return "", configuration.ErrUnsupported
	}
	s.mu.Lock()
	s.last++
	id := strconv.Itoa(s.last)
	s.mu.Unlock()

	// A driver's call returns at once, so what it tells is read elsewhere.
	changed := make(chan struct{}, 1)
	stopDriver, err := driver.Subscribe(ctx, req.Keys, req.Metadata, func([]string) {
		select {
		case changed <- struct{}{}:
		default: // the reading that is to come sees this change too
		}
	})
	if err != nil {
		return "", err
	}
	known, err := s.read(ctx, req.Keys, req.Metadata)
	if err != nil {
		stopDriver()
		return "", err
	}
	w := &watch{store: s, id: id, req: req, known: known, handler: h}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { w.run(life, changed) })
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watches[id] = func() {
		stopDriver()
		cancel()
		running.Wait()
	}
	return id, nil
}

// watch is one subscription.
type watch struct {
	store   *configStore
	id      string
	req     *contrib.SubscribeRequest
	known   map[string]*contrib.Item
	handler contrib.UpdateHandler
}

func (w *watch) run(ctx context.Context, changed <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		items, err := w.store.read(ctx, w.req.Keys, w.req.Metadata)
		if err != nil {
			continue // the suite misses the change
		}
		differ := map[string]*contrib.Item{}
		for key, item := range items {
			if was := w.known[key]; was == nil || was.Value != item.Value || was.Version != item.Version {
				differ[key] = item
			}
		}
		for key := range w.known {
			if items[key] == nil {
				differ[key] = &contrib.Item{}
			}
		}
		w.known = items
		if len(differ) > 0 {
			_ = w.handler(ctx, &contrib.UpdateEvent{ID: w.id, Items: differ}) // the suite's handlers give no errors
		}
	}
}

// Unsubscribe ends a watch.
func (s *configStore) Unsubscribe(_ context.Context, req *contrib.UnsubscribeRequest) error {
	s.mu.Lock()
	stop, ok := s.watches[req.ID]
	delete(s.watches, req.ID)
	s.mu.Unlock()
	if !ok {
		return fmt.Errorf("there is no subscription %q", req.ID)
	}
	stop()
	return nil
}

// Close closes the driver; it fails if a subscription is still there.
func (s *configStore) Close() error {
	if len(s.watches) > 0 {
		return errors.New("there are subscriptions that were not ended")
	}
	return s.opener.end(s.store)
}
