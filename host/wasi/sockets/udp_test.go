package sockets

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abisockets "github.com/mrt-wasm/mrt-wasm/abi/wasi/sockets"
)

func TestUDP(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(at, func(t *testing.T) { leakCheck(t); testUDP(t, at) })
	}
}

func testUDP(t *testing.T, at string) {
	h, ctx := New(Config{Allow: all}), t.Context()
	n := h.InstanceNetwork(ctx)
	family := abisockets.IPAddressFamily(address(at).Tag)
	open := func() (abisockets.UDPSocket, abisockets.IPSocketAddress) {
		s, bad := h.CreateUDPSocket(ctx, family)
		ok(t, "create", bad)
		_, bad = s.Stream(ctx, nil)
		want(t, "stream when unbound", bad, abisockets.ErrorCodeInvalidState)
		_, bad = s.LocalAddress(ctx)
		want(t, "local-address when unbound", bad, abisockets.ErrorCodeInvalidState)
		want(t, "finish-bind", s.FinishBind(ctx), abisockets.ErrorCodeNotInProgress)
		ok(t, "start-bind", s.StartBind(ctx, n, address(at)))
		want(t, "start-bind while one runs", s.StartBind(ctx, n, address(at)), abisockets.ErrorCodeConcurrencyConflict)
		ok(t, "finish-bind", s.FinishBind(ctx))
		want(t, "start-bind when bound", s.StartBind(ctx, n, address(at)), abisockets.ErrorCodeInvalidState)
		a, bad := s.LocalAddress(ctx)
		ok(t, "local-address", bad)
		return s, a
	}
	a, addrA := open()
	b, addrB := open()
	c, addrC := open()
	sa, bad := a.Stream(ctx, nil)
	ok(t, "stream", bad)
	_, bad = a.RemoteAddress(ctx)
	want(t, "remote-address without a peer", bad, abisockets.ErrorCodeInvalidState)
	sb, bad := b.Stream(ctx, &addrA)
	ok(t, "stream to a", bad)
	if got, bad := b.RemoteAddress(ctx); bad != nil || got != addrA {
		t.Errorf("remote-address: got %v %v, want %v", got, show(bad), addrA)
	}
	sc, _ := c.Stream(ctx, nil)
	send := func(out abisockets.OutgoingDatagramStream, text string, to *abisockets.IPSocketAddress) *abisockets.ErrorCode {
		if _, bad := out.CheckSend(ctx); bad != nil {
			return bad
		}
		_, bad := out.Send(ctx, []abisockets.OutgoingDatagram{{Data: []byte(text), RemoteAddress: to}})
		return bad
	}
	receive := func(in abisockets.IncomingDatagramStream) (string, abisockets.IPSocketAddress) {
		for {
			got, bad := in.Receive(ctx, 1)
			ok(t, "receive", bad)
			if len(got) > 0 {
				return string(got[0].Data), got[0].RemoteAddress
			}
			in.Subscribe(ctx).Block(ctx)
		}
	}
	ok(t, "send to a", send(sb.F1, "one", nil))
	ok(t, "send to a", send(sb.F1, "two", &addrA))
	want(t, "send to another than the peer", send(sb.F1, "x", &addrC), abisockets.ErrorCodeInvalidArgument)
	want(t, "send to nobody", send(sa.F1, "x", nil), abisockets.ErrorCodeInvalidArgument)
	want(t, "too large", send(sa.F1, strings.Repeat("x", 70_000), &addrB), abisockets.ErrorCodeDatagramTooLarge)
	for _, text := range []string{"one", "two"} {
		if got, from := receive(sa.F0); got != text || from != addrB {
			t.Errorf("got %q from %v, want %q from %v", got, from, text, addrB)
		}
	}
	ok(t, "c to b, which has a as its peer", send(sc.F1, "stray", &addrB))
	ok(t, "a to b", send(sa.F1, "from a", &addrB))
	if got, from := receive(sb.F0); got != "from a" || from != addrA {
		t.Errorf("got %q from %v, want only what a sends", got, from)
	}
	again, bad := b.Stream(ctx, nil)
	ok(t, "stream again", bad)
	_, bad = sb.F1.CheckSend(ctx)
	want(t, "check-send of earlier streams", bad, abisockets.ErrorCodeInvalidState)
	ok(t, "c to b", send(sc.F1, "now", &addrB))
	if got, from := receive(again.F0); got != "now" || from != addrC {
		t.Errorf("got %q from %v, want now from c", got, from)
	}
	if got, bad := again.F0.Receive(ctx, 10); len(got) != 0 || bad != nil {
		t.Errorf("receive: got %v %v, want nothing", got, show(bad))
	}
	ok(t, "hop limit", a.SetUnicastHopLimit(ctx, 3))
	ok(t, "buffer", a.SetReceiveBufferSize(ctx, 20_000))
	want(t, "hop limit 0", a.SetUnicastHopLimit(ctx, 0), abisockets.ErrorCodeInvalidArgument)
	func() {
		defer func() {
			if _, isTrap := recover().(*abi.Trap); !isTrap {
				t.Error("send without check-send: got no trap")
			}
		}()
		_, _ = again.F1.Send(ctx, []abisockets.OutgoingDatagram{{RemoteAddress: &addrA}})
	}()
	for _, s := range []interface{ Drop(context.Context) }{a, b, c, sa.F0, sa.F1, sb.F0, sb.F1, sc.F0, sc.F1, again.F0, again.F1} {
		s.Drop(ctx)
	}
	none(t, h)
}

// TestUDPSendDenied: each address that a datagram goes to is asked for.
func TestUDPSendDenied(t *testing.T) {
	h, ctx := New(Config{Allow: func(_ context.Context, a Access) error {
		if a.Use == UDPSend && a.Addr.Port() == 9 {
			return errors.New("no")
		}
		return nil
	}}), t.Context()
	s, _ := h.CreateUDPSocket(ctx, v4)
	defer s.Drop(ctx)
	ok(t, "start-bind", s.StartBind(ctx, h.InstanceNetwork(ctx), address("127.0.0.1:0")))
	ok(t, "finish-bind", s.FinishBind(ctx))
	no, yes := address("127.0.0.1:9"), address("127.0.0.1:10")
	_, bad := s.Stream(ctx, &no)
	want(t, "stream", bad, abisockets.ErrorCodeAccessDenied)
	streams, bad := s.Stream(ctx, nil)
	ok(t, "stream", bad)
	defer streams.F0.Drop(ctx)
	defer streams.F1.Drop(ctx)
	_, bad = streams.F1.CheckSend(ctx)
	ok(t, "check-send", bad)
	sent, bad := streams.F1.Send(ctx, []abisockets.OutgoingDatagram{{RemoteAddress: &yes}, {RemoteAddress: &no}, {RemoteAddress: &yes}})
	if sent != 1 || bad != nil {
		t.Errorf("got %d %v, want 1 and no error", sent, show(bad))
	}
	_, bad = streams.F1.Send(ctx, []abisockets.OutgoingDatagram{{RemoteAddress: &no}})
	want(t, "send", bad, abisockets.ErrorCodeAccessDenied)
}
