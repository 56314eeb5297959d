package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	nethttp "net/http"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiwasihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/http"
	"github.com/mrt-wasm/mrt-wasm/host/wasi"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/filesystem"
	wasihttp "github.com/mrt-wasm/mrt-wasm/host/wasi/http"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/sockets"
)

// openWASI makes what an app finds of WASI 0.2. Every app gets it: a module that imports nothing of it pays nothing.
func (h *Host) openWASI(a *app) error {
	spec := &a.spec.Spec
	cfg := wasi.Config{
		Args: append([]string{a.name}, spec.Args...), Env: a.spec.Env(),
		Stdin: h.opts.Stdin, Stdout: h.output(h.opts.Stdout, engine.Stdout), Stderr: h.output(h.opts.Stderr, engine.Stderr),
		Exit: engine.Exit, Monotonic: engine.Monotonic, Wall: engine.Wall, Skip: engine.Skip, Random: engine.Random,
	}
	for _, d := range spec.Dirs {
		cfg.Dirs = append(cfg.Dirs, filesystem.Dir{Guest: d.Guest, Host: d.Host, ReadOnly: d.ReadOnly})
	}
	out := h.blocks.http.Streaming(a.name)
	cfg.HTTP = wasihttp.New(wasihttp.Config{
		Send: func(r *nethttp.Request) (*nethttp.Response, error) {
			res, err := out.Send(r)
			return res, h.denied(r, a.name, err)
		},
		Check: func(r *nethttp.Request) error { return h.denied(r, a.name, out.Check(r)) },
	})
	rules, err := newSocketRules(a.spec, h.log)
	if err != nil {
		return err
	}
	cfg.Sockets = sockets.New(sockets.Config{Allow: rules.allow})
	w, err := wasi.New(cfg)
	if err != nil {
		return err
	}
	a.wasi = w
	return nil
}

// output gives the writer of a standard stream: the host's own if the app has the terminal to itself, else the log.
func (h *Host) output(own io.Writer, log func(context.Context) io.Writer) func(context.Context) io.Writer {
	if own == nil {
		return log
	}
	return func(context.Context) io.Writer { return own }
}

// denied makes the error of a host that is not allowed WASI's. That has no text: what to do is in the log.
func (h *Host) denied(r *nethttp.Request, app string, err error) error {
	if d, ok := errors.AsType[*wire.DeniedError](err); ok {
		h.log.WarnContext(r.Context(), "app may not send this request", "app", app, "error", d.Reason)
		return &wasihttp.DeniedError{Reason: d.Reason}
	}
	return err
}

// streamer serves apps that handle wasi:http.
func streamer() *http.Streamer {
	return &http.Streamer{
		Interface: abiwasihttp.IncomingHandlerModule,
		Serve: func(ctx context.Context, g abi.Guest, w nethttp.ResponseWriter, r *nethttp.Request) error {
			err := wasihttp.Serve(ctx, g, w, r, wasihttp.Limits{WriteTimeout: http.WriteTimeout})
			if f, ok := errors.AsType[*wasihttp.Failure](err); ok {
				return &http.StreamError{Sent: f.Sent, Status: f.Status, Err: withText(f.Err)}
			}
			return err
		},
	}
}

// withText adds what a guest said about its error, which is for logs.
func withText(err error) error {
	if code, ok := errors.AsType[*abiwasihttp.ErrorCode](err); ok && code.InternalError != nil {
		return fmt.Errorf("%w: %s", err, *code.InternalError)
	}
	return err
}
