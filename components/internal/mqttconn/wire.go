package mqttconn

import (
	"context"
	"errors"
	"fmt"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// wire is one connection to a server, in one version of the protocol. It does not connect again.
type wire interface {
	// publish returns when the server has acknowledged, or when ctx or the connection ends.
	publish(ctx context.Context, m *outgoing) error
	subscribe(ctx context.Context, filter string, qos byte) error
	unsubscribe(ctx context.Context, filter string) error
	// gone is closed when the connection has ended, and why then says the reason.
	gone() <-chan struct{}
	why() error
	// close takes leave of the server, if it is there, and returns when all is over.
	close()
}

// hello is how a connection introduces itself.
type hello struct {
	clientID string
	// keep has the server keep the session when the connection ends.
	keep bool
	// receive takes what arrives, in order; it does not block. nil for a connection that only publishes.
	receive func(*incoming)
}

// incoming is a message that has arrived.
type incoming struct {
	Message
	id  uint16 // packet identifier; 0 with qos 0
	qos byte
	dup bool
	// ack tells the server that the message is done; false if it cannot be told.
	ack func() bool
}

// connect makes a connection; present tells whether the server knows the session.
func (c *Client) connect(ctx context.Context, h hello) (w wire, present bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	raw, err := c.server.dial(ctx)
	if err != nil {
		return nil, false, c.explain(ctx, err)
	}
	if c.cfg.V5 {
		w, present, err = c.connect5(ctx, raw, h)
	} else {
		w, present, err = c.connect3(ctx, raw, h)
	}
	if err != nil {
		_ = raw.Close()
		return nil, false, c.explain(ctx, err)
	}
	return w, present, nil
}

// The reasons for which a server refuses a connection, which waiting does not mend.
var (
	errCredentials = errors.New("the server refuses the credentials")
	errClientID    = errors.New("the server refuses the name of the session")
	errVersion     = errors.New("the server does not speak this version of MQTT")
	// errTakenOver: another connection has the same name.
	errTakenOver = errors.New("another client has taken over the session")
)

// explain adds what was tried and what to do.
func (c *Client) explain(ctx context.Context, err error) error {
	where := c.server.addr
	switch {
	case errors.Is(err, errCredentials):
		return component.Permanent(fmt.Errorf("%w: %s: %w; check user and password in url, and clientCert", ErrUnavailable, where, err))
	case errors.Is(err, errClientID):
		return component.Permanent(fmt.Errorf("%w: %s: %w; it has to allow names that begin with consumerID or the app's name", ErrUnavailable, where, err))
	case errors.Is(err, errVersion):
		return component.Permanent(fmt.Errorf("%w: %s: %w; MQTT 3.1.1 is type mqtt3 and MQTT 5 is mqtt5", ErrUnavailable, where, err))
	case errors.Is(context.Cause(ctx), context.Canceled):
		return context.Canceled
	default:
		return fmt.Errorf("%w: %s: %w; check url and that the server runs", ErrUnavailable, where, err)
	}
}
