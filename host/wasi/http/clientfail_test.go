package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

func TestHandleErrors(t *testing.T) {
	leakCheck(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := "http://" + closed.Addr().String()
	closed.Close()
	raw := func(answer string) string { return rawServer(t, answer) }
	tlsServer := httptest.NewTLSServer(http.NotFoundHandler())
	defer tlsServer.Close()
	tlsServer.Config.ErrorLog = nil
	for _, c := range []struct {
		name, url string
		want      abihttp.ErrorCodeTag
	}{
		{"refused", refused, abihttp.ErrorCodeConnectionRefused},
		{"closed at once", raw(""), abihttp.ErrorCodeConnectionTerminated},
		{"not HTTP", raw("hello\r\n\r\n"), abihttp.ErrorCodeHTTPProtocolError},
		{"untrusted", tlsServer.URL, abihttp.ErrorCodeTLSCertificateError},
		{"no TLS", strings.Replace(raw("HTTP/1.1 400 Bad\r\n\r\n"), "http:", "https:", 1), abihttp.ErrorCodeTLSProtocolError},
		{"upgrade", raw("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"), abihttp.ErrorCodeHTTPUpgradeFailed},
		{"header too large", raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n"), abihttp.ErrorCodeHTTPResponseHeaderSectionSize},
		{"bad length", raw("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), abihttp.ErrorCodeHTTPProtocolError},
	} {
		t.Run(c.name, func(t *testing.T) {
			tr := &http.Transport{DisableCompression: true, MaxResponseHeaderBytes: 64 << 10}
			defer tr.CloseIdleConnections()
			h, ctx := New(Config{Send: tr.RoundTrip}), t.Context()
			f, bad := h.Handle(ctx, outgoing(ctx, h, "GET", c.url), nil)
			if bad != nil {
				t.Fatal(bad)
			}
			_, bad = await(ctx, f)
			f.Drop(ctx)
			if bad == nil || bad.Tag != c.want {
				t.Errorf("got %v, want %v", bad, c.want)
			}
		})
	}
	t.Run("incomplete", func(t *testing.T) {
		h, ctx := newHost(t), t.Context()
		f, _ := h.Handle(ctx, outgoing(ctx, h, "GET", raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")), nil)
		defer f.Drop(ctx)
		res, bad := await(ctx, f)
		if bad != nil {
			t.Fatal(bad)
		}
		text, _, bad := content(ctx, h, res)
		if text != "abc" || bad == nil || bad.Tag != abihttp.ErrorCodeHTTPResponseIncomplete {
			t.Errorf("got %q %v, want abc and HTTP-response-incomplete", text, bad)
		}
	})
}

// rawServer answers every connection with a text and closes it.
func rawServer(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p := make([]byte, 4096)
			_, _ = c.Read(p)
			_, _ = io.WriteString(c, answer)
			c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestHandleRefuses(t *testing.T) {
	ctx := t.Context()
	send := func(*http.Request) (*http.Response, error) { return nil, &DeniedError{Reason: "not there"} }
	h := New(Config{Send: send, Check: func(r *http.Request) error {
		if r.URL.Host == "checked.example" {
			return fmt.Errorf("wrapped: %w", &DeniedError{Reason: "no"})
		}
		return nil
	}})
	valid := func() abihttp.OutgoingRequest { return outgoing(ctx, h, "GET", "http://a.example/") }
	for name, c := range map[string]struct {
		make func() abihttp.OutgoingRequest
		want abihttp.ErrorCodeTag
	}{
		"no authority": {func() abihttp.OutgoingRequest { r := valid(); r.SetAuthority(ctx, nil); return r }, abihttp.ErrorCodeHTTPRequestURIInvalid},
		"user": {func() abihttp.OutgoingRequest {
			r, a := valid(), "user:pw@a.example"
			if !r.SetAuthority(ctx, &a) {
				t.Error("set-authority with user failed")
			}
			return r
		}, abihttp.ErrorCodeHTTPRequestURIInvalid},
		"connect": {func() abihttp.OutgoingRequest { r := valid(); r.SetMethod(ctx, methodOf("CONNECT")); return r }, abihttp.ErrorCodeHTTPRequestMethodInvalid},
		"scheme": {func() abihttp.OutgoingRequest {
			r := valid()
			r.SetScheme(ctx, &abihttp.Scheme{Tag: abihttp.SchemeOther, Value: "ftp"})
			return r
		}, abihttp.ErrorCodeHTTPProtocolError},
		"checked": {func() abihttp.OutgoingRequest { return outgoing(ctx, h, "GET", "http://checked.example/") }, abihttp.ErrorCodeHTTPRequestDenied},
	} {
		if _, bad := h.Handle(ctx, c.make(), nil); bad == nil || bad.Tag != c.want {
			t.Errorf("%s: got %v, want %v", name, bad, c.want)
		}
	}
	f, bad := h.Handle(ctx, valid(), nil)
	if bad != nil {
		t.Fatal(bad)
	}
	if _, bad := await(ctx, f); bad == nil || bad.Tag != abihttp.ErrorCodeHTTPRequestDenied {
		t.Errorf("denied by Send: got %v, want HTTP-request-denied", bad)
	}
	f.Drop(ctx)
	none := New(Config{})
	if _, bad := none.Handle(ctx, outgoing(ctx, none, "GET", "http://a/"), nil); bad == nil || bad.Tag != abihttp.ErrorCodeHTTPRequestDenied {
		t.Errorf("without Send: got %v, want HTTP-request-denied", bad)
	}
}

func TestHandleLimit(t *testing.T) {
	ctx := t.Context()
	stop := make(chan struct{})
	h := New(Config{MaxRequests: 1, Send: func(r *http.Request) (*http.Response, error) {
		select {
		case <-r.Context().Done():
		case <-stop:
		}
		return nil, errors.New("over")
	}})
	f, bad := h.Handle(ctx, outgoing(ctx, h, "GET", "http://a/"), nil)
	if bad != nil {
		t.Fatal(bad)
	}
	if _, bad := h.Handle(ctx, outgoing(ctx, h, "GET", "http://a/"), nil); bad == nil || bad.Tag != abihttp.ErrorCodeConnectionLimitReached {
		t.Errorf("second request: got %v, want connection-limit-reached", bad)
	}
	f.Drop(ctx)
	if f, bad = h.Handle(ctx, outgoing(ctx, h, "GET", "http://a/"), nil); bad != nil {
		t.Errorf("after the first was dropped: %v", bad)
	}
	close(stop)
	if _, bad := await(ctx, f); bad == nil {
		t.Error("a Send that failed: got a response")
	}
	f.Drop(ctx)
}

func TestHandleTimeouts(t *testing.T) {
	leakCheck(t)
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			_, _ = io.WriteString(w, "first")
			w.(http.Flusher).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(release)
	short := uint64(200 * time.Millisecond)
	h, ctx := newHost(t), t.Context()
	t.Run("first byte", func(t *testing.T) {
		o := h.NewRequestOptions(ctx)
		o.SetFirstByteTimeout(ctx, &short)
		f, _ := h.Handle(ctx, outgoing(ctx, h, "GET", s.URL+"/"), o)
		defer f.Drop(ctx)
		if _, bad := await(ctx, f); bad == nil || bad.Tag != abihttp.ErrorCodeConnectionReadTimeout {
			t.Errorf("got %v, want connection-read-timeout", bad)
		}
	})
	t.Run("between bytes", func(t *testing.T) {
		o := h.NewRequestOptions(ctx)
		o.SetBetweenBytesTimeout(ctx, &short)
		f, _ := h.Handle(ctx, outgoing(ctx, h, "GET", s.URL+"/body"), o)
		defer f.Drop(ctx)
		res, bad := await(ctx, f)
		if bad != nil {
			t.Fatal(bad)
		}
		text, _, bad := content(ctx, h, res)
		if text != "first" || bad == nil || bad.Tag != abihttp.ErrorCodeConnectionReadTimeout {
			t.Errorf("got %q %v, want first and connection-read-timeout", text, bad)
		}
	})
	t.Run("connect", func(t *testing.T) {
		over := make(chan struct{})
		defer close(over) // net/http may go on dialling for other requests
		tr := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			<-over
			return nil, errors.New("over")
		}}
		h := New(Config{Send: tr.RoundTrip})
		o := h.NewRequestOptions(ctx)
		o.SetConnectTimeout(ctx, &short)
		if got := o.ConnectTimeout(ctx); got == nil || *got != short {
			t.Errorf("connect-timeout: got %v, want %d", got, short)
		}
		f, _ := h.Handle(ctx, outgoing(ctx, h, "GET", "http://127.0.0.1:1/"), o)
		defer f.Drop(ctx)
		if _, bad := await(ctx, f); bad == nil || bad.Tag != abihttp.ErrorCodeConnectionTimeout {
			t.Errorf("got %v, want connection-timeout", bad)
		}
	})
	t.Run("deadline of the call", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		f, _ := h.Handle(ctx, outgoing(ctx, h, "GET", s.URL+"/"), nil)
		if _, bad := await(context.WithoutCancel(ctx), f); bad == nil || bad.Tag != abihttp.ErrorCodeHTTPResponseTimeout {
			t.Errorf("got %v, want HTTP-response-timeout", bad)
		}
		f.Drop(ctx)
	})
}

// TestHandleDrop: whatever a guest leaves behind, the request ends.
func TestHandleDrop(t *testing.T) {
	leakCheck(t)
	gone := make(chan struct{}, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_, _ = io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		gone <- struct{}{}
	}))
	defer s.Close()
	h, ctx := newHost(t), t.Context()
	for name, do := range map[string]func(){
		"future": func() {
			f, _ := h.Handle(ctx, outgoing(ctx, h, "GET", s.URL+"/body"), nil)
			f.Subscribe(ctx).Block(ctx)
			f.Drop(ctx)
		},
		"response": func() {
			f, _ := h.Handle(ctx, outgoing(ctx, h, "GET", s.URL+"/body"), nil)
			res, _ := await(ctx, f)
			f.Drop(ctx)
			res.Drop(ctx)
		},
		"stream": func() {
			f, _ := h.Handle(ctx, outgoing(ctx, h, "GET", s.URL+"/body"), nil)
			res, _ := await(ctx, f)
			f.Drop(ctx)
			body, _ := res.Consume(ctx)
			res.Drop(ctx)
			in, _ := body.Stream(ctx)
			_, _ = in.BlockingRead(ctx, 5)
			_, _ = in.Read(ctx, 5) // begins to read ahead
			in.Drop(ctx)
			body.Drop(ctx)
		},
		"trailers": func() {
			f, _ := h.Handle(ctx, outgoing(ctx, h, "GET", s.URL+"/body"), nil)
			res, _ := await(ctx, f)
			f.Drop(ctx)
			body, _ := res.Consume(ctx)
			trailers := h.IncomingBodyFinish(ctx, body)
			if trailers.Get(ctx) != nil {
				t.Error("trailers of a body that goes on: got some")
			}
			trailers.Drop(ctx)
		},
		"body not finished": func() {
			r := outgoing(ctx, h, "POST", s.URL+"/body")
			body, _ := r.Body(ctx)
			f, _ := h.Handle(ctx, r, nil)
			out, _ := body.Write(ctx)
			if err := write(ctx, out, "part"); err != nil {
				t.Error(err)
			}
			res, bad := await(ctx, f)
			if bad != nil {
				t.Fatal(bad)
			}
			out.Drop(ctx)
			body.Drop(ctx)
			f.Drop(ctx)
			res.Drop(ctx)
		},
	} {
		do()
		select {
		case <-gone:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s dropped: the server still serves the request", name)
		}
	}
	if n := h.running.Load(); n != 0 {
		t.Errorf("requests under way: got %d, want 0", n)
	}
}

func TestHandleLengthMismatch(t *testing.T) {
	leakCheck(t)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer s.Close()
	h, ctx := newHost(t), t.Context()
	r := outgoing(ctx, h, "POST", s.URL, "content-length", "10")
	body, _ := r.Body(ctx)
	f, _ := h.Handle(ctx, r, nil)
	defer f.Drop(ctx)
	err := finish(ctx, h, body, "short", nil)
	var c *abihttp.ErrorCode
	if !errors.As(err, &c) || c.Tag != abihttp.ErrorCodeHTTPRequestBodySize || *c.HTTPRequestBodySize != 5 {
		t.Errorf("finish: got %v, want HTTP-request-body-size 5", err)
	}
	if _, bad := await(ctx, f); bad == nil || bad.Tag != abihttp.ErrorCodeHTTPRequestBodySize {
		t.Errorf("response: got %v, want HTTP-request-body-size", bad)
	}
}

func TestHandleTLSAlert(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	s.Config.ErrorLog = nil
	s.StartTLS()
	defer s.Close()
	tr := s.Client().Transport.(*http.Transport)
	h, ctx := New(Config{Send: tr.RoundTrip}), t.Context()
	f, _ := h.Handle(ctx, outgoing(ctx, h, "GET", s.URL), nil)
	defer f.Drop(ctx)
	_, bad := await(ctx, f)
	if bad == nil || bad.Tag != abihttp.ErrorCodeTLSAlertReceived || bad.TLSAlertReceived.AlertID == nil || *bad.TLSAlertReceived.AlertID != 116 {
		t.Errorf("got %+v, want TLS-alert-received 116", bad)
	}
}
