// Package sockets is wasi:sockets: TCP, UDP and the lookup of names, over package net. Nothing is allowed but what
// Config.Allow allows, each time a socket is to reach or to be reached by an address, and each time a name is looked up.
//
// The options of a socket are kept here and set when it is connected; what the
// guest reads back is what it set.
package sockets

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
)

// Use is what a socket is to do with an address or a name.
type Use uint8

// The uses.
const (
	// TCPBind takes an address to listen on or to connect from; port 0 is any free one.
	TCPBind Use = iota
	// TCPConnect connects to an address.
	TCPConnect
	// UDPBind takes an address to receive on; port 0 is any free one. Every UDP socket needs it, also to send.
	UDPBind
	// UDPSend sends datagrams to an address.
	UDPSend
	// Resolve looks up a name.
	Resolve
)

// String gives the use in words.
func (u Use) String() string {
	switch u {
	case TCPBind:
		return "bind a TCP socket to"
	case TCPConnect:
		return "connect by TCP to"
	case UDPBind:
		return "bind a UDP socket to"
	case UDPSend:
		return "send by UDP to"
	case Resolve:
		return "look up"
	default:
		return fmt.Sprintf("use(%d)", uint8(u))
	}
}

// Access is one thing that a guest wants to do.
type Access struct {
	Use Use
	// Addr is the address; not valid for Resolve.
	Addr netip.AddrPort
	// Names are the names, in lower-case ASCII, whose lookup has given the address to this app, so that a name can be
	// allowed; for Resolve the one that is to be looked up.
	Names []string
}

// Config says what the sockets of one app may do. Zero fields have the defaults that are named.
type Config struct {
	// Allow gives nil if the guest may do it. What it gives otherwise is for it to log: the guest gets access-denied.
	// Nil allows nothing. It is called by any goroutine.
	Allow func(ctx context.Context, a Access) error
	// Resolver looks names up; nil is the system's.
	Resolver *net.Resolver
	// MaxSockets bounds the sockets at one time, accepted ones included; 0 means 1024.
	MaxSockets int
}

// Host implements wasi:sockets for one app. It is safe for concurrent use by its instances.
type Host struct {
	cfg  Config
	open atomic.Int64 // sockets

	mu    sync.Mutex
	names map[netip.Addr][]string // bounded by maxNames
}

var (
	_ abisockets.NetworkHost         = (*Host)(nil)
	_ abisockets.InstanceNetworkHost = (*Host)(nil)
	_ abisockets.IPNameLookupHost    = (*Host)(nil)
	_ abisockets.TCPCreateSocketHost = (*Host)(nil)
	_ abisockets.UDPCreateSocketHost = (*Host)(nil)
)

// New makes a Host.
func New(cfg Config) *Host {
	if cfg.MaxSockets <= 0 {
		cfg.MaxSockets = 1024
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	return &Host{cfg: cfg, names: map[netip.Addr][]string{}}
}

// Funcs gives all interfaces of wasi:sockets.
func (h *Host) Funcs() []abi.Func {
	var out []abi.Func
	for _, funcs := range [...][]abi.Func{
		abisockets.NetworkFuncs(h), abisockets.InstanceNetworkFuncs(h), abisockets.IPNameLookupFuncs(h),
		abisockets.TCPFuncs(), abisockets.TCPCreateSocketFuncs(h), abisockets.UDPFuncs(), abisockets.UDPCreateSocketFuncs(h),
	} {
		out = append(out, funcs...)
	}
	return out
}

// network is the resource network: there is one, and what it lets through is Config.Allow's.
type network struct{}

var _ canon.Shared = network{}

// SharedResource implements canon.Shared: a network has no state.
func (network) SharedResource() string { return "network" }

// Shared gives the network, which the app's instances have in common.
func (h *Host) Shared() []canon.SharedObject {
	return []canon.SharedObject{{Resource: abisockets.NetworkResource, Object: network{}}}
}

// Drop does nothing.
func (network) Drop(context.Context) {}

// InstanceNetwork gives the network.
func (h *Host) InstanceNetwork(context.Context) abisockets.Network { return network{} }

// allow asks Config.Allow.
func (h *Host) allow(ctx context.Context, use Use, addr netip.AddrPort) *abisockets.ErrorCode {
	return h.ask(ctx, Access{Use: use, Addr: addr, Names: h.namesOf(addr.Addr())})
}

func (h *Host) ask(ctx context.Context, a Access) *abisockets.ErrorCode {
	if h.cfg.Allow == nil || h.cfg.Allow(ctx, a) != nil {
		return new(abisockets.ErrorCodeAccessDenied)
	}
	return nil
}

// take counts a socket; it fails when there are too many.
func (h *Host) take() *abisockets.ErrorCode {
	if h.open.Add(1) > int64(h.cfg.MaxSockets) {
		h.open.Add(-1)
		return new(abisockets.ErrorCodeNewSocketLimit)
	}
	return nil
}

func (h *Host) give() { h.open.Add(-1) }

// own checks that a network is this package's.
func own(n abisockets.Network) {
	if _, ok := n.(network); !ok {
		abi.Trapf("expected a network of this host's wasi:sockets, found %T", n)
	}
}
