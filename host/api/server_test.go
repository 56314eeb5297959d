package api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/block"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

const deadline = 30 * time.Second

// store is a block with routes, metadata and readiness.
type store struct {
	name  string
	ready error
	extra func(handle func(string, http.HandlerFunc))
}

func (s *store) Name() string      { return s.name }
func (s *store) Imports() []string { return nil }
func (s *store) Exports() []string { return nil }
func (s *store) Open(context.Context, block.App) (block.Session, error) {
	return nil, errors.New("not used")
}
func (s *store) Close(context.Context) error { return nil }
func (s *store) Ready(context.Context) error { return s.ready }
func (s *store) Describe(context.Context) map[string]any {
	return map[string]any{"components": []map[string]any{{"name": s.name}}}
}

func (s *store) Routes(handle func(string, http.HandlerFunc)) {
	if s.extra != nil {
		s.extra(handle)
		return
	}
	handle("GET /v1.0/"+s.name+"/{store}/{key}", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, 200, map[string]any{"store": r.PathValue("store"), "key": r.PathValue("key"), "app": CallerApp(r), "metadata": Metadata(r)})
	})
	PostPut(handle, "/v1.0/"+s.name+"/{store}", func(w http.ResponseWriter, r *http.Request) {
		body, err := ReadBody(r)
		if err != nil {
			block.WriteError(w, err)
			return
		}
		_, _ = w.Write(body)
	})
}

// open starts the API on a free port.
func open(t *testing.T, cfg Config) string {
	t.Helper()
	cfg.Address = "127.0.0.1:0"
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), deadline)
		defer cancel()
		if err := s.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return s.URLs()[0]
}

func send(t *testing.T, method, url string, body io.Reader, fields ...string) (reply, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		if fields[i] == "Host" {
			req.Host = fields[i+1]
			continue
		}
		req.Header.Add(fields[i], fields[i+1])
	}
	c := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: deadline}
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

func TestBlockRoutes(t *testing.T) {
	url := open(t, Config{Blocks: []block.Block{&store{name: "state"}}, DefaultApp: func() string { return "only" }})
	for _, c := range []struct {
		method, path string
		fields       []string
		status       int
		want         string
	}{
		{"GET", "/v1.0/state/s/k", nil, 200, `{"app":"only","key":"k","metadata":null,"store":"s"}`},
		{"GET", "/v1.0/state/s/k/", nil, 200, `"key":"k"`},
		{"GET", "/v1.0//state/./s/x/../k", nil, 200, `"key":"k"`},
		{"GET", "/v1.0/state/s/a%2Fb%20c", nil, 200, `"key":"a/b c"`},
		{"GET", "/v1.0/state/s/%2e%2e", nil, 200, `"key":".."`},
		{"GET", "/v1.0/state/s/k?metadata.ttl=1&metadata.ttl=2&x=3", nil, 200, `"metadata":{"ttl":"1"}`},
		{"GET", "/v1.0/state/s/k", []string{"dapr-app-id", "orders"}, 200, `"app":"orders"`},
		{"GET", "/v1.0/state/s/k", []string{"dapr-app-id", "orders", "dapr-caller-app-id", "web"}, 200, `"app":"web"`},
		{"POST", "/v1.0/state/s", nil, 200, "body"},
		{"PUT", "/v1.0/state/s", nil, 200, "body"},
		{"DELETE", "/v1.0/state/s", nil, 405, `"errorCode":"ERR_METHOD_NOT_ALLOWED"`},
		{"POST", "/v1.0/state/s/k/x", nil, 404, `"errorCode":"ERR_DIRECT_INVOKE","message":"failed getting app id`},
		{"GET", "/", nil, 404, `"ERR_DIRECT_INVOKE"`},
	} {
		res, body := send(t, c.method, url+c.path, strings.NewReader("body"), c.fields...)
		if res.StatusCode != c.status || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: got %d %s, want %d %s", c.method, c.path, res.StatusCode, body, c.status, c.want)
		}
		if p := res.Header.Get("Traceparent"); len(p) != 55 {
			t.Errorf("%s %s: Traceparent: got %q, want one", c.method, c.path, p)
		}
	}
	res, _ := send(t, "DELETE", url+"/v1.0/state/s", nil)
	if got := res.Header.Get("Allow"); got != "POST, PUT" {
		t.Errorf("Allow: got %q, want POST, PUT", got)
	}
	res, _ = send(t, "GET", url+"/v1.0/state/s/k", nil, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	if got := res.Header.Get("Traceparent"); !strings.Contains(got, "0af7651916cd43dd8448eb211c80319c") {
		t.Errorf("Traceparent: got %q, want the client's trace", got)
	}
}

func TestRoutesInConflict(t *testing.T) {
	for name, extra := range map[string]func(handle func(string, http.HandlerFunc)){
		"with the API's own": func(handle func(string, http.HandlerFunc)) { handle("GET /v1.0/metadata", nil2) },
		"not a pattern":      func(handle func(string, http.HandlerFunc)) { handle("GET {", nil2) },
	} {
		if _, err := New(Config{Blocks: []block.Block{&store{name: "state", extra: extra}}}); err == nil || !strings.Contains(err.Error(), "api: route") {
			t.Errorf("%s: got %v, want an error that names the route", name, err)
		}
	}
}

func nil2(http.ResponseWriter, *http.Request) {}

func TestBodyLimit(t *testing.T) {
	url := open(t, Config{MaxBody: 1000, Blocks: []block.Block{&store{name: "state"}}})
	for name, c := range map[string]struct {
		n, want int
		chunked bool
	}{"at the limit": {1000, 200, false}, "above": {1001, 413, false}, "chunked": {1000, 200, true}, "chunked above": {1001, 413, true}} {
		var body io.Reader = strings.NewReader(strings.Repeat("a", c.n))
		if c.chunked {
			body = io.MultiReader(body)
		}
		if res, text := send(t, "POST", url+"/v1.0/state/s", body); res.StatusCode != c.want || c.want == 413 && !strings.Contains(text, "1000 bytes") {
			t.Errorf("%s: got %d %.100s, want %d", name, res.StatusCode, text, c.want)
		}
	}
	// A body above 4 MiB passes where the host allows it.
	url = open(t, Config{MaxBody: 8 << 20, Blocks: []block.Block{&store{name: "state"}}})
	if res, text := send(t, "POST", url+"/v1.0/state/s", strings.NewReader(strings.Repeat("a", 6<<20))); res.StatusCode != 200 || len(text) != 6<<20 {
		t.Errorf("6 MiB of 8: got %d and %d bytes, want 200 and all", res.StatusCode, len(text))
	}
}

func TestToken(t *testing.T) {
	tel, err := telemetry.New(t.Context(), telemetry.Config{})
	if err != nil {
		t.Fatal(err)
	}
	url := open(t, Config{Token: "secret", Telemetry: tel, Blocks: []block.Block{&store{name: "state", ready: errors.New("inner detail")}}})
	for _, c := range []struct {
		path   string
		fields []string
		status int
		want   string
	}{
		{"/v1.0/state/s/k", nil, 401, "invalid api token\n"},
		{"/v1.0/state/s/k", []string{"dapr-api-token", "secre"}, 401, "invalid api token\n"},
		{"/v1.0/state/s/k", []string{"dapr-api-token", ""}, 401, "invalid api token\n"},
		{"/v1.0/state/s/k", []string{"Authorization", "Bearer secret"}, 401, "invalid api token\n"},
		{"/v1.0/state/s/k", []string{"dapr-api-token", "secret"}, 200, `"key":"k"`},
		{"/v1.0/state/s/k", []string{"dapr-api-token", "secret", "Host", "mrt.example:3500"}, 200, `"key":"k"`},
		{"/v1.0/metadata", nil, 401, "invalid api token\n"},
		{"/nowhere", nil, 401, "invalid api token\n"},
		{"/metrics", nil, 401, "invalid api token\n"},
		{"/metrics", []string{"Authorization", "Bearer secret"}, 200, "go_goroutines"},
		{"/v1.0/healthz", nil, 500, "ERR_HEALTH_NOT_READY"},
		{"/v1.0/healthz/outbound", nil, 500, "ERR_OUTBOUND_HEALTH_NOT_READY"},
		{"/healthz", nil, 200, `"ok"`},
		{"/readyz", nil, 503, `{"ready":false}`},
		{"/readyz", []string{"dapr-api-token", "secret"}, 503, `inner detail`},
	} {
		res, body := send(t, "GET", url+c.path, nil, c.fields...)
		if res.StatusCode != c.status || !strings.Contains(body, c.want) || c.status == 401 && body != c.want {
			t.Errorf("%s %v: got %d %.200s, want %d %s", c.path, c.fields, res.StatusCode, body, c.status, c.want)
		}
		if c.fields == nil && strings.Contains(body, "inner detail") {
			t.Errorf("%s tells everybody: %s", c.path, body)
		}
	}
}

func TestAddressesThatAreNotLoopbackNeedAToken(t *testing.T) {
	for addr, loopback := range map[string]bool{
		"127.0.0.1:0": true, "localhost:0": true, "[::1]:0": true, "127.1.2.3:0": true, "0.0.0.0:3500": false, ":3500": false,
		"192.168.1.2:3500": false, "[::]:3500": false, "example.com:3500": false,
	} {
		_, err := New(Config{Address: addr})
		if (err == nil) != loopback {
			t.Errorf("%s without a token: got %v, want allowed %t", addr, err, loopback)
		}
		if err != nil && !strings.Contains(err.Error(), "set DAPR_API_TOKEN") {
			t.Errorf("%s: got %v, want what to do", addr, err)
		}
		if _, err := New(Config{Address: addr, Token: "x"}); err != nil {
			t.Errorf("%s with a token: %v", addr, err)
		}
	}
	if _, err := New(Config{Address: "3500"}); err == nil || !strings.Contains(err.Error(), "expected host:port") {
		t.Errorf("3500: got %v", err)
	}
}

func TestWebPagesAreKeptOut(t *testing.T) {
	url := open(t, Config{Blocks: []block.Block{&store{name: "state"}}})
	for name, c := range map[string]struct {
		method string
		fields []string
		status int
	}{
		"a page of another origin":   {"POST", []string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		"an old browser":             {"POST", []string{"Origin", "https://evil.example"}, 403},
		"a name for this machine":    {"POST", []string{"Host", "evil.example:3500"}, 403},
		"reading under such a name":  {"GET", []string{"Host", "evil.example:3500"}, 403},
		"localhost":                  {"POST", []string{"Host", "localhost:3500"}, 200},
		"an address":                 {"POST", []string{"Host", "[::1]:3500"}, 200},
		"a program":                  {"POST", nil, 200},
		"the address bar of browser": {"GET", []string{"Sec-Fetch-Site", "none"}, 405},
	} {
		if res, body := send(t, c.method, url+"/v1.0/state/s", strings.NewReader("x"), c.fields...); res.StatusCode != c.status {
			t.Errorf("%s: got %d %s, want %d", name, res.StatusCode, body, c.status)
		}
	}
}

func TestHealth(t *testing.T) {
	state := &store{name: "state"}
	var appErr error
	url := open(t, Config{ID: "host", Blocks: []block.Block{state}, Apps: func() []App { return []App{{Name: "orders", Err: appErr}} }})
	check := func(path string, status int, want string) {
		t.Helper()
		if res, body := send(t, "GET", url+path, nil); res.StatusCode != status || !strings.Contains(body, want) || status == 204 && body != "" {
			t.Errorf("%s: got %d %s, want %d %s", path, res.StatusCode, body, status, want)
		}
	}
	check("/v1.0/healthz", 204, "")
	check("/v1.0/healthz?appid=orders", 204, "")
	check("/v1.0/healthz?appid=host", 204, "")
	check("/v1.0/healthz?appid=nobody", 500, `"ERR_HEALTH_APPID_NOT_MATCH"`)
	check("/v1.0/healthz/outbound", 204, "")
	check("/readyz", 200, `{"ready":true}`)
	appErr = errors.New("its wasm does not compile")
	check("/v1.0/healthz", 500, `"errorCode":"ERR_HEALTH_NOT_READY","message":"dapr is not ready: app orders"`)
	check("/v1.0/healthz/outbound", 204, "")
	check("/readyz", 503, `{"ready":false,"reasons":{"app orders":"its wasm does not compile"}}`)
	state.ready = errors.New("component store: connection refused")
	check("/v1.0/healthz/outbound", 500, `"errorCode":"ERR_OUTBOUND_HEALTH_NOT_READY","message":"dapr outbound is not ready: block state"`)
	check("/readyz", 503, `"block state":"component store: connection refused"`)
	check("/healthz", 200, `"ok"`)
}

func TestMetadata(t *testing.T) {
	url := open(t, Config{
		ID: "host", Version: "1.2.3", Blocks: []block.Block{&store{name: "state"}, &store{name: "pubsub"}},
		Apps: func() []App {
			return []App{{Name: "orders", Handlers: []string{"mrt:http/handler@0.1.0"}, Routes: []string{"/orders/..."}}}
		},
	})
	if res, body := send(t, "PUT", url+"/v1.0/metadata/colour", strings.NewReader("blue")); res.StatusCode != 204 || body != "" {
		t.Errorf("PUT: got %d %s, want 204", res.StatusCode, body)
	}
	if res, _ := send(t, "PUT", url+"/v1.0/metadata/long", strings.NewReader(strings.Repeat("a", maxExtendedValue+1))); res.StatusCode != 400 {
		t.Errorf("PUT of a long value: got %d, want 400", res.StatusCode)
	}
	res, body := send(t, "GET", url+"/v1.0/metadata", nil)
	var got struct {
		ID, RuntimeVersion string
		Components         []struct{ Name string }
		Subscriptions      []any
		Extended           map[string]string
		Apps               []App
		ActorRuntime       struct{ RuntimeStatus string }
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || res.StatusCode != 200 {
		t.Fatalf("got %d %s, %v", res.StatusCode, body, err)
	}
	if got.ID != "host" || got.RuntimeVersion != "1.2.3" || got.Extended["daprRuntimeVersion"] != "1.2.3" || got.Extended["colour"] != "blue" {
		t.Errorf("got %+v", got)
	}
	if len(got.Components) != 2 || got.Components[0].Name != "state" || got.Components[1].Name != "pubsub" {
		t.Errorf("components: got %v, want those of both blocks", got.Components)
	}
	if len(got.Apps) != 1 || got.Apps[0].Name != "orders" || got.Subscriptions == nil || got.ActorRuntime.RuntimeStatus != "DISABLED" {
		t.Errorf("got %+v", got)
	}
}

func TestShutdown(t *testing.T) {
	done := make(chan bool, 2)
	url := open(t, Config{Shutdown: func(force bool) { done <- force }})
	if res, _ := send(t, "POST", url+"/v1.0/shutdown", nil, "dapr-force-shutdown", "true"); res.StatusCode != 204 {
		t.Errorf("got %d, want 204", res.StatusCode)
	}
	if force := <-done; !force {
		t.Error("got an ordinary shutdown, want a forced one")
	}
	if res, _ := send(t, "POST", url+"/v1.0/shutdown", nil); res.StatusCode != 204 || len(done) != 0 {
		t.Errorf("second time: got %d and %d more shutdowns, want 204 and none", res.StatusCode, len(done))
	}
	if res, body := send(t, "POST", open(t, Config{})+"/v1.0/shutdown", nil); res.StatusCode != 501 || !strings.Contains(body, "ERR_SHUTDOWN") {
		t.Errorf("without a function: got %d %s, want 501", res.StatusCode, body)
	}
}

func TestMetricsOfTheAPI(t *testing.T) {
	tel, err := telemetry.New(t.Context(), telemetry.Config{Service: "host"})
	if err != nil {
		t.Fatal(err)
	}
	url := open(t, Config{Telemetry: tel, Blocks: []block.Block{&store{name: "state"}}})
	send(t, "POST", url+"/v1.0/state/s", strings.NewReader("12345"))
	_, body := send(t, "GET", url+"/metrics", nil)
	want := `mrt_http_server_request_bytes{app_id="host",method="POST",path="POST /v1.0/state/{store}",status="200"} 5`
	if !strings.Contains(body, want) {
		t.Errorf("/metrics lacks %s", want)
	}
}

func TestStopFinishesWhatRuns(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s, err := New(Config{Address: "127.0.0.1:0", Blocks: []block.Block{&store{name: "slow", extra: func(handle func(string, http.HandlerFunc)) {
		handle("GET /slow", func(w http.ResponseWriter, _ *http.Request) {
			close(entered)
			<-release
			_, _ = io.WriteString(w, "done")
		})
	}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		_, body := send(t, "GET", s.URLs()[0]+"/slow", nil)
		got <- body
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(context.WithoutCancel(t.Context())) }()
	close(release)
	if body := <-got; body != "done" {
		t.Errorf("got %q, want done", body)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func TestHelpersOutsideOfTheAPI(t *testing.T) {
	r := httptest.NewRequest("POST", "/x", strings.NewReader(strings.Repeat("a", 5<<20)))
	if _, err := ReadBody(r); err == nil || !strings.Contains(err.Error(), "ERR_REQUEST_TOO_LARGE") {
		t.Errorf("5 MiB: got %v, want ERR_REQUEST_TOO_LARGE", err)
	}
	if got := CallerApp(r); got != "" {
		t.Errorf("caller: got %q, want none", got)
	}
	if got := Metadata(r); got != nil {
		t.Errorf("metadata: got %v, want nil", got)
	}
}
