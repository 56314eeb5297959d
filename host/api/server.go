// Package api is the host's HTTP API: Dapr's, for programs outside of the host and for the command line. It mounts
// what the blocks bring (block.Routes) and adds health, metadata, metrics and shutdown; semantics of a block are in
// the block.
//
// One API serves all apps of the host, where Dapr has a sidecar for each. A call that is on behalf of an app says so
// in the header dapr-caller-app-id, or dapr-app-id; see CallerApp.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
	"github.com/mrt-wasm/mrt-wasm/host/trigger"
)

// DefaultAddress is where the API listens unless told otherwise: Dapr's port, on loopback.
const DefaultAddress = "127.0.0.1:3500"

// Config says how the API works. Zero fields have the defaults that are named.
type Config struct {
	// Address is host:port; empty means DefaultAddress, port 0 a free one. Without Token it must be loopback.
	Address string
	// Token is what clients must send as dapr-api-token (DAPR_API_TOKEN); empty means that none is asked for.
	Token string
	// MaxBody bounds a request's body in bytes; 0 means 4 MiB.
	MaxBody int64
	// CheckTimeout bounds how long a health check waits for the blocks' components; 0 means 3 s.
	CheckTimeout time.Duration
	// ID is the host's name, in metadata as Dapr's app id; empty means "mrt-wasm".
	ID string
	// Version is the host's, in metadata as runtimeVersion.
	Version string
	// Blocks are asked for block.Routes, block.Describer and block.Checker.
	Blocks []block.Block
	// Apps tells about all apps, for readiness and metadata; may be nil.
	Apps func() []App
	// DefaultApp is the app on whose behalf a call is that names none, or ""; may be nil.
	DefaultApp func() string
	// Shutdown ends the host; it is called once, on its own goroutine. Nil: POST /v1.0/shutdown answers 501.
	Shutdown func(force bool)
	// Middleware stands in front of all routes but those that ask for health, behind the check of the token; nil for none.
	Middleware func(next http.Handler) http.Handler

	Chain     *chain.Chain
	Telemetry *telemetry.Telemetry
	// Log may be nil.
	Log *slog.Logger
}

// App is one app as operators see it.
type App struct {
	// Name is Dapr's app id.
	Name string `json:"name"`
	// Handlers are the interfaces that it exports.
	Handlers []string `json:"handlers,omitempty"`
	// Routes are its routes at the front door.
	Routes []string `json:"routes,omitempty"`
	// Err is why it is not ready; nil when it is.
	Err error `json:"-"`
}

// Server is the API. It is a trigger.Trigger, to be started after the blocks and stopped before them.
type Server struct {
	cfg      Config
	mux      *http.ServeMux
	fallback http.HandlerFunc
	server   *wire.Server
	handler  http.Handler

	down sync.Once

	mu       sync.Mutex
	extended map[string]string
}

var _ trigger.Trigger = (*Server)(nil)

// New makes the API and listens nowhere yet. It fails when the address is not loopback and there is no token, and
// when two blocks want the same route.
func New(cfg Config) (*Server, error) {
	fill(&cfg)
	if _, _, err := net.SplitHostPort(cfg.Address); err != nil {
		return nil, fmt.Errorf("api: address: expected host:port, found %q: %w", cfg.Address, err)
	}
	if cfg.Token == "" && !wire.Loopback(cfg.Address) {
		return nil, fmt.Errorf("api: %s can be reached from other machines, and whoever reaches the API may use all components: "+
			"set DAPR_API_TOKEN to a secret that clients send as dapr-api-token, or listen on %s", cfg.Address, DefaultAddress)
	}
	s := &Server{cfg: cfg, mux: http.NewServeMux(), extended: map[string]string{}}
	if err := s.mount(); err != nil {
		return nil, err
	}
	s.handler = s.middleware()
	s.server = wire.NewServer(wire.ServerConfig{
		Name: s.Name(), Addresses: []string{cfg.Address}, Flag: "--api", Handler: s.handler, Log: cfg.Log,
	})
	return s, nil
}

func fill(cfg *Config) {
	if cfg.Address == "" {
		cfg.Address = DefaultAddress
	}
	if cfg.MaxBody <= 0 {
		cfg.MaxBody = wire.MaxBody
	}
	if cfg.CheckTimeout <= 0 {
		cfg.CheckTimeout = 3 * time.Second
	}
	if cfg.ID == "" {
		cfg.ID = "mrt-wasm"
	}
	if cfg.Apps == nil {
		cfg.Apps = func() []App { return nil }
	}
	if cfg.DefaultApp == nil {
		cfg.DefaultApp = func() string { return "" }
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}

// Name is "api".
func (s *Server) Name() string { return "api" }

// Start listens.
func (s *Server) Start(ctx context.Context) error { return s.server.Start(ctx) }

// Stop accepts no new connection and waits for the calls that run; those still there when ctx ends are cut off.
func (s *Server) Stop(ctx context.Context) error { return s.server.Stop(ctx) }

// URLs gives where the API listens, for example "http://127.0.0.1:3500"; nothing before Start.
func (s *Server) URLs() []string { return s.server.URLs() }

// Handler serves the API without a listener.
func (s *Server) Handler() http.Handler { return s.handler }

// fallbacker is a block that serves what is no route.
type fallbacker interface {
	Fallback(w http.ResponseWriter, r *http.Request)
}

// mount adds all routes.
func (s *Server) mount() error {
	var errs []error
	handle := func(pattern string, h http.HandlerFunc) {
		if err := s.handle(pattern, h); err != nil {
			errs = append(errs, err)
		}
	}
	s.own(handle)
	s.fallback = s.notFound
	for _, b := range s.cfg.Blocks {
		if r, ok := b.(block.Routes); ok {
			r.Routes(handle)
		}
		if f, ok := b.(fallbacker); ok {
			s.fallback = f.Fallback
		}
	}
	s.fallback = s.traced("fallback", s.fallback)
	return errors.Join(errs...)
}

// own are the routes that belong to no block.
func (s *Server) own(handle func(string, http.HandlerFunc)) {
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /v1.0/healthz":          s.healthz,
		"GET /v1.0/healthz/outbound": s.outbound,
		"GET /healthz":               s.live,
		"GET /readyz":                s.readyz,
		"GET /v1.0/metadata":         s.metadata,
		"PUT /v1.0/metadata/{key}":   s.setMetadata,
		"POST /v1.0/shutdown":        s.shutdown,
	} {
		handle(pattern, h)
	}
	if s.cfg.Telemetry != nil {
		handle("GET /metrics", s.cfg.Telemetry.Handler().ServeHTTP)
	}
}

// handle adds one route; http.ServeMux panics on patterns that are not valid or in conflict.
func (s *Server) handle(pattern string, h http.HandlerFunc) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("api: route %q: %v", pattern, p)
		}
	}()
	s.mux.HandleFunc(pattern, s.traced(pattern, h))
	return nil
}

// notFound is Dapr's answer to what is no route, where no block has a better one.
func (s *Server) notFound(w http.ResponseWriter, _ *http.Request) {
	block.WriteError(w, &block.APIError{
		Status: http.StatusNotFound, Code: "ERR_DIRECT_INVOKE",
		Message: "failed getting app id either from the URL path or the header dapr-app-id",
	})
}
