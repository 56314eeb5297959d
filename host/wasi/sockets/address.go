package sockets

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
)

// addrPort gives a guest's address. An IPv6 address keeps its scope; flow-info has no place in package net.
func addrPort(a abisockets.IPSocketAddress) netip.AddrPort {
	if a.Tag == abisockets.IPSocketAddressIpv4 {
		b := a.Ipv4.Address
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{b.F0, b.F1, b.F2, b.F3}), a.Ipv4.Port)
	}
	w := a.Ipv6.Address
	var b [16]byte
	for i, part := range [8]uint16{w.F0, w.F1, w.F2, w.F3, w.F4, w.F5, w.F6, w.F7} {
		b[2*i], b[2*i+1] = byte(part>>8), byte(part)
	}
	addr := netip.AddrFrom16(b)
	if a.Ipv6.ScopeID != 0 {
		addr = addr.WithZone(strconv.FormatUint(uint64(a.Ipv6.ScopeID), 10))
	}
	return netip.AddrPortFrom(addr, a.Ipv6.Port)
}

// socketAddress gives an address to a guest, in the family of the socket.
func socketAddress(family abisockets.IPAddressFamily, a netip.AddrPort) abisockets.IPSocketAddress {
	if family == abisockets.IPAddressFamilyIpv4 {
		return abisockets.IPSocketAddress{
			Tag:  abisockets.IPSocketAddressIpv4,
			Ipv4: abisockets.Ipv4SocketAddress{Port: a.Port(), Address: tuple4(a.Addr().Unmap())},
		}
	}
	return abisockets.IPSocketAddress{
		Tag:  abisockets.IPSocketAddressIpv6,
		Ipv6: abisockets.Ipv6SocketAddress{Port: a.Port(), Address: tuple8(a.Addr()), ScopeID: scope(a.Addr().Zone())},
	}
}

// scope gives the number of an IPv6 zone, which package net gives as number or as the name of an interface.
func scope(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index) //nolint:gosec // small and positive
	}
	return 0
}

// ipAddress gives an address that was looked up to a guest.
func ipAddress(a netip.Addr) abisockets.IPAddress {
	if a = a.Unmap(); a.Is4() {
		return abisockets.IPAddress{Tag: abisockets.IPAddressIpv4, Ipv4: tuple4(a)}
	}
	return abisockets.IPAddress{Tag: abisockets.IPAddressIpv6, Ipv6: tuple8(a)}
}

func tuple4(a netip.Addr) abisockets.Ipv4Address {
	b := a.As4()
	return canon.Tuple4[uint8, uint8, uint8, uint8]{F0: b[0], F1: b[1], F2: b[2], F3: b[3]}
}

func tuple8(a netip.Addr) abisockets.Ipv6Address {
	b := a.As16()
	w := func(i int) uint16 { return uint16(b[2*i])<<8 | uint16(b[2*i+1]) }
	return abisockets.Ipv6Address{F0: w(0), F1: w(1), F2: w(2), F3: w(3), F4: w(4), F5: w(5), F6: w(6), F7: w(7)}
}

// familyOf gives package net's name for a family.
func familyOf(protocol string, family abisockets.IPAddressFamily) string {
	if family == abisockets.IPAddressFamilyIpv4 {
		return protocol + "4"
	}
	return protocol + "6"
}

// rightFamily tells whether an address is of the family, and not an IPv4 address in the guise of IPv6.
func rightFamily(family abisockets.IPAddressFamily, a netip.Addr) bool {
	if family == abisockets.IPAddressFamilyIpv4 {
		return a.Is4()
	}
	return a.Is6() && !a.Is4In6()
}

// unicast tells whether an address names one peer, or none in particular.
func unicast(a netip.Addr) bool {
	return !a.IsMulticast() && a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// checkLocal tells whether a socket can be bound to an address.
func checkLocal(family abisockets.IPAddressFamily, a netip.AddrPort) *abisockets.ErrorCode {
	if !rightFamily(family, a.Addr()) || !unicast(a.Addr()) {
		return new(abisockets.ErrorCodeInvalidArgument)
	}
	return nil
}

// checkRemote tells whether an address is that of a peer. Datagrams may go to many.
func checkRemote(family abisockets.IPAddressFamily, a netip.AddrPort, many bool) *abisockets.ErrorCode {
	if !rightFamily(family, a.Addr()) || !many && !unicast(a.Addr()) || a.Addr().IsUnspecified() || a.Port() == 0 {
		return new(abisockets.ErrorCodeInvalidArgument)
	}
	return nil
}
