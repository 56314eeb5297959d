// Package wire is what the front door, the API server and service invocation have in common at HTTP level: a server
// that listens on several addresses and stops without dropping a request, the rules for header fields at a hop, and
// bodies with a limit. It knows no block.
package wire

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// ServerConfig says how a server listens. Zero fields have the defaults that are named.
type ServerConfig struct {
	// Name says what it is in errors and logs, for example "http front door".
	Name string
	// Addresses are host:port; port 0 takes a free one.
	Addresses []string
	// Flag is the command line's flag that sets the address, for errors.
	Flag    string
	Handler http.Handler
	// MaxHeader bounds the header of a request, in bytes; 0 means 64 KiB.
	MaxHeader int
	// HeaderTimeout bounds the reading of a request's header; 0 means 10 s.
	HeaderTimeout time.Duration
	// ReadTimeout bounds the reading of a whole request; 0 means 2 minutes.
	ReadTimeout time.Duration
	// IdleTimeout ends connections without requests; 0 means 2 minutes.
	IdleTimeout time.Duration
	Log         *slog.Logger
}

// Server serves HTTP/1.1 and HTTP/2 without TLS (h2c). It can be started once.
type Server struct {
	cfg ServerConfig
	srv *http.Server

	mu        sync.Mutex
	listeners []net.Listener
	failed    error
	wg        sync.WaitGroup

	// draining makes every response the last of its connection; latest is when a request last began, in Unix
	// nanoseconds.
	draining atomic.Bool
	latest   atomic.Int64
}

// How long a stop waits for requests on their way: until none has begun for quiet, at most drain.
const (
	quiet = 100 * time.Millisecond
	drain = time.Second
)

// NewServer makes a server and does not listen yet.
func NewServer(cfg ServerConfig) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &Server{cfg: cfg}
	s.srv = &http.Server{
		Handler: s.last(cfg.Handler), Protocols: protocols,
		MaxHeaderBytes:    or(cfg.MaxHeader, 64<<10),
		ReadHeaderTimeout: or(cfg.HeaderTimeout, 10*time.Second),
		ReadTimeout:       or(cfg.ReadTimeout, 2*time.Minute),
		IdleTimeout:       or(cfg.IdleTimeout, 2*time.Minute),
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug),
	}
	return s
}

// last has connections closed after their next response while the server drains.
func (s *Server) last(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.latest.Store(time.Now().UnixNano())
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

func or[T comparable](v, fallback T) T {
	var zero T
	if v == zero {
		return fallback
	}
	return v
}

// Start listens on every address and serves; ctx bounds only the start. If one address cannot be had, none is kept.
func (s *Server) Start(ctx context.Context) error {
	var lc net.ListenConfig
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.cfg.Addresses {
		l, err := lc.Listen(ctx, "tcp", a)
		if err != nil {
			for _, open := range s.listeners {
				_ = open.Close() // the error of Listen is the one that matters
			}
			s.listeners = nil
			return fmt.Errorf("%s cannot listen on %s: %w; end what holds the address or choose another with %s", s.cfg.Name, a, err, s.cfg.Flag)
		}
		s.listeners = append(s.listeners, l)
	}
	for _, l := range s.listeners {
		s.wg.Go(func() { s.serve(l) })
	}
	return nil
}

func (s *Server) serve(l net.Listener) {
	err := s.srv.Serve(l)
	if err == nil || errors.Is(err, http.ErrServerClosed) || s.draining.Load() {
		return
	}
	s.cfg.Log.Error(s.cfg.Name+" stopped listening", "address", l.Addr().String(), "error", err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = fmt.Errorf("%s stopped listening on %s: %w", s.cfg.Name, l.Addr(), err)
}

// Stop accepts no new connection and waits for the requests that run; when ctx ends first they are cut off and ctx's
// error is given. A request that is on its way on an open connection is still answered: closing at once what is idle
// at this moment would drop it.
func (s *Server) Stop(ctx context.Context) error {
	s.draining.Store(true)
	s.mu.Lock()
	for _, l := range s.listeners {
		_ = l.Close() // what fails to close is of no use any more
	}
	s.mu.Unlock()
	s.wg.Wait() // else Shutdown would close the listeners again, which is an error
	s.settle(ctx)
	err := s.srv.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("%s: requests were cut off: %w", s.cfg.Name, err), s.srv.Close())
	}
	return err
}

// settle waits until no request has begun for a while.
func (s *Server) settle(ctx context.Context) {
	for end := time.Now().Add(drain); time.Now().Before(end); {
		wait := quiet - time.Since(time.Unix(0, s.latest.Load()))
		if wait <= 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// Err says why the server no longer listens; nil while it does and before it is started.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Addrs gives the addresses that it listens on, with real port numbers; none before Start.
func (s *Server) Addrs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]string, len(s.listeners))
	for i, l := range s.listeners {
		out[i] = l.Addr().String()
	}
	return out
}

// URLs gives Addrs as URLs that a client on this machine can use.
func (s *Server) URLs() []string {
	out := s.Addrs()
	for i, a := range out {
		host, port, err := net.SplitHostPort(a)
		if err != nil {
			continue
		}
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			host = "localhost"
		}
		out[i] = "http://" + net.JoinHostPort(host, port)
	}
	return out
}

// Loopback tells whether host:port can be reached from this machine only. Other names than localhost count as
// reachable from outside, whatever they resolve to now.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		host = address
	}
	return LoopbackHost(host)
}

// LoopbackHost is Loopback for a host without port.
func LoopbackHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}
