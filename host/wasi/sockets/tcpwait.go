package sockets

import (
	"context"
	"net"
	"net/netip"
	"sync"
)

// dial is a connection that is being made.
type dial struct {
	cancel context.CancelFunc
	mu     sync.Mutex
	gone   bool

	done chan struct{}
	conn *net.TCPConn // written before done is closed, as err
	err  error
}

func (d *dial) run(ctx context.Context, dialer *net.Dialer, network string, addr netip.AddrPort) {
	defer close(d.done)
	c, err := dialer.DialContext(ctx, network, addr.String())
	if err != nil {
		d.err = err
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone {
		_ = c.Close() // nobody waits for it
		return
	}
	d.conn = c.(*net.TCPConn) //nolint:forcetypeassert // of a TCP network
}

// drop ends it.
func (d *dial) drop() {
	d.cancel()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = true
	if d.conn != nil {
		_ = d.conn.Close() // nobody has used it
	}
}

// acceptor accepts one connection ahead, so that the guest can be told that there is one.
type acceptor struct {
	listener *net.TCPListener

	mu            sync.Mutex
	running, gone bool
	ready         chan struct{} // closed when there is conn or err
	conn          *net.TCPConn
	err           error
}

// wait gives a channel that is closed when there is something to take.
func (a *acceptor) wait() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.startLocked()
	return a.ready
}

func (a *acceptor) startLocked() {
	if a.running || a.gone || a.conn != nil || a.err != nil {
		return
	}
	a.running = true
	go a.run()
}

func (a *acceptor) run() {
	c, err := a.listener.AcceptTCP()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.running = false
	if a.gone {
		if c != nil {
			_ = c.Close() // nobody waits for it
		}
		return
	}
	a.conn, a.err = c, err
	close(a.ready)
}

// take gives the connection or error that is there, or nothing, and has the next one accepted.
func (a *acceptor) take() (*net.TCPConn, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	c, err := a.conn, a.err
	if c != nil || err != nil {
		a.conn, a.err, a.ready = nil, nil, make(chan struct{})
	}
	a.startLocked()
	return c, err
}

// drop closes what is there; the listener is closed by its owner, which ends run.
func (a *acceptor) drop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone = true
	if a.conn != nil {
		_ = a.conn.Close() // nobody has used it
	}
}
