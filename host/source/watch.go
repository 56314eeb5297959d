package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// debounce is how long files must be quiet before a change counts: editors and version control write many files.
const debounce = 200 * time.Millisecond

// Watcher tells which apps' sources change. Of a Go source it watches the package's folder with all below, and the
// other packages of the same module or of locally replaced modules that it imports, with what they embed; of a wasm
// source the file.
type Watcher struct {
	onChange func(ctx context.Context, app string)
	log      *slog.Logger
	goCmd    string
	fs       *fsnotify.Watcher
	specs    map[string]Spec
	cancel   context.CancelFunc

	mu     sync.Mutex
	scopes map[string]*scope // by app
	jobs   map[string]*job   // by app
	closed bool
	wg     sync.WaitGroup
}

// job is the reaction to changes of one app.
type job struct {
	timer   *time.Timer
	running bool
	again   bool
}

// Watch starts to watch the sources. onChange is called in a goroutine of its own after the files of an app have
// been quiet for 200 ms, never twice at the same time for one app; its context ends with Close. When Watch returns,
// the apps' own folders are watched; the other packages follow within the time of a go list. The Watcher must be
// closed.
func (b *Builder) Watch(ctx context.Context, specs []Spec, onChange func(ctx context.Context, app string)) (*Watcher, error) {
	fsw, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watching sources: %w", err)
	}
	w := &Watcher{
		onChange: onChange, log: b.opts.Log, fs: fsw,
		specs: map[string]Spec{}, scopes: map[string]*scope{}, jobs: map[string]*job{},
	}
	w.goCmd, _ = b.findGo() // without Go, only the app's own folder is watched
	for _, s := range specs {
		if s.Go == "" && s.Wasm == "" {
			continue // nothing on disk
		}
		w.specs[s.App] = s
		sc, err := scopeOf(s)
		if err == nil {
			err = w.adopt(s.App, sc)
		}
		if err != nil {
			_ = fsw.Close()
			return nil, fmt.Errorf("watching the source of app %s: %w", s.App, err)
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.cancel = cancel
	for app := range w.specs {
		w.wg.Go(func() { w.refresh(ctx, app) })
	}
	w.wg.Go(func() {
		w.loop(ctx)
	})
	return w, nil
}

// Close stops watching and waits for a running onChange, whose context is ended.
func (w *Watcher) Close() error {
	w.mu.Lock()
	w.closed = true
	for _, j := range w.jobs {
		j.timer.Stop()
	}
	w.mu.Unlock()
	w.cancel()
	err := w.fs.Close()
	w.wg.Wait()
	return err
}

func (w *Watcher) loop(ctx context.Context) {
	for {
		select {
		case ev, ok := <-w.fs.Events:
			if !ok {
				return
			}
			if ev.Op != fsnotify.Chmod {
				w.event(ctx, ev)
			}
		case err, ok := <-w.fs.Errors:
			if !ok {
				return
			}
			// Events may be lost, so every app may have changed.
			w.log.Warn("watching sources: events were lost; reloading all apps", "error", err)
			for app := range w.specs {
				w.touch(ctx, app)
			}
		}
	}
}

func (w *Watcher) event(ctx context.Context, ev fsnotify.Event) {
	if ev.Has(fsnotify.Create) {
		w.addTree(ev.Name)
	}
	w.mu.Lock()
	scopes := maps.Clone(w.scopes)
	w.mu.Unlock()
	for app, sc := range scopes {
		if sc.concerns(ev.Name) {
			w.touch(ctx, app)
		}
	}
}

// touch restarts the quiet time of an app.
func (w *Watcher) touch(ctx context.Context, app string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	j := w.jobs[app]
	if j == nil {
		j = &job{timer: time.AfterFunc(debounce, func() { w.fire(ctx, app) })}
		w.jobs[app] = j
		return
	}
	j.timer.Reset(debounce)
}

// fire runs onChange, and once more when a change came meanwhile.
func (w *Watcher) fire(ctx context.Context, app string) {
	w.mu.Lock()
	j := w.jobs[app]
	if w.closed {
		w.mu.Unlock()
		return
	}
	if j.running {
		j.again = true
		w.mu.Unlock()
		return
	}
	j.running = true
	w.wg.Add(1) // under mu and not closed, so never beside the Wait of Close
	w.mu.Unlock()
	defer w.wg.Done()
	for {
		// Before the change is acted on: a file that is imported from now on must not change unseen.
		w.refresh(ctx, app)
		w.onChange(ctx, app)
		w.mu.Lock()
		again := j.again && !w.closed
		j.again = false
		j.running = again
		w.mu.Unlock()
		if !again {
			return
		}
	}
}

// refresh finds out anew what belongs to an app and watches it.
func (w *Watcher) refresh(ctx context.Context, app string) {
	sc, err := scopeOf(w.specs[app])
	if err == nil && sc.file == "" && w.goCmd != "" {
		if listErr := sc.list(ctx, w.goCmd); listErr != nil {
			// A source that does not even parse is what the user is about to mend: what was known goes on.
			w.log.Debug("packages of a source are not known", "app", app, "error", listErr)
			w.mu.Lock()
			sc = w.scopes[app]
			w.mu.Unlock()
		}
	}
	if err == nil {
		err = w.adopt(app, sc)
	}
	if err != nil && ctx.Err() == nil {
		w.log.Warn("watching sources: part of the source is not watched", "app", app, "error", err)
	}
}

// adopt makes sc what belongs to an app and watches it.
func (w *Watcher) adopt(app string, sc *scope) error {
	w.mu.Lock()
	w.scopes[app] = sc
	w.mu.Unlock()
	for _, dir := range sc.folders() {
		if err := w.add(dir); err != nil {
			return err
		}
	}
	return nil
}

// add watches a folder. It is added again even when known: a folder that was removed and made anew has lost its watch.
func (w *Watcher) add(dir string) error {
	if err := w.fs.Add(dir); err != nil && !errors.Is(err, fsnotify.ErrClosed) {
		return fmt.Errorf("watching %s: %w", dir, err)
	}
	return nil
}

// addTree watches a new folder with all below, if it lies in an app's folder.
func (w *Watcher) addTree(path string) {
	w.mu.Lock()
	scopes := maps.Clone(w.scopes)
	w.mu.Unlock()
	for _, sc := range scopes {
		if !sc.inTree(path) {
			continue
		}
		for _, dir := range subfolders(path) {
			if err := w.add(dir); err != nil {
				w.log.Warn("watching sources: a new folder is not watched", "error", err)
			}
		}
	}
}
