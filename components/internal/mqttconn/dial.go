package mqttconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/net/proxy"
)

const (
	// connectTimeout bounds the whole of connecting, the protocol's own exchange included.
	connectTimeout = 15 * time.Second
	// writeTimeout bounds one write to a server that takes nothing any more.
	writeTimeout = 15 * time.Second
	// keepAlive is how often the client asks an idle server whether it is there.
	keepAlive = 20 * time.Second
	// goodbye is how long the client waits for the server to end the connection after DISCONNECT.
	goodbye = 2 * time.Second
)

// conn is a network connection that knows when it is gone. paho.golang locks it while it writes a packet.
type conn struct {
	net.Conn
	sync.Mutex
	once  sync.Once
	ended chan struct{} // closed when nothing is read any more
	cause error         // why; set before ended is closed

	// polite has Close wait until the server has read everything, DISCONNECT at last, and closes by itself: what is still
	// on its way, such as acknowledgements, would else be overtaken by the next connection of the same session.
	polite  atomic.Bool
	parting sync.Once
	reading sync.Mutex
	leaving atomic.Bool // the library reads no more
}

// dial opens a network connection by the URL's scheme, through a proxy where the environment has ALL_PROXY.
func (s *server) dial(ctx context.Context) (*conn, error) {
	raw, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: raw, ended: make(chan struct{})}, nil
}

func (s *server) open(ctx context.Context) (net.Conn, error) {
	if s.scheme == "ws" || s.scheme == "wss" {
		timeout := connectTimeout
		if end, ok := ctx.Deadline(); ok {
			timeout = max(min(timeout, time.Until(end)), time.Millisecond)
		}
		return s.websocket(ctx, timeout)
	}
	raw, err := proxy.Dial(ctx, "tcp", s.addr)
	if err != nil || s.tls == nil {
		return raw, err
	}
	secured := tls.Client(raw, s.tls)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return secured, nil
}

// websocket does not wait for the library longer than ctx.
func (s *server) websocket(ctx context.Context, timeout time.Duration) (net.Conn, error) {
	type result struct {
		net.Conn
		error
	}
	opened := make(chan result, 1)
	go func() {
		raw, err := mqtt.NewWebsocket(s.scheme+"://"+s.addr+s.path, s.tls, timeout, nil, nil)
		opened <- result{raw, err}
	}()
	select {
	case r := <-opened:
		return r.Conn, r.error
	case <-ctx.Done():
		go func() {
			if r := <-opened; r.error == nil {
				_ = r.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// Read notes the end.
func (c *conn) Read(p []byte) (int, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	if c.leaving.Load() {
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(p)
	if c.leaving.Load() {
		if err == nil {
			_, _ = io.Copy(io.Discard, c.Conn)
		}
		return 0, net.ErrClosed
	}
	if err != nil {
		c.end(err)
	}
	return n, err
}

func (c *conn) end(err error) {
	c.once.Do(func() {
		switch {
		case errors.Is(err, io.EOF):
			err = errClosed
		case errors.Is(err, net.ErrClosed): // by the library
			err = errSilent
		}
		c.cause = err
		close(c.ended)
	})
}

var (
	errClosed = errors.New("the server closed the connection")
	errSilent = errors.New("the server did not answer, or not as it should")
)

// Write is bounded.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close may be called more than once.
func (c *conn) Close() error {
	if c.polite.Load() {
		c.parting.Do(c.part)
	}
	err := c.Conn.Close()
	c.end(net.ErrClosed)
	return err
}

// part reads until the server closes the connection: here, or where the library is reading.
func (c *conn) part() {
	c.leaving.Store(true)
	if c.SetReadDeadline(time.Now().Add(goodbye)) != nil {
		return
	}
	c.reading.Lock()
	defer c.reading.Unlock()
	_, _ = io.Copy(io.Discard, c.Conn) // ends at once if the library has met the end
}

// lost gives the reason why the connection ended.
func (c *conn) lost() error {
	select {
	case <-c.ended:
		return fmt.Errorf("%w: the connection is lost: %w", ErrUnavailable, c.cause)
	default:
		return nil
	}
}
