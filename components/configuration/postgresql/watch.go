package postgresql

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/mrt-wasm/mrt-wasm/components/internal/postgresconn"
	"github.com/mrt-wasm/mrt-wasm/host/configuration"
)

const (
	// pingEvery is how long a connection may be silent before the server is asked whether it is there.
	pingEvery = 15 * time.Second
	// compareEvery is how often watches without a channel are told to compare.
	compareEvery = 10 * time.Second
	// askTimeout is how long the server may take to answer what is asked on a listener's connection.
	askTimeout = 10 * time.Second
	minPause   = 20 * time.Millisecond
	maxPause   = time.Second
	maxChannel = 63 // bytes
)

// watch is told of the changes of its keys, or of all when it has none.
type watch struct {
	keys map[string]bool

	mu      sync.Mutex
	changed configuration.Changed // nil when the watch has ended
}

// tell tells of a key; empty means that any may have changed.
func (w *watch) tell(key string) {
	if key != "" && len(w.keys) > 0 && !w.keys[key] {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.changed == nil:
	case key == "":
		w.changed(nil)
	default:
		w.changed([]string{key})
	}
}

func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changed = nil
}

// Subscribe begins a watch; when it returns, the server has confirmed that it notifies us.
func (s *store) Subscribe(ctx context.Context, keys []string, metadata map[string]string, changed configuration.Changed) (func(), error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	channel := s.channel
	for name, value := range metadata {
		if channel == "" && strings.EqualFold(name, "pgNotifyChannel") {
			channel = value
		}
	}
	if err := checkChannel(channel); err != nil {
		return nil, fmt.Errorf("%w: metadata pgNotifyChannel: %w", configuration.ErrInvalid, err)
	}
	w := &watch{keys: make(map[string]bool, len(keys)), changed: changed}
	for _, k := range keys {
		w.keys[k] = true
	}
	life, cancel := s.live()
	l, err := s.join(ctx, life, cancel, channel, w)
	if err != nil {
		return nil, err
	}
	return func() { s.leave(l, w) }, nil
}

func checkChannel(name string) error {
	if !postgresconn.Storable(name) || len(name) > maxChannel {
		return fmt.Errorf("want the name of a channel of at most %d bytes, found %q", maxChannel, name)
	}
	return nil
}

// join adds a watch to the listener of a channel and waits, as long as ctx lets it, until the server has confirmed.
func (s *store) join(ctx, life context.Context, cancel context.CancelFunc, channel string, w *watch) (*listener, error) {
	l, err := s.add(life, cancel, channel, w)
	if err != nil {
		return nil, err
	}
	if err := l.confirmed(ctx); err != nil {
		s.leave(l, w)
		return nil, err
	}
	return l, nil
}

// add adds a watch to the listener of a channel, which is begun with its first watch and then has the life.
func (s *store) add(life context.Context, cancel context.CancelFunc, channel string, w *watch) (*listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		cancel()
		return nil, fmt.Errorf("%w: the store is closed", configuration.ErrUnavailable)
	}
	l := s.listeners[channel]
	if l == nil {
		if channel == "" {
			s.log.Warn("no notifyChannel is given, so changes are only seen by comparing", "table", s.table, "interval", compareEvery)
		}
		l = &listener{
			store: s, channel: channel, cancel: cancel, watches: map[*watch]bool{}, ready: make(chan struct{}), done: make(chan struct{}), silence: pingEvery,
		}
		s.listeners[channel] = l
		go l.run(life)
	} else {
		cancel()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watches[w] = true
	return l, nil
}

// leave ends a watch, and the listener with its last one.
func (s *store) leave(l *listener, w *watch) {
	w.end()
	s.mu.Lock()
	l.mu.Lock()
	delete(l.watches, w)
	last := len(l.watches) == 0 && s.listeners[l.channel] == l
	l.mu.Unlock()
	if last {
		delete(s.listeners, l.channel)
	}
	s.mu.Unlock()
	if last {
		l.end()
	}
}

// listener listens to one channel on a connection of its own, on one after the other.
type listener struct {
	store   *store
	channel string // empty: there is none, so that all is compared now and then
	cancel  context.CancelFunc
	done    chan struct{}
	silence time.Duration // before the server is asked

	mu      sync.Mutex
	watches map[*watch]bool
	ready   chan struct{} // closed while the server notifies us
	again   bool          // it has notified us before
	failed  error
}

func (l *listener) end() {
	l.cancel()
	<-l.done
}

// confirmed waits until the server notifies us.
func (l *listener) confirmed(ctx context.Context) error {
	l.mu.Lock()
	ready := l.ready
	l.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-l.done:
		return fmt.Errorf("%w: the store is closed", configuration.ErrUnavailable)
	case <-ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		return fmt.Errorf("%w: postgresql at %s has not confirmed the subscription: %w", configuration.ErrUnavailable, l.store.db.Where(), errors.Join(ctx.Err(), l.failed))
	}
}

func (l *listener) run(ctx context.Context) {
	defer close(l.done)
	if l.channel == "" {
		l.compare(ctx)
		return
	}
	for pause := minPause; ctx.Err() == nil; pause = min(2*pause, maxPause) {
		up, err := l.listen(ctx)
		if up {
			pause = minPause // it was there
		}
		if ctx.Err() != nil {
			return
		}
		l.lost(up, err)
		select {
		case <-ctx.Done():
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}

// compare stands in for a channel.
func (l *listener) compare(ctx context.Context) {
	l.up()
	tick := time.NewTicker(compareEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			l.tell("")
		}
	}
}

// listen listens on one connection until it breaks, and tells whether the server had confirmed.
func (l *listener) listen(ctx context.Context) (up bool, err error) {
	conn, err := l.store.db.Dial(ctx)
	if err != nil {
		return false, err
	}
	defer func() {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTimeout)
		defer cancel()
		_ = conn.Close(bounded) // it is broken, or of no more use
	}()
	if err := l.begin(ctx, conn); err != nil {
		return false, err
	}
	l.up()
	for {
		waiting, cancel := context.WithTimeout(ctx, l.silence)
		n, err := conn.WaitForNotification(waiting)
		silent := waiting.Err() != nil
		cancel()
		switch {
		case err == nil:
			l.tell(keyOf(n.Payload))
		case ctx.Err() != nil || !silent || conn.IsClosed():
			return true, err
		default:
			if err := ask(ctx, conn.Ping); err != nil {
				return true, err
			}
		}
	}
}

// ask bounds a question to the server.
func ask(ctx context.Context, question func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return question(ctx)
}

// begin has the server notify us; what is committed from now on will be told.
func (l *listener) begin(ctx context.Context, conn *pgx.Conn) error {
	return ask(ctx, func(ctx context.Context) error {
		if _, err := conn.Exec(ctx, `LISTEN `+pgx.Identifier{l.channel}.Sanitize()); err != nil {
			return err
		}
		var triggers bool
		err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = to_regclass($1) AND NOT tgisinternal)`, l.store.sql).Scan(&triggers)
		if err == nil && !triggers {
			l.store.log.Warn("the table has no trigger that could notify of changes, so that they are only seen by comparing; the driver's documentation has one", "table", l.store.table, "channel", l.channel)
		}
		return err
	})
}

// up lets waiting subscriptions begin. What happened while the server did not notify us can be read from now on.
func (l *listener) up() {
	l.mu.Lock()
	missed := l.again
	l.again, l.failed = true, nil
	close(l.ready)
	l.mu.Unlock()
	if missed {
		l.tell("")
	}
}

func (l *listener) lost(up bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = err
	if up {
		l.ready = make(chan struct{})
		l.store.log.Warn("the connection on which PostgreSQL tells of changes is lost; connecting again", "channel", l.channel, "error", err)
	}
}

// tell tells all watches of a key; empty means that any may have changed.
func (l *listener) tell(key string) {
	l.mu.Lock()
	watches := make([]*watch, 0, len(l.watches))
	for w := range l.watches {
		watches = append(watches, w)
	}
	l.mu.Unlock()
	for _, w := range watches {
		w.tell(key)
	}
}

// keyOf gives the key of a notification in Dapr's form, {"data": {"key": ...}}; empty for any other.
func keyOf(payload string) string {
	var n struct {
		Data struct {
			Key string `json:"key"`
		} `json:"data"`
	}
	if json.Unmarshal([]byte(payload), &n) != nil {
		return ""
	}
	return n.Data.Key
}
