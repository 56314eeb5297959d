package sockets

import (
	"context"
	"net"
	"net/netip"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// udpSocket is the resource udp-socket. The system's socket is never connected: the streams of a socket that has a peer
// send to it and take from it only.
type udpSocket struct {
	host    *Host
	family  abisockets.IPAddressFamily
	options options
	state   state // unbound, binding or bound

	bindErr *abisockets.ErrorCode // how the bind that is to be finished ended
	conn    *udpConn
	peer    netip.AddrPort // of the latest streams; not valid for none
}

var _ abisockets.UDPSocket = (*udpSocket)(nil)

// CreateUDPSocket makes a socket that is not bound. It takes nothing of the system yet.
func (h *Host) CreateUDPSocket(_ context.Context, family abisockets.IPAddressFamily) (abisockets.UDPSocket, *abisockets.ErrorCode) {
	if bad := h.take(); bad != nil {
		return nil, bad
	}
	return &udpSocket{host: h, family: family, options: defaultOptions()}, nil
}

// StartBind binds.
func (s *udpSocket) StartBind(ctx context.Context, n abisockets.Network, local abisockets.IPSocketAddress) *abisockets.ErrorCode {
	own(n)
	switch s.state {
	case unbound:
	case binding:
		return new(abisockets.ErrorCodeConcurrencyConflict)
	default:
		return new(abisockets.ErrorCodeInvalidState)
	}
	addr := addrPort(local)
	if !rightFamily(s.family, addr.Addr()) {
		return new(abisockets.ErrorCodeInvalidArgument)
	}
	if bad := s.host.allow(ctx, UDPBind, addr); bad != nil {
		return bad
	}
	s.state, s.bindErr = binding, nil
	if err := s.bind(ctx, addr); err != nil {
		s.bindErr = codeOf(err)
	}
	return nil
}

func (s *udpSocket) bind(ctx context.Context, addr netip.AddrPort) error {
	var config net.ListenConfig
	pc, err := config.ListenPacket(ctx, familyOf("udp", s.family), addr.String())
	if err != nil {
		return err
	}
	c := pc.(*net.UDPConn) //nolint:forcetypeassert // of a UDP network
	if s.options.hopsSet {
		err = setHops(s.family, c, s.options.hops)
	}
	if err == nil {
		err = s.options.applyBuffers(c)
	}
	if err != nil {
		_ = c.Close() // nobody has used it
		return err
	}
	s.conn = newUDPConn(c, s.host.give)
	return nil
}

// FinishBind gives how the bind ended.
func (s *udpSocket) FinishBind(context.Context) *abisockets.ErrorCode {
	if s.state != binding {
		return new(abisockets.ErrorCodeNotInProgress)
	}
	s.state = bound
	if s.bindErr != nil {
		s.state = unbound
	}
	return s.bindErr
}

// Stream gives new streams, with a peer or without; the earlier ones end.
func (s *udpSocket) Stream(ctx context.Context, remote *abisockets.IPSocketAddress) (canon.Tuple2[abisockets.IncomingDatagramStream, abisockets.OutgoingDatagramStream], *abisockets.ErrorCode) {
	var out canon.Tuple2[abisockets.IncomingDatagramStream, abisockets.OutgoingDatagramStream]
	if s.state != bound {
		return out, new(abisockets.ErrorCodeInvalidState)
	}
	var peer netip.AddrPort
	if remote != nil {
		peer = addrPort(*remote)
		if bad := checkRemote(s.family, peer, true); bad != nil {
			return out, bad
		}
		if bad := s.host.allow(ctx, UDPSend, peer); bad != nil {
			return out, bad
		}
	}
	s.peer = peer
	generation := s.conn.associate(peer)
	out.F0 = &incomingDatagrams{family: s.family, conn: s.conn.join(), generation: generation}
	out.F1 = &outgoingDatagrams{host: s.host, family: s.family, conn: s.conn.join(), generation: generation, peer: peer}
	return out, nil
}

// LocalAddress gives the address that the socket is bound to.
func (s *udpSocket) LocalAddress(context.Context) (abisockets.IPSocketAddress, *abisockets.ErrorCode) {
	if s.state != bound {
		return abisockets.IPSocketAddress{}, new(abisockets.ErrorCodeInvalidState)
	}
	addr, _ := s.conn.LocalAddr().(*net.UDPAddr)
	return socketAddress(s.family, addr.AddrPort()), nil
}

// RemoteAddress gives the peer of the latest streams.
func (s *udpSocket) RemoteAddress(context.Context) (abisockets.IPSocketAddress, *abisockets.ErrorCode) {
	if !s.peer.IsValid() {
		return abisockets.IPSocketAddress{}, new(abisockets.ErrorCodeInvalidState)
	}
	return socketAddress(s.family, s.peer), nil
}

// AddressFamily gives the family.
func (s *udpSocket) AddressFamily(context.Context) abisockets.IPAddressFamily { return s.family }

// set changes an option if its value is not 0, and applies it to the socket if it is bound.
func (s *udpSocket) set(value uint64, change func(), apply func(c *net.UDPConn) error) *abisockets.ErrorCode {
	if value == 0 {
		return new(abisockets.ErrorCodeInvalidArgument)
	}
	change()
	if s.conn == nil {
		return nil
	}
	if err := apply(s.conn.UDPConn); err != nil {
		return codeOf(err)
	}
	return nil
}

// UnicastHopLimit gives how many routers a packet may pass.
func (s *udpSocket) UnicastHopLimit(context.Context) (uint8, *abisockets.ErrorCode) {
	return s.options.hops, nil
}

// SetUnicastHopLimit sets it.
func (s *udpSocket) SetUnicastHopLimit(_ context.Context, value uint8) *abisockets.ErrorCode {
	return s.set(uint64(value), func() { s.options.hops, s.options.hopsSet = value, true },
		func(c *net.UDPConn) error { return setHops(s.family, c, value) })
}

// ReceiveBufferSize gives the size of the system's buffer, in bytes.
func (s *udpSocket) ReceiveBufferSize(context.Context) (uint64, *abisockets.ErrorCode) {
	return s.options.receive, nil
}

// SetReceiveBufferSize sets it, within 4 KiB and 4 MiB.
func (s *udpSocket) SetReceiveBufferSize(_ context.Context, value uint64) *abisockets.ErrorCode {
	return s.set(value, func() { s.options.setReceive(value) }, func(c *net.UDPConn) error { return s.options.applyBuffers(c) })
}

// SendBufferSize gives the size of the system's buffer, in bytes.
func (s *udpSocket) SendBufferSize(context.Context) (uint64, *abisockets.ErrorCode) {
	return s.options.send, nil
}

// SetSendBufferSize sets it, within 4 KiB and 4 MiB.
func (s *udpSocket) SetSendBufferSize(_ context.Context, value uint64) *abisockets.ErrorCode {
	return s.set(value, func() { s.options.setSend(value) }, func(c *net.UDPConn) error { return s.options.applyBuffers(c) })
}

// Subscribe is always ready: no operation of the socket itself waits.
func (s *udpSocket) Subscribe(context.Context) abisockets.Pollable {
	return wasiio.NewPollable(wasiio.Always())
}

// Drop closes the socket, when its streams are dropped too.
func (s *udpSocket) Drop(context.Context) {
	if s.conn != nil {
		s.conn.leave()
		return
	}
	s.host.give()
}
