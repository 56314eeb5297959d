package cli

import (
	"context"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/source"
)

// reloader loads apps again when their sources change. Changes that come before the host serves wait for it.
type reloader struct {
	report  *reporter
	watcher *source.Watcher
	// ready is closed when host is set.
	ready chan struct{}
	host  *host.Host
}

// watch starts to watch. When that is not possible it says so, and nothing is reloaded.
func (r *reloader) watch(ctx context.Context, b *source.Builder, m *manifest.Manifest) {
	w, err := b.Watch(ctx, source.All(m.Apps), r.reload)
	if err != nil {
		r.report.log.Warn("sources are not watched; restart to load changes", "error", err)
		return
	}
	r.watcher = w
}

// serve lets reloads begin.
func (r *reloader) serve(h *host.Host) {
	r.host = h
	close(r.ready)
}

func (r *reloader) reload(ctx context.Context, app string) {
	select {
	case <-r.ready:
	case <-ctx.Done():
		return
	}
	begin := time.Now()
	err := r.host.Reload(ctx, app)
	if ctx.Err() == nil {
		r.report.reloaded(app, time.Since(begin), err)
	}
}

// close ends watching and waits for a reload that runs.
func (r *reloader) close() {
	if r.watcher != nil {
		_ = r.watcher.Close()
	}
}
