package sockets

import (
	"context"
	"net"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
)

// Bounds of options, as Linux has them; the bound of buffers keeps a guest from taking much of the system's memory.
const (
	maxSeconds = 32767
	maxProbes  = 127
	minBuffer  = 4 << 10
	maxBuffer  = 4 << 20
)

// options are those of a socket. What a guest has set stands here also before there is a connection.
type options struct {
	keepAlive      bool
	idle, interval uint64 // nanoseconds
	count          uint32
	hops           uint8
	receive, send  uint64 // bytes
	// set tells which of hops, receive and send the guest has set.
	hopsSet, receiveSet, sendSet bool
}

func defaultOptions() options {
	return options{
		idle: uint64(2 * time.Hour), interval: uint64(75 * time.Second), count: 9, hops: 64, receive: 128 << 10, send: 128 << 10,
	}
}

// seconds rounds a duration up to what the system keeps.
func seconds(ns uint64) uint64 {
	s := ns / uint64(time.Second)
	if ns%uint64(time.Second) != 0 {
		s++
	}
	return min(s, maxSeconds) * uint64(time.Second)
}

func (o *options) applyKeepAlive(c *net.TCPConn) error {
	if !o.keepAlive {
		return c.SetKeepAlive(false) // package net turns it on by itself
	}
	return c.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: true, Idle: time.Duration(o.idle), Interval: time.Duration(o.interval), Count: int(o.count), //nolint:gosec // bounded
	})
}

// apply sets them, but what is the system's own.
func (o *options) apply(family abisockets.IPAddressFamily, c *net.TCPConn) error {
	if err := o.applyKeepAlive(c); err != nil {
		return err
	}
	if o.hopsSet {
		if err := setHops(family, c, o.hops); err != nil {
			return err
		}
	}
	return o.applyBuffers(c)
}

// buffered is what has buffers: a TCP or UDP connection.
type buffered interface {
	net.Conn
	SetReadBuffer(bytes int) error
	SetWriteBuffer(bytes int) error
}

func (o *options) applyBuffers(c buffered) error {
	if o.receiveSet {
		if err := c.SetReadBuffer(int(o.receive)); err != nil { //nolint:gosec // bounded
			return err
		}
	}
	if o.sendSet {
		return c.SetWriteBuffer(int(o.send)) //nolint:gosec // bounded
	}
	return nil
}

func setHops(family abisockets.IPAddressFamily, c net.Conn, n uint8) error {
	if family == abisockets.IPAddressFamilyIpv4 {
		return ipv4.NewConn(c).SetTTL(int(n))
	}
	return ipv6.NewConn(c).SetHopLimit(int(n))
}

// usable gives invalid-state for a closed socket.
func (s *tcpSocket) usable() *abisockets.ErrorCode {
	if s.state == closedState {
		return new(abisockets.ErrorCodeInvalidState)
	}
	return nil
}

// set changes an option if its value is not 0, and applies it to the connection if there is one.
func (s *tcpSocket) set(value uint64, change func(), apply func(c *net.TCPConn) error) *abisockets.ErrorCode {
	if value == 0 {
		return new(abisockets.ErrorCodeInvalidArgument)
	}
	if bad := s.usable(); bad != nil {
		return bad
	}
	change()
	if s.conn == nil || apply == nil {
		return nil
	}
	if err := apply(s.conn.TCPConn); err != nil {
		return codeOf(err)
	}
	return nil
}

// SetListenBacklogSize sets how many connections may wait, within 4096; once the socket listens that cannot be changed.
func (s *tcpSocket) SetListenBacklogSize(_ context.Context, value uint64) *abisockets.ErrorCode {
	if value == 0 {
		return new(abisockets.ErrorCodeInvalidArgument)
	}
	switch s.state {
	case connecting, connected:
		return new(abisockets.ErrorCodeInvalidState)
	case startingListen, listening:
		return new(abisockets.ErrorCodeNotSupported)
	default:
	}
	s.backlog = int(min(value, 4096)) //nolint:gosec // bounded
	return s.usable()
}

// KeepAliveEnabled tells whether keep-alive is on.
func (s *tcpSocket) KeepAliveEnabled(context.Context) (bool, *abisockets.ErrorCode) {
	return s.options.keepAlive, s.usable()
}

// SetKeepAliveEnabled turns keep-alive on or off.
func (s *tcpSocket) SetKeepAliveEnabled(_ context.Context, value bool) *abisockets.ErrorCode {
	return s.set(1, func() { s.options.keepAlive = value }, s.options.applyKeepAlive)
}

// keepAliveNow is what a change of keep-alive's options does to a connection.
func (s *tcpSocket) keepAliveNow(c *net.TCPConn) error {
	if !s.options.keepAlive {
		return nil
	}
	return s.options.applyKeepAlive(c)
}

// KeepAliveIdleTime gives the time without traffic before the first probe, in nanoseconds.
func (s *tcpSocket) KeepAliveIdleTime(context.Context) (uint64, *abisockets.ErrorCode) {
	return s.options.idle, s.usable()
}

// SetKeepAliveIdleTime sets it, rounded up to seconds.
func (s *tcpSocket) SetKeepAliveIdleTime(_ context.Context, value uint64) *abisockets.ErrorCode {
	return s.set(value, func() { s.options.idle = seconds(value) }, s.keepAliveNow)
}

// KeepAliveInterval gives the time between probes, in nanoseconds.
func (s *tcpSocket) KeepAliveInterval(context.Context) (uint64, *abisockets.ErrorCode) {
	return s.options.interval, s.usable()
}

// SetKeepAliveInterval sets it, rounded up to seconds.
func (s *tcpSocket) SetKeepAliveInterval(_ context.Context, value uint64) *abisockets.ErrorCode {
	return s.set(value, func() { s.options.interval = seconds(value) }, s.keepAliveNow)
}

// KeepAliveCount gives how many probes may fail.
func (s *tcpSocket) KeepAliveCount(context.Context) (uint32, *abisockets.ErrorCode) {
	return s.options.count, s.usable()
}

// SetKeepAliveCount sets it.
func (s *tcpSocket) SetKeepAliveCount(_ context.Context, value uint32) *abisockets.ErrorCode {
	return s.set(uint64(value), func() { s.options.count = min(value, maxProbes) }, s.keepAliveNow)
}

// HopLimit gives how many routers a packet may pass.
func (s *tcpSocket) HopLimit(context.Context) (uint8, *abisockets.ErrorCode) {
	return s.options.hops, s.usable()
}

// SetHopLimit sets it.
func (s *tcpSocket) SetHopLimit(_ context.Context, value uint8) *abisockets.ErrorCode {
	return s.set(uint64(value), func() { s.options.hops, s.options.hopsSet = value, true },
		func(c *net.TCPConn) error { return setHops(s.family, c, value) })
}

// ReceiveBufferSize gives the size of the system's buffer, in bytes.
func (s *tcpSocket) ReceiveBufferSize(context.Context) (uint64, *abisockets.ErrorCode) {
	return s.options.receive, s.usable()
}

// SetReceiveBufferSize sets it, within 4 KiB and 4 MiB.
func (s *tcpSocket) SetReceiveBufferSize(_ context.Context, value uint64) *abisockets.ErrorCode {
	return s.set(value, func() { s.options.setReceive(value) }, func(c *net.TCPConn) error { return s.options.applyBuffers(c) })
}

// SendBufferSize gives the size of the system's buffer, in bytes.
func (s *tcpSocket) SendBufferSize(context.Context) (uint64, *abisockets.ErrorCode) {
	return s.options.send, s.usable()
}

// SetSendBufferSize sets it, within 4 KiB and 4 MiB.
func (s *tcpSocket) SetSendBufferSize(_ context.Context, value uint64) *abisockets.ErrorCode {
	return s.set(value, func() { s.options.setSend(value) }, func(c *net.TCPConn) error { return s.options.applyBuffers(c) })
}

func (o *options) setReceive(n uint64) {
	o.receive, o.receiveSet = max(minBuffer, min(n, maxBuffer)), true
}
func (o *options) setSend(n uint64) { o.send, o.sendSet = max(minBuffer, min(n, maxBuffer)), true }
