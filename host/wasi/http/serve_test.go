package http

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

func TestServeHello(t *testing.T) {
	leakCheck(t)
	s, results := serve(t, Limits{FlushDelay: time.Hour}, func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
		body := respond(ctx, h, out, 201, "X-Method", fmt.Sprint(req.Method(ctx).Tag), "x-path", *req.PathWithQuery(ctx),
			"x-authority", *req.Authority(ctx), "x-scheme", fmt.Sprint(req.Scheme(ctx).Tag))
		if err := finish(ctx, h, body, "hello", nil); err != nil {
			t.Error(err)
		}
	})
	res, text := get(t, s.URL+"/a%20b?q=1")
	if err := results.next(t); err != nil {
		t.Errorf("Serve: got %v, want no error", err)
	}
	if res.StatusCode != 201 || text != "hello" || res.ContentLength != 5 {
		t.Errorf("got %d %q length %d, want 201 hello 5", res.StatusCode, text, res.ContentLength)
	}
	want := map[string]string{"X-Method": "get", "X-Path": "/a%20b?q=1", "X-Authority": strings.TrimPrefix(s.URL, "http://"), "X-Scheme": "HTTP", "Content-Type": ""}
	for name, v := range want {
		if got := res.Header.Get(name); got != v {
			t.Errorf("%s: got %q, want %q", name, got, v)
		}
	}
}

func TestServeHeaders(t *testing.T) {
	s, results := serve(t, Limits{}, func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
		f := req.Headers(ctx)
		if err := f.Append(ctx, "x", nil); err == nil || err.Tag != abihttp.HeaderErrorImmutable {
			t.Errorf("append to the request's fields: got %v, want immutable", err)
		}
		if f.Has(ctx, "Host") || f.Has(ctx, "Connection") {
			t.Error("fields of the connection: got some, want none")
		}
		if got := f.Get(ctx, "X-List"); len(got) != 2 || string(got[1]) != "b" {
			t.Errorf("X-List: got %q, want a, b", got)
		}
		for _, e := range f.Entries(ctx) {
			if e.F0 != strings.ToLower(e.F0) {
				t.Errorf("name: got %q, want lower case", e.F0)
			}
		}
		if err := finish(ctx, h, respond(ctx, h, out, 200, "set-cookie", "a=1", "Set-Cookie", "b=2"), "", nil); err != nil {
			t.Error(err)
		}
	})
	req, _ := http.NewRequest("GET", s.URL, nil)
	req.Header["X-List"] = []string{"a", "b"}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if err := results.next(t); err != nil {
		t.Error(err)
	}
	if got := res.Header["Set-Cookie"]; len(got) != 2 {
		t.Errorf("Set-Cookie: got %q, want two", got)
	}
}

// TestServeStreams has the guest answer each line before the client sends the next.
func TestServeStreams(t *testing.T) {
	leakCheck(t)
	for _, blocking := range []bool{true, false} {
		t.Run(fmt.Sprintf("blocking=%v", blocking), func(t *testing.T) {
			s, results := serve(t, Limits{}, func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
				in, _ := req.Consume(ctx)
				src, _ := in.Stream(ctx)
				body := respond(ctx, h, out, 200)
				dst, _ := body.Write(ctx)
				for {
					if !blocking {
						src.Subscribe(ctx).Block(ctx)
					}
					p, err := src.BlockingRead(ctx, 1000)
					if err != nil {
						break
					}
					if err := write(ctx, dst, strings.ToUpper(string(p))); err != nil {
						t.Error(err)
					}
				}
				src.Drop(ctx)
				dst.Drop(ctx)
				if c := h.OutgoingBodyFinish(ctx, body, nil); c != nil {
					t.Error(c)
				}
			})
			pr, pw := io.Pipe()
			req, _ := http.NewRequest("POST", s.URL, pr)
			go func() { _, _ = io.WriteString(pw, "line 0\n") }()
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			r := bufio.NewReader(res.Body)
			for i := range 5 {
				line, err := r.ReadString('\n')
				if want := fmt.Sprintf("LINE %d\n", i); line != want || err != nil {
					t.Fatalf("got %q %v, want %q", line, err, want)
				}
				fmt.Fprintf(pw, "line %d\n", i+1)
			}
			pw.Close()
			rest, err := io.ReadAll(r)
			if string(rest) != "LINE 5\n" || err != nil {
				t.Errorf("rest: got %q %v, want LINE 5", rest, err)
			}
			if err := results.next(t); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestServeLargeBodies(t *testing.T) {
	leakCheck(t)
	big := strings.Repeat("0123456789abcdef", 1<<17) // 2 MiB
	for _, way := range []string{"blocking", "polled"} {
		t.Run(way, func(t *testing.T) {
			s, results := serve(t, Limits{}, func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
				in, _ := req.Consume(ctx)
				src, _ := in.Stream(ctx)
				got, serr := readAll(ctx, src, way == "blocking")
				if serr != nil || got != big {
					t.Errorf("request body: got %d bytes %v, want %d", len(got), serr, len(big))
				}
				src.Drop(ctx)
				body := respond(ctx, h, out, 200)
				dst, _ := body.Write(ctx)
				w := write
				if way == "polled" {
					w = writeAsync
				}
				if err := w(ctx, dst, got); err != nil {
					t.Error(err)
				}
				dst.Drop(ctx)
				if c := h.OutgoingBodyFinish(ctx, body, nil); c != nil {
					t.Error(c)
				}
			})
			res, err := http.Post(s.URL, "text/plain", strings.NewReader(big))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			got, err := io.ReadAll(res.Body)
			if string(got) != big || err != nil {
				t.Errorf("got %d bytes %v, want %d", len(got), err, len(big))
			}
			if err := results.next(t); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestServeHeadersFirst: the header is with the client before the guest goes on.
func TestServeHeadersFirst(t *testing.T) {
	leakCheck(t)
	goOn := make(chan struct{})
	s, results := serve(t, Limits{}, func(ctx context.Context, h *Host, _ abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
		body := respond(ctx, h, out, 200, "x-early", "yes")
		<-goOn
		if err := finish(ctx, h, body, "late", nil); err != nil {
			t.Error(err)
		}
	})
	res, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.Header.Get("X-Early") != "yes" {
		t.Error("header: got none")
	}
	close(goOn)
	if b, _ := io.ReadAll(res.Body); string(b) != "late" {
		t.Errorf("got %q, want late", b)
	}
	if err := results.next(t); err != nil {
		t.Error(err)
	}
}

func TestServeTrailers(t *testing.T) {
	leakCheck(t)
	s, results := serve(t, Limits{}, func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
		in, _ := req.Consume(ctx)
		src, _ := in.Stream(ctx)
		got, _ := readAll(ctx, src, true)
		src.Drop(ctx)
		f := h.IncomingBodyFinish(ctx, in)
		f.Subscribe(ctx).Block(ctx)
		r := f.Get(ctx)
		if r == nil || r.Err != nil || r.OK.Err != nil || r.OK.OK == nil {
			t.Errorf("trailers: got %+v, want some", r)
			return
		}
		sum := string(r.OK.OK.Get(ctx, "x-sum")[0])
		if err := r.OK.OK.Set(ctx, "a", nil); err == nil || err.Tag != abihttp.HeaderErrorImmutable {
			t.Errorf("trailers' set: got %v, want immutable", err)
		}
		if again := f.Get(ctx); again == nil || again.Err == nil {
			t.Errorf("second get: got %+v, want an error", again)
		}
		f.Drop(ctx)
		body := respond(ctx, h, out, 200, "trailer", "x-announced")
		err := finish(ctx, h, body, got, newFields(ctx, h, "x-announced", "1", "x-other", sum))
		if err != nil {
			t.Error(err)
		}
	})
	req, _ := http.NewRequest("POST", s.URL, io.MultiReader(strings.NewReader("content")))
	req.Trailer = http.Header{"X-Sum": {"42"}}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, _ := io.ReadAll(res.Body); string(b) != "content" {
		t.Errorf("body: got %q, want content", b)
	}
	if got := res.Trailer; got.Get("X-Announced") != "1" || got.Get("X-Other") != "42" {
		t.Errorf("trailers: got %v, want x-announced 1 and x-other 42", got)
	}
	if err := results.next(t); err != nil {
		t.Error(err)
	}
}

func TestServeTrailersOfUnreadBody(t *testing.T) {
	leakCheck(t)
	s, results := serve(t, Limits{}, func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
		in, _ := req.Consume(ctx)
		f := h.IncomingBodyFinish(ctx, in)
		for f.Get(ctx) == nil {
			f.Subscribe(ctx).Block(ctx)
		}
		if err := finish(ctx, h, respond(ctx, h, out, 200), "", nil); err != nil {
			t.Error(err)
		}
	})
	res, err := http.Post(s.URL, "text/plain", strings.NewReader(strings.Repeat("x", 1<<20)))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if err := results.next(t); err != nil {
		t.Error(err)
	}
}

func TestServeHeadAndEmpty(t *testing.T) {
	s, results := serve(t, Limits{FlushDelay: time.Hour}, func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
		status := uint16(200)
		if *req.PathWithQuery(ctx) == "/204" {
			status = 204
		}
		var fields []string
		if *req.PathWithQuery(ctx) == "/declared" {
			fields = []string{"content-length", "77"}
		}
		body := respond(ctx, h, out, status, fields...)
		text := "content"
		if fields != nil {
			text = ""
		}
		if err := finish(ctx, h, body, text, nil); err != nil {
			t.Error(err)
		}
	})
	for _, c := range []struct {
		method, path string
		status       int
		length       int64
	}{{"HEAD", "/", 200, -1}, {"HEAD", "/declared", 200, 77}, {"GET", "/204", 204, 0}, {"GET", "/", 200, 7}} {
		req, _ := http.NewRequest(c.method, s.URL+c.path, nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if err := results.next(t); err != nil {
			t.Error(err)
		}
		if res.StatusCode != c.status || res.ContentLength != c.length {
			t.Errorf("%s %s: got %d length %d, want %d %d", c.method, c.path, res.StatusCode, res.ContentLength, c.status, c.length)
		}
	}
}

func TestServeInformational(t *testing.T) {
	s, results := serve(t, Limits{}, func(ctx context.Context, h *Host, _ abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
		if c := out.SendInformational(ctx, 103, newFields(ctx, h, "link", "</a.css>")); c != nil {
			t.Error(c)
		}
		for _, status := range []uint16{99, 101, 200} {
			if c := out.SendInformational(ctx, status, newFields(ctx, h)); c == nil || c.Tag != abihttp.ErrorCodeHTTPProtocolError {
				t.Errorf("status %d: got %v, want HTTP-protocol-error", status, c)
			}
		}
		_ = finish(ctx, h, respond(ctx, h, out, 200), "done", nil)
	})
	var hints []string
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
		hints = append(hints, fmt.Sprint(code, " ", h.Get("Link")))
		return nil
	}})
	req, _ := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if err := results.next(t); err != nil {
		t.Error(err)
	}
	if len(hints) != 1 || hints[0] != "103 </a.css>" || res.Header.Get("Link") != "" {
		t.Errorf("got %q and link %q, want one 103 and none", hints, res.Header.Get("Link"))
	}
}

func TestServeHTTP2(t *testing.T) {
	leakCheck(t)
	host := New(Config{})
	results := make(served, 10)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	protocols.SetHTTP1(true)
	srv := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g := &guest{host: host, handle: func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
			in, _ := req.Consume(ctx)
			src, _ := in.Stream(ctx)
			text, _ := readAll(ctx, src, false)
			if err := finish(ctx, h, respond(ctx, h, out, 200), text, newFields(ctx, h, "x-t", "1")); err != nil {
				t.Error(err)
			}
		}}
		err := Serve(r.Context(), g, w, r, Limits{WriteTimeout: time.Minute})
		g.handles.Reset(r.Context())
		results <- err
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(l) }()
	defer srv.Close()
	only := new(http.Protocols)
	only.SetUnencryptedHTTP2(true)
	tr := &http.Transport{Protocols: only}
	defer tr.CloseIdleConnections()
	big := bytes.Repeat([]byte("y"), 1<<20)
	for range 3 {
		res, err := (&http.Client{Transport: tr}).Post("http://"+l.Addr().String(), "", bytes.NewReader(big))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if !bytes.Equal(got, big) || err != nil || res.ProtoMajor != 2 || res.Trailer.Get("X-T") != "1" {
			t.Errorf("got %d bytes %v HTTP/%d %v", len(got), err, res.ProtoMajor, res.Trailer)
		}
		if err := results.next(t); err != nil {
			t.Error(err)
		}
	}
}
