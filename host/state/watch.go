package state

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// Change is a write of one key as an app that watches sees it.
type Change struct {
	// Store is the component, Key the key without prefix.
	Store, Key string
	// Value is what was written, in clear; nil when Deleted. It is not to be changed.
	Value   []byte
	Deleted bool
}

// Watch has changed called for every write that succeeds through this block, by whomever, of a key that the app could
// name itself: in a store that it sees, under its prefix. Calls for one key come in the order of its writes, and one
// after the other. changed returns at once: the writer waits for it. It is to be called before any app runs, and cannot
// be taken back.
//
// Entries that expire, and writes that pass the block by, such as those of other hosts and the state of actors, are not
// told. A key that did not exist is told as deleted when it is deleted.
func (b *Block) Watch(app string, changed func(c Change)) {
	b.watchers.add(&watcher{app: app, block: b, changed: changed})
}

// stripes is how many locks keep the writes of watched keys in order.
const stripes = 128

// watchers are the apps that watch.
type watchers struct {
	seed  maphash.Seed
	locks [stripes]chan struct{} // each has room for one: it is a mutex that a context can end
	mu    sync.Mutex
	list  atomic.Pointer[[]*watcher] // replaced under mu, never changed
}

func newWatchers() *watchers {
	w := &watchers{seed: maphash.MakeSeed()}
	for i := range w.locks {
		w.locks[i] = make(chan struct{}, 1)
	}
	return w
}

func (w *watchers) add(one *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []*watcher
	if have := w.list.Load(); have != nil {
		list = slices.Clone(*have)
	}
	list = append(list, one)
	w.list.Store(&list)
}

// watcher is one app that watches.
type watcher struct {
	app     string
	block   *Block
	changed func(Change)
	// views are the stores as the app sees them, by *component.Opened[Store]; a nil *bound for one that it does not see.
	views sync.Map
}

// view gives a store as the watcher sees it; nil if it does not.
func (w *watcher) view(o *component.Opened[Store]) *bound {
	if v, ok := w.views.Load(o); ok {
		return v.(*bound)
	}
	view, err := w.block.bind(w.app, o.Decl.Name)
	if err != nil || view.opened != o {
		view = nil
	}
	w.views.Store(o, view)
	return view
}

// tell tells the watcher of a change, by the driver's key.
func (w *watcher) tell(o *component.Opened[Store], c *change) {
	view := w.view(o)
	if view == nil {
		return
	}
	key, ok := strings.CutPrefix(c.stored, view.prefix)
	if !ok || key == "" || strings.Contains(key, Separator) {
		return
	}
	w.changed(Change{Store: view.name, Key: key, Value: c.value, Deleted: c.deleted})
}

// change is a write as it is announced: by the driver's key, with the value in clear.
type change struct {
	stored  string
	value   []byte
	deleted bool
}

// watching tells whether somebody may watch what passes.
func (s *bound) watching() bool {
	return s.watch != nil && !s.whole && s.watch.list.Load() != nil
}

// announce runs write, which does the changes, and tells the watchers of those that have no error. Writes that have a
// key in common wait for each other, so that they are told in the order in which they were done.
func (s *bound) announce(ctx context.Context, changes []change, write func() []error) []error {
	unlock, err := s.watch.lock(ctx, s.name, changes)
	if err != nil {
		errs := make([]error, len(changes))
		for i := range errs {
			errs[i] = s.wrap(err)
		}
		return errs
	}
	defer unlock()
	errs := write()
	for _, w := range *s.watch.list.Load() {
		for i := range changes {
			if errs[i] == nil {
				w.tell(s.opened, &changes[i])
			}
		}
	}
	return errs
}

// announceOne is announce of one change.
func (s *bound) announceOne(ctx context.Context, c change, write func() error) error {
	return s.announce(ctx, []change{c}, func() []error { return []error{write()} })[0]
}

// lock locks the keys of changes, in an order that is the same for all.
func (w *watchers) lock(ctx context.Context, store string, changes []change) (unlock func(), err error) {
	at := make([]int, len(changes))
	for i := range changes {
		at[i] = int(maphash.String(w.seed, store+"\x00"+changes[i].stored) % stripes)
	}
	slices.SortFunc(at, cmp.Compare[int])
	at = slices.Compact(at)
	held := 0
	unlock = func() {
		for _, i := range at[:held] {
			<-w.locks[i]
		}
	}
	for _, i := range at {
		select {
		case w.locks[i] <- struct{}{}:
			held++
		case <-ctx.Done():
			unlock()
			return nil, fmt.Errorf("%w: the call ended while it waited for another write of the key: %w", ErrUnavailable, ctx.Err())
		}
	}
	return unlock, nil
}
