package sockets

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
)

const (
	v4 = abisockets.IPAddressFamilyIpv4
	v6 = abisockets.IPAddressFamilyIpv6
)

// leakCheck fails the test if goroutines are left behind that were not there before.
func leakCheck(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for end := time.Now().Add(20 * time.Second); runtime.NumGoroutine() > before; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				buf := make([]byte, 1<<20)
				t.Errorf("goroutines: got %d, want at most %d:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
				return
			}
		}
	})
}

func all(context.Context, Access) error { return nil }

func address(s string) abisockets.IPSocketAddress {
	a := netip.MustParseAddrPort(s)
	family := v4
	if a.Addr().Is6() {
		family = v6
	}
	return socketAddress(family, a)
}

func want(t *testing.T, what string, got *abisockets.ErrorCode, want abisockets.ErrorCode) {
	t.Helper()
	if got == nil || *got != want {
		t.Errorf("%s: got %v, want %v", what, show(got), want)
	}
}

func ok(t *testing.T, what string, got *abisockets.ErrorCode) {
	t.Helper()
	if got != nil {
		t.Fatalf("%s: got %v, want no error", what, *got)
	}
}

// none waits until no socket is open.
func none(t *testing.T, h *Host) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); h.open.Load() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("open sockets: got %d, want 0", h.open.Load())
		}
	}
}

func show(c *abisockets.ErrorCode) any {
	if c == nil {
		return "no error"
	}
	return *c
}

// listen makes a socket that listens.
func listen(t *testing.T, h *Host, at string) (abisockets.TCPSocket, abisockets.IPSocketAddress) {
	t.Helper()
	ctx := t.Context()
	family := address(at).Tag
	s, bad := h.CreateTCPSocket(ctx, abisockets.IPAddressFamily(family))
	ok(t, "create", bad)
	ok(t, "start-bind", s.StartBind(ctx, h.InstanceNetwork(ctx), address(at)))
	ok(t, "finish-bind", s.FinishBind(ctx))
	ok(t, "start-listen", s.StartListen(ctx))
	ok(t, "finish-listen", s.FinishListen(ctx))
	a, bad := s.LocalAddress(ctx)
	ok(t, "local-address", bad)
	return s, a
}

func connect(t *testing.T, h *Host, s abisockets.TCPSocket, to abisockets.IPSocketAddress) (abiio.InputStream, abiio.OutputStream, *abisockets.ErrorCode) {
	t.Helper()
	ctx := t.Context()
	ok(t, "start-connect", s.StartConnect(ctx, h.InstanceNetwork(ctx), to))
	s.Subscribe(ctx).Block(ctx)
	streams, bad := s.FinishConnect(ctx)
	return streams.F0, streams.F1, bad
}

func accept(t *testing.T, s abisockets.TCPSocket) (abisockets.TCPSocket, abiio.InputStream, abiio.OutputStream) {
	t.Helper()
	ctx := t.Context()
	for {
		got, bad := s.Accept(ctx)
		if bad == nil {
			return got.F0, got.F1, got.F2
		}
		want(t, "accept", bad, abisockets.ErrorCodeWouldBlock)
		s.Subscribe(ctx).Block(ctx)
	}
}

func readAll(ctx context.Context, in abiio.InputStream) (string, *abiio.StreamError) {
	var b strings.Builder
	for {
		p, err := in.BlockingRead(ctx, 1<<16)
		b.Write(p)
		if err != nil {
			if err.Tag == abiio.StreamErrorClosed {
				err = nil
			}
			return b.String(), err
		}
	}
}

func write(ctx context.Context, out abiio.OutputStream, text string) *abiio.StreamError {
	for text != "" {
		n := min(len(text), 4096)
		if err := out.BlockingWriteAndFlush(ctx, []byte(text[:n])); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

func TestDeny(t *testing.T) {
	ctx := t.Context()
	var asked []Access
	for _, h := range []*Host{New(Config{}), New(Config{Allow: func(_ context.Context, a Access) error {
		asked = append(asked, a)
		return errors.New("no")
	}})} {
		n := h.InstanceNetwork(ctx)
		tcp, _ := h.CreateTCPSocket(ctx, v4)
		want(t, "bind", tcp.StartBind(ctx, n, address("127.0.0.1:80")), abisockets.ErrorCodeAccessDenied)
		want(t, "connect", tcp.StartConnect(ctx, n, address("127.0.0.1:80")), abisockets.ErrorCodeAccessDenied)
		udp, _ := h.CreateUDPSocket(ctx, v4)
		want(t, "bind", udp.StartBind(ctx, n, address("127.0.0.1:80")), abisockets.ErrorCodeAccessDenied)
		_, bad := h.ResolveAddresses(ctx, n, "Example.COM.")
		want(t, "resolve", bad, abisockets.ErrorCodeAccessDenied)
		tcp.Drop(ctx)
		udp.Drop(ctx)
	}
	uses := []Use{TCPBind, TCPConnect, UDPBind, Resolve}
	if len(asked) != len(uses) {
		t.Fatalf("got %v", asked)
	}
	for i, u := range uses {
		if asked[i].Use != u || u != Resolve && asked[i].Addr.String() != "127.0.0.1:80" {
			t.Errorf("got %+v, want %v", asked[i], u)
		}
	}
	if got := asked[3].Names; len(got) != 1 || got[0] != "example.com" {
		t.Errorf("names: got %q, want example.com", got)
	}
}

func TestMaxSockets(t *testing.T) {
	h, ctx := New(Config{Allow: all, MaxSockets: 2}), t.Context()
	server, addr := listen(t, h, "127.0.0.1:0")
	udp, bad := h.CreateUDPSocket(ctx, v4)
	ok(t, "second", bad)
	_, bad = h.CreateTCPSocket(ctx, v4)
	want(t, "third", bad, abisockets.ErrorCodeNewSocketLimit)
	c, err := net.Dial("tcp", addrPort(addr).String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	server.Subscribe(ctx).Block(ctx)
	_, bad = server.Accept(ctx)
	want(t, "accept", bad, abisockets.ErrorCodeNewSocketLimit)
	if _, err := io.ReadAll(c); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Logf("the refused connection ended with %v", err)
	}
	udp.Drop(ctx)
	server.Drop(ctx)
	none(t, h)
}

// TestStreamsCount: a connection counts as open until its streams are dropped, and what was written is sent after that.
func TestStreamsCount(t *testing.T) {
	leakCheck(t)
	h, ctx := New(Config{Allow: all}), t.Context()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, _ := h.CreateTCPSocket(ctx, v4)
	in, out, bad := connect(t, h, s, address(l.Addr().String()))
	ok(t, "finish-connect", bad)
	s.Drop(ctx)
	in.Drop(ctx)
	if n := h.open.Load(); n != 1 {
		t.Errorf("open sockets with a stream: got %d, want 1", n)
	}
	n, _ := out.CheckWrite(ctx)
	if err := out.Write(ctx, []byte(strings.Repeat("x", int(n)))); err != nil {
		t.Error(err)
	}
	out.Drop(ctx)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); uint64(len(got)) != n || err != nil {
		t.Errorf("peer read %d bytes %v, want %d", len(got), err, n)
	}
	none(t, h)
}

func TestOptions(t *testing.T) {
	leakCheck(t)
	h, ctx := New(Config{Allow: all}), t.Context()
	server, addr := listen(t, h, "127.0.0.1:0")
	defer server.Drop(ctx)
	for name, bad := range map[string]*abisockets.ErrorCode{
		"backlog": server.SetListenBacklogSize(ctx, 0), "idle": server.SetKeepAliveIdleTime(ctx, 0),
		"interval": server.SetKeepAliveInterval(ctx, 0), "count": server.SetKeepAliveCount(ctx, 0),
		"hops": server.SetHopLimit(ctx, 0), "receive": server.SetReceiveBufferSize(ctx, 0), "send": server.SetSendBufferSize(ctx, 0),
	} {
		want(t, name+" of 0", bad, abisockets.ErrorCodeInvalidArgument)
	}
	for name, bad := range map[string]*abisockets.ErrorCode{
		"idle":     server.SetKeepAliveIdleTime(ctx, 1),
		"interval": server.SetKeepAliveInterval(ctx, 1<<63), "count": server.SetKeepAliveCount(ctx, 1<<31),
		"hops": server.SetHopLimit(ctx, 42), "receive": server.SetReceiveBufferSize(ctx, 16000), "send": server.SetSendBufferSize(ctx, 1<<63),
		"enabled": server.SetKeepAliveEnabled(ctx, true),
	} {
		ok(t, name, bad)
	}
	want(t, "backlog when listening", server.SetListenBacklogSize(ctx, 5), abisockets.ErrorCodeNotSupported)
	client, _ := h.CreateTCPSocket(ctx, v4)
	ok(t, "backlog", client.SetListenBacklogSize(ctx, 5))
	in, out, bad := connect(t, h, client, addr)
	ok(t, "finish-connect", bad)
	peer, peerIn, peerOut := accept(t, server)
	if on, _ := peer.KeepAliveEnabled(ctx); !on {
		t.Error("keep-alive-enabled: got false, want what the listener has")
	}
	idle, _ := peer.KeepAliveIdleTime(ctx)
	interval, _ := peer.KeepAliveInterval(ctx)
	count, _ := peer.KeepAliveCount(ctx)
	hops, _ := peer.HopLimit(ctx)
	receive, _ := peer.ReceiveBufferSize(ctx)
	send, _ := peer.SendBufferSize(ctx)
	if idle != uint64(time.Second) || interval != maxSeconds*uint64(time.Second) || count != maxProbes || hops != 42 || receive != 16000 || send != maxBuffer {
		t.Errorf("inherited: got %d %d %d %d %d %d", idle, interval, count, hops, receive, send)
	}
	ok(t, "hops of a connection", peer.SetHopLimit(ctx, 7))
	ok(t, "keep-alive of a connection", peer.SetKeepAliveCount(ctx, 3))
	want(t, "backlog of a connection", peer.SetListenBacklogSize(ctx, 3), abisockets.ErrorCodeInvalidState)
	for _, s := range []interface{ Drop(context.Context) }{in, out, client, peerIn, peerOut, peer} {
		s.Drop(ctx)
	}
}

func TestResolve(t *testing.T) {
	leakCheck(t)
	var names []string
	h, ctx := New(Config{Allow: func(_ context.Context, a Access) error {
		if a.Use == TCPConnect {
			names = a.Names
		}
		return nil
	}}), t.Context()
	n := h.InstanceNetwork(ctx)
	addresses := func(name string) (out []string, bad *abisockets.ErrorCode) {
		s, bad := h.ResolveAddresses(ctx, n, name)
		if bad != nil {
			return nil, bad
		}
		defer s.Drop(ctx)
		s.Subscribe(ctx).Block(ctx)
		for {
			a, bad := s.ResolveNextAddress(ctx)
			if a == nil || bad != nil {
				return out, bad
			}
			if a.Tag == abisockets.IPAddressIpv4 {
				out = append(out, addrPort(abisockets.IPSocketAddress{Ipv4: abisockets.Ipv4SocketAddress{Address: a.Ipv4}}).Addr().String())
			} else {
				out = append(out, addrPort(abisockets.IPSocketAddress{Tag: abisockets.IPSocketAddressIpv6, Ipv6: abisockets.Ipv6SocketAddress{Address: a.Ipv6}}).Addr().String())
			}
		}
	}
	for name, want := range map[string]string{"127.0.0.1": "127.0.0.1", "::1": "::1", "[2001:db8::1]": "2001:db8::1", "::ffff:192.0.2.1": "192.0.2.1"} {
		if got, bad := addresses(name); bad != nil || strings.Join(got, ",") != want {
			t.Errorf("%s: got %v %v, want %s", name, got, show(bad), want)
		}
	}
	for _, name := range []string{"", ".", "a..b", "a b", "a/b", strings.Repeat("a", 64), strings.Repeat("a.", 200), "a\x00b", "user@host", "host:80"} {
		_, bad := addresses(name)
		want(t, "name "+name, bad, abisockets.ErrorCodeInvalidArgument)
	}
	got, bad := addresses("LOCALHOST")
	ok(t, "localhost", bad)
	if len(got) == 0 {
		t.Fatal("localhost: got no address")
	}
	s, _ := h.CreateTCPSocket(ctx, v4)
	defer s.Drop(ctx)
	ok(t, "start-connect", s.StartConnect(ctx, n, address("127.0.0.1:1")))
	if len(names) != 1 || names[0] != "localhost" {
		t.Errorf("names of 127.0.0.1: got %q, want localhost", names)
	}
	if _, bad := addresses("no-such-name.invalid"); bad == nil {
		t.Error("a name under .invalid: got addresses, want an error")
	}
}
