package cli

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/source"
)

// reporter tells how far the work has come: lines for people, or log lines for machines.
type reporter struct {
	log *slog.Logger
	// people is where lines for people go; nil when machines read.
	people io.Writer
}

// build reports one step of a build.
func (r *reporter) build(ev source.Event) {
	took := ev.Took.Round(time.Millisecond)
	if r.people == nil {
		switch ev.Phase {
		case source.Started:
			r.log.Info("app is being built", "app", ev.App)
		case source.Done:
			r.log.Info("app was built", "app", ev.App, "seconds", took.Seconds(), "bytes", ev.Size)
		case source.Failed:
			r.log.Error("app was not built", "app", ev.App, "seconds", took.Seconds(), "error", ev.Err)
		}
		return
	}
	switch ev.Phase {
	case source.Started:
		fmt.Fprintf(r.people, "building %s\n", ev.App)
	case source.Done:
		fmt.Fprintf(r.people, "built    %s in %s, %s\n", ev.App, seconds(ev.Took), size(ev.Size))
	case source.Failed:
		fmt.Fprintf(r.people, "failed   %s after %s\n", ev.App, seconds(ev.Took))
	}
}

// warnings reports what a manifest says without effect.
func (r *reporter) warnings(ds manifest.Diagnostics) {
	for _, d := range ds.Warnings() {
		if r.people == nil {
			r.log.Warn("manifest: "+d.Message, "at", d.Pos.String(), "suggestion", d.Suggestion)
			continue
		}
		fmt.Fprintln(r.people, d)
	}
}

// ready reports where each app listens and how to call it.
func (r *reporter) ready(out io.Writer, h *host.Host, took time.Duration) {
	front, api := h.Addrs()
	if r.people == nil {
		for _, app := range h.Apps() {
			r.log.Info("app is ready", "app", app.Name, "routes", orNone(app.Routes), "handles", orNone(app.Handles),
				"subscriptions", orNone(app.Subscriptions))
		}
		r.log.Info("ready", "http", front, "api", api, "seconds", took.Round(time.Millisecond).Seconds())
		return
	}
	fmt.Fprintf(out, "\nready in %s\n\n", seconds(took))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  APP\tREACHED BY")
	for _, app := range h.Apps() {
		for i, way := range waysIn(app, front, api) {
			name := app.Name
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(table, "  %s\t%s\n", name, way)
		}
	}
	_ = table.Flush()
	fmt.Fprintf(out, "\nfront door %s, API %s; Ctrl-C stops\n", front, api)
}

// orNone gives an empty list for nil, so that a log line says [] and not null.
func orNone(list []string) []string { return append([]string{}, list...) }

// waysIn lists how an app is called.
func waysIn(app host.AppStatus, front, api string) []string {
	var ways []string
	for _, route := range app.Routes {
		ways = append(ways, front+route)
	}
	if handles(app, "mrt:invoke/service") || handles(app, "mrt:http/handler") {
		way := "mrt-wasm invoke " + app.Name + " METHOD"
		if addr := strings.TrimPrefix(api, "http://"); addr != defaultAPI {
			way += " --api " + addr
		}
		ways = append(ways, way)
	}
	for _, sub := range app.Subscriptions {
		ways = append(ways, "topic "+sub)
	}
	if len(ways) == 0 {
		ways = []string{"nothing: no route, no service and no subscription"}
	}
	return ways
}

// handles tells whether an app exports an interface of any version.
func handles(app host.AppStatus, iface string) bool {
	for _, have := range app.Handles {
		if name, _, _ := strings.Cut(have, "@"); name == iface {
			return true
		}
	}
	return false
}

// reloaded reports the outcome of a reload.
func (r *reporter) reloaded(app string, took time.Duration, err error) {
	switch {
	case err == nil && r.people == nil:
		r.log.Info("app was reloaded", "app", app, "seconds", took.Round(time.Millisecond).Seconds())
	case err == nil:
		fmt.Fprintf(r.people, "reloaded %s in %s\n", app, seconds(took))
	case r.people == nil:
		r.log.Error("app was not reloaded; the one before goes on", "app", app, "error", err)
	default:
		fmt.Fprintf(r.people, "%v\nthe %s before goes on\n", compileText(err), app)
	}
}

// compileText gives the compiler's text alone, where there is one: its lines speak for themselves.
func compileText(err error) string {
	if refused, ok := errors.AsType[*source.CompileError](err); ok {
		return strings.TrimRight(refused.Output, "\n")
	}
	return err.Error()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func size(bytes int64) string {
	const kib, mib = 1 << 10, 1 << 20
	if bytes < mib {
		return fmt.Sprintf("%.1f KiB", float64(bytes)/kib)
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/mib)
}
