package sockets

import (
	"context"
	"net"
	"slices"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// state is that of a TCP socket.
type state uint8

// The states of WASI's operational semantics.
const (
	unbound state = iota
	binding
	bound
	startingListen
	listening
	connecting
	connected
	closedState
)

// tcpSocket is the resource tcp-socket. The guest's goroutine uses it; what other goroutines do is in dial, acceptor and
// tcpConn.
type tcpSocket struct {
	host    *Host
	family  abisockets.IPAddressFamily
	options options
	state   state

	// doneErr is how the bind or listen ended that is to be finished.
	doneErr  *abisockets.ErrorCode
	backlog  int
	bound    *boundTCP        // while bound
	listener *net.TCPListener // while listening
	dial     *dial            // while connecting
	accepts  *acceptor        // while listening
	conn     *tcpConn         // while connected
	input    *wasiio.Input
	output   *connOutput
	// passed tells that the connection, which may outlive the socket, is what counts as open.
	passed bool
}

var _ abisockets.TCPSocket = (*tcpSocket)(nil)

// CreateTCPSocket makes a socket that is not bound. It takes nothing of the system yet.
func (h *Host) CreateTCPSocket(_ context.Context, family abisockets.IPAddressFamily) (abisockets.TCPSocket, *abisockets.ErrorCode) {
	if bad := h.take(); bad != nil {
		return nil, bad
	}
	return &tcpSocket{host: h, family: family, options: defaultOptions(), backlog: 128}, nil
}

// begin checks that an operation may start: the socket is in one of the states from, or else the same operation runs, or
// it is the wrong state.
func (s *tcpSocket) begin(running state, from ...state) *abisockets.ErrorCode {
	if slices.Contains(from, s.state) {
		return nil
	}
	if s.state == running {
		return new(abisockets.ErrorCodeConcurrencyConflict)
	}
	return new(abisockets.ErrorCodeInvalidState)
}

// StartBind binds.
func (s *tcpSocket) StartBind(ctx context.Context, n abisockets.Network, local abisockets.IPSocketAddress) *abisockets.ErrorCode {
	own(n)
	addr := addrPort(local)
	if bad := s.begin(binding, unbound); bad != nil {
		return bad
	}
	if bad := checkLocal(s.family, addr); bad != nil {
		return bad
	}
	if bad := s.host.allow(ctx, TCPBind, addr); bad != nil {
		return bad
	}
	s.state, s.doneErr = binding, nil
	b, err := bindTCP(ctx, s.family, addr)
	if err != nil {
		s.doneErr = codeOf(err)
		return nil
	}
	s.bound = b
	return nil
}

// FinishBind gives how the bind ended.
func (s *tcpSocket) FinishBind(context.Context) *abisockets.ErrorCode {
	if s.state != binding {
		return new(abisockets.ErrorCodeNotInProgress)
	}
	s.state = bound
	if s.doneErr != nil {
		s.state = unbound
	}
	return s.doneErr
}

// StartListen begins to listen.
func (s *tcpSocket) StartListen(context.Context) *abisockets.ErrorCode {
	if bad := s.begin(startingListen, bound); bad != nil {
		return bad
	}
	l, err := s.bound.listen(s.backlog)
	s.state, s.doneErr, s.bound = startingListen, nil, nil
	if err != nil {
		s.doneErr = codeOf(err)
		return nil
	}
	s.listener = l
	return nil
}

// FinishListen gives how that ended.
func (s *tcpSocket) FinishListen(context.Context) *abisockets.ErrorCode {
	if s.state != startingListen {
		return new(abisockets.ErrorCodeNotInProgress)
	}
	if s.doneErr != nil {
		s.close()
		return s.doneErr
	}
	s.state = listening
	s.accepts = &acceptor{listener: s.listener, ready: make(chan struct{})}
	return nil
}

// StartConnect begins to connect.
func (s *tcpSocket) StartConnect(ctx context.Context, n abisockets.Network, remote abisockets.IPSocketAddress) *abisockets.ErrorCode {
	own(n)
	if bad := s.begin(connecting, unbound, bound); bad != nil {
		return bad
	}
	addr := addrPort(remote)
	bad := checkRemote(s.family, addr, false)
	if bad == nil {
		bad = s.host.allow(ctx, TCPConnect, addr)
	}
	if bad != nil {
		s.close()
		return bad
	}
	dialer := net.Dialer{KeepAlive: -1}
	if s.bound != nil {
		dialer.LocalAddr = net.TCPAddrFromAddrPort(s.bound.addr)
		s.bound.close() // the address is needed for the connection
		s.bound = nil
	}
	s.state = connecting
	d := &dial{done: make(chan struct{})}
	s.dial = d
	ctx, d.cancel = context.WithCancel(ctx)
	go d.run(ctx, &dialer, familyOf("tcp", s.family), addr)
	return nil
}

// FinishConnect gives the streams of the connection.
func (s *tcpSocket) FinishConnect(context.Context) (canon.Tuple2[abisockets.InputStream, abisockets.OutputStream], *abisockets.ErrorCode) {
	var out canon.Tuple2[abisockets.InputStream, abisockets.OutputStream]
	if s.state != connecting {
		return out, new(abisockets.ErrorCodeNotInProgress)
	}
	select {
	case <-s.dial.done:
	default:
		return out, new(abisockets.ErrorCodeWouldBlock)
	}
	d := s.dial
	s.dial = nil
	d.cancel()
	err := d.err
	if err == nil {
		if err = s.options.apply(s.family, d.conn); err != nil {
			_ = d.conn.Close() // nobody has used it
		}
	}
	if err != nil {
		s.close()
		return out, codeOfConnect(err)
	}
	s.connect(d.conn)
	out.F0, out.F1 = s.input, s.output
	return out, nil
}

// connect makes the streams of a connection.
func (s *tcpSocket) connect(c *net.TCPConn) {
	s.state = connected
	s.conn, s.passed = newTCPConn(c, s.host.give), true
	s.input, s.output = s.conn.streams()
}

// Accept gives the next connection.
func (s *tcpSocket) Accept(context.Context) (canon.Tuple3[abisockets.TCPSocket, abisockets.InputStream, abisockets.OutputStream], *abisockets.ErrorCode) {
	var out canon.Tuple3[abisockets.TCPSocket, abisockets.InputStream, abisockets.OutputStream]
	if s.state != listening {
		return out, new(abisockets.ErrorCodeInvalidState)
	}
	conn, err := s.accepts.take()
	switch {
	case err != nil:
		return out, codeOf(err)
	case conn == nil:
		return out, new(abisockets.ErrorCodeWouldBlock)
	}
	bad := s.host.take()
	if bad == nil {
		if err := s.options.apply(s.family, conn); err != nil {
			s.host.give()
			bad = new(abisockets.ErrorCodeConnectionAborted) // the peer is gone already
		}
	}
	if bad != nil {
		_ = conn.Close() // nobody has used it
		return out, bad
	}
	client := &tcpSocket{host: s.host, family: s.family, options: s.options}
	client.connect(conn)
	out.F0, out.F1, out.F2 = client, client.input, client.output
	return out, nil
}

// LocalAddress gives the address that the socket is bound to.
func (s *tcpSocket) LocalAddress(context.Context) (abisockets.IPSocketAddress, *abisockets.ErrorCode) {
	var addr net.Addr
	switch {
	case s.state == binding:
	case s.bound != nil:
		addr = net.TCPAddrFromAddrPort(s.bound.addr)
	case s.listener != nil:
		addr = s.listener.Addr()
	case s.conn != nil:
		addr = s.conn.LocalAddr()
	}
	return s.address(addr)
}

// RemoteAddress gives the peer's address.
func (s *tcpSocket) RemoteAddress(context.Context) (abisockets.IPSocketAddress, *abisockets.ErrorCode) {
	if s.conn == nil {
		return s.address(nil)
	}
	return s.address(s.conn.RemoteAddr())
}

func (s *tcpSocket) address(a net.Addr) (abisockets.IPSocketAddress, *abisockets.ErrorCode) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return abisockets.IPSocketAddress{}, new(abisockets.ErrorCodeInvalidState)
	}
	return socketAddress(s.family, tcp.AddrPort()), nil
}

// IsListening tells whether the socket listens.
func (s *tcpSocket) IsListening(context.Context) bool { return s.state == listening }

// AddressFamily gives the family.
func (s *tcpSocket) AddressFamily(context.Context) abisockets.IPAddressFamily { return s.family }

// Subscribe is ready when the operation that runs can be finished, a connection can be accepted, or nothing runs.
func (s *tcpSocket) Subscribe(context.Context) abisockets.Pollable {
	always := closed()
	return wasiio.NewPollable(wasiio.Channel(func() <-chan struct{} {
		switch s.state {
		case connecting:
			return s.dial.done
		case listening:
			return s.accepts.wait()
		default:
			return always
		}
	}))
}

// Shutdown ends one or both directions of the connection. What was written before is sent.
func (s *tcpSocket) Shutdown(ctx context.Context, how abisockets.ShutdownType) *abisockets.ErrorCode {
	if s.state != connected {
		return new(abisockets.ErrorCodeInvalidState)
	}
	if how != abisockets.ShutdownTypeSend {
		s.input.Fail(nil)
		_ = s.conn.CloseRead() // the peer may be gone, and then it is shut down
	}
	if how != abisockets.ShutdownTypeReceive {
		_ = s.output.Finish(ctx) // the stream's error is the stream's
		_ = s.conn.CloseWrite()  // as above
	}
	return nil
}

// close gives up what the socket has, but the connection that its streams use.
func (s *tcpSocket) close() {
	s.state = closedState
	if s.dial != nil {
		s.dial.drop()
		s.dial = nil
	}
	if s.accepts != nil {
		s.accepts.drop()
	}
	if s.bound != nil {
		s.bound.close()
		s.bound = nil
	}
	if s.listener != nil {
		_ = s.listener.Close() // nothing to be done
		s.listener = nil
	}
	if s.conn != nil {
		s.conn.leave()
		s.conn = nil
	}
}

// Drop closes the socket. A connection stays as long as one of its streams.
func (s *tcpSocket) Drop(context.Context) {
	s.close()
	if !s.passed {
		s.host.give()
	}
}
