//go:build unix

package sockets

import (
	"context"
	"net"
	"net/netip"
	"os"
	"syscall"

	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
)

// boundTCP is a TCP socket of the system that has an address and does not listen. Package net has none such.
type boundTCP struct {
	fd   int
	addr netip.AddrPort
}

// bindTCP binds a socket, also to an address that connections which have ended still keep.
func bindTCP(_ context.Context, family abisockets.IPAddressFamily, addr netip.AddrPort) (*boundTCP, error) {
	domain := syscall.AF_INET6
	if family == abisockets.IPAddressFamilyIpv4 {
		domain = syscall.AF_INET
	}
	syscall.ForkLock.RLock() // between the two a process that is started would inherit the socket
	fd, err := syscall.Socket(domain, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	b := &boundTCP{fd: fd}
	if err := b.bind(domain, addr); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *boundTCP) bind(domain int, addr netip.AddrPort) error {
	if err := syscall.SetNonblock(b.fd, true); err != nil {
		return os.NewSyscallError("setnonblock", err)
	}
	if err := syscall.SetsockoptInt(b.fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt", err)
	}
	var to syscall.Sockaddr
	if domain == syscall.AF_INET {
		to = &syscall.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}
	} else {
		if err := syscall.SetsockoptInt(b.fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		to = &syscall.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16(), ZoneId: scope(addr.Addr().Zone())}
	}
	if err := syscall.Bind(b.fd, to); err != nil {
		return os.NewSyscallError("bind", err)
	}
	name, err := syscall.Getsockname(b.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	switch name := name.(type) {
	case *syscall.SockaddrInet4:
		b.addr = netip.AddrPortFrom(addr.Addr(), uint16(name.Port)) //nolint:gosec // a port
	case *syscall.SockaddrInet6:
		b.addr = netip.AddrPortFrom(addr.Addr(), uint16(name.Port)) //nolint:gosec // a port
	}
	return nil
}

// listen makes a listener of the socket, which is closed in any case.
func (b *boundTCP) listen(backlog int) (*net.TCPListener, error) {
	if err := syscall.Listen(b.fd, backlog); err != nil {
		b.close()
		return nil, os.NewSyscallError("listen", err)
	}
	f := os.NewFile(uintptr(b.fd), "tcp")
	defer func() { _ = f.Close() }() // the listener has a copy
	l, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil //nolint:forcetypeassert // of a TCP socket
}

// close gives the address back.
func (b *boundTCP) close() { _ = syscall.Close(b.fd) } // nothing to be done
