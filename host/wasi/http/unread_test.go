package http

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/wasi/http"
)

// TestServeUnreadBody: whatever a guest leaves of the request's body, the answer arrives, and the server goes on.
func TestServeUnreadBody(t *testing.T) {
	leakCheck(t)
	s, results := serve(t, Limits{}, func(ctx context.Context, h *Host, req abihttp.IncomingRequest, out abihttp.ResponseOutparam) {
		path := *req.PathWithQuery(ctx)
		var in abihttp.IncomingBody
		switch path {
		case "/dropped":
			req.Drop(ctx)
		case "/part", "/late":
			in, _ = req.Consume(ctx)
		}
		body := respond(ctx, h, out, 200)
		dst, _ := body.Write(ctx)
		if err := write(ctx, dst, strings.Repeat("x", 40<<10)); err != nil { // the header is out now
			t.Error(err)
		}
		if in != nil {
			src, _ := in.Stream(ctx)
			if path == "/part" {
				_, _ = src.BlockingRead(ctx, 10)
			} else if text, err := readAll(ctx, src, false); len(text) < 10 || err != nil {
				t.Errorf("%s: read %d bytes %v, want all", path, len(text), err)
			}
			src.Drop(ctx)
		}
		dst.Drop(ctx)
		if c := h.OutgoingBodyFinish(ctx, body, nil); c != nil {
			t.Error(c)
		}
	})
	for _, path := range []string{"/dropped", "/kept", "/part", "/late"} {
		for _, n := range []int{10, 100_000, 200_000} {
			for range 5 {
				res, err := http.Post(s.URL+path, "", io.MultiReader(strings.NewReader(strings.Repeat("y", n))))
				if err != nil {
					t.Fatalf("%s %d: %v", path, n, err)
				}
				b, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if len(b) != 40<<10 || err != nil {
					t.Errorf("%s %d: got %d bytes %v, want %d", path, n, len(b), err, 40<<10)
				}
				if err := results.next(t); err != nil {
					t.Errorf("%s %d: %v", path, n, err)
				}
			}
		}
	}
}
