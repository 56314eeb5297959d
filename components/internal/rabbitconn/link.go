package rabbitconn

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/mrt-wasm/mrt-wasm/host/component"
)

const (
	// connectTimeout is how long one attempt to connect may take, with all handshakes.
	connectTimeout = 15 * time.Second
	// writeTimeout is how long the network may refuse to take what is written; then the connection is lost.
	writeTimeout = 10 * time.Second
	// callTimeout is how long a call of the server may take for which the caller has set no end.
	callTimeout = 30 * time.Second
	// minPause is the shortest pause between two attempts.
	minPause = 100 * time.Millisecond
)

// Link is a connection that is opened again when it is lost, by the next who needs it. It has no goroutine that tries
// while nobody needs it.
type Link struct {
	o      Options
	ctx    context.Context //nolint:containedctx // of attempts to connect: they are shared by all who wait for them
	cancel context.CancelFunc

	mu      sync.Mutex
	conn    *amqp.Connection // may be lost
	blocked string           // why the server takes no messages on conn; empty if it does
	dialing chan struct{}    // closed when the attempt that runs is over; nil if there is none
	failed  error            // of the last attempt
	pause   time.Duration    // after the last attempt
	next    time.Time        // no attempt before
	closed  bool
}

// Open connects. A *component.PermanentError is one that waiting cannot mend. ctx bounds the start only.
func Open(ctx context.Context, o Options) (*Link, error) {
	if err := o.Check(); err != nil {
		return nil, component.Permanent(err)
	}
	l := New(ctx, o)
	if _, err := l.connection(ctx); err != nil {
		l.Close(ctx)
		if down, ok := errors.AsType[*downError](err); ok {
			err = down.err
		}
		return nil, o.explain(err)
	}
	return l, nil
}

// New is Open for options that are checked and a server that may be down: it is connected to when needed.
func New(ctx context.Context, o Options) *Link {
	l := &Link{o: o}
	l.ctx, l.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return l
}

// connection gives the connection, which may take an attempt to connect.
func (l *Link) connection(ctx context.Context) (*amqp.Connection, error) {
	for {
		conn, wait, err := l.current()
		if conn != nil || err != nil {
			return conn, err
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// current gives the connection, or what to wait for, or why there is none.
func (l *Link) current() (*amqp.Connection, <-chan struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return nil, nil, errClosed
	case l.conn != nil && !l.conn.IsClosed():
		return l.conn, nil, nil
	case l.dialing != nil:
	case time.Now().Before(l.next):
		return nil, nil, &downError{where: l.o.where(), err: l.failed}
	default:
		l.dialing = make(chan struct{})
		go l.dial(l.dialing)
	}
	return nil, l.dialing, nil
}

// dial makes one attempt.
func (l *Link) dial(done chan struct{}) {
	conn, err := l.o.dial(l.ctx)
	err = l.o.redact(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(done)
	l.dialing = nil
	if err != nil {
		l.pause = min(max(2*l.pause, minPause), max(l.o.ReconnectWait, minPause))
		l.failed, l.next = err, time.Now().Add(l.pause)
		return
	}
	if l.conn != nil {
		l.o.Log.Info("connected to the RabbitMQ server again", "connection", l.o.Name)
	}
	l.conn, l.blocked, l.pause = conn, "", 0
	go l.watch(conn)
}

// watch notes what the server says about a connection until it is closed.
func (l *Link) watch(conn *amqp.Connection) {
	closes, blocks := conn.NotifyClose(make(chan *amqp.Error, 1)), conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	for {
		select {
		case err := <-closes:
			if err != nil { // else it was us
				l.o.Log.Warn("connection to the RabbitMQ server is lost; connecting again", "connection", l.o.Name, "error", l.o.redact(err))
			}
			return
		case b, ok := <-blocks:
			if !ok {
				blocks = nil
				continue
			}
			l.block(conn, b)
		}
	}
}

func (l *Link) block(conn *amqp.Connection, b amqp.Blocking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != conn {
		return
	}
	if l.blocked = ""; b.Active {
		l.blocked = "it said: " + b.Reason
		l.o.Log.Warn("the RabbitMQ server takes no messages until it has resources again", "connection", l.o.Name, "reason", b.Reason)
	}
}

// taking gives an error while the server takes no messages: what is written then would wait without end.
func (l *Link) taking() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.blocked != "" {
		return &blockedError{l.blocked}
	}
	return nil
}

// Ping makes a round trip to the server.
func (l *Link) Ping(ctx context.Context) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	return l.Do(ctx, func(*amqp.Channel) error { return nil })
}

// Do opens a channel for one piece of work.
func (l *Link) Do(ctx context.Context, work func(*amqp.Channel) error) error {
	conn, err := l.connection(ctx)
	if err != nil {
		return err
	}
	return l.on(ctx, conn, work)
}

func (l *Link) on(ctx context.Context, conn *amqp.Connection, work func(*amqp.Channel) error) error {
	return l.o.redact(do(ctx, func() error {
		ch, err := conn.Channel()
		if err != nil {
			return err
		}
		defer func() { _ = ch.Close() }() // it is closed already if the work has failed
		return work(ch)
	}))
}

// Close ends the connection for good; what waits for it fails.
func (l *Link) Close(ctx context.Context) {
	l.cancel()
	l.mu.Lock()
	l.closed = true
	conn, dialing := l.conn, l.dialing
	l.mu.Unlock()
	if dialing != nil {
		<-dialing // it ends with its context
		l.mu.Lock()
		conn = l.conn
		l.mu.Unlock()
	}
	if conn == nil {
		return
	}
	deadline := time.Now().Add(2 * time.Second)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	_ = conn.CloseDeadline(deadline) // it is closed in any case
}

// dial opens a connection.
func (o *Options) dial(ctx context.Context) (*amqp.Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	config := amqp.Config{Heartbeat: o.Heartbeat, Properties: amqp.NewConnectionProperties()}
	config.Properties["connection_name"] = o.Name
	var err error
	if config.TLSClientConfig, err = o.tls(); err != nil {
		return nil, err
	}
	if o.External {
		config.SASL = []amqp.Authentication{&amqp.ExternalAuth{}}
	}
	// The handshakes know no context: they end when the connection under them is closed.
	var end func() bool
	config.Dial = func(network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		end = context.AfterFunc(ctx, func() { _ = conn.Close() })
		return boundedConn{conn}, nil
	}
	conn, err := amqp.DialConfig(o.URL, config)
	if end != nil && !end() && err == nil {
		err = errTime
	}
	if err != nil {
		if conn != nil {
			_ = conn.CloseDeadline(time.Now())
		}
		return nil, err
	}
	return conn, nil
}

// boundedConn never waits long to write: a server that reads no more would hold up all who publish.
type boundedConn struct{ net.Conn }

// Write fails after writeTimeout.
func (c boundedConn) Write(b []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// do makes a call of the client library, which knows no context: what is left behind ends with the connection.
func do(ctx context.Context, call func() error) error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bounded gives calls of the server an end.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, callTimeout, errTime)
}
