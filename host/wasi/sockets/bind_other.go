//go:build !unix

package sockets

import (
	"context"
	"net"
	"net/netip"

	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
)

// boundTCP is a TCP socket of the system that has an address. Here it listens already, since package net has no other: a
// peer that connects before the guest listens is accepted by the system and waits.
type boundTCP struct {
	listener *net.TCPListener
	addr     netip.AddrPort
}

// bindTCP binds a socket.
func bindTCP(ctx context.Context, family abisockets.IPAddressFamily, addr netip.AddrPort) (*boundTCP, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, familyOf("tcp", family), addr.String())
	if err != nil {
		return nil, err
	}
	t := l.(*net.TCPListener)                                                                            //nolint:forcetypeassert // of a TCP network
	return &boundTCP{t, netip.AddrPortFrom(addr.Addr(), t.Addr().(*net.TCPAddr).AddrPort().Port())}, nil //nolint:forcetypeassert // as above
}

// listen gives the listener; the system has its own backlog.
func (b *boundTCP) listen(int) (*net.TCPListener, error) { return b.listener, nil }

// close gives the address back.
func (b *boundTCP) close() { _ = b.listener.Close() } // nothing to be done
