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
	abiio "github.com/mrt-wasm/mrt-wasm/abi/wasi/io"
)

func newHost(t *testing.T) *Host {
	t.Helper()
	tr := &http.Transport{DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	return New(Config{Send: tr.RoundTrip})
}

// outgoing makes a request to a URL.
func outgoing(ctx context.Context, h *Host, method, url string, fields ...string) abihttp.OutgoingRequest {
	r := h.NewOutgoingRequest(ctx, newFields(ctx, h, fields...))
	rest, isTLS := strings.CutPrefix(url, "https://")
	scheme := abihttp.Scheme{Tag: abihttp.SchemeHTTPS}
	if !isTLS {
		rest = strings.TrimPrefix(url, "http://")
		scheme.Tag = abihttp.SchemeHTTP
	}
	authority, path, _ := strings.Cut(rest, "/")
	path = "/" + path
	if !r.SetMethod(ctx, methodOf(method)) || !r.SetScheme(ctx, &scheme) || !r.SetAuthority(ctx, &authority) || !r.SetPathWithQuery(ctx, &path) {
		panic("setters failed")
	}
	return r
}

// await waits for the response.
func await(ctx context.Context, f abihttp.FutureIncomingResponse) (abihttp.IncomingResponse, *abihttp.ErrorCode) {
	f.Subscribe(ctx).Block(ctx)
	r := f.Get(ctx)
	if r == nil || r.Err != nil {
		panic("the future was ready and gave nothing")
	}
	return r.OK.OK, r.OK.Err
}

// content reads a response's whole body and its trailers.
func content(ctx context.Context, h *Host, res abihttp.IncomingResponse) (string, abihttp.Fields, *abihttp.ErrorCode) {
	body, _ := res.Consume(ctx)
	in, _ := body.Stream(ctx)
	text, err := readAll(ctx, in, true)
	in.Drop(ctx)
	if err != nil {
		body.Drop(ctx)
		return text, nil, h.HTTPErrorCode(ctx, err.Value)
	}
	f := h.IncomingBodyFinish(ctx, body)
	defer f.Drop(ctx)
	f.Subscribe(ctx).Block(ctx)
	r := f.Get(ctx)
	return text, r.OK.OK, r.OK.Err
}

func TestHandle(t *testing.T) {
	leakCheck(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Got", fmt.Sprintf("%s %s %s %q %d %v", r.Method, r.RequestURI, r.Header.Get("X-In"), b, r.ContentLength, r.TransferEncoding))
		w.Header().Set("X-Trailer", r.Trailer.Get("X-T"))
		w.WriteHeader(202)
		io.WriteString(w, "answer")
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"X-End", "yes")
	}))
	defer s.Close()
	h, ctx := newHost(t), t.Context()
	for _, c := range []struct {
		name, method, body string
		fields             []string
		trailers           bool
		want, trailer      string
	}{
		{"get", "GET", "", nil, false, `GET /p%2Fq?x=1 v "" 0 []`, ""},
		{"post", "POST", "text", nil, false, `POST /p%2Fq?x=1 v "text" -1 [chunked]`, ""},
		{"length", "PUT", "text", []string{"content-length", "4"}, false, `PUT /p%2Fq?x=1 v "text" 4 []`, ""},
		{"trailers", "POST", "text", nil, true, `POST /p%2Fq?x=1 v "text" -1 [chunked]`, "t"},
		{"announced", "GET", "text", []string{"trailer", "x-t"}, true, `GET /p%2Fq?x=1 v "text" -1 [chunked]`, "t"},
		{"own verb", "PURGE", "", nil, false, `PURGE /p%2Fq?x=1 v "" 0 []`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := outgoing(ctx, h, c.method, s.URL+"/p%2Fq?x=1", append([]string{"x-in", "v"}, c.fields...)...)
			var body abihttp.OutgoingBody
			if c.body != "" {
				body, _ = r.Body(ctx)
			}
			f, bad := h.Handle(ctx, r, nil)
			if bad != nil {
				t.Fatal(bad)
			}
			defer f.Drop(ctx)
			if body != nil {
				var trailers abihttp.Fields
				if c.trailers {
					trailers = newFields(ctx, h, "x-t", "t")
				}
				if err := finish(ctx, h, body, c.body, trailers); err != nil {
					t.Error(err)
				}
			}
			res, bad := await(ctx, f)
			if bad != nil {
				t.Fatal(bad)
			}
			defer res.Drop(ctx)
			if got := string(res.Headers(ctx).Get(ctx, "x-got")[0]); got != c.want {
				t.Errorf("server got %s, want %s", got, c.want)
			}
			if got := string(res.Headers(ctx).Get(ctx, "x-trailer")[0]); got != c.trailer {
				t.Errorf("server got trailer %q, want %q", got, c.trailer)
			}
			text, trailers, bad := content(ctx, h, res)
			if text != "answer" || bad != nil || res.Status(ctx) != 202 || trailers == nil || !trailers.Has(ctx, "x-end") {
				t.Errorf("got %d %q %v %v, want 202 answer and the trailer x-end", res.Status(ctx), text, trailers, bad)
			}
			if r := f.Get(ctx); r == nil || r.Err == nil {
				t.Errorf("second get: got %+v, want an error", r)
			}
		})
	}
	if n := h.running.Load(); n != 0 {
		t.Errorf("requests under way: got %d, want 0", n)
	}
}

func TestHandleBodyBefore(t *testing.T) {
	leakCheck(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n, r.ContentLength)
	}))
	defer s.Close()
	h, ctx := newHost(t), t.Context()
	r := outgoing(ctx, h, "POST", s.URL)
	body, _ := r.Body(ctx)
	if err := finish(ctx, h, body, strings.Repeat("x", 200_000), nil); err != nil {
		t.Fatal(err)
	}
	f, bad := h.Handle(ctx, r, nil)
	if bad != nil {
		t.Fatal(bad)
	}
	defer f.Drop(ctx)
	res, bad := await(ctx, f)
	if bad != nil {
		t.Fatal(bad)
	}
	if text, _, _ := content(ctx, h, res); text != "200000 200000" {
		t.Errorf("got %q, want 200000 with its length", text)
	}
}

// TestHandleDuplex: request and response stream at the same time.
func TestHandleDuplex(t *testing.T) {
	leakCheck(t)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		p := make([]byte, 1000)
		for {
			n, err := r.Body.Read(p)
			w.Write(p[:n])
			w.(http.Flusher).Flush()
			if err != nil {
				return
			}
		}
	}))
	defer s.Close()
	h, ctx := newHost(t), t.Context()
	r := outgoing(ctx, h, "POST", s.URL)
	body, _ := r.Body(ctx)
	f, _ := h.Handle(ctx, r, nil)
	defer f.Drop(ctx)
	out, _ := body.Write(ctx)
	var in abiio.InputStream
	var resBody abihttp.IncomingBody
	for i := range 10 {
		want := fmt.Sprint("message ", i)
		if err := out.BlockingWriteAndFlush(ctx, []byte(want)); err != nil {
			t.Fatal(err)
		}
		if in == nil {
			res, bad := await(ctx, f)
			if bad != nil {
				t.Fatal(bad)
			}
			resBody, _ = res.Consume(ctx)
			in, _ = resBody.Stream(ctx)
		}
		if got, err := in.BlockingRead(ctx, 100); string(got) != want || err != nil {
			t.Fatalf("got %q %v, want %q", got, err, want)
		}
	}
	out.Drop(ctx)
	if c := h.OutgoingBodyFinish(ctx, body, nil); c != nil {
		t.Error(c)
	}
	if rest, err := readAll(ctx, in, false); rest != "" || err != nil {
		t.Errorf("rest: got %q %v, want the end", rest, err)
	}
	in.Drop(ctx)
	resBody.Drop(ctx)
}

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
			c.Read(p)
			io.WriteString(c, answer)
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
	await(ctx, f)
	f.Drop(ctx)
}

func TestHandleTimeouts(t *testing.T) {
	leakCheck(t)
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			io.WriteString(w, "first")
			w.(http.Flusher).Flush()
		}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer s.Close()
	defer close(release)
	short := uint64(50 * time.Millisecond)
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
		tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
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
		http.NewResponseController(w).EnableFullDuplex()
		io.WriteString(w, "first")
		w.(http.Flusher).Flush()
		io.Copy(io.Discard, r.Body)
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
			in.BlockingRead(ctx, 5)
			in.Read(ctx, 5) // begins to read ahead
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
			write(ctx, out, "part")
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
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
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
