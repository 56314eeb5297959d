package sockets

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
)

func TestTCPBothEnds(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(at, func(t *testing.T) {
			leakCheck(t)
			h, ctx := New(Config{Allow: all}), t.Context()
			server, addr := listen(t, h, at)
			if !server.IsListening(ctx) || server.AddressFamily(ctx) != abisockets.IPAddressFamily(addr.Tag) {
				t.Error("got a socket that does not listen or is of another family")
			}
			client, bad := h.CreateTCPSocket(ctx, server.AddressFamily(ctx))
			ok(t, "create", bad)
			in, out, bad := connect(t, h, client, addr)
			ok(t, "finish-connect", bad)
			peer, peerIn, peerOut := accept(t, server)
			local, _ := client.LocalAddress(ctx)
			if remote, bad := peer.RemoteAddress(ctx); bad != nil || remote != local {
				t.Errorf("remote-address: got %v %v, want %v", remote, show(bad), local)
			}
			big := strings.Repeat("0123456789", 100_000)
			var wg sync.WaitGroup
			wg.Go(func() { // the other guest
				text, err := readAll(ctx, peerIn)
				if text != big || err != nil {
					t.Errorf("peer read %d bytes %v, want %d", len(text), err, len(big))
				}
				if err := write(ctx, peerOut, "answer"); err != nil {
					t.Error(err)
				}
				ok(t, "shutdown", peer.Shutdown(ctx, abisockets.ShutdownTypeSend))
			})
			if err := write(ctx, out, big); err != nil {
				t.Error(err)
			}
			ok(t, "shutdown", client.Shutdown(ctx, abisockets.ShutdownTypeSend))
			ok(t, "shutdown again", client.Shutdown(ctx, abisockets.ShutdownTypeSend))
			if _, err := out.CheckWrite(ctx); err == nil || err.Tag != abiio.StreamErrorClosed {
				t.Errorf("check-write after shutdown: got %v, want closed", err)
			}
			if text, err := readAll(ctx, in); text != "answer" || err != nil {
				t.Errorf("got %q %v, want answer", text, err)
			}
			wg.Wait()
			ok(t, "shutdown", client.Shutdown(ctx, abisockets.ShutdownTypeBoth))
			for _, s := range []interface{ Drop(context.Context) }{in, out, client, peerIn, peerOut, peer, server} {
				s.Drop(ctx)
			}
			none(t, h)
		})
	}
}

func TestTCPStates(t *testing.T) {
	leakCheck(t)
	h, ctx := New(Config{Allow: all}), t.Context()
	n := h.InstanceNetwork(ctx)
	s, _ := h.CreateTCPSocket(ctx, v4)
	defer s.Drop(ctx)
	notInProgress := func() {
		t.Helper()
		want(t, "finish-bind", s.FinishBind(ctx), abisockets.ErrorCodeNotInProgress)
		want(t, "finish-listen", s.FinishListen(ctx), abisockets.ErrorCodeNotInProgress)
		_, bad := s.FinishConnect(ctx)
		want(t, "finish-connect", bad, abisockets.ErrorCodeNotInProgress)
	}
	invalid := func() {
		t.Helper()
		_, bad := s.RemoteAddress(ctx)
		want(t, "remote-address", bad, abisockets.ErrorCodeInvalidState)
		want(t, "shutdown", s.Shutdown(ctx, abisockets.ShutdownTypeBoth), abisockets.ErrorCodeInvalidState)
	}
	notInProgress()
	invalid()
	_, bad := s.LocalAddress(ctx)
	want(t, "local-address", bad, abisockets.ErrorCodeInvalidState)
	want(t, "start-listen", s.StartListen(ctx), abisockets.ErrorCodeInvalidState)
	_, bad = s.Accept(ctx)
	want(t, "accept", bad, abisockets.ErrorCodeInvalidState)

	for _, a := range []string{"[::1]:0", "[::ffff:127.0.0.1]:0", "224.0.0.1:0", "255.255.255.255:0"} {
		want(t, "start-bind "+a, s.StartBind(ctx, n, address(a)), abisockets.ErrorCodeInvalidArgument)
	}
	ok(t, "start-bind", s.StartBind(ctx, n, address("192.0.2.1:0")))
	want(t, "start-bind while one runs", s.StartBind(ctx, n, address("127.0.0.1:0")), abisockets.ErrorCodeConcurrencyConflict)
	want(t, "start-listen while binding", s.StartListen(ctx), abisockets.ErrorCodeInvalidState)
	want(t, "finish-bind to a foreign address", s.FinishBind(ctx), abisockets.ErrorCodeAddressNotBindable)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	ok(t, "start-bind", s.StartBind(ctx, n, address(taken.Addr().String())))
	want(t, "finish-bind to a taken address", s.FinishBind(ctx), abisockets.ErrorCodeAddressInUse)
	ok(t, "start-bind", s.StartBind(ctx, n, address("127.0.0.1:0")))
	ok(t, "finish-bind", s.FinishBind(ctx))
	want(t, "start-bind when bound", s.StartBind(ctx, n, address("127.0.0.1:0")), abisockets.ErrorCodeInvalidState)
	notInProgress()
	invalid()
	_, bad = s.LocalAddress(ctx)
	ok(t, "local-address", bad)
	local, _ := s.LocalAddress(ctx)
	if c, err := net.Dial("tcp", addrPort(local).String()); err == nil {
		c.Close()
		t.Error("connect to a socket that is bound and does not listen: got a connection")
	}
	if s.IsListening(ctx) || !s.Subscribe(ctx).Ready(ctx) {
		t.Error("bound: got listening or not ready, want neither")
	}

	ok(t, "start-listen", s.StartListen(ctx))
	want(t, "start-listen while one runs", s.StartListen(ctx), abisockets.ErrorCodeConcurrencyConflict)
	ok(t, "finish-listen", s.FinishListen(ctx))
	want(t, "start-listen when listening", s.StartListen(ctx), abisockets.ErrorCodeInvalidState)
	want(t, "start-connect when listening", s.StartConnect(ctx, n, address("127.0.0.1:1")), abisockets.ErrorCodeInvalidState)
	_, bad = s.Accept(ctx)
	want(t, "accept", bad, abisockets.ErrorCodeWouldBlock)
	if s.Subscribe(ctx).Ready(ctx) {
		t.Error("listening without a connection: got ready")
	}
	notInProgress()
	invalid()
}

func TestTCPConnectFails(t *testing.T) {
	leakCheck(t)
	h, ctx := New(Config{Allow: all}), t.Context()
	n := h.InstanceNetwork(ctx)
	for _, a := range []string{"[::1]:80", "0.0.0.0:80", "127.0.0.1:0", "224.0.0.1:80"} {
		s, _ := h.CreateTCPSocket(ctx, v4)
		want(t, "start-connect "+a, s.StartConnect(ctx, n, address(a)), abisockets.ErrorCodeInvalidArgument)
		want(t, "start-connect when closed", s.StartConnect(ctx, n, address("127.0.0.1:1")), abisockets.ErrorCodeInvalidState)
		_, bad := s.HopLimit(ctx)
		want(t, "hop-limit when closed", bad, abisockets.ErrorCodeInvalidState)
		s.Drop(ctx)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	s, _ := h.CreateTCPSocket(ctx, v4)
	defer s.Drop(ctx)
	_, _, bad := connect(t, h, s, address(l.Addr().String()))
	want(t, "finish-connect", bad, abisockets.ErrorCodeConnectionRefused)
	_, bad = s.FinishConnect(ctx)
	want(t, "finish-connect again", bad, abisockets.ErrorCodeNotInProgress)
}

// TestTCPConnectFromBound connects from an address that was bound before.
func TestTCPConnectFromBound(t *testing.T) {
	leakCheck(t)
	h, ctx := New(Config{Allow: all}), t.Context()
	server, addr := listen(t, h, "127.0.0.1:0")
	defer server.Drop(ctx)
	s, _ := h.CreateTCPSocket(ctx, v4)
	defer s.Drop(ctx)
	ok(t, "start-bind", s.StartBind(ctx, h.InstanceNetwork(ctx), address("127.0.0.1:0")))
	ok(t, "finish-bind", s.FinishBind(ctx))
	before, _ := s.LocalAddress(ctx)
	in, out, bad := connect(t, h, s, addr)
	ok(t, "finish-connect", bad)
	defer in.Drop(ctx)
	defer out.Drop(ctx)
	if after, _ := s.LocalAddress(ctx); after != before {
		t.Errorf("local-address: got %v, want %v as bound", after, before)
	}
	want(t, "start-bind when connected", s.StartBind(ctx, h.InstanceNetwork(ctx), address("127.0.0.1:0")), abisockets.ErrorCodeInvalidState)
	want(t, "start-listen when connected", s.StartListen(ctx), abisockets.ErrorCodeInvalidState)
}

func TestTCPReset(t *testing.T) {
	leakCheck(t)
	h, ctx := New(Config{Allow: all}), t.Context()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, _ := h.CreateTCPSocket(ctx, v4)
	defer s.Drop(ctx)
	in, out, bad := connect(t, h, s, address(l.Addr().String()))
	ok(t, "finish-connect", bad)
	defer in.Drop(ctx)
	defer out.Drop(ctx)
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = c.(*net.TCPConn).SetLinger(0)
	c.Close()
	_, serr := readAll(ctx, in)
	if serr == nil || serr.Tag != abiio.StreamErrorLastOperationFailed {
		t.Fatalf("read: got %v, want last-operation-failed", serr)
	}
	want(t, "network-error-code", h.NetworkErrorCode(ctx, serr.Value), abisockets.ErrorCodeConnectionReset)
	if _, err := in.Read(ctx, 1); err == nil || err.Tag != abiio.StreamErrorClosed {
		t.Errorf("read again: got %v, want closed", err)
	}
}

// TestTCPEndsWithContext: blocked reads, writes, polls and connects end with the call.
func TestTCPEndsWithContext(t *testing.T) {
	leakCheck(t)
	h := New(Config{Allow: all})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, block := range map[string]func(ctx context.Context, in abiio.InputStream, out abiio.OutputStream){
		"read": func(ctx context.Context, in abiio.InputStream, _ abiio.OutputStream) { _, _ = in.BlockingRead(ctx, 1) },
		"poll": func(ctx context.Context, in abiio.InputStream, _ abiio.OutputStream) { in.Subscribe(ctx).Block(ctx) },
		"write": func(ctx context.Context, _ abiio.InputStream, out abiio.OutputStream) {
			for write(ctx, out, strings.Repeat("x", 4096)) == nil {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := h.CreateTCPSocket(t.Context(), v4)
			in, out, bad := connect(t, h, s, address(l.Addr().String()))
			ok(t, "finish-connect", bad)
			c, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			func() {
				defer func() {
					if trap, isTrap := recover().(*abi.Trap); isTrap && trap.Kind != abi.TrapTimeout {
						t.Errorf("got trap %v, want one of kind timeout", trap)
					}
				}()
				block(ctx, in, out)
			}()
			if ctx.Err() == nil {
				t.Error("it returned before the call ended")
			}
			in.Drop(ctx)
			out.Drop(ctx)
			s.Drop(ctx)
		})
	}
}
