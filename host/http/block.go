// Package http is the building block for HTTP: the front door, which routes requests from outside to apps that
// export mrt:http/handler, and the client by which apps call the hosts that their manifest allows.
//
// The path that an app gets is the whole path of the request; nothing is cut off in front of it, also not for a
// route like /orders/... .
package http

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
	"github.com/mrt-wasm/mrt-wasm/host/trigger"
)

// DefaultAddress is where the front door listens unless told otherwise.
const DefaultAddress = "127.0.0.1:8080"

// Config says how the block works. Zero fields have the defaults that are named.
type Config struct {
	// Address is where the front door listens, host:port; empty means DefaultAddress, port 0 a free one.
	Address string
	// MaxBody bounds a request's body in bytes; 0 means 4 MiB. A longer one is answered with 413. Apps that stream
	// take bodies of any length.
	MaxBody int64
	// MaxHeader bounds a request's header in bytes; 0 means 64 KiB. A longer one is answered with 431.
	MaxHeader int
	// TrustForwarded keeps the X-Forwarded-* fields that a client sends: for a front door behind a proxy of one's own.
	TrustForwarded bool
	// Client is for requests of apps to the outside.
	Client ClientConfig
	// Stream serves apps that handle streaming requests; nil for none.
	Stream *Streamer
	// Apps gives what the manifest says of an app; nil means nothing is said of any.
	Apps func(app string) AppConfig

	Chain     *chain.Chain
	Telemetry *telemetry.Telemetry
	// Log may be nil.
	Log *slog.Logger
}

// AppConfig is what an app's manifest says about HTTP.
type AppConfig struct {
	// Routes are spec.http.routes: "/path" is exactly this path, "/path/..." it and everything below. None means
	// /<app's name>/... .
	Routes []string
	// Hidden keeps the app off the front door.
	Hidden bool
	// AllowHosts are spec.allow.hosts; see ParseRule. None means that the app may call nobody.
	AllowHosts []string
}

// ClientConfig bounds requests of apps to the outside.
type ClientConfig struct {
	// Timeout is for requests that set none; 0 means 30 s.
	Timeout time.Duration
	// MaxResponse bounds a response's body in bytes; 0 means 16 MiB.
	MaxResponse int64
}

// Block is the HTTP block of a host.
type Block struct {
	cfg    Config
	front  *Front
	client *client

	mu       sync.Mutex
	sessions map[string]*session // by app; the latest one
}

var (
	_ block.Triggerer = (*Block)(nil)
	_ block.Checker   = (*Block)(nil)
)

// New makes the block. Nothing listens before the trigger is started.
func New(cfg Config) (*Block, error) {
	if cfg.Address == "" {
		cfg.Address = DefaultAddress
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = wire.MaxBody
	}
	if cfg.MaxBody < 0 || cfg.MaxBody > abi.MaxBytes {
		return nil, fmt.Errorf("http: limit of request bodies: expected 1 to %d bytes, found %d", abi.MaxBytes, cfg.MaxBody)
	}
	if cfg.Client.Timeout == 0 {
		cfg.Client.Timeout = 30 * time.Second
	}
	if cfg.Client.MaxResponse == 0 {
		cfg.Client.MaxResponse = 16 << 20
	}
	if cfg.Client.MaxResponse < 0 || cfg.Client.MaxResponse > abi.MaxBytes {
		return nil, fmt.Errorf("http: limit of response bodies: expected 1 to %d bytes, found %d", abi.MaxBytes, cfg.Client.MaxResponse)
	}
	if cfg.Apps == nil {
		cfg.Apps = func(string) AppConfig { return AppConfig{} }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	b := &Block{cfg: cfg, sessions: map[string]*session{}, client: newClient(cfg)}
	b.front = newFront(cfg)
	return b, nil
}

// Name is "http".
func (b *Block) Name() string { return "http" }

// Imports is the client.
func (b *Block) Imports() []string { return []string{abihttp.ClientModule} }

// Exports are the handlers.
func (b *Block) Exports() []string {
	if b.cfg.Stream == nil {
		return []string{abihttp.HandlerModule}
	}
	return []string{abihttp.HandlerModule, b.cfg.Stream.Interface}
}

// Front is the front door.
func (b *Block) Front() *Front { return b.front }

// Open checks the app's routes and its allowed hosts. An app that is opened again under the same name takes the
// place of the earlier one for Outbound and Triggers; requests reach it after Front().Mount.
func (b *Block) Open(_ context.Context, app block.App) (block.Session, error) {
	cfg := b.cfg.Apps(app.Name())
	rules, err := ParseRules(cfg.AllowHosts)
	if err != nil {
		return nil, fmt.Errorf("app %s: spec.allow.hosts: %w", app.Name(), err)
	}
	if _, err := parseRoutes(app.Name(), cfg.Routes); err != nil {
		return nil, err
	}
	s := &session{block: b, app: app, routes: cfg.Routes, hidden: cfg.Hidden, caller: b.client.caller(app.Name(), rules)}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions[app.Name()] = s
	return s, nil
}

// Triggers gives the front door, with the routes of every open app that exports a handler.
func (b *Block) Triggers(ctx context.Context) ([]trigger.Trigger, error) {
	b.mu.Lock()
	var mounts []Mount
	for _, s := range b.sessions {
		if !s.hidden && (s.app.Handles(abihttp.HandlerModule) || b.front.streams(s.app)) {
			mounts = append(mounts, Mount{App: s.app, Routes: s.routes})
		}
	}
	b.mu.Unlock()
	if err := b.front.Mount(ctx, mounts); err != nil {
		return nil, err
	}
	return []trigger.Trigger{b.front}, nil
}

// Outbound gives what sends requests on behalf of an app, for other blocks: every one is checked against the app's
// spec.allow.hosts, and fails with a *wire.DeniedError that names the line to add. It follows no redirects.
func (b *Block) Outbound(app string) http.RoundTripper {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.sessions[app]; s != nil {
		return s.caller
	}
	return b.client.caller(app, nil)
}

// Ready says why the front door does not listen, if it should.
func (b *Block) Ready(context.Context) error { return b.front.server.Err() }

// Close ends idle connections of the client.
func (b *Block) Close(context.Context) error {
	b.client.close()
	return nil
}

// session is the block's side of one app.
type session struct {
	block  *Block
	app    block.App
	routes []string
	hidden bool
	caller *caller
}

// Funcs is the client, bound to this app's allowed hosts.
func (s *session) Funcs() []abi.Func { return abihttp.ClientFuncs(s.caller) }

// Close forgets the app, unless it was opened again.
func (s *session) Close(context.Context) error {
	s.block.mu.Lock()
	defer s.block.mu.Unlock()
	if s.block.sessions[s.app.Name()] == s {
		delete(s.block.sessions, s.app.Name())
	}
	return nil
}
