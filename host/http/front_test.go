package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	abihttp "github.com/mrt-wasm/mrt-wasm/abi/http"
	"github.com/mrt-wasm/mrt-wasm/host/api/apitest"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

func TestRouting(t *testing.T) {
	_, url := open(t, Config{},
		Mount{App: answer("orders", 200, "orders")},
		Mount{App: answer("all", 200, "all"), Routes: []string{"/..."}},
		Mount{App: answer("sub", 200, "sub"), Routes: []string{"/orders/sub/...", "/exact"}},
		Mount{App: answer("one", 200, "one"), Routes: []string{"/orders/sub/one", "/"}})
	for path, want := range map[string]string{
		"/orders": "orders", "/orders/": "orders", "/orders/7": "orders", "/orders/7/a//b": "orders", "/orders/submarine": "orders",
		"/orders/sub": "sub", "/orders/sub/": "sub", "/orders/sub/two": "sub", "/orders/sub/one": "one", "/orders/sub/one/x": "sub",
		"/": "one", "/exact": "sub", "/exact/": "sub", "/exact/x": "all", "/ordersx": "all", "/x?y=/orders": "all", "/%6Frders/7": "orders",
	} {
		if res, got := send(t, "GET", url+path, nil); res.StatusCode != 200 || got != want {
			t.Errorf("%s: got %d %s, want 200 from %s", path, res.StatusCode, got, want)
		}
	}
}

func TestPathsWithDotsAreRedirected(t *testing.T) {
	_, url := open(t, Config{}, Mount{App: answer("orders", 200, "")})
	for path, want := range map[string]string{
		"/x/../orders/1?q=1": "/orders/1?q=1", "/orders/%2e%2e/secret/": "/secret/", "/a/./b": "/a/b", "/..": "/",
	} {
		res, _ := send(t, "GET", url+path, nil)
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusPermanentRedirect || got != want {
			t.Errorf("%s: got %d to %q, want 308 to %q", path, res.StatusCode, got, want)
		}
	}
}

func TestNoRoute(t *testing.T) {
	var lines syncBuffer
	_, url := open(t, Config{Log: slog.New(slog.NewTextHandler(&lines, nil))}, Mount{App: answer("orders", 200, "")})
	res, body := send(t, "GET", url+"/nowhere", nil)
	if res.StatusCode != 404 || !strings.Contains(body, `"ERR_NO_ROUTE"`) || strings.Contains(body, "orders") {
		t.Errorf("got %d %s, want 404 ERR_NO_ROUTE that names no app", res.StatusCode, body)
	}
	if got := lines.String(); !strings.Contains(got, "/orders/... -> orders") {
		t.Errorf("got log %s, want the routes that there are", got)
	}
}

func TestRequestReachesTheApp(t *testing.T) {
	_, url := open(t, Config{}, Mount{App: echo("orders")})
	res, body := send(t, "POST", url+"/orders/a%2Fb?x=1&y=%20", strings.NewReader("hello"),
		"X-Two", "a", "X-Two", "b", "Connection", "X-Secret", "X-Secret", "s", "Te", "trailers", "Keep-Alive", "5",
		"X-Forwarded-For", "1.2.3.4", "X-Forwarded-Proto", "https", "Forwarded", "for=1.2.3.4", "Dapr-Caller-App-Id", "admin",
		"Traceparent", sampleParent)
	if res.StatusCode != 200 || res.Header.Get("X-App") != "orders" || res.Header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %v", res.StatusCode, res.Header)
	}
	var got abihttp.Request
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(url, "http://")
	if got.Method != "POST" || got.Scheme != "http" || got.Authority != host || got.Path != "/orders/a%2Fb" || got.Query != "x=1&y=%20" || string(got.Body) != "hello" {
		t.Errorf("got %+v", got)
	}
	if h, _, err := net.SplitHostPort(got.Remote); err != nil || h != "127.0.0.1" {
		t.Errorf("remote: got %q, want 127.0.0.1 with a port", got.Remote)
	}
	fields := map[string][]string{}
	for _, h := range got.Headers {
		fields[h.Name] = append(fields[h.Name], h.Value)
	}
	for name, want := range map[string]string{
		"X-Two": "[a b]", "X-Secret": "[]", "Connection": "[]", "Te": "[]", "Keep-Alive": "[]", "Forwarded": "[]",
		"X-Forwarded-For": "[127.0.0.1]", "X-Forwarded-Proto": "[http]", "X-Forwarded-Host": "[" + host + "]", "Dapr-Caller-App-Id": "[]",
		"Traceparent": "[" + sampleParent + "]",
	} {
		if s := fmt.Sprint(fields[name]); s != want {
			t.Errorf("%s: got %s, want %s", name, s, want)
		}
	}
}

const sampleParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"

func TestForwardedFieldsBehindAProxy(t *testing.T) {
	_, url := open(t, Config{TrustForwarded: true}, Mount{App: echo("orders")})
	_, body := send(t, "GET", url+"/orders", nil, "X-Forwarded-For", "1.2.3.4", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "shop.example")
	for _, want := range []string{`"1.2.3.4, 127.0.0.1"`, `"https"`, `"shop.example"`} {
		if !strings.Contains(body, want) {
			t.Errorf("got %s, want %s in it", body, want)
		}
	}
}

func TestAnswerReachesTheClient(t *testing.T) {
	app := &apitest.App{AppName: "app", HTTP: func(_ context.Context, req abihttp.Request) abihttp.Response {
		switch req.Path {
		case "/app/created":
			return abihttp.Response{Status: 201, Body: []byte("made"), Headers: []abihttp.Header{
				{Name: "Set-Cookie", Value: "a=1"},
				{Name: "Set-Cookie", Value: "b=2"},
				{Name: "Content-Length", Value: "9999"},
				{Name: "Connection", Value: "X-Gone"},
				{Name: "X-Gone", Value: "1"},
				{Name: "Transfer-Encoding", Value: "chunked"},
				{Name: "X-Bad", Value: "a\r\nX-Smuggled: 1"},
				{Name: "bad name", Value: "1"},
			}}
		case "/app/empty":
			return abihttp.Response{Status: 204, Body: []byte("must not be sent")}
		case "/app/status":
			return abihttp.Response{Status: 99}
		default:
			return abihttp.Response{Status: 200, Body: []byte(req.Method)}
		}
	}}
	_, url := open(t, Config{}, Mount{App: app})

	res, body := send(t, "GET", url+"/app/created", nil)
	if res.StatusCode != 201 || body != "made" || res.ContentLength != 4 || len(res.Header["Set-Cookie"]) != 2 {
		t.Errorf("created: got %d %q %v", res.StatusCode, body, res.Header)
	}
	for _, name := range []string{"X-Gone", "X-Bad", "X-Smuggled", "bad name"} {
		if v := res.Header.Get(name); v != "" {
			t.Errorf("%s: got %q, want it left out", name, v)
		}
	}
	if p := res.Header.Get("Traceparent"); len(p) != 55 {
		t.Errorf("Traceparent: got %q, want one", p)
	}
	if res, body = send(t, "GET", url+"/app/empty", nil); res.StatusCode != 204 || body != "" {
		t.Errorf("empty: got %d %q, want 204 without a body", res.StatusCode, body)
	}
	if res, body = send(t, "GET", url+"/app/status", nil); res.StatusCode != 500 || !strings.Contains(body, "ERR_APP_FAILED") {
		t.Errorf("status 99: got %d %q, want 500 ERR_APP_FAILED", res.StatusCode, body)
	}
	if res, body = send(t, "HEAD", url+"/app/x", nil); res.StatusCode != 200 || body != "" || res.ContentLength != 4 {
		t.Errorf("HEAD: got %d %q length %d, want 200 without a body, length 4", res.StatusCode, body, res.ContentLength)
	}
	if res, body = send(t, "OPTIONS", url+"/app/x", nil); res.StatusCode != 200 || body != "OPTIONS" {
		t.Errorf("OPTIONS: got %d %q, want the app's answer", res.StatusCode, body)
	}
	if res, _ = send(t, "TRACE", url+"/app/x", nil); res.StatusCode != 405 {
		t.Errorf("TRACE: got %d, want 405", res.StatusCode)
	}
}

func TestBodyLimit(t *testing.T) {
	_, url := open(t, Config{MaxBody: 1000}, Mount{App: echo("app")})
	for name, c := range map[string]struct {
		n      int
		hidden bool // no Content-Length
		want   int
	}{
		"at the limit": {1000, false, 200}, "above": {1001, false, 413}, "chunked at the limit": {1000, true, 200},
		"chunked above": {5000, true, 413}, "empty": {0, false, 200},
	} {
		var body io.Reader = bytes.NewReader(make([]byte, c.n))
		if c.hidden {
			body = io.MultiReader(body)
		}
		res, text := send(t, "POST", url+"/app", body)
		if res.StatusCode != c.want || c.want == 413 && !strings.Contains(text, "ERR_REQUEST_TOO_LARGE") {
			t.Errorf("%s: got %d %.200s, want %d", name, res.StatusCode, text, c.want)
		}
	}
	if res, _ := send(t, "GET", url+"/app", nil, "X-Long", strings.Repeat("a", 100<<10)); res.StatusCode != 431 {
		t.Errorf("long header: got %d, want 431", res.StatusCode)
	}
}

func TestFailures(t *testing.T) {
	secret := errors.New("secret detail at /srv/app.wasm")
	for name, c := range map[string]struct {
		err    error
		status int
		code   string
		retry  string
	}{
		"full queue": {&block.ErrOverloaded{App: "app", RetryAfter: 1500 * time.Millisecond}, 503, "ERR_OVERLOADED", "2"},
		"trap":       {&abi.Trap{Kind: abi.TrapGuest, Reason: secret.Error()}, 500, "ERR_APP_FAILED", ""},
		"timeout":    {&abi.Trap{Kind: abi.TrapTimeout, Reason: secret.Error()}, 504, "ERR_TIMEOUT", ""},
		"deadline":   {fmt.Errorf("%w: %w", secret, context.DeadlineExceeded), 504, "ERR_TIMEOUT", ""},
		"other":      {secret, 500, "ERR_APP_FAILED", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var lines syncBuffer
			app := answer("app", 200, "")
			app.Gate = func(context.Context) error { return c.err }
			_, url := open(t, Config{Log: slog.New(slog.NewTextHandler(&lines, nil))}, Mount{App: app})
			res, body := send(t, "GET", url+"/app", nil, "Traceparent", sampleParent)
			if res.StatusCode != c.status || res.Header.Get("Retry-After") != c.retry || res.Header.Get("Content-Type") != "application/json" {
				t.Errorf("got %d %v, want %d, Retry-After %q, JSON", res.StatusCode, res.Header, c.status, c.retry)
			}
			var p problem
			if err := json.Unmarshal([]byte(body), &p); err != nil || p.Code != c.code || p.TraceID != "0af7651916cd43dd8448eb211c80319c" {
				t.Errorf("got %s, want %s with the trace id", body, c.code)
			}
			if strings.Contains(body, "secret") {
				t.Errorf("got %s, which tells the client about internals", body)
			}
			if c.status != 503 && !strings.Contains(lines.String(), "secret detail") {
				t.Errorf("got log %q, want the reason", lines.String())
			}
		})
	}
}

func TestHTTP2WithoutTLS(t *testing.T) {
	_, url := open(t, Config{}, Mount{App: answer("app", 200, "two")})
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	defer tr.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url+"/app", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	res, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if body, err := io.ReadAll(res.Body); res.ProtoMajor != 2 || string(body) != "two" {
		t.Errorf("got %s %s, %v; want HTTP/2 two", res.Proto, body, err)
	}
}

func TestRoutesThatAreNotValid(t *testing.T) {
	b, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	a, c := answer("a", 200, ""), answer("c", 200, "")
	for name, m := range map[string]struct {
		mounts []Mount
		want   string
	}{
		"conflict":        {[]Mount{{a, []string{"/x/..."}}, {c, []string{"/x/..."}}}, "route /x/... is wanted by app a and app c"},
		"default":         {[]Mount{{a, nil}, {c, []string{"/a/..."}}}, "route /a/... is wanted by app a and app c"},
		"no slash":        {[]Mount{{a, []string{"x"}}}, `expected a path that starts with /, found "x"`},
		"dots inside":     {[]Mount{{a, []string{"/x.../y"}}}, "only at the end"},
		"wildcard":        {[]Mount{{a, []string{"/x/{id}"}}}, "no wildcards"},
		"query":           {[]Mount{{a, []string{"/x?y"}}}, "without query"},
		"slash at end":    {[]Mount{{a, []string{"/x/"}}}, `expected "/x" for this path only, or "/x/..." for all below`},
		"parent":          {[]Mount{{a, []string{"/x/../y"}}}, "without //, and without . and .. in it"},
		"twice":           {[]Mount{{a, []string{"/x", "/x"}}}, "twice"},
		"several at once": {[]Mount{{a, []string{"x"}}, {c, []string{"y"}}}, `found "y"`},
	} {
		if err := b.Front().Mount(t.Context(), m.mounts); err == nil || !strings.Contains(err.Error(), m.want) {
			t.Errorf("%s: got %v, want %q", name, err, m.want)
		}
	}
	if b.Front().table.Load() != nil {
		t.Error("routes that are not valid were mounted")
	}
}

func TestAddressInUse(t *testing.T) {
	f, _ := open(t, Config{})
	b, err := New(Config{Address: f.Addrs()[0]})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Front().Start(t.Context()); err == nil || !strings.Contains(err.Error(), "--http") {
		t.Errorf("got %v, want an error that names the flag", err)
	}
}

func TestBlockMountsItsApps(t *testing.T) {
	b, err := New(Config{Address: "127.0.0.1:0", Apps: func(app string) AppConfig {
		if app == "web" {
			return AppConfig{Routes: []string{"/..."}}
		}
		return AppConfig{}
	}})
	if err != nil {
		t.Fatal(err)
	}
	silent := &apitest.App{AppName: "silent"}
	for _, app := range []block.App{answer("web", 200, ""), answer("orders", 200, ""), silent} {
		s, err := b.Open(t.Context(), app)
		if err != nil {
			t.Fatal(err)
		}
		if fs := s.Funcs(); len(fs) != 1 || fs[0].Module != "mrt:http/client@0.1.0" || fs[0].Name != "send" {
			t.Errorf("got imports %v, want send of mrt:http/client@0.1.0", fs)
		}
	}
	trs, err := b.Triggers(t.Context())
	if err != nil || len(trs) != 1 {
		t.Fatalf("got %v, %v; want the front door", trs, err)
	}
	if got := fmt.Sprint(b.Front().table.Load().patterns); got != "[/... -> web /orders/... -> orders]" {
		t.Errorf("got routes %s", got)
	}
}

func TestMetricsAndTraceOfARequest(t *testing.T) {
	tel, err := telemetry.New(t.Context(), telemetry.Config{})
	if err != nil {
		t.Fatal(err)
	}
	_, url := open(t, Config{Telemetry: tel}, Mount{App: answer("orders", 201, "made")})
	send(t, "POST", url+"/orders/7", strings.NewReader("12345"))
	families, err := tel.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range families {
		if f.GetName() == "mrt_http_server_request_count" {
			found = true
			if got := fmt.Sprint(f.GetMetric()[0].GetLabel()); !strings.Contains(got, `/orders/...`) || !strings.Contains(got, "201") {
				t.Errorf("got labels %s, want the route and the status", got)
			}
		}
	}
	if !found {
		t.Error("the request was not counted")
	}
}
