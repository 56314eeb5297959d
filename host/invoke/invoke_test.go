package invoke

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	abiinvoke "github.com/mrt-wasm/mrt-wasm/abi/invoke"
	"github.com/mrt-wasm/mrt-wasm/host/api/apitest"
	"github.com/mrt-wasm/mrt-wasm/host/api/wire"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

const sampleParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

// traced is a context inside of a trace.
func traced(t *testing.T) context.Context {
	return telemetry.Extract(t.Context(), func(k string) string { return map[string]string{"traceparent": sampleParent}[k] })
}

// host makes the block for some apps.
func host(t *testing.T, cfg Config, apps ...*apitest.App) *Block {
	t.Helper()
	byName := map[string]block.App{}
	cfg.Names = func() []string { return nil }
	var names []string
	for _, a := range apps {
		byName[a.AppName] = a
		names = append(names, a.AppName)
	}
	cfg.Names = func() []string { return names }
	cfg.Apps = func(name string) (block.App, bool) { a, ok := byName[name]; return a, ok }
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	return b
}

// show is a service that answers with what it got.
func show(name string) *apitest.App {
	return &apitest.App{AppName: name, Service: func(_ context.Context, caller string, req Request) Response {
		return Response{
			Status: 207, Headers: append(req.Headers, Header{Name: "Connection", Value: "X-Y"}, Header{Name: "x-y", Value: "1"}),
			Body: fmt.Appendf(nil, "%s|%s|%s|%s|%s", caller, req.Verb, req.Path, req.Query, req.Body),
		}
	}}
}

func fields(hs []Header) map[string]string {
	out := map[string]string{}
	for _, h := range hs {
		if out[strings.ToLower(h.Name)] != "" {
			out[strings.ToLower(h.Name)] += ","
		}
		out[strings.ToLower(h.Name)] += h.Value
	}
	return out
}

func TestInvokeService(t *testing.T) {
	b := host(t, Config{}, show("inventory"), show("orders"))
	res, err := b.Invoke(traced(t), "orders", "inventory", Request{
		Verb: "PUT", Path: "/stock/a%2Fb/", Query: "n=1", Body: []byte("body"),
		Headers: []Header{
			{Name: "X-A", Value: "1"},
			{Name: "dapr-caller-app-id", Value: "admin"},
			{Name: "DAPR-API-TOKEN", Value: "s"},
			{Name: "connection", Value: "x-secret"},
			{Name: "X-Secret", Value: "s"},
			{Name: "Transfer-Encoding", Value: "chunked"},
			{Name: "traceparent", Value: "00-11111111111111111111111111111111-1111111111111111-01"},
			{Name: "bad name", Value: "1"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(res.Body); res.Status != 207 || got != "orders|PUT|stock/a%2Fb/|n=1|body" {
		t.Errorf("got %d %s", res.Status, got)
	}
	want := map[string]string{
		"x-a": "1", "dapr-caller-app-id": "orders", "dapr-callee-app-id": "inventory", "traceparent": sampleParent,
	}
	if got := fields(res.Headers); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got fields %v, want %v", got, want)
	}
	if res, err := b.Invoke(t.Context(), "", "inventory.default", Request{}); err != nil || string(res.Body) != "|POST|||" {
		t.Errorf("from outside, with namespace: got %q, %v; want verb POST and no caller", res.Body, err)
	}
}

func TestInvokeFallsBackToHTTP(t *testing.T) {
	app := &apitest.App{AppName: "web", HTTP: func(_ context.Context, req abihttp.Request) abihttp.Response {
		h := map[string]string{}
		for _, f := range req.Headers {
			h[f.Name] = f.Value
		}
		return abihttp.Response{
			Status: 418, Headers: []abihttp.Header{{Name: "X-R", Value: "r"}},
			Body: fmt.Appendf(nil, "%s %s %s %s?%s %s %s", req.Method, req.Scheme, req.Authority, req.Path, req.Query, req.Body, h["dapr-caller-app-id"]),
		}
	}}
	b := host(t, Config{}, app)
	res, err := b.Invoke(t.Context(), "orders", "web", Request{Verb: "GET", Path: "a/b", Query: "c=d", Body: []byte("e")})
	if err != nil || res.Status != 418 || string(res.Body) != "GET http web /a/b?c=d e orders" || fields(res.Headers)["x-r"] != "r" {
		t.Errorf("got %+v %q, %v", res, res.Body, err)
	}
	app.Service = show("web").Service
	if res, err = b.Invoke(t.Context(), "orders", "web", Request{}); err != nil || res.Status != 207 {
		t.Errorf("with both: got %d, %v; want the service", res.Status, err)
	}
}

func TestInvokeErrors(t *testing.T) {
	gate := func(err error) *apitest.App {
		a := show("app")
		a.Gate = func(context.Context) error { return err }
		return a
	}
	for name, c := range map[string]struct {
		app  *apitest.App
		to   string
		req  Request
		want Error
	}{
		"unknown": {show("app"), "ap", Request{}, Error{Tag: abiinvoke.ErrorAppNotFound, AppNotFound: `no app or HTTPEndpoint is called "ap": there are app`}},
		"no handler": {&apitest.App{AppName: "app"}, "app", Request{}, Error{
			Tag:          abiinvoke.ErrorNotInvocable,
			NotInvocable: "app app takes no calls: it exports neither mrt:invoke/service@0.1.0 nor mrt:http/handler@0.1.0",
		}},
		"full":     {gate(&block.ErrOverloaded{App: "app", RetryAfter: 250 * time.Millisecond}), "app", Request{}, Error{Tag: abiinvoke.ErrorOverloaded, Overloaded: 250}},
		"trap":     {gate(&abi.Trap{App: "app", Kind: abi.TrapGuest, Reason: "unreachable"}), "app", Request{}, Error{Tag: abiinvoke.ErrorFailed, Failed: "app app: unreachable"}},
		"timeout":  {gate(&abi.Trap{App: "app", Kind: abi.TrapTimeout}), "app", Request{}, Error{Tag: abiinvoke.ErrorTimeout}},
		"verb":     {show("app"), "app", Request{Verb: "a b"}, Error{Tag: abiinvoke.ErrorFailed, Failed: `verb: expected one like POST, found "a b"`}},
		"no way":   {show("app"), "http://example.com", Request{}, Error{Tag: abiinvoke.ErrorDenied, Denied: "app app may not call example.com: this host gives apps no way out"}},
		"nobody":   {show("app"), "", Request{}, Error{Tag: abiinvoke.ErrorAppNotFound, AppNotFound: `no app or HTTPEndpoint is called "": there are app`}},
		"deadline": {gate(context.DeadlineExceeded), "app", Request{}, Error{Tag: abiinvoke.ErrorTimeout}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := host(t, Config{}, c.app).Open(t.Context(), c.app)
			if err != nil {
				t.Fatal(err)
			}
			_, got := s.(*session).Invoke(t.Context(), c.to, c.req)
			if got == nil {
				t.Fatalf("got no error, want %v", c.want)
			}
			if got.Tag == abiinvoke.ErrorTimeout {
				got.Timeout = 0 // measured
			}
			if *got != c.want {
				t.Errorf("got %+v, want %+v", *got, c.want)
			}
		})
	}
}

func TestEndlessRecursionIsEnded(t *testing.T) {
	var b *Block
	var deepest error
	call := func(self, next string) *apitest.App {
		return &apitest.App{AppName: self, Service: func(ctx context.Context, _ string, _ Request) Response {
			res, err := b.Invoke(ctx, self, next, Request{})
			if err != nil {
				deepest = err
				return Response{Status: 508}
			}
			return res
		}}
	}
	b = host(t, Config{MaxDepth: 7}, call("a", "b"), call("b", "a"))
	res, err := b.Invoke(t.Context(), "", "a", Request{})
	if err != nil || res.Status != 508 {
		t.Fatalf("got %d, %v", res.Status, err)
	}
	want := "calls nest deeper than 7; do apps call each other without end? ... -> a -> b -> a -> b -> a -> b"
	if e, ok := errors.AsType[*Error](deepest); !ok || e.Failed != want {
		t.Errorf("got %v, want %s", deepest, want)
	}
}

func TestHTTPEndpoint(t *testing.T) {
	var method, at string
	var seen http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		method, at, seen = r.Method, r.URL.String(), r.Header.Clone()
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-R", "r")
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound)
		_, _ = w.Write(body)
	}))
	defer srv.Close()
	b := host(t, Config{Endpoints: []Endpoint{{
		Name: "pay", BaseURL: srv.URL + "/base/", Headers: []Header{{Name: "Authorization", Value: "key"}}, Scopes: []string{"orders"},
	}}}, show("orders"), show("other"))
	res, err := b.Invoke(traced(t), "orders", "pay", Request{
		Verb: "PATCH", Path: "charge", Query: "n=1", Body: []byte("x"),
		Headers: []Header{{Name: "authorization", Value: "stolen"}, {Name: "X-A", Value: "1"}},
	})
	if err != nil || res.Status != 302 || string(res.Body) != "x" || fields(res.Headers)["x-r"] != "r" {
		t.Fatalf("got %+v, %v; want the endpoint's answer, redirects not followed", res, err)
	}
	if method != "PATCH" || at != "/base/charge?n=1" || seen.Get("Authorization") != "key" || seen.Get("X-A") != "1" ||
		seen.Get("Traceparent") != sampleParent || seen.Get("Dapr-Caller-App-Id") != "orders" {
		t.Errorf("the endpoint saw %s %s %v", method, at, seen)
	}
	if _, err := b.Invoke(t.Context(), "other", "pay", Request{}); !tagged(err, abiinvoke.ErrorDenied) {
		t.Errorf("an app that is not in scopes: got %v, want denied", err)
	}
	b.cfg.MaxResponse = 0
	if _, err := b.Invoke(t.Context(), "orders", "pay", Request{Body: []byte("x")}); !tagged(err, abiinvoke.ErrorFailed) || !strings.Contains(err.Error(), "longer than the limit") {
		t.Errorf("long answer: got %v, want failed", err)
	}
	srv.Close()
	if _, err := b.Invoke(t.Context(), "orders", "pay", Request{}); !tagged(err, abiinvoke.ErrorFailed) {
		t.Errorf("server is gone: got %v, want failed", err)
	}
}

func tagged(err error, tag abiinvoke.ErrorTag) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Tag == tag
}

type tripper func(*http.Request) (*http.Response, error)

// RoundTrip calls the function.
func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestURLGoesThroughTheAppsWayOut(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.String()) }))
	defer srv.Close()
	asked := ""
	b := host(t, Config{Outbound: func(app string) http.RoundTripper {
		return tripper(func(r *http.Request) (*http.Response, error) {
			asked = app + " " + r.URL.Path
			return nil, &wire.DeniedError{Reason: "no"}
		})
	}}, show("orders"))
	if _, err := b.Invoke(t.Context(), "orders", srv.URL, Request{Verb: "GET", Path: "x"}); !tagged(err, abiinvoke.ErrorDenied) || asked != "orders /x" {
		t.Errorf("got %v after asking %q, want denied after asking for orders", err, asked)
	}
	res, err := b.Invoke(t.Context(), "", srv.URL, Request{Verb: "GET", Path: "x", Query: "y"})
	if err != nil || string(res.Body) != "/x?y" {
		t.Errorf("from outside: got %s, %v", res.Body, err)
	}
}

func TestEndpointsThatAreNotValid(t *testing.T) {
	for name, c := range map[string]struct {
		e    Endpoint
		want string
	}{
		"no URL":        {Endpoint{Name: "e", BaseURL: "example.com"}, "spec.baseUrl: expected a URL"},
		"field":         {Endpoint{Name: "e", BaseURL: "http://a", Headers: []Header{{Name: "a b"}}}, `spec.headers: "a b"`},
		"root":          {Endpoint{Name: "e", BaseURL: "http://a", TLS: &ClientTLS{RootCA: "x"}}, "rootCA: expected certificates in PEM"},
		"key":           {Endpoint{Name: "e", BaseURL: "http://a", TLS: &ClientTLS{Certificate: "x"}}, "certificate and privateKey"},
		"renegotiation": {Endpoint{Name: "e", BaseURL: "http://a", TLS: &ClientTLS{Renegotiation: "Twice"}}, `found "Twice"`},
	} {
		if _, err := New(Config{Endpoints: []Endpoint{c.e}}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	two := Endpoint{Name: "e", BaseURL: "http://a"}
	if _, err := New(Config{Endpoints: []Endpoint{two, two}}); err == nil {
		t.Error("two of one name: got no error")
	}
}

func TestNormalPath(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "/": "", "a": "a", "//a//b/": "a//b/", "a/../b": "b", "../../a": "a", "a/..": "", "a/b/..": "a/", "a/.": "a/", "./a": "a",
		"a/%2e%2e/b": "b", "a/%2E./b": "b", "a%2fb": "a%2fb", "v1.0/x": "v1.0/x", "a/...": "a/...", "a%zz/..": "", "..%2f..": "..%2f..",
	} {
		if got := normalPath(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func FuzzNormalPath(f *testing.F) {
	f.Add("a/../b/%2e%2e/c")
	f.Add("//..//%2E")
	f.Fuzz(func(t *testing.T, p string) {
		got := normalPath(p)
		if again := normalPath(got); again != got {
			t.Errorf("%q: %q becomes %q", p, got, again)
		}
		for s := range strings.SplitSeq(got, "/") {
			if s == ".." || s == "." || strings.EqualFold(s, "%2e%2e") || strings.HasPrefix(got, "/") {
				t.Errorf("%q: got %q", p, got)
			}
		}
	})
}
