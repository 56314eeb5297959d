package sockets

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

const (
	// maxQueue bounds the datagrams that are received ahead; the system's buffer holds the rest.
	maxQueue = 16
	// maxDatagram is longer than any datagram, in bytes.
	maxDatagram = 64 << 10
	// sendPermit is how many datagrams a guest may send after each check.
	sendPermit = 64
)

// datagram is one that was received.
type datagram struct {
	data []byte
	from netip.AddrPort
}

// udpConn is the system's socket, which a udp-socket and its streams share; the last one closes it. It receives ahead
// once a guest has asked for datagrams.
type udpConn struct {
	*net.UDPConn
	// release is called when it is closed.
	release func()

	mu         sync.Mutex
	users      int
	generation int            // of the streams that work
	peer       netip.AddrPort // whose datagrams are taken; not valid for everybody's
	running    bool           // it receives
	gone       bool
	queue      []datagram
	err        error         // of receiving
	ready      chan struct{} // closed when there is a datagram or err
}

func newUDPConn(c *net.UDPConn, release func()) *udpConn {
	return &udpConn{UDPConn: c, release: release, users: 1, ready: make(chan struct{})}
}

// join adds a user.
func (c *udpConn) join() *udpConn {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.users++
	return c
}

// leave is called once by each user.
func (c *udpConn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.users--; c.users == 0 {
		c.gone = true
		_ = c.Close() // nothing to be done; it ends receive
		c.release()
	}
}

// associate gives the number of new streams: only the latest work. What was received for others is thrown away.
func (c *udpConn) associate(peer netip.AddrPort) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.generation++
	c.peer = peer
	kept := c.queue[:0]
	for _, d := range c.queue {
		if c.wanted(d.from) {
			kept = append(kept, d)
		}
	}
	c.queue = kept
	c.signal()
	return c.generation
}

// wanted tells whether datagrams from an address are taken. mu is held.
func (c *udpConn) wanted(from netip.AddrPort) bool {
	return !c.peer.IsValid() || from.Port() == c.peer.Port() && from.Addr().WithZone("") == c.peer.Addr().WithZone("")
}

// signal makes ready say what is. mu is held.
func (c *udpConn) signal() {
	full := len(c.queue) > 0 || c.err != nil
	select {
	case <-c.ready:
		if !full {
			c.ready = make(chan struct{})
		}
	default:
		if full {
			close(c.ready)
		}
	}
}

// start has datagrams received. mu is held.
func (c *udpConn) start() {
	if c.running || c.gone || c.err != nil || len(c.queue) >= maxQueue {
		return
	}
	c.running = true
	go c.receive()
}

// receive fills the queue and ends when it is full.
func (c *udpConn) receive() {
	buf := make([]byte, maxDatagram)
	for more := true; more; {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		more = c.put(buf[:n], from, err)
	}
}

func (c *udpConn) put(data []byte, from netip.AddrPort, err error) (more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone:
	case err != nil:
		c.err = err
	case c.wanted(from):
		c.queue = append(c.queue, datagram{append([]byte(nil), data...), from})
	}
	c.signal()
	c.running = !c.gone && c.err == nil && len(c.queue) < maxQueue
	return c.running
}

// take gives up to n datagrams.
func (c *udpConn) take(generation int, n uint64) ([]datagram, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation || n == 0 {
		return nil, nil
	}
	count := int(min(n, uint64(len(c.queue)))) //nolint:gosec // bounded by the queue
	out := append([]datagram(nil), c.queue[:count]...)
	c.queue = c.queue[:copy(c.queue, c.queue[count:])]
	var err error
	if count == 0 && c.err != nil {
		err, c.err = c.err, nil
	}
	c.signal()
	c.start()
	return out, err
}

// wait gives a channel that is closed when there is something to take.
func (c *udpConn) wait(generation int) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if generation != c.generation {
		return nil // never
	}
	c.start()
	return c.ready
}

func (c *udpConn) current(generation int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return generation == c.generation
}

// incomingDatagrams is the resource incoming-datagram-stream.
type incomingDatagrams struct {
	family     abisockets.IPAddressFamily
	conn       *udpConn
	generation int
}

var _ abisockets.IncomingDatagramStream = (*incomingDatagrams)(nil)

// Receive gives up to n datagrams that are there.
func (s *incomingDatagrams) Receive(_ context.Context, n uint64) ([]abisockets.IncomingDatagram, *abisockets.ErrorCode) {
	got, err := s.conn.take(s.generation, n)
	if err != nil {
		return nil, codeOf(err)
	}
	out := make([]abisockets.IncomingDatagram, len(got))
	for i, d := range got {
		out[i] = abisockets.IncomingDatagram{Data: d.data, RemoteAddress: socketAddress(s.family, d.from)}
	}
	return out, nil
}

// Subscribe is ready when Receive gives something.
func (s *incomingDatagrams) Subscribe(context.Context) abisockets.Pollable {
	return wasiio.NewPollable(wasiio.Channel(func() <-chan struct{} { return s.conn.wait(s.generation) }))
}

// Drop releases the socket.
func (s *incomingDatagrams) Drop(context.Context) { s.conn.leave() }

// outgoingDatagrams is the resource outgoing-datagram-stream.
type outgoingDatagrams struct {
	host       *Host
	family     abisockets.IPAddressFamily
	conn       *udpConn
	generation int
	peer       netip.AddrPort // not valid for none
	permit     int
}

var _ abisockets.OutgoingDatagramStream = (*outgoingDatagrams)(nil)

// CheckSend permits datagrams to be sent.
func (s *outgoingDatagrams) CheckSend(context.Context) (uint64, *abisockets.ErrorCode) {
	if !s.conn.current(s.generation) {
		return 0, new(abisockets.ErrorCodeInvalidState)
	}
	s.permit = sendPermit
	return sendPermit, nil
}

// Send sends datagrams until one fails and gives how many were sent. It traps for more than CheckSend permitted.
func (s *outgoingDatagrams) Send(ctx context.Context, datagrams []abisockets.OutgoingDatagram) (uint64, *abisockets.ErrorCode) {
	if len(datagrams) == 0 {
		return 0, nil
	}
	if len(datagrams) > s.permit {
		abi.Trapf("outgoing-datagram-stream.send: expected at most the %d datagrams that check-send permitted, found %d", s.permit, len(datagrams))
	}
	s.permit -= len(datagrams)
	if !s.conn.current(s.generation) {
		return 0, new(abisockets.ErrorCodeInvalidState)
	}
	for i, d := range datagrams {
		if bad := s.send(ctx, d); bad != nil {
			if i > 0 {
				bad = nil // the next call meets it
			}
			return uint64(i), bad
		}
	}
	return uint64(len(datagrams)), nil
}

func (s *outgoingDatagrams) send(ctx context.Context, d abisockets.OutgoingDatagram) *abisockets.ErrorCode {
	to := s.peer
	switch {
	case d.RemoteAddress == nil && !to.IsValid():
		return new(abisockets.ErrorCodeInvalidArgument)
	case d.RemoteAddress != nil:
		addr := addrPort(*d.RemoteAddress)
		if bad := checkRemote(s.family, addr, true); bad != nil {
			return bad
		}
		if to.IsValid() {
			if addr != to {
				return new(abisockets.ErrorCodeInvalidArgument)
			}
			break
		}
		if bad := s.host.allow(ctx, UDPSend, addr); bad != nil {
			return bad
		}
		to = addr
	}
	if err := s.write(ctx, d.Data, to); err != nil {
		return codeOf(err)
	}
	return nil
}

// write sends one datagram. It waits for the system's buffer at most as long as the call lasts.
func (s *outgoingDatagrams) write(ctx context.Context, data []byte, to netip.AddrPort) error {
	_ = s.conn.SetWriteDeadline(time.Time{})                                       // that of an earlier call
	stop := context.AfterFunc(ctx, func() { _ = s.conn.SetWriteDeadline(past()) }) // a closed socket needs no deadline
	defer stop()
	_, err := s.conn.WriteToUDPAddrPort(data, to)
	return err
}

// Subscribe is always ready: CheckSend always permits something.
func (s *outgoingDatagrams) Subscribe(context.Context) abisockets.Pollable {
	return wasiio.NewPollable(wasiio.Always())
}

// Drop releases the socket.
func (s *outgoingDatagrams) Drop(context.Context) { s.conn.leave() }
