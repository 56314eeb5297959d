package http

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

// BenchmarkServe compares an answer by Serve with one by a handler of net/http, over a real connection.
func BenchmarkServe(b *testing.B) {
	host := New(Config{})
	hello := func(ctx context.Context, h *Host, _ abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
		if err := finish(ctx, h, respond(ctx, h, out, 200, "content-type", "text/plain"), "hello", nil); err != nil {
			b.Error(err)
		}
	}
	for name, handler := range map[string]http.HandlerFunc{
		"guest": func(w http.ResponseWriter, r *http.Request) {
			g := &guest{host: host, handle: hello}
			if err := Serve(r.Context(), g, w, r, Limits{}); err != nil {
				b.Error(err)
			}
		},
		"net": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, "hello")
		},
	} {
		b.Run(name, func(b *testing.B) {
			s := httptest.NewServer(handler)
			defer s.Close()
			client := s.Client()
			b.ReportAllocs()
			for b.Loop() {
				res, err := client.Get(s.URL)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		})
	}
}

// BenchmarkServeAlone is an answer by Serve without a connection.
func BenchmarkServeAlone(b *testing.B) {
	host := New(Config{})
	g := &guest{host: host, handle: func(ctx context.Context, h *Host, _ abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
		if err := finish(ctx, h, respond(ctx, h, out, 200, "content-type", "text/plain"), "hello", nil); err != nil {
			b.Error(err)
		}
	}}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		if err := Serve(ctx, g, w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil), Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
