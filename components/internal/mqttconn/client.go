package mqttconn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// publishTimeout is how long a server may take to acknowledge a message.
const publishTimeout = 15 * time.Second

// Config says what to open.
type Config struct {
	Settings *Settings
	// V5 is MQTT 5 instead of 3.1.1.
	V5 bool
	// Expiry is how long the server keeps a session that nobody uses, with MQTT 5; less than 0 is for ever.
	Expiry time.Duration
	// Name begins the name of the connection by which is published.
	Name string
	Log  *slog.Logger
}

// Client publishes by one connection, and consumes by one session for each consumer group and subscription: so a
// subscription whose handlers fail or are slow holds up no other one.
type Client struct {
	cfg       Config
	server    *server
	log       *slog.Logger
	publisher *link

	mu       sync.Mutex
	sessions map[string]*session // by name at the server
	closed   bool
}

// Open connects. A *component.PermanentError is one that waiting cannot mend. ctx bounds the opening only.
func Open(ctx context.Context, cfg Config) (*Client, error) {
	at, err := cfg.Settings.server()
	if err != nil {
		return nil, component.Permanent(err)
	}
	c := &Client{cfg: cfg, server: at, log: cfg.Log, sessions: map[string]*session{}}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if at.tls == nil && cfg.Settings.secured() {
		c.log.Warn("metadata fields caCert, clientCert and clientKey have no effect: the scheme of url is one without TLS; use ssl:// or wss://")
	}
	if cfg.Settings.QoS == 0 {
		c.log.Warn("metadata field qos is 0: messages are lost whenever the connection or a handler fails")
	}
	id := freshID(cfg.Name, "publisher")
	c.publisher, err = newLink(ctx, c.log.With("for", "publishing"), "", func(ctx context.Context) (wire, error) {
		w, _, err := c.connect(ctx, hello{clientID: id})
		return w, err
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Publish returns when the server has acknowledged the message; with qos 0, when it is sent.
func (c *Client) Publish(ctx context.Context, m *Message) error {
	out, err := c.outgoing(m)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w, err := c.publisher.wire()
	if err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	err = w.publish(bounded, out)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return fmt.Errorf("%w: it has not acknowledged the message within %s", ErrUnavailable, publishTimeout)
	}
	return err
}

// Ping connects a second time, for MQTT has no other way to ask the server that both libraries give.
func (c *Client) Ping(ctx context.Context) error {
	w, _, err := c.connect(ctx, hello{clientID: freshID(c.cfg.Name, "ping")})
	if err != nil {
		return err
	}
	w.close()
	return nil
}

// Close ends all connections. Consumers are stopped before; one that is not gives back what it has.
func (c *Client) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	var open []*session
	for _, s := range c.sessions {
		open = append(open, s)
	}
	c.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range open {
		wg.Go(func() { s.abandon(ctx) })
	}
	c.publisher.stop()
	wg.Wait()
	return nil
}
