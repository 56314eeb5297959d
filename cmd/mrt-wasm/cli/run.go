package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/source"
)

const runHelp = `Builds the apps of a manifest, starts them, and serves them until it gets SIGINT or SIGTERM.

FILE is a manifest; DIR stands for all .yaml and .yml files in it. Several are read as one. An app is loaded again
when its Go source or wasm file changes; requests in flight are finished by the version that took them.

FILE.wasm needs no manifest: a component that handles wasi:http, or a module or component that handles one of
mrt-wasm's own worlds, is served at every path of the front door; a wasi:cli command is run once, with what
follows -- as its arguments, and its exit code is that of mrt-wasm.

The front door (--http) serves the apps' routes. The API (--api) is Dapr's HTTP API for local programs and for the
commands invoke and publish; on an address that others can reach it needs a token in DAPR_API_TOKEN.`

// cacheEnv names the environment variable with the default of --cache.
const cacheEnv = "MRT_WASM_CACHE"

// runFlags are the flags of run.
type runFlags struct {
	drivers                           host.Drivers
	log                               logFlags
	http, api, data, cache, namespace string
	engine                            string
	watch                             bool
	stopTimeout                       time.Duration
	wasm                              wasmFlags
}

func newRun(drivers host.Drivers) *cobra.Command {
	f := runFlags{drivers: drivers}
	cmd := &cobra.Command{
		Use:   "run FILE|DIR... | run FILE.wasm [-- ARG...]",
		Short: "Build the apps of a manifest and serve them",
		Long:  runHelp,
		Example: `  mrt-wasm run examples/shop/manifest.yaml
  mrt-wasm run manifest.yaml components/ --data /var/lib/shop --http 0.0.0.0:80
  mrt-wasm run . --log-level debug --watch=false
  mrt-wasm run hello.wasm
  mrt-wasm run grep.wasm --dir logs::/logs:ro -- error /logs/today.txt`,
		Args: atLeastOne("FILE|DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if at := cmd.ArgsLenAtDash(); at >= 0 {
				args, f.wasm.args = args[:at], args[at:]
			}
			return runHost(cmd, &f, args)
		},
	}
	f.log.flags(cmd)
	f.wasm.flags(cmd)
	fs := cmd.Flags()
	fs.StringVar(&f.http, "http", host.DefaultHTTPAddr, "address of the front door; port 0 takes a free one")
	fs.StringVar(&f.api, "api", host.DefaultAPIAddr, "address of Dapr's HTTP API; port 0 takes a free one")
	fs.StringVar(&f.data, "data", host.DefaultDataDir, "folder of embedded stores and topics; for one host at a time")
	fs.StringVar(&f.cache, "cache", os.Getenv(cacheEnv), "folder of compiled code, which hosts may share (default $"+cacheEnv+", else cache/ in --data)")
	fs.StringVar(&f.namespace, "namespace", os.Getenv("NAMESPACE"), "Dapr's namespace (default $NAMESPACE, else \"default\")")
	fs.BoolVar(&f.watch, "watch", true, "load an app again when its source changes")
	fs.StringVar(&f.engine, "engine", "compiler", "compiler or interpreter")
	complete(cmd, "engine", "compiler", "interpreter")
	fs.DurationVar(&f.stopTimeout, "stop-timeout", 30*time.Second, "how long a graceful stop waits for work in flight")
	return cmd
}

// errForced ends a command that got a second signal.
var errForced = errors.New("stopped by a second signal; work in flight was lost")

func runHost(cmd *cobra.Command, f *runFlags, paths []string) error {
	begin := time.Now()
	log, pretty, err := f.log.open(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if f.engine != "compiler" && f.engine != "interpreter" {
		return usagef("--engine is %q, expected compiler or interpreter", f.engine)
	}
	if err := checkListen(f.http, f.api, os.Getenv(tokenEnv)); err != nil {
		return err
	}
	report := &reporter{log: log}
	if pretty {
		report.people = cmd.ErrOrStderr()
	}
	m, err := loadManifest(f.drivers, report, paths, &f.wasm)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	builder := source.New(source.Options{Dir: filepath.Join(f.data, "build"), Progress: report.build, Log: log})
	live := &reloader{report: report, ready: make(chan struct{})}
	if f.watch {
		live.watch(cmd.Context(), builder, m) // before the build, so that no change is missed
	}
	command := ""
	if file, ok := soleWasm(paths); ok && isCommand(file) {
		command = m.Apps[0].Name()
	}
	h, err := untilSignal(cmd.Context(), signals, func(ctx context.Context) (*host.Host, error) {
		return start(ctx, f, m, builder, log, stdio{cmd, command != ""})
	})
	if err != nil || h == nil {
		live.close()
		return notStarted(paths, command, err)
	}
	if command != "" {
		live.close()
		return runCommand(h, command, signals, f.stopTimeout)
	}
	report.ready(cmd.OutOrStdout(), h, time.Since(begin))
	live.serve(h)
	reason := "POST /v1.0/shutdown"
	select {
	case sig := <-signals:
		reason = sig.String()
	case <-h.Done():
	}
	log.Info("stopping: no new work is taken, what runs is finished; another signal ends it at once", "reason", reason)
	return stop(h, live.close, signals, f.stopTimeout)
}

// loadManifest reads the manifest, or makes that of a wasm file, and reports its warnings.
func loadManifest(drivers host.Drivers, report *reporter, paths []string, wasm *wasmFlags) (*manifest.Manifest, error) {
	if file, ok := soleWasm(paths); ok {
		return wasmManifest(file, wasm)
	}
	if flag := wasm.given(); flag != "" {
		return nil, usagef("%s is for a wasm file that is run without a manifest; write it into the manifest", flag)
	}
	m, err := readManifest(drivers, paths, false)
	if err != nil {
		return nil, fmt.Errorf("the manifest has errors:\n%w", err)
	}
	report.warnings(m.Warnings)
	return m, nil
}

// stdio are the streams of a command that runs in the terminal.
type stdio struct {
	cmd *cobra.Command
	use bool
}

// start builds the apps and starts the host; one that runs a command in the terminal is not started.
func start(ctx context.Context, f *runFlags, m *manifest.Manifest, b *source.Builder, log *slog.Logger, std stdio) (*host.Host, error) {
	// Before the build, which writes into the folder too.
	if err := host.CheckDataDir(f.data); err != nil {
		return nil, err
	}
	if err := b.Prepare(ctx, source.All(m.Apps)); err != nil {
		return nil, err
	}
	o := host.Options{
		Manifest: m, DataDir: f.data, CacheDir: f.cache, HTTPAddr: f.http, APIAddr: f.api,
		APIToken: os.Getenv(tokenEnv), Namespace: f.namespace, Log: log,
		Drivers: f.drivers, Interpreter: f.engine == "interpreter",
		Loader: source.Loader{Builder: b}, Version: readVersion().Version,
	}
	if std.use {
		o.Stdin, o.Stdout, o.Stderr = std.cmd.InOrStdin(), std.cmd.OutOrStdout(), std.cmd.ErrOrStderr()
	}
	h, err := host.New(ctx, o)
	if err != nil || std.use {
		return h, err
	}
	if err := h.Start(ctx); err != nil {
		return nil, errors.Join(err, h.Stop(context.WithoutCancel(ctx)))
	}
	return h, nil
}

// untilSignal does work that the first signal cancels and the second one abandons. After a signal it gives neither
// a host nor an error.
func untilSignal(ctx context.Context, signals <-chan os.Signal, work func(context.Context) (*host.Host, error)) (*host.Host, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		h   *host.Host
		err error
	}
	done := make(chan result, 1)
	go func() {
		h, err := work(ctx)
		done <- result{h, err}
	}()
	select {
	case r := <-done:
		return r.h, r.err
	case <-signals:
	}
	cancel()
	select {
	case r := <-done:
		if r.h != nil {
			return nil, r.h.Stop(context.WithoutCancel(ctx))
		}
		return nil, nil //nolint:nilnil // stopped as asked before there was a host
	case <-signals:
		return nil, errForced
	}
}

// stop ends the host in order, until the time is over or a second signal comes.
func stop(h *host.Host, stopWatch func(), signals <-chan os.Signal, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		stopWatch()
		done <- h.Stop(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-signals:
		return errForced
	}
}
