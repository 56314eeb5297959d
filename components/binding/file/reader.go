package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/mrt-wasm/mrt-wasm/host/binding"
)

// The pauses before an event that failed is told again double from the first to the last.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 30 * time.Second
)

// saveEvery bounds how often a memory is saved while events come.
const saveEvery = time.Second

// reader watches the folder for one app. All fields below notify belong to the goroutine of run.
type reader struct {
	*binding.Work
	w        *watcher
	consumer string
	handle   binding.Handler
	notify   *fsnotify.Watcher
	memory   *memory
	// due are files to look at, and when.
	due map[string]time.Time
	// busy are files whose event is being handled; failures counts how often in a row one failed.
	busy     map[string]bool
	failures map[string]int
	results  chan result
	done     chan struct{}
	stopped  sync.Once
}

// result is what became of an event.
type result struct {
	name string
	// now is what the app was told; gone is that the file is no more.
	now  state
	gone bool
	err  error
}

// Read begins to watch for one app.
func (w *watcher) Read(_ context.Context, consumer string, h binding.Handler) (binding.Reader, error) {
	m, err := w.recall(consumer)
	if err != nil {
		return nil, err
	}
	r := &reader{
		Work: binding.NewWork(), w: w, consumer: consumer, handle: h, memory: m,
		due: map[string]time.Time{}, busy: map[string]bool{}, failures: map[string]int{},
		results: make(chan result, w.s.Concurrency), done: make(chan struct{}),
	}
	if r.notify, err = fsnotify.NewWatcher(); err == nil {
		// The watch comes before the first look, so that nothing falls between.
		err = r.scan(time.Now())
	}
	if err != nil {
		r.release()
		return nil, fmt.Errorf("watching %s (on Linux, fs.inotify.max_user_instances and max_user_watches are limits): %w", w.root, err)
	}
	if m.fresh {
		if !w.s.Existing {
			r.takeAsTold()
		}
		m.fresh, m.dirty = false, true
		w.save(consumer, m)
	}
	go r.run()
	return r, nil
}

// takeAsTold takes what is there as known.
func (r *reader) takeAsTold() {
	for name := range r.due {
		if now, gone, err := r.look(name); err == nil && !gone {
			r.memory.files[name] = now
		}
		delete(r.due, name)
	}
}

func (r *reader) release() {
	if r.notify != nil {
		_ = r.notify.Close()
	}
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.memory.busy = false
}

// scan adds watches to folders and makes all files due, also those that are gone.
func (r *reader) scan(at time.Time) error {
	for name := range r.memory.files {
		r.touch(name, at)
	}
	return filepath.WalkDir(r.w.root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case path != r.w.root && errors.Is(err, fs.ErrNotExist):
			return nil // gone meanwhile
		case err != nil:
			return err
		case d.IsDir():
			if path != r.w.root && !r.w.s.Recursive {
				return fs.SkipDir
			}
			return r.notify.Add(path) // the same path twice is one watch
		}
		if rel, err := filepath.Rel(r.w.root, path); err == nil {
			r.touch(rel, at)
		}
		return nil
	})
}

// touch makes a file due, if it is one to watch.
func (r *reader) touch(name string, at time.Time) {
	if ok, err := filepath.Match(r.w.s.Pattern, filepath.Base(name)); ok && err == nil {
		r.due[name] = at
	}
}

func (r *reader) run() {
	defer close(r.done)
	rescan := make(<-chan time.Time)
	if r.w.s.Rescan > 0 {
		ticker := time.NewTicker(r.w.s.Rescan)
		defer ticker.Stop()
		rescan = ticker.C
	}
	save := time.NewTicker(saveEvery)
	defer save.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case ev, ok := <-r.notify.Events:
			if ok {
				r.told(ev)
			}
		case err := <-r.notify.Errors:
			r.w.log.Debug("watching files: some changes were not told; looking through the folder", "error", err)
			r.rescan()
		case <-rescan:
			r.rescan()
		case res := <-r.results:
			r.settle(res)
		case <-save.C:
			r.w.save(r.consumer, r.memory)
		case <-timer.C:
		case <-r.Stopping():
			return
		}
		timer.Reset(r.begin())
	}
}

// told takes a hint of the system.
func (r *reader) told(ev fsnotify.Event) {
	at := time.Now().Add(r.w.s.Debounce)
	if name, err := filepath.Rel(r.w.root, ev.Name); err == nil && name != "." {
		r.touch(name, at)
	}
	if !ev.Has(fsnotify.Create) || !r.w.s.Recursive {
		return
	}
	if info, err := os.Lstat(ev.Name); err == nil && info.IsDir() {
		if err := r.scan(at); err != nil {
			r.w.log.Warn("a new folder is not watched yet", "path", ev.Name, "error", err)
		}
	}
}

func (r *reader) rescan() {
	if err := r.scan(time.Now().Add(r.w.s.Debounce)); err != nil {
		r.w.log.Warn("the folder cannot be looked through; trying again later", "path", r.w.root, "error", err)
	}
}

// begin starts the handling of what is due, and gives the time until the next is.
func (r *reader) begin() time.Duration {
	now := time.Now()
	next := time.Hour
	for name, at := range r.due {
		switch {
		case r.busy[name]: // settle looks again
		case at.After(now):
			next = min(next, at.Sub(now))
		case len(r.busy) < int(r.w.s.Concurrency):
			delete(r.due, name)
			r.offer(name)
		}
	}
	return next
}

// offer compares a file with what the app was told, and tells the difference.
func (r *reader) offer(name string) {
	now, gone, err := r.look(name)
	if err != nil {
		r.again(name, err)
		return
	}
	before, known := r.memory.files[name]
	what := created
	switch {
	case gone && !known, !gone && known && now.same(before):
		delete(r.failures, name)
		return
	case gone:
		what = removed
	case known:
		what = modified
	}
	if !r.w.s.events[what] {
		r.settle(result{name: name, now: now, gone: gone})
		return
	}
	r.busy[name] = true
	began := r.Go(func(ctx context.Context) {
		res := result{name: name, now: now, gone: gone}
		res.err = r.deliver(ctx, name, what, now)
		r.results <- res
	})
	if !began {
		delete(r.busy, name) // we stop
	}
}

// look gives what a file is now. What is not a plain file is as good as gone.
func (r *reader) look(name string) (now state, gone bool, err error) {
	info, err := os.Lstat(filepath.Join(r.w.root, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(r.w.root); err != nil {
			return state{}, false, err // the folder is away as a whole: a drive that is not mounted removes no files
		}
		return state{}, true, nil
	case err != nil:
		return state{}, false, err
	case !info.Mode().IsRegular():
		return state{}, true, nil
	}
	return state{Size: info.Size(), Time: info.ModTime().UTC()}, false, nil
}

// errChanging says that a file was written to while it was read.
var errChanging = errors.New("the file is being changed")

func (r *reader) deliver(ctx context.Context, name, what string, now state) error {
	ev := &binding.Event{Metadata: map[string]string{"event": what, "name": filepath.ToSlash(name)}}
	if what != removed {
		ev.Metadata["size"] = strconv.FormatInt(now.Size, 10)
		ev.Metadata["modTime"] = now.Time.Format(time.RFC3339Nano)
		if r.w.s.Content && now.Size <= r.w.s.maxSize {
			data, err := r.read(name, now)
			if err != nil {
				return err
			}
			ev.Data = data
		}
	}
	_, err := r.handle(ctx, ev)
	return err
}

// read reads a file that is still what it was. Links that lead out of the folder are not followed.
func (r *reader) read(name string, now state) ([]byte, error) {
	f, err := os.OpenInRoot(r.w.root, name)
	if err != nil {
		return nil, errors.Join(errChanging, err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, now.Size+1))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || !now.same(state{info.Size(), info.ModTime()}) || int64(len(data)) != now.Size {
		return nil, errors.Join(errChanging, err)
	}
	return data, nil
}

// settle notes what the app was told, or has it told again.
func (r *reader) settle(res result) {
	delete(r.busy, res.name)
	if res.err != nil {
		r.again(res.name, res.err)
		return
	}
	delete(r.failures, res.name)
	if res.gone {
		delete(r.memory.files, res.name)
	} else {
		r.memory.files[res.name] = res.now
	}
	r.memory.dirty = true
}

// again makes a file due after a pause.
func (r *reader) again(name string, err error) {
	pause := min(firstPause<<min(r.failures[name], 16), lastPause)
	full, overloaded := errors.AsType[*binding.OverloadedError](err)
	switch {
	case errors.Is(err, errChanging):
		pause = max(r.w.s.Debounce, 10*time.Millisecond)
	case overloaded:
		pause = max(full.After, 10*time.Millisecond)
	default:
		r.failures[name]++
	}
	r.due[name] = time.Now().Add(pause)
}

// Stop takes no new events and waits for those that are handled. What was not told stays to be told.
func (r *reader) Stop(ctx context.Context) error {
	err := r.Work.Stop(ctx)
	<-r.done
	r.stopped.Do(func() {
		for len(r.results) > 0 {
			r.settle(<-r.results)
		}
		r.w.save(r.consumer, r.memory)
		r.release()
	})
	return err
}
