package http

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
		_, _ = io.WriteString(w, "answer")
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
		_ = http.NewResponseController(w).EnableFullDuplex()
		p := make([]byte, 1000)
		for {
			n, err := r.Body.Read(p)
			_, _ = w.Write(p[:n])
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
