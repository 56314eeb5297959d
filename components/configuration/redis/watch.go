package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/mrt-wasm/mrt-wasm/components/internal/redisconn"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

const (
	// pingEvery is how long a connection may be silent before the server is asked whether it is there.
	pingEvery = 15 * time.Second
	// topologyEvery is how often a cluster is asked for its masters.
	topologyEvery = 3 * time.Second
	minPause      = 20 * time.Millisecond
	maxPause      = time.Second
)

// stringEvents are the notifications that can mean that a string has changed, come or gone.
var stringEvents = map[string]bool{
	"set": true, "setrange": true, "setbit": true, "append": true, "incrby": true, "incrbyfloat": true,
	"del": true, "unlink": true, "expired": true, "evicted": true, "restore": true,
	"rename_from": true, "rename_to": true, "move_from": true, "move_to": true, "copy_to": true,
}

// watch listens on a connection of its own to every master.
type watch struct {
	store   *store
	keys    []string // none for all
	changed configuration.Changed
	cancel  context.CancelFunc
	working sync.WaitGroup

	mu    sync.Mutex
	nodes map[*redis.Client]context.CancelFunc
}

// Subscribe begins a watch; it has been confirmed by every master when it returns.
func (s *store) Subscribe(ctx context.Context, keys []string, _ map[string]string, changed configuration.Changed) (func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err := eachMaster(ctx, s.client, func(ctx context.Context, node *redis.Client) error { return s.enable(ctx, node) })
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	life, cancel := s.live()
	w := &watch{store: s, keys: slices.Clone(keys), changed: changed, cancel: cancel, nodes: map[*redis.Client]context.CancelFunc{}}
	if err := w.start(ctx, life); err != nil {
		w.stop()
		return nil, s.failure(ctx, err)
	}
	s.mu.Lock()
	s.watches[w] = struct{}{}
	s.mu.Unlock()
	return w.stop, nil
}

func (w *watch) start(ctx, life context.Context) error {
	var mu sync.Mutex
	var ready []<-chan struct{}
	err := eachMaster(ctx, w.store.client, func(_ context.Context, node *redis.Client) error {
		r := w.add(life, node, false)
		mu.Lock()
		defer mu.Unlock()
		ready = append(ready, r)
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range ready {
		select {
		case <-r:
		case <-ctx.Done():
			return fmt.Errorf("%w: the subscription was not confirmed: %w", configuration.ErrUnavailable, ctx.Err())
		}
	}
	if c, ok := w.store.client.(*redis.ClusterClient); ok {
		w.working.Go(func() { w.follow(life, c) })
	}
	return nil
}

// stop ends the watch; changed is not called any more.
func (w *watch) stop() {
	w.cancel()
	w.working.Wait()
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	delete(w.store.watches, w)
}

// add listens to one master, if that is not done yet. The channel is closed when the master has confirmed. late says
// that changes may have been missed until then.
func (w *watch) add(life context.Context, node *redis.Client, late bool) <-chan struct{} {
	ready := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.nodes[node] != nil {
		close(ready)
		return ready
	}
	ctx, cancel := context.WithCancel(life)
	w.nodes[node] = cancel
	w.working.Go(func() {
		l := &listener{watch: w, node: node, ready: ready, late: late}
		l.run(ctx)
	})
	return ready
}

// follow keeps listening to those that are masters of the cluster now.
func (w *watch) follow(ctx context.Context, cluster *redis.ClusterClient) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(topologyEvery):
		}
		var mu sync.Mutex
		now := map[*redis.Client]bool{}
		err := cluster.ForEachMaster(ctx, func(_ context.Context, node *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			now[node] = true
			return nil
		})
		if err != nil {
			continue // those that are known go on
		}
		for node := range now {
			w.add(ctx, node, true)
		}
		w.mu.Lock()
		for node, cancel := range w.nodes {
			if !now[node] {
				cancel()
				delete(w.nodes, node)
			}
		}
		w.mu.Unlock()
	}
}

// listener is a watch's connection to one master.
type listener struct {
	*watch
	node  *redis.Client
	ready chan struct{} // nil once closed
	late  bool
}

func (l *listener) prefix() string { return fmt.Sprintf("__keyspace@%d__:", l.store.db) }

// run listens until ctx ends, on one connection after the other.
func (l *listener) run(ctx context.Context) {
	for pause := minPause; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		if l.listen(ctx) {
			pause = minPause // it was there
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// listen listens on one connection until it breaks, and tells whether the server had confirmed.
func (l *listener) listen(ctx context.Context) (confirmed bool) {
	sub, channels := l.open(ctx)
	defer func() { _ = sub.Close() }()
	// A read does not end with its context.
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })()
	for silent := false; ; {
		msg, err := sub.ReceiveTimeout(ctx, pingEvery)
		if isTimeout(err) && confirmed && !silent && sub.Ping(ctx) == nil {
			silent = true
			continue
		}
		if err != nil || ctx.Err() != nil {
			return confirmed
		}
		silent = false
		switch m := msg.(type) {
		case *redis.Subscription:
			if m.Count < channels || confirmed {
				continue
			}
			if !l.confirm(ctx) {
				return false
			}
			confirmed = true
		case *redis.Message:
			if key, ok := strings.CutPrefix(m.Channel, l.prefix()); ok && stringEvents[m.Payload] {
				l.changed([]string{key})
			}
		}
	}
}

// open sends the subscription on a connection of its own and gives the number of its channels.
func (l *listener) open(ctx context.Context) (*redis.PubSub, int) {
	if len(l.keys) == 0 {
		return l.node.PSubscribe(ctx, l.prefix()+"*"), 1
	}
	names := make([]string, len(l.keys))
	for i, k := range l.keys {
		names[i] = l.prefix() + k
	}
	return l.node.Subscribe(ctx, names...), len(names)
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

// confirm is done when the server has taken the subscription: what was missed before can be read from now on. A server
// that was started anew may have to be told to notify.
func (l *listener) confirm(ctx context.Context) bool {
	if l.ready == nil || l.late {
		if err := l.store.enable(ctx, l.node); redisconn.Unreachable(err) {
			return false
		} else if err != nil && ctx.Err() == nil {
			l.store.log.Error("changes of the configuration are only seen by comparing now and then", "error", err)
		}
		l.changed(nil)
	}
	if l.ready != nil {
		close(l.ready)
		l.ready = nil
	}
	return true
}

// enable makes sure that a server notifies of what happens to strings.
func (s *store) enable(ctx context.Context, node *redis.Client) error {
	const setting = "notify-keyspace-events"
	found, err := node.ConfigGet(ctx, setting).Result()
	if refused(err) {
		s.log.Warn("the server does not show whether it notifies of changes; make sure that "+setting+" has Kg$xe", "server", node.Options().Addr, "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	has := found[setting]
	missing := lacking(has)
	if missing == "" {
		return nil
	}
	err = node.ConfigSet(ctx, setting, has+missing).Err()
	if refused(err) {
		return fmt.Errorf("%w: redis at %s does not notify of changes and does not let this user switch it on; run there: CONFIG SET %s %s: %w",
			configuration.ErrUnsupported, node.Options().Addr, setting, has+missing, err)
	}
	return err
}

// lacking gives the flags that have to be added: K for notifications by key, and the classes of events g, $, x and e,
// or A for all classes.
func lacking(has string) string {
	var out strings.Builder
	for _, flag := range []string{"K", "g", "$", "x", "e"} {
		if !strings.Contains(has, flag) && (flag == "K" || !strings.Contains(has, "A")) {
			out.WriteString(flag)
		}
	}
	return out.String()
}

// refused tells whether a command was not allowed or is not there, as at servers that others manage.
func refused(err error) bool {
	return redis.IsPermissionError(err) || redis.HasErrorPrefix(err, "NOPERM") || redis.HasErrorPrefix(err, "unknown command") ||
		err != nil && strings.Contains(err.Error(), "unknown command")
}
