package invoke

import (
	"context"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/api"
	"github.com/mrt-wasm/mrt-wasm/host/api/apitest"
	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// serve starts the API with the block and gives its URL.
func serve(t *testing.T, cfg api.Config, b *Block) string {
	t.Helper()
	cfg.Address, cfg.Blocks = "127.0.0.1:0", []block.Block{b}
	s, err := api.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return s.URLs()[0]
}

func send(t *testing.T, method, url, body string, fields ...string) (reply, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 30 * time.Second}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, res.ContentLength}, string(b)
}

// reply is an answer without its body.
type reply struct {
	StatusCode    int
	Header        http.Header
	ContentLength int64
}

func TestRoutes(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "url "+r.URL.String()) }))
	defer target.Close()
	at := strings.TrimPrefix(target.URL, "http://")
	api := serve(t, api.Config{}, host(t, Config{}, show("orders")))
	for _, c := range []struct {
		method, path string
		fields       []string
		status       int
		want         string
	}{
		{"GET", "/v1.0/invoke/orders/method/a/b?c=d", nil, 207, "|GET|a/b|c=d|body"},
		{"PATCH", "/v1.0/invoke/orders/method/a%2Fb/", nil, 207, "|PATCH|a%2Fb/||body"},
		{"POST", "/v1.0/invoke/orders/method/a//b", nil, 207, "|POST|a//b||body"},
		{"POST", "/v1.0/invoke/orders/method/a/../b", nil, 207, "|POST|b||body"},
		{"POST", "/v1.0/invoke/orders/method/%2e%2e/%2e%2e/b", nil, 207, "|POST|b||body"},
		{"POST", "/v1.0/invoke/orders/method/", nil, 207, "|POST|||body"},
		{"POST", "/v1.0/invoke/orders/method", nil, 207, "|POST|||body"},
		{"POST", "/v1.0/invoke/orders.default/method/m", nil, 207, "|POST|m||body"},
		{"POST", "/v1.0/invoke/orders/method/x/method/y", nil, 207, "|POST|x/method/y||body"},
		{"POST", "/v1.0/invoke/orders/method/m", []string{"dapr-caller-app-id", "web"}, 207, "web|POST|m||body"},
		{"DELETE", "/any/path?q=1", []string{"dapr-app-id", "orders"}, 207, "|DELETE|any/path|q=1|body"},
		{"POST", "/any", []string{"Authorization", "Basic ZGFwci1hcHAtaWQ6b3JkZXJz"}, 207, "|POST|any||body"},
		{"GET", "/v1.0/invoke/http://" + at + "/method/x?y", nil, 200, "url /x?y"},
		{"GET", "/v1.0/invoke/http:/" + at + "/method/x", nil, 200, "url /x"},
		{"GET", "/v1.0/invoke/" + url.PathEscape("http://"+at) + "/method/x", nil, 200, "url /x"},
		{"POST", "/v1.0/invoke/nobody/method/m", nil, 500, `"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: nobody`},
		{"POST", "/v1.0/invoke/orders", nil, 404, `"errorCode":"ERR_DIRECT_INVOKE","message":"failed getting app id either from the URL path or the header dapr-app-id"`},
		{"POST", "/any", nil, 404, `"ERR_DIRECT_INVOKE"`},
		{"POST", "/any", []string{"Authorization", "Basic Ym9iOm9yZGVycw=="}, 404, `"ERR_DIRECT_INVOKE"`},
	} {
		res, body := send(t, c.method, api+c.path, "body", c.fields...)
		if res.StatusCode != c.status || !strings.Contains(body, c.want) || c.status == 207 && body != c.want {
			t.Errorf("%s %s %v: got %d %s, want %d %s", c.method, c.path, c.fields, res.StatusCode, body, c.status, c.want)
		}
		if p := res.Header.Get("Traceparent"); len(p) != 55 {
			t.Errorf("%s %s: Traceparent: got %q, want one", c.method, c.path, p)
		}
	}
}

func TestRouteFields(t *testing.T) {
	app := show("orders")
	base := serve(t, api.Config{Token: "secret"}, host(t, Config{}, app))
	res, _ := send(t, "POST", base+"/v1.0/invoke/orders/method/m", "", "dapr-api-token", "secret", "X-A", "1", "Connection", "X-B", "X-B", "2",
		"X-Forwarded-For", "1.2.3.4", "traceparent", sampleParent)
	h := res.Header // the app sends back what it got
	if h.Get("X-A") != "1" || h.Get("X-B") != "" || h.Get("Dapr-Api-Token") != "" || h.Get("X-Y") != "" {
		t.Errorf("got %v; want X-A, and neither X-B, which Connection names, nor the token, nor the answer's X-Y", h)
	}
	if h.Get("X-Forwarded-For") != "1.2.3.4, 127.0.0.1" || h.Get("X-Forwarded-Host") == "" || !strings.HasPrefix(h.Get("Forwarded"), "for=") {
		t.Errorf("got X-Forwarded-For %q, -Host %q, Forwarded %q", h.Get("X-Forwarded-For"), h.Get("X-Forwarded-Host"), h.Get("Forwarded"))
	}
	if got := h.Values("Traceparent"); len(got) != 1 || got[0] != sampleParent {
		t.Errorf("Traceparent: got %v, want the client's, once", got)
	}
}

func TestRouteFailures(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		retry  string
		reason string
	}{
		"full":    {&block.ErrOverloaded{App: "app", RetryAfter: 2 * time.Second}, 503, "2", "err: the app's queue is full"},
		"trap":    {&abi.Trap{Kind: abi.TrapGuest, Reason: "unreachable"}, 500, "", "unreachable"},
		"timeout": {&abi.Trap{Kind: abi.TrapTimeout, Reason: "too slow"}, 500, "", "err: no answer within "},
		"denied":  {&Error{Tag: 2, Denied: "not you"}, 403, "", "not you"},
	} {
		app := show("app")
		app.Gate = func(context.Context) error { return c.err }
		res, body := send(t, "POST", serve(t, api.Config{}, host(t, Config{}, app))+"/v1.0/invoke/app/method/m", "")
		if res.StatusCode != c.status || res.Header.Get("Retry-After") != c.retry || !strings.Contains(body, `"ERR_DIRECT_INVOKE"`) || !strings.Contains(body, c.reason) {
			t.Errorf("%s: got %d %v %s, want %d ERR_DIRECT_INVOKE with %q, Retry-After %q", name, res.StatusCode, res.Header, body, c.status, c.reason, c.retry)
		}
	}
	bad := &apitest.App{AppName: "app", Service: func(context.Context, string, Request) Response { return Response{Status: 1000} }}
	if res, body := send(t, "POST", serve(t, api.Config{}, host(t, Config{}, bad))+"/v1.0/invoke/app/method/m", ""); res.StatusCode != 500 || !strings.Contains(body, "status 1000") {
		t.Errorf("status 1000: got %d %s, want 500", res.StatusCode, body)
	}
}

// The trace of a client goes on through the API, into an app, and into the app that it calls.
func TestTraceGoesThroughCalls(t *testing.T) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_SAMPLER"} {
		t.Setenv(name, "")
	}
	var out strings.Builder
	tel, err := telemetry.New(t.Context(), telemetry.Config{Stdout: &out, Tracing: telemetry.Tracing{Stdout: true, SamplingRate: "0"}})
	if err != nil {
		t.Fatal(err)
	}
	var b *Block
	parents := map[string]string{}
	note := func(name string, req Request) {
		for _, h := range req.Headers {
			if h.Name == "traceparent" {
				parents[name] = h.Value
			}
		}
	}
	a := &apitest.App{AppName: "a", Service: func(ctx context.Context, _ string, req Request) Response {
		note("a", req)
		res, err := b.Invoke(ctx, "a", "b", Request{})
		if err != nil {
			t.Error(err)
		}
		return res
	}}
	second := &apitest.App{AppName: "b", Service: func(_ context.Context, _ string, req Request) Response {
		note("b", req)
		return Response{Status: 200}
	}}
	c := chain.New(tel.Observers(), nil)
	b = host(t, Config{Chain: c, Telemetry: tel}, a, second)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	res, _ := send(t, "POST", serve(t, api.Config{Chain: c, Telemetry: tel}, b)+"/v1.0/invoke/a/method/m", "", "traceparent", "00-"+trace+"-b7ad6b7169203331-01")
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{res.Header.Get("Traceparent"): true, parents["a"]: true, parents["b"]: true}
	if len(seen) != 3 {
		t.Errorf("answer %s, a %s, b %s: want three different spans", res.Header.Get("Traceparent"), parents["a"], parents["b"])
	}
	for p := range seen {
		if !strings.HasPrefix(p, "00-"+trace+"-") || !strings.HasSuffix(p, "-01") {
			t.Errorf("got traceparent %q, want trace %s, sampled", p, trace)
		}
	}
	if got := strings.Count(out.String(), `"Name":"invoke/invoke"`); got != 2 {
		t.Errorf("got %d invoke spans, want 2: %s", got, out.String())
	}
}

func TestEndpointOverTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "safe") }))
	defer srv.Close()
	root := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	b := host(t, Config{Endpoints: []Endpoint{
		{Name: "trusted", BaseURL: srv.URL, TLS: &ClientTLS{RootCA: root}}, {Name: "unknown", BaseURL: srv.URL},
	}}, show("orders"))
	if res, err := b.Invoke(t.Context(), "orders", "trusted", Request{Verb: "GET"}); err != nil || string(res.Body) != "safe" {
		t.Errorf("with the server's authority: got %s, %v", res.Body, err)
	}
	if _, err := b.Invoke(t.Context(), "orders", "unknown", Request{Verb: "GET"}); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without: got %v, want an error about the certificate", err)
	}
	if got := b.Describe(t.Context())["httpEndpoints"].([]map[string]string); len(got) != 2 || got[0]["name"] != "trusted" {
		t.Errorf("metadata: got %v, want both endpoints", got)
	}
}
