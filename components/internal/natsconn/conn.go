package natsconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// MaxCall bounds how long a call waits for a server that is silent.
const MaxCall = 15 * time.Second

// dialTimeout bounds one try to connect, at the start and when connecting again.
const dialTimeout = 10 * time.Second

// Conn is a connection to a server. It connects again by itself for as long as it is open; meanwhile calls fail at once,
// with an error that Unavailable knows.
type Conn struct {
	*nats.Conn

	mu sync.Mutex
	// held ends when the server is gone that answers now.
	held context.Context //nolint:containedctx // it is the connection's life, not a call's
	lose context.CancelCauseFunc
}

// Dial opens a connection to the server of the settings or, without natsURL, to the embedded one. The error is permanent
// where trying again cannot help, and has no credentials in it.
func Dial(ctx context.Context, s *Settings, cfg component.Config) (*Conn, error) {
	opts, err := s.options(cfg.Name)
	if err = errors.Join(s.Check(), err); err != nil {
		return nil, component.Permanent(err)
	}
	where := hide(s.URL)
	if s.URL == "" {
		if cfg.Embedded == nil {
			return nil, component.Permanent(errors.New("metadata field natsURL is missing and this host has no embedded NATS server"))
		}
		server, err := cfg.Embedded.NATS(ctx)
		if err != nil {
			return nil, err
		}
		opts = append(opts, nats.InProcessServer(server))
		where = "the embedded server"
	}
	timeout := dialTimeout
	if end, ok := ctx.Deadline(); ok {
		timeout = min(timeout, max(time.Until(end), time.Millisecond))
	}
	c := &Conn{}
	c.renew()
	opts = append(opts, nats.Timeout(timeout), nats.DisconnectErrHandler(c.lost(Log(cfg))), nats.ErrorHandler(reporting(Log(cfg))))
	if c.Conn, err = nats.Connect(s.URL, opts...); err != nil {
		return nil, s.explain(where, err)
	}
	return c, nil
}

func (c *Conn) renew() { c.held, c.lose = context.WithCancelCause(context.Background()) }

// lost ends what waits for an answer: nobody will give it.
func (c *Conn) lost(log *slog.Logger) nats.ConnErrHandler {
	return func(_ *nats.Conn, err error) {
		if err != nil {
			log.Warn("connection to the NATS server is lost; connecting again", "error", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lose(nats.ErrDisconnected)
		c.renew()
	}
}

func reporting(log *slog.Logger) nats.ErrHandler {
	return func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("NATS", "error", err) }
}

// Do runs a call that waits for an answer of the server. It ends with ctx, when the connection is lost, or after
// MaxCall.
func (c *Conn) Do(ctx context.Context, call func(context.Context) error) error {
	return c.Within(ctx, MaxCall, call)
}

// Within is Do with another end.
//
//nolint:contextcheck // held is the connection's life, not the call's
func (c *Conn) Within(ctx context.Context, most time.Duration, call func(context.Context) error) error {
	c.mu.Lock()
	held := c.held
	c.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c.IsClosed():
		return nats.ErrConnectionClosed
	case !c.IsConnected(): // the client library would keep some calls waiting
		return nats.ErrConnectionReconnecting
	}
	inner, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(held, func() { cancel(context.Cause(held)) })() //nolint:contextcheck // as above
	timed, stop := context.WithTimeoutCause(inner, most, nats.ErrTimeout)
	defer stop()
	err := call(timed)
	if err != nil && timed.Err() != nil && ctx.Err() == nil {
		return context.Cause(timed)
	}
	return err
}

// Close sends what is on its way and closes the connection. The error says that the last of it may be lost.
func (c *Conn) Close(ctx context.Context) error {
	defer c.Conn.Close()
	if !c.IsConnected() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return c.FlushWithContext(ctx)
}

// Log gives the component's log, or one that discards.
func Log(cfg component.Config) *slog.Logger {
	if cfg.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return cfg.Log
}

// explain adds what was tried and what to do.
func (s *Settings) explain(where string, err error) error {
	_, unreadable := errors.AsType[*url.Error](err)
	switch {
	case unreadable: // the error quotes the URL, which may have a password
		return component.Permanent(errors.New("metadata field natsURL: want nats://host:port, several separated by commas; what is there cannot be read as URLs"))
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked), errors.Is(err, nats.ErrAccountAuthExpired):
		return component.Permanent(fmt.Errorf("NATS server %s refuses the credentials; check token, username and password, jwt and seedKey, or credentialsFile: %w", where, err))
	case errors.Is(err, nats.ErrNkeysNotSupported):
		return component.Permanent(fmt.Errorf("NATS server %s knows no JWTs; leave out jwt and seedKey, or credentialsFile: %w", where, err))
	case strings.Contains(err.Error(), "nkeys: "), strings.Contains(err.Error(), "unable to extract key pair"):
		// The client library's errors about a seed are not all exported.
		return component.Permanent(errors.New("metadata field seedKey, or the file credentialsFile: want the seed of a user's nkey, which begins with SU"))
	default:
		return fmt.Errorf("NATS server %s does not answer; check natsURL and that the server runs: %w", where, err)
	}
}

// hide leaves out the user information of URLs.
func hide(urls string) string {
	parts := strings.Split(urls, ",")
	for i, u := range parts {
		scheme, rest, ok := strings.Cut(u, "://")
		if !ok {
			scheme, rest = "nats", u
		}
		parts[i] = strings.TrimSpace(scheme) + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
	}
	return strings.Join(parts, ",")
}

// Unavailable tells whether err means that no server took the request, that its answer was lost or that the server
// cannot take more now. A timeout may also be the caller's own: look at ctx.Err() first.
func Unavailable(err error) bool {
	for _, target := range []error{
		nats.ErrTimeout, nats.ErrNoResponders, nats.ErrConnectionClosed, nats.ErrConnectionDraining, nats.ErrConnectionReconnecting,
		nats.ErrReconnectBufExceeded, nats.ErrDisconnected, nats.ErrNoServers, nats.ErrStaleConnection,
		jetstream.ErrJetStreamNotEnabled, jetstream.ErrNoStreamResponse, context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	const serviceUnavailable = 503
	api, ok := errors.AsType[jetstream.JetStreamError](err)
	return ok && api.APIError() != nil && api.APIError().Code == serviceUnavailable
}

// PlainName makes any text part of the name of a stream, a bucket or a consumer; different texts stay different.
func PlainName(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}
