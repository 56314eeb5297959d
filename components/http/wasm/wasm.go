// Package wasm is the HTTP middleware middleware.http.wasm: a wasm module that exports mrt:http/middleware.
package wasm

import (
	"context"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	"github.com/mrt-wasm/mrt-wasm/components/internal/wasmplugin"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/http"
)

// Spec is the driver.
var Spec = component.Spec[http.Middleware]{
	Type: "middleware.http.wasm",
	Doc: `Looks at HTTP requests by a plugin: a WebAssembly module that exports mrt:http/middleware.

It looks at answers too if the plugin exports mrt:http/response-middleware. All metadata but the fields below goes to the
plugin's init. spec.httpPipeline and spec.appHttpPipeline of a Configuration say where it stands.`,
	Fields:  func() any { return new(wasmplugin.Settings) },
	Further: true,
	New:     func(ctx context.Context, cfg component.Config) (http.Middleware, error) { return open(ctx, cfg) },
}

// middleware is a plugin as a middleware, both one that looks at answers too.
type (
	middleware struct{ plugin component.Plugin }
	both       struct{ *middleware }
)

var (
	_ http.Middleware      = (*middleware)(nil)
	_ http.ResponseHandler = (*both)(nil)
)

func open(ctx context.Context, cfg component.Config) (http.Middleware, error) {
	run, err := wasmplugin.Runner(cfg)
	if err != nil {
		return nil, err
	}
	metadata := wasmplugin.Init(cfg)
	p, err := run.Open(ctx, component.PluginConfig{
		Config: cfg, Exports: append(abihttp.MiddlewareExports(), abihttp.ResponseMiddlewareExports()...),
		OneOf: []string{abihttp.MiddlewareModule}, Unavailable: http.ErrUnavailable,
		Init: func(ctx context.Context, g abi.Guest) error {
			return wasmplugin.Started(abihttp.CallMiddlewareInit(ctx, g, metadata), http.ErrUnavailable)
		},
	})
	if err != nil {
		return nil, err
	}
	if p.Has(abihttp.ResponseMiddlewareModule) {
		return &both{&middleware{p}}, nil
	}
	return &middleware{p}, nil
}

// HandleRequest has the plugin look at a request.
func (m *middleware) HandleRequest(ctx context.Context, req abihttp.Request) (action abihttp.Action, err error) {
	err = m.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		action, err = abihttp.CallMiddlewareHandleRequest(ctx, g, req)
		return err
	})
	if err != nil {
		return abihttp.Action{}, fmt.Errorf("handle-request: %w", err)
	}
	return action, nil
}

// Close ends the plugin.
func (m *middleware) Close(ctx context.Context) error { return m.plugin.Close(ctx) }

// HandleResponse has the plugin look at an answer.
func (b *both) HandleResponse(ctx context.Context, req abihttp.Request, res abihttp.Response) (out abihttp.Response, err error) {
	err = b.plugin.Do(ctx, func(ctx context.Context, g abi.Guest) (err error) {
		out, err = abihttp.CallResponseMiddlewareHandleResponse(ctx, g, req, res)
		return err
	})
	if err != nil {
		return abihttp.Response{}, fmt.Errorf("handle-response: %w", err)
	}
	return out, nil
}
