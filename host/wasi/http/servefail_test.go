package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

func TestServeFailures(t *testing.T) {
	leakCheck(t)
	refuse := func(c abihttp.ErrorCode) handler {
		return func(ctx context.Context, h *Host, _ abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
			h.ResponseOutparamSet(ctx, out, canon.Result[abihttp.OutgoingResponse, abihttp.ErrorCode]{Err: &c})
		}
	}
	for _, c := range []struct {
		name   string
		handle handler
		status int
		text   string
	}{
		{"nothing set", func(context.Context, *Host, abihttp.IncomingRequest, abihttp.ResponseOutparam) {}, 500, "response-outparam.set"},
		{"denied", refuse(abihttp.ErrorCode{Tag: abihttp.ErrorCodeHTTPRequestDenied}), 403, "HTTP-request-denied"},
		{"timeout", refuse(abihttp.ErrorCode{Tag: abihttp.ErrorCodeConnectionTimeout}), 504, "connection-timeout"},
		{"internal", refuse(abihttp.ErrorCode{Tag: abihttp.ErrorCodeInternalError}), 500, "internal-error"},
		{"trap before", func(context.Context, *Host, abihttp.IncomingRequest, abihttp.ResponseOutparam) {
			abi.Trapf("unreachable")
		}, 500, "unreachable"},
		{"trap after set", func(ctx context.Context, h *Host, _ abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
			respond(ctx, h, out, 200)
			abi.Trapf("unreachable")
		}, 500, "unreachable"},
		{"interim status", func(ctx context.Context, h *Host, _ abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
			respond(ctx, h, out, 150)
		}, 502, "HTTP-protocol-error"},
		{"not finished", func(ctx context.Context, h *Host, _ abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
			respond(ctx, h, out, 200).Drop(ctx)
		}, 500, "outgoing-body.finish"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, results := serve(t, Limits{FlushDelay: time.Hour}, c.handle)
			res, text := get(t, s.URL)
			err := results.next(t)
			if res.StatusCode != c.status || !strings.Contains(text, c.text) || err == nil {
				t.Errorf("got %d %q %v, want %d and %q", res.StatusCode, text, err, c.status, c.text)
			}
		})
	}
}

func TestServeBrokenAfterHeader(t *testing.T) {
	leakCheck(t)
	for name, brk := range map[string]func(ctx context.Context, body abihttp.OutgoingBody){
		"trap": func(context.Context, abihttp.OutgoingBody) { abi.Trapf("unreachable") },
		"drop": func(ctx context.Context, body abihttp.OutgoingBody) { body.Drop(ctx) },
		"none": func(context.Context, abihttp.OutgoingBody) {},
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan struct{})
			s, results := serve(t, Limits{}, func(ctx context.Context, h *Host, _ abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
				body := respond(ctx, h, out, 200)
				dst, _ := body.Write(ctx)
				if err := write(ctx, dst, "part"); err != nil {
					t.Error(err)
				}
				<-got
				dst.Drop(ctx)
				brk(ctx, body)
			})
			res, err := http.Get(s.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			p := make([]byte, 4)
			if _, err := io.ReadFull(res.Body, p); string(p) != "part" {
				t.Fatalf("got %q %v, want part", p, err)
			}
			close(got)
			if _, err := io.ReadAll(res.Body); err == nil {
				t.Error("the rest of the body: got its end, want an error")
			}
			var f *Failure
			if err := results.next(t); !errors.As(err, &f) || !f.Sent {
				t.Errorf("got %v, want a Failure that was sent", err)
			}
		})
	}
}

func TestServeTrapAfterFinish(t *testing.T) {
	s, results := serve(t, Limits{FlushDelay: time.Hour}, func(ctx context.Context, h *Host, _ abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
		_ = finish(ctx, h, respond(ctx, h, out, 200), "whole", nil)
		abi.Trapf("unreachable")
	})
	res, text := get(t, s.URL)
	var f *Failure
	if err := results.next(t); !errors.As(err, &f) || f.Sent || f.Status != 0 {
		t.Errorf("got %+v, want a Failure with neither Sent nor Status", err)
	}
	if res.StatusCode != 200 || text != "whole" {
		t.Errorf("got %d %q, want 200 whole", res.StatusCode, text)
	}
}

func TestServeContentLength(t *testing.T) {
	leakCheck(t)
	for _, c := range []struct {
		name, declared, text string
		ok                   bool
	}{{"equal", "5", "hello", true}, {"less", "9", "hello", false}, {"more", "3", "hello", false}} {
		t.Run(c.name, func(t *testing.T) {
			s, results := serve(t, Limits{FlushDelay: time.Hour}, func(ctx context.Context, h *Host, _ abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
				body := respond(ctx, h, out, 200, "content-length", c.declared)
				dst, _ := body.Write(ctx)
				werr := write(ctx, dst, c.text)
				dst.Drop(ctx)
				ferr := h.OutgoingBodyFinish(ctx, body, nil)
				if (ferr == nil) != c.ok || ferr != nil && (ferr.Tag != abihttp.ErrorCodeHTTPResponseBodySize || ferr.HTTPResponseBodySize == nil) {
					t.Errorf("finish: got %v, want ok %v or HTTP-response-body-size", ferr, c.ok)
				}
				if (werr != nil) != (c.name == "more") {
					t.Errorf("write: got %v", werr)
				}
			})
			res, err := http.Get(s.URL)
			serr := results.next(t)
			if (serr == nil) != c.ok {
				t.Errorf("Serve: got %v, want ok %v", serr, c.ok)
			}
			if err == nil {
				b, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if c.ok && string(b) != c.text || !c.ok && res.StatusCode == 200 && string(b) == c.text {
					t.Errorf("got %d %q", res.StatusCode, b)
				}
			} else if c.ok {
				t.Error(err)
			}
		})
	}
	h := New(Config{})
	ctx := t.Context()
	if _, ok := h.NewOutgoingResponse(ctx, newFields(ctx, h, "content-length", "x")).Body(ctx); ok {
		t.Error("body with a content-length that is none: got one, want an error")
	}
}

func TestServeRequestLimit(t *testing.T) {
	leakCheck(t)
	s, results := serve(t, Limits{MaxBody: 1000}, func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
		in, _ := req.Consume(ctx)
		src, _ := in.Stream(ctx)
		got, err := readAll(ctx, src, true)
		if err == nil {
			_ = finish(ctx, h, respond(ctx, h, out, 200), fmt.Sprint(len(got)), nil)
			return
		}
		c := h.HTTPErrorCode(ctx, err.Value)
		if c == nil || c.Tag != abihttp.ErrorCodeHTTPRequestBodySize || *c.HTTPRequestBodySize != 1000 || len(got) != 1000 {
			t.Errorf("got %d bytes, %v, want 1000 and HTTP-request-body-size", len(got), c)
		}
		h.ResponseOutparamSet(ctx, out, canon.Result[abihttp.OutgoingResponse, abihttp.ErrorCode]{Err: c})
	})
	for _, c := range []struct {
		n, status int
		streamed  bool
	}{{1000, 200, true}, {1000, 200, false}, {1001, 413, false}, {1001, 413, true}, {200_000, 413, true}} {
		var body io.Reader = strings.NewReader(strings.Repeat("x", c.n))
		if c.streamed {
			body = io.MultiReader(body)
		}
		res, err := http.Post(s.URL, "", body)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if err := results.next(t); (err == nil) != (c.status == 200) {
			t.Errorf("%+v: got %v", c, err)
		}
		if res.StatusCode != c.status {
			t.Errorf("%+v: got %d", c, res.StatusCode)
		}
	}
}

// TestServeClientGone: a client that goes away ends the guest's reading and writing.
func TestServeClientGone(t *testing.T) {
	leakCheck(t)
	for _, what := range []string{"read", "poll", "write", "wait"} {
		t.Run(what, func(t *testing.T) {
			begun := make(chan struct{})
			s, results := serve(t, Limits{}, func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
				in, _ := req.Consume(ctx)
				src, _ := in.Stream(ctx)
				_, _ = src.BlockingRead(ctx, 1)
				close(begun)
				switch what {
				case "read":
					_, _ = readAll(ctx, src, true)
				case "poll":
					_, _ = readAll(ctx, src, false)
				case "write":
					dst, _ := respond(ctx, h, out, 200).Write(ctx)
					for write(ctx, dst, strings.Repeat("x", 4096)) == nil {
					}
				case "wait":
					_, _ = readAll(ctx, src, true)
					<-ctx.Done()
				}
			})
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			length := 10
			if what == "wait" {
				length = 1
			}
			fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\nx", length)
			<-begun
			conn.Close()
			if err := results.next(t); err == nil {
				t.Error("got no error, want one")
			}
		})
	}
}

// TestServeDeadline: the end of ctx ends whatever the guest waits for, and a client that does not read.
func TestServeDeadline(t *testing.T) {
	leakCheck(t)
	for _, what := range []string{"read", "poll", "write", "polled write"} {
		t.Run(what, func(t *testing.T) {
			host := New(Config{})
			results := make(served, 1)
			srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithTimeout(r.Context(), 200*time.Millisecond)
				defer cancel()
				g := &guest{host: host, handle: func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
					in, _ := req.Consume(ctx)
					src, _ := in.Stream(ctx)
					switch what {
					case "read":
						_, _ = readAll(ctx, src, true)
					case "poll":
						_, _ = readAll(ctx, src, false)
					default:
						dst, _ := respond(ctx, h, out, 200).Write(ctx)
						w := write
						if what == "polled write" {
							w = writeAsync
						}
						for w(ctx, dst, strings.Repeat("x", 4096)) == nil {
						}
					}
				}}
				err := Serve(ctx, g, w, r, Limits{})
				g.handles.Reset(ctx)
				results <- err
				panic(http.ErrAbortHandler)
			})}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go func() { _ = srv.Serve(l) }()
			defer srv.Close()
			conn, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nx")
			if err := results.next(t); err == nil {
				t.Error("got no error, want one")
			}
		})
	}
}
