package plugin

import (
	"errors"
	"log/slog"
	nethttp "net/http"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/http"
	"github.com/mrt-wasm/mrt-wasm/host/wasi"
	wasihttp "github.com/mrt-wasm/mrt-wasm/host/wasi/http"
	"github.com/mrt-wasm/mrt-wasm/host/wasi/sockets"
)

// requests send what a plugin that is a component sends by wasi:http, where its metadata field allowHosts lets it.
type requests struct {
	name  string
	log   *slog.Logger
	block atomic.Pointer[http.Block] // nil until the block is there
}

// provide takes the block that sends.
func (r *requests) provide(b block.Block) {
	if b, ok := b.(*http.Block); ok {
		r.block.Store(b)
	}
}

// errEarly says that a plugin is too early.
var errEarly = errors.New("the host has not started its block http; send requests later than init")

// Send sends a request.
func (r *requests) Send(req *nethttp.Request) (*nethttp.Response, error) {
	b := r.block.Load()
	if b == nil {
		return nil, errEarly
	}
	res, err := b.Streaming(component.PluginApp(r.name)).Send(req)
	return res, r.denied(req, err)
}

// Check fails when the plugin may not send the request.
func (r *requests) Check(req *nethttp.Request) error {
	b := r.block.Load()
	if b == nil {
		return errEarly
	}
	return r.denied(req, b.Streaming(component.PluginApp(r.name)).Check(req))
}

// denied makes the error of a host that is not allowed WASI's. That has no text: what to do is in the log.
func (r *requests) denied(req *nethttp.Request, err error) error {
	if d, ok := errors.AsType[*wire.DeniedError](err); ok {
		r.log.WarnContext(req.Context(), "plugin may not send this request", "error", d.Reason)
		return &wasihttp.DeniedError{Reason: d.Reason}
	}
	return err
}

// newWASI makes what a plugin that is a component finds of WASI: clocks, randomness, output to the log, and HTTP to the
// hosts that it may call. It has no environment, no files and no sockets; what it is to know is its metadata.
func newWASI(name string, out *requests) (*wasi.WASI, error) {
	return wasi.New(wasi.Config{
		Args: []string{name}, Stdout: engine.Stdout, Stderr: engine.Stderr, Exit: engine.Exit,
		Monotonic: engine.Monotonic, Wall: engine.Wall, Skip: engine.Skip, Random: engine.Random,
		HTTP:    wasihttp.New(wasihttp.Config{Send: out.Send, Check: out.Check}),
		Sockets: sockets.New(sockets.Config{}),
	})
}
