// Package httptest is the conformance suite of HTTP middleware. What a middleware does with a request is its own affair:
// the suite wants that it decides on every request, gives only what HTTP allows, and holds when many come at once.
package httptest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	"github.com/mrt-wasm/mrt-wasm/host/http"
)

// large is the size of the largest body, in bytes.
const large = 1 << 20

// Run runs the suite. open gives a middleware, which the suite does not close.
func Run(t *testing.T, open func(t *testing.T) http.Middleware) {
	t.Helper()
	m := open(t)
	t.Run("Verbs", func(t *testing.T) {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			decide(t, m, request(method, "/", nil))
		}
	})
	t.Run("Paths", func(t *testing.T) {
		for _, path := range []string{"/", "/a/b", "/a%2Fb", "/%FF", "/a//b/", "/" + strings.Repeat("x", 4000)} {
			decide(t, m, request("GET", path, nil))
		}
	})
	t.Run("Headers", func(t *testing.T) {
		req := request("GET", "/", nil)
		for i := range 200 {
			req.Headers = append(req.Headers, abihttp.Header{Name: fmt.Sprintf("X-%d", i%100), Value: strings.Repeat("v", i)})
		}
		decide(t, m, req)
		req.Headers = nil
		decide(t, m, req)
	})
	t.Run("Bodies", func(t *testing.T) {
		for _, body := range [][]byte{{}, {0xff, 0, 0xfe}, bytes.Repeat([]byte{0x80, 'x'}, large/2)} {
			decide(t, m, request("POST", "/", body))
		}
	})
	t.Run("ManyAtOnce", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 20 {
					decide(t, m, request("GET", fmt.Sprintf("/%d/%d", i, j), nil))
				}
			})
		}
		wg.Wait()
	})
	t.Run("CallerGone", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := m.HandleRequest(ctx, request("GET", "/", nil)); err == nil {
			t.Error("a request of a client that is gone: got no error")
		}
		decide(t, m, request("GET", "/", nil))
	})
}

func request(method, path string, body []byte) abihttp.Request {
	return abihttp.Request{
		Method: method, Scheme: "http", Authority: "127.0.0.1:8080", Path: path, Query: "q=1", Remote: "192.0.2.1:1234", Body: body,
		Headers: []abihttp.Header{{Name: "Accept", Value: "*/*"}, {Name: "User-Agent", Value: "conformance"}},
	}
}

// decide wants a decision that HTTP allows, and of a middleware that looks at answers that it gives one.
func decide(t testing.TB, m http.Middleware, req abihttp.Request) {
	t.Helper()
	action, err := m.HandleRequest(t.Context(), req)
	if err != nil {
		t.Errorf("%s %.40s: %v", req.Method, req.Path, err)
		return
	}
	res := abihttp.Response{Status: 200, Headers: []abihttp.Header{{Name: "Content-Type", Value: "text/plain"}}, Body: req.Body}
	switch action.Tag {
	case abihttp.ActionNext:
		if n := action.Next; n.Method == "" || !strings.HasPrefix(n.Path, "/") {
			t.Errorf("%s %.40s goes on as %q %.40q, want a verb and a path", req.Method, req.Path, n.Method, n.Path)
		}
	case abihttp.ActionRespond:
		status(t, req, action.Respond)
		return
	default:
		t.Errorf("%s %.40s: got %s, want next or respond", req.Method, req.Path, action.Tag)
	}
	if h, ok := m.(http.ResponseHandler); ok {
		action.Next.Body = nil
		res, err = h.HandleResponse(t.Context(), action.Next, res)
		if err != nil {
			t.Errorf("answer to %s %.40s: %v", req.Method, req.Path, err)
			return
		}
		status(t, req, res)
	}
}

func status(t testing.TB, req abihttp.Request, res abihttp.Response) {
	t.Helper()
	if res.Status < 200 || res.Status > 599 {
		t.Errorf("%s %.40s is answered with %d, want 200 to 599", req.Method, req.Path, res.Status)
	}
}
