// Package invoke is the building block for service invocation: calling an app by its name. An app in the same host
// is called without a network, at its mrt:invoke/service, else at its mrt:http/handler; HTTPEndpoint resources and
// http(s) URLs are called over HTTP under the same function, as in Dapr.
//
// Header fields of one connection are left out on the way, in both directions. The callee gets dapr-caller-app-id,
// dapr-callee-app-id and the trace context from the host, whatever the caller set.
package invoke

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiinvoke "github.com/mrt-wasm/mrt-wasm/abi/invoke"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// The contract's types.
type (
	// Request is one call.
	Request = abiinvoke.Request
	// Response is its answer; a status of 400 and above is one too.
	Response = abiinvoke.Response
	// Header is one header field.
	Header = abiinvoke.Header
	// Error is why there is no answer.
	Error = abiinvoke.Error
)

// Config says how the block works. Zero fields have the defaults that are named.
type Config struct {
	// Apps finds an app of this host by its name.
	Apps func(name string) (block.App, bool)
	// Names lists the apps, for errors; may be nil.
	Names func() []string
	// Namespace is cut off names like "orders.default"; empty means "default".
	Namespace string
	// Endpoints are the HTTPEndpoint resources.
	Endpoints []Endpoint
	// Outbound sends the request when an app names a URL; nil refuses all.
	Outbound func(app string) http.RoundTripper
	// MaxDepth bounds how deep calls nest, against apps that call each other without end; 0 means 32.
	MaxDepth int
	// MaxResponse bounds a response over HTTP, in bytes; 0 means 16 MiB.
	MaxResponse int64
	// Timeout bounds a call over HTTP whose caller set no limit; 0 means 60 s.
	Timeout time.Duration

	Chain     *chain.Chain
	Telemetry *telemetry.Telemetry
	// Log may be nil.
	Log *slog.Logger
}

// Block is the invocation block of a host.
type Block struct {
	cfg       Config
	endpoints map[string]*endpoint
	plain     *http.Transport // for URLs that come from outside
	points    sync.Map        // of pointKey to *chain.Point
}

var (
	_ block.Routes    = (*Block)(nil)
	_ block.Describer = (*Block)(nil)
)

// New checks the endpoints and makes the block; all errors are given at once.
func New(cfg Config) (*Block, error) {
	if cfg.Apps == nil {
		cfg.Apps = func(string) (block.App, bool) { return nil, false }
	}
	if cfg.Names == nil {
		cfg.Names = func() []string { return nil }
	}
	if cfg.Namespace == "" {
		cfg.Namespace = "default"
	}
	if cfg.MaxDepth <= 0 {
		cfg.MaxDepth = 32
	}
	if cfg.MaxResponse <= 0 {
		cfg.MaxResponse = 16 << 20
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = time.Minute
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	b := &Block{cfg: cfg, endpoints: map[string]*endpoint{}, plain: transport(nil)}
	var errs []error
	for _, e := range cfg.Endpoints {
		ep, err := newEndpoint(e)
		switch {
		case err != nil:
			errs = append(errs, err)
		case b.endpoints[e.Name] != nil:
			errs = append(errs, fmt.Errorf("HTTPEndpoint %s: there are two of this name", e.Name))
		default:
			b.endpoints[e.Name] = ep
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return b, nil
}

// Name is "invoke".
func (b *Block) Name() string { return "invoke" }

// Imports is the client.
func (b *Block) Imports() []string { return []string{abiinvoke.ClientModule} }

// Exports is the service.
func (b *Block) Exports() []string { return []string{abiinvoke.ServiceModule} }

// Open makes an app's client.
func (b *Block) Open(_ context.Context, app block.App) (block.Session, error) {
	return &session{block: b, app: app.Name()}, nil
}

// Close ends idle connections to endpoints.
func (b *Block) Close(context.Context) error {
	b.plain.CloseIdleConnections()
	for _, e := range b.endpoints {
		e.transport.CloseIdleConnections()
	}
	return nil
}

// Describe lists the HTTP endpoints.
func (b *Block) Describe(context.Context) map[string]any {
	list := []map[string]string{}
	for _, e := range b.cfg.Endpoints {
		list = append(list, map[string]string{"name": e.Name})
	}
	return map[string]any{"httpEndpoints": list}
}

// session is the client of one app.
type session struct {
	block *Block
	app   string
}

var _ abiinvoke.ClientHost = (*session)(nil)

// Funcs is the client, bound to the app's name.
func (s *session) Funcs() []abi.Func { return abiinvoke.ClientFuncs(s) }

// Close has nothing to release.
func (s *session) Close(context.Context) error { return nil }

// Invoke is the call of a guest.
func (s *session) Invoke(ctx context.Context, app string, request Request) (Response, *Error) {
	res, err := s.block.Invoke(ctx, s.app, app, request)
	if err == nil {
		return res, nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return Response{}, e
	}
	return Response{}, &Error{Tag: abiinvoke.ErrorFailed, Failed: err.Error()}
}
