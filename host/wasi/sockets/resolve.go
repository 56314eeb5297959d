package sockets

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
	wasiio "github.com/mrt-wasm/mrt-wasm/host/wasi/io"
)

// maxNames bounds the addresses whose names are remembered. When there are more all are forgotten: a guest that looks up
// so many must look up again what it connects to by name.
const maxNames = 4096

// namesOf gives the names whose lookup gave an address.
func (h *Host) namesOf(a netip.Addr) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.names[a.Unmap().WithZone("")])
}

// remember notes what a name stands for.
func (h *Host) remember(name string, addrs []netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range addrs {
		a = a.Unmap().WithZone("")
		if slices.Contains(h.names[a], name) {
			continue
		}
		if len(h.names) >= maxNames || len(h.names[a]) >= 64 {
			clear(h.names)
		}
		h.names[a] = append(h.names[a], name)
	}
}

// ResolveAddresses begins to look a name up. An address as text is given back as it is.
func (h *Host) ResolveAddresses(ctx context.Context, n abisockets.Network, name string) (abisockets.ResolveAddressStream, *abisockets.ErrorCode) {
	own(n)
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(name, "["), "]")); err == nil {
		return &resolveStream{done: closed(), addrs: []netip.Addr{a.Unmap().WithZone("")}, cancel: func() {}}, nil
	}
	ascii, ok := hostName(name)
	if !ok {
		return nil, new(abisockets.ErrorCodeInvalidArgument)
	}
	if bad := h.ask(ctx, Access{Use: Resolve, Names: []string{ascii}}); bad != nil {
		return nil, bad
	}
	s := &resolveStream{done: make(chan struct{})}
	ctx, s.cancel = context.WithCancel(ctx)
	go func() {
		defer close(s.done)
		addrs, err := h.cfg.Resolver.LookupNetIP(ctx, "ip", ascii)
		if err != nil {
			s.err = codeOf(err)
			return
		}
		h.remember(ascii, addrs)
		s.addrs = addrs
	}()
	return s, nil
}

// closed gives a channel that is closed.
func closed() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// hostName gives a name in lower-case ASCII; false if it is not a name.
func hostName(name string) (string, bool) {
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(name, "."))
	if err != nil { // names with _ and the like are no IDNA names but do exist
		ascii = strings.ToLower(strings.TrimSuffix(name, "."))
	}
	if ascii == "" || len(ascii) > 253 {
		return "", false
	}
	for label := range strings.SplitSeq(ascii, ".") {
		if label == "" || len(label) > 63 {
			return "", false
		}
	}
	ok := !strings.ContainsFunc(ascii, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.'
	})
	return ascii, ok
}

// resolveStream is the resource resolve-address-stream.
type resolveStream struct {
	done   chan struct{}
	cancel context.CancelFunc
	// What follows is written before done is closed, and then the guest's.
	addrs []netip.Addr
	err   *abisockets.ErrorCode
}

var _ abisockets.ResolveAddressStream = (*resolveStream)(nil)

// ResolveNextAddress gives the next address, nil after the last.
func (s *resolveStream) ResolveNextAddress(context.Context) (*abisockets.IPAddress, *abisockets.ErrorCode) {
	select {
	case <-s.done:
	default:
		return nil, new(abisockets.ErrorCodeWouldBlock)
	}
	if s.err != nil || len(s.addrs) == 0 {
		return nil, s.err
	}
	a := ipAddress(s.addrs[0])
	s.addrs = s.addrs[1:]
	return &a, nil
}

// Subscribe is ready when the lookup is done.
func (s *resolveStream) Subscribe(context.Context) abisockets.Pollable {
	return wasiio.NewPollable(wasiio.Channel(func() <-chan struct{} { return s.done }))
}

// Drop ends the lookup.
func (s *resolveStream) Drop(context.Context) { s.cancel() }
