package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/host/binding"
	"github.com/mrt-wasm/mrt-wasm/host/binding/bindingtest"
	"github.com/mrt-wasm/mrt-wasm/host/component"
)

// echo answers with what it got.
func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch {
	case strings.HasSuffix(r.URL.Path, "/missing"):
		http.Error(w, "no such thing", http.StatusNotFound)
		return
	case strings.HasSuffix(r.URL.Path, "/busy"):
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case strings.HasSuffix(r.URL.Path, "/broken"):
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "it is broken")
		return
	case strings.HasSuffix(r.URL.Path, "/nothing"):
		w.WriteHeader(http.StatusNoContent)
		return
	case strings.HasSuffix(r.URL.Path, "/large"):
		_, _ = w.Write(make([]byte, 2000))
		return
	case strings.HasSuffix(r.URL.Path, "/slow"):
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute):
		}
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Add("X-Two", "a")
	w.Header().Add("X-Two", "b")
	_, _ = fmt.Fprintf(w, "%s %s %s|%s|%s|%s", r.Method, r.URL.RequestURI(), body, r.Header.Get("Content-Type"), r.Header.Get("X-Custom"), r.Header.Get("Traceparent"))
}

func tryOpen(t testing.TB, metadata component.Metadata) (binding.Output, error) {
	t.Helper()
	b, err := Spec.New(t.Context(), component.Config{Name: "web", Metadata: metadata})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = b.Close(context.Background()) })
	return b.(binding.Output), nil
}

func openAt(t testing.TB, url string, metadata ...string) binding.Output {
	t.Helper()
	m := component.Metadata{"url": url}
	for i := 0; i < len(metadata); i += 2 {
		m[metadata[i]] = metadata[i+1]
	}
	out, err := tryOpen(t, m)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// server is one that comes and goes on the same port.
type server struct {
	addr string
	http *http.Server
	wg   sync.WaitGroup
}

func (s *server) start(t testing.TB) {
	t.Helper()
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	s.http = &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: time.Minute}
	s.wg.Go(func() { _ = s.http.Serve(l) })
}

func (s *server) stop(testing.TB) {
	_ = s.http.Close()
	s.wg.Wait()
}

func request(op string, metadata ...string) binding.Request {
	r := binding.Request{Operation: op, Metadata: map[string]string{}}
	for i := 0; i < len(metadata); i += 2 {
		r.Metadata[metadata[i]] = metadata[i+1]
	}
	return r
}

func TestConformance(t *testing.T) {
	s := &server{addr: fmt.Sprint("127.0.0.1:", testserver.FreePort(t))}
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	var works []binding.Request
	ops := []string{"create", "get", "head", "post", "put", "patch", "delete", "options", "trace"}
	for _, op := range ops {
		works = append(works, request(op, "path", "x/y"))
	}
	bindingtest.Run(t, func(t testing.TB) binding.Binding {
		b, err := Spec.New(t.Context(), component.Config{Metadata: component.Metadata{"url": "http://" + s.addr + "/base"}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}, bindingtest.Caps{
		Operations: ops, Works: works,
		Missing: []binding.Request{request("get", "path", "missing")},
		Invalid: []binding.Request{
			request("get", "path", "../x"), request("get", "path", "a/%2e%2e/%2e%2e/x"), request("get", "path", "\n"), request("get", "path", "%zz"),
			request("get", "X-Bad Name", "v"), request("get", "X-Bad", "a\r\nX-Other: b"), request("get", "errorIfNot2XX", "maybe"),
		},
		Stop: s.stop, Start: s.start,
	})
}

func call(t *testing.T, out binding.Output, op, data string, metadata ...string) (*binding.Reply, error) {
	t.Helper()
	req := request(op, metadata...)
	req.Data = []byte(data)
	return out.Invoke(t.Context(), &req)
}

func TestRequests(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	const jsonType = "application/json; charset=utf-8"
	for _, test := range []struct {
		name, url, op, data, want string
		metadata                  []string
	}{
		{"create is post", "/b", "create", "data", "POST /b data|" + jsonType + "||", nil},
		{"path", "/b/", "post", "", "POST /b/x/y?q=1 |" + jsonType + "||", []string{"path", "/x/y?q=1"}},
		{"get has no body", "/b", "get", "data", "GET /b |||", nil},
		{"put", "/b", "put", "data", "PUT /b data|" + jsonType + "||", nil},
		{"patch", "/b", "patch", "data", "PATCH /b data|" + jsonType + "||", nil},
		{"delete", "/b", "delete", "", "DELETE /b |||", nil},
		{"options", "/b", "options", "", "OPTIONS /b |||", nil},
		{"trace", "/b", "trace", "", "TRACE /b |||", nil},
		{"headers", "", "post", "<a/>", "POST / <a/>|text/xml|yes|", []string{"Content-Type", "text/xml", "X-Custom", "yes", "lower", "no"}},
		{"trace context", "", "get", "", "GET / |||00-1-2-01", []string{"traceparent", "00-1-2-01", "Traceparent", "forged"}},
	} {
		reply, err := call(t, openAt(t, srv.URL+test.url), test.op, test.data, test.metadata...)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if got := string(reply.Data); got != test.want {
			t.Errorf("%s: the server got %q, want %q", test.name, got, test.want)
		}
		if m := reply.Metadata; m["statusCode"] != "200" || m["status"] != "200 OK" || m["X-Two"] != "a, b" || reply.ContentType != "text/plain" {
			t.Errorf("%s: reply %+v", test.name, reply)
		}
	}
	reply, err := call(t, openAt(t, srv.URL), "head", "")
	if err != nil || reply.Data == nil || len(reply.Data) != 0 || reply.Metadata["X-Two"] != "a, b" {
		t.Errorf("head: got %+v, %v", reply, err)
	}
}

func TestStatuses(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	strict, loose := openAt(t, srv.URL), openAt(t, srv.URL, "errorIfNot2XX", "false")
	for _, test := range []struct {
		path string
		code int
		is   error
	}{{"missing", 404, binding.ErrNotFound}, {"busy", 503, binding.ErrUnavailable}, {"broken", 500, nil}} {
		_, err := call(t, strict, "get", "", "path", test.path+"?token=planted")
		status, ok := errors.AsType[interface {
			error
			HTTPStatus() int
		}](err)
		if !ok || status.HTTPStatus() != test.code || test.is != nil && !errors.Is(err, test.is) {
			t.Errorf("%s: got %v", test.path, err)
		}
		if err != nil && strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: the error has the query: %v", test.path, err)
		}
		for name, again := range map[string]func() (*binding.Reply, error){
			"component": func() (*binding.Reply, error) { return call(t, loose, "get", "", "path", test.path) },
			"request": func() (*binding.Reply, error) {
				return call(t, strict, "get", "", "path", test.path, "errorIfNot2XX", "false")
			},
		} {
			reply, err := again()
			if err != nil || reply.Metadata["statusCode"] != fmt.Sprint(test.code) {
				t.Errorf("%s, errorIfNot2XX false at the %s: got %+v, %v", test.path, name, reply, err)
			}
		}
	}
	if reply, err := call(t, strict, "get", "", "path", "nothing"); err != nil || reply.Metadata["statusCode"] != "204" {
		t.Errorf("204: got %+v, %v", reply, err)
	}
}

func TestLimits(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	if _, err := call(t, openAt(t, srv.URL, "maxResponseBodySize", "1Ki"), "get", "", "path", "large"); err == nil || !strings.Contains(err.Error(), "1.0 KiB") {
		t.Errorf("a response over the limit: got %v", err)
	}
	for _, size := range []string{"2000", "0", "2Ki"} {
		if reply, err := call(t, openAt(t, srv.URL, "maxResponseBodySize", size), "get", "", "path", "large"); err != nil || len(reply.Data) != 2000 {
			t.Errorf("limit %s: got %v", size, err)
		}
	}
	if _, err := call(t, openAt(t, srv.URL, "responseTimeout", "50ms"), "get", "", "path", "slow"); !errors.Is(err, binding.ErrUnavailable) {
		t.Errorf("a slow response: got %v, want ErrUnavailable", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req := request("get", "path", "slow")
	if _, err := openAt(t, srv.URL).Invoke(ctx, &req); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's deadline: got %v", err)
	}
}

// TestTokenStaysHome redirects to another server, which must not see the token.
func TestTokenStaysHome(t *testing.T) {
	got := make(chan string, 2)
	away := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("X-Token") }))
	defer away.Close()
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("X-Token")
		http.Redirect(w, r, away.URL, http.StatusFound)
	}))
	defer home.Close()
	if _, err := call(t, openAt(t, home.URL, "securityToken", "planted", "securityTokenHeader", "X-Token"), "get", ""); err != nil {
		t.Fatal(err)
	}
	if first, second := <-got, <-got; first != "planted" || second != "" {
		t.Errorf("home got %q, away got %q", first, second)
	}
}

func TestSettings(t *testing.T) {
	for _, test := range []struct {
		metadata component.Metadata
		want     string
	}{
		{component.Metadata{}, "url is missing"},
		{component.Metadata{"url": "ftp://x"}, "field url: want"},
		{component.Metadata{"url": "http://"}, "field url: want"},
		{component.Metadata{"url": "http://x", "maxResponseBodySize": "big"}, "maxResponseBodySize"},
		{component.Metadata{"url": "http://x", "responseTimeout": "soon"}, "responseTimeout"},
		{component.Metadata{"url": "http://x", "MTLSRootCA": "-----BEGIN NOTHING"}, "MTLSRootCA"},
		{component.Metadata{"url": "http://x", "MTLSRootCA": "/no/such/file"}, "MTLSRootCA"},
		{component.Metadata{"url": "http://x", "MTLSClientCert": "a"}, "want both or none"},
		{component.Metadata{"url": "http://x", "MTLSClientCert": "planted", "MTLSClientKey": "planted"}, "MTLSClientKey"},
		{component.Metadata{"url": "http://x", "MTLSRenegotiation": "Sometimes"}, "MTLSRenegotiation"},
		{component.Metadata{"url": "http://x", "securityToken": "planted"}, "securityTokenHeader"},
	} {
		_, err := tryOpen(t, test.metadata)
		if _, permanent := errors.AsType[*component.PermanentError](err); !permanent || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: got %v, want a permanent error with %q", test.metadata, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "planted") {
			t.Errorf("the error has a secret: %v", err)
		}
	}
}
