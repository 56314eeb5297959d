package state

import (
	"context"
	"errors"
	"sync"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// parallelism is how many keys of a bulk call a store gets at a time.
const parallelism = 16

// outcome is what became of one key of a bulk read.
type outcome struct {
	key   string
	entry *Entry
	err   error
}

// bulkGet reads many keys, in their order. The error is that of the store as a whole. parallel bounds how many are
// read at a time by a store that has no bulk read; 0 is the default.
func (s *bound) bulkGet(ctx context.Context, keys []string, metadata map[string]string, parallel int) ([]outcome, error) {
	out := make([]outcome, len(keys))
	reqs := make([]GetRequest, 0, len(keys))
	at := make([]int, 0, len(keys))
	for i, key := range keys {
		out[i].key = key
		var stored string
		if stored, out[i].err = s.stored(key); out[i].err == nil {
			reqs = append(reqs, GetRequest{Key: stored, Metadata: metadata})
			at = append(at, i)
		}
	}
	if len(reqs) == 0 {
		return out, nil
	}
	if s.bulkFn == nil {
		each(len(reqs), parallel, func(n int) {
			e, err := chain.Do(ctx, s.points.get, s.getFn, reqs[n])
			out[at[n]].entry, out[at[n]].err = e, s.wrap(err)
		})
	} else {
		entries, err := chain.Do(ctx, s.points.bulkGet, s.bulkFn, reqs)
		if err != nil {
			return nil, s.wrap(err)
		}
		for n := range min(len(entries), len(at)) {
			out[at[n]].entry = entries[n]
		}
	}
	for i := range out {
		if out[i].err == nil {
			out[i].entry, out[i].err = s.open(out[i].entry)
		}
	}
	return out, nil
}

// bulkSet writes many keys, not atomically. The errors are in the order of the requests, which it changes.
func (s *bound) bulkSet(ctx context.Context, reqs []SetRequest) []error {
	w := newWrites(len(reqs), func(ctx context.Context, i int) error { return s.store.Set(ctx, reqs[i]) })
	var changes []change
	watching := s.watching()
	for i := range reqs {
		plain := reqs[i].Value
		w.refuse(i, s.prepareSet(&reqs[i]))
		if watching {
			changes = append(changes, change{stored: reqs[i].Key, value: plain})
		}
	}
	return s.write(ctx, s.points.bulkSet, w, changes)
}

// bulkDelete deletes many keys, not atomically. The errors are in the order of the requests, which it changes.
func (s *bound) bulkDelete(ctx context.Context, reqs []DeleteRequest) []error {
	w := newWrites(len(reqs), func(ctx context.Context, i int) error { return s.store.Delete(ctx, reqs[i]) })
	var changes []change
	watching := s.watching()
	for i := range reqs {
		w.refuse(i, s.prepareDelete(&reqs[i]))
		if watching {
			changes = append(changes, change{stored: reqs[i].Key, deleted: true})
		}
	}
	return s.write(ctx, s.points.bulkDelete, w, changes)
}

// write does the writes; changes are those that are to be told, none if nobody watches.
func (s *bound) write(ctx context.Context, p *chain.Point, w *writes, changes []change) []error {
	do := func() []error {
		_, err := chain.Do(ctx, p, s.writesFn, w)
		return w.result(err, s.wrap)
	}
	if len(changes) == 0 {
		return do()
	}
	return s.announce(ctx, changes, do)
}

// writes are the single writes of a bulk call. A retry policy may run them again: then only those run that failed and
// may yet succeed, as in Dapr.
type writes struct {
	do func(ctx context.Context, i int) error

	mu   sync.Mutex
	done []bool
	errs []error
}

func newWrites(n int, do func(ctx context.Context, i int) error) *writes {
	return &writes{do: do, done: make([]bool, n), errs: make([]error, n)}
}

// refuse notes that write i is not to be done at all; nil does nothing.
func (w *writes) refuse(i int, err error) {
	if err != nil {
		w.done[i], w.errs[i] = true, err
	}
}

// run does what is not done. Its error is that of the writes that may be tried again, or else of any.
func (w *writes) run(ctx context.Context) error {
	w.mu.Lock()
	todo := make([]int, 0, len(w.done))
	for i, done := range w.done {
		if !done {
			todo = append(todo, i)
		}
	}
	w.mu.Unlock()
	errs := make([]error, len(todo))
	each(len(todo), parallelism, func(n int) { errs[n] = w.do(ctx, todo[n]) })

	w.mu.Lock()
	defer w.mu.Unlock()
	var last, again error
	for n, i := range todo {
		w.errs[i] = errs[n]
		w.done[i] = errs[n] == nil || permanent(errs[n])
		if errs[n] != nil {
			last = errs[n]
		}
		if !w.done[i] {
			again = errs[n]
		}
	}
	if again != nil {
		return again
	}
	return last
}

// result gives an error for each write. whole is the chain's: a write that it kept from running failed by it.
func (w *writes) result(whole error, wrap func(error) error) []error {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]error, len(w.errs))
	for i, err := range w.errs {
		if err == nil && !w.done[i] {
			err = whole
			if err == nil {
				err = errors.New("the write was not done")
			}
		}
		out[i] = wrap(err)
	}
	return out
}

// each runs fn for 0 to n-1, at most limit at a time; 0 is the default. It returns when all have.
func each(n, limit int, fn func(i int)) {
	if limit <= 0 || limit > parallelism {
		limit = parallelism
	}
	if n <= 1 {
		for i := range n {
			fn(i)
		}
		return
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(n, limit) {
		wg.Go(func() {
			for i := range next {
				fn(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
