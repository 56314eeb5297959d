package wasm_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/http/wasm"
	"github.com/mrt-wasm/mrt-wasm/components/state/memory"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/component"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	mrthttp "github.com/mrt-wasm/mrt-wasm/host/http"
	"github.com/mrt-wasm/mrt-wasm/host/http/httptest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/plugin/plugintest"
)

const marker = `---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: %[1]s}
spec:
  type: middleware.http.wasm
  version: v1
  initTimeout: 60s
  metadata:
    - {name: source, value: marker.wasm}
    - {name: mark, value: %[1]s}
`

const app = `---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: app}
spec: {source: {wasm: app.wasm}}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
spec: {type: state.in-memory, version: v1}
`

func marks(names ...string) string {
	var out strings.Builder
	for _, name := range names {
		fmt.Fprintf(&out, marker, name)
	}
	return out.String()
}

// pipeline is a Configuration with handlers of the middleware.
func pipeline(field string, names ...string) string {
	var list []string
	for _, name := range names {
		list = append(list, "{name: "+name+", type: middleware.http.wasm}")
	}
	return "---\napiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: " + strings.ToLower(field) + "}\n" +
		"spec: {" + field + ": {handlers: [" + strings.Join(list, ", ") + "]}}\n"
}

func drivers(t *testing.T) host.Drivers {
	t.Helper()
	middleware, err := component.NewSet("middleware", wasm.Spec)
	if err != nil {
		t.Fatal(err)
	}
	stores, err := component.NewSet("state", memory.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return host.Drivers{Middleware: middleware, State: stores}
}

func TestConformance(t *testing.T) {
	httptest.Run(t, func(t *testing.T) mrthttp.Middleware {
		return plugintest.Component[mrthttp.Middleware](t, plugintest.Config{
			Drivers: drivers(t), Guests: []string{"testdata/marker"}, Manifest: marks("a"),
		}, "a")
	})
}

// fileLoader reads spec.source.wasm beside the manifest.
type fileLoader string

func (f fileLoader) Load(context.Context, *manifest.App) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), "app.wasm"))
}

// start runs a host with the app and the marker, and gives the addresses of the front door and of the API.
func start(t *testing.T, text string, log io.Writer) (front, api string) {
	t.Helper()
	h, err := newHost(t, text, build(t), log)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h.Addrs()
}

func build(t *testing.T) map[string][]byte {
	t.Helper()
	return plugintest.Build(t, "testdata/marker", "testdata/app")
}

func newHost(t *testing.T, text string, guests map[string][]byte, log io.Writer) (*host.Host, error) {
	t.Helper()
	dir := t.TempDir()
	for name, wasm := range guests {
		if err := os.WriteFile(filepath.Join(dir, name), wasm, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "manifest.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Load(file)
	if err != nil {
		return nil, err
	}
	h, err := host.New(t.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(t), Drivers: drivers(t), Loader: fileLoader(dir),
		HTTPAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0", Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return h, nil
}

func send(t *testing.T, method, url, body string, fields ...string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Set(fields[i], fields[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

// TestFrontDoor goes from a client through two middlewares to an app and back.
func TestFrontDoor(t *testing.T) {
	var log buffer
	front, api := start(t, app+marks("a", "b")+pipeline("appHttpPipeline", "b", "a"), &log)
	for _, tt := range []struct {
		name, do, answer string
		status           int
		body, passed     string // want
	}{
		{"both in order", "", "", 200, "POST /app/x q=1 seen=b a for=127.0.0.1 hello <a <b", "a,b"},
		{"the first refuses", "b:refuse", "", 418, "refused by b", ""},
		{"the second refuses: the first sees that answer", "a:refuse", "", 418, "refused by a <b", "b"},
		{"the request is rewritten", "a:rewrite", "", 200, "PUT /app/a%2Fb x=%20 seen=b a for=127.0.0.1 other <a <b", "a,b"},
		{"error", "a:fail", "", 500, "", ""},
		{"trap", "a:trap", "", 500, "", ""},
		{"exit", "b:exit", "", 500, "", ""},
		{"a body over the limit", "a:grow", "", 500, "", ""},
		{"a path with dots", "a:dots", "", 500, "", ""},
		{"a field that HTTP forbids", "a:field", "", 500, "", ""},
		{"a status that HTTP forbids", "a:status", "", 500, "", ""},
		{"error for the answer", "", "b:fail", 500, "", ""},
		{"trap for the answer", "", "a:trap", 500, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, header, body := send(t, "POST", front+"/app/x?q=1", "hello", "X-Do", tt.do, "X-Answer", tt.answer, "X-Forwarded-For", "1.2.3.4")
			if status != tt.status || tt.status != 500 && body != tt.body {
				t.Errorf("got %d %q, want %d %q", status, body, tt.status, tt.body)
			}
			if got := strings.Join(header["X-Passed"], ","); got != tt.passed {
				t.Errorf("X-Passed: got %q, want %q", got, tt.passed)
			}
			if len(header["Traceparent"]) != 1 {
				t.Errorf("Traceparent: got %q, want one", header["Traceparent"])
			}
			if tt.status == 500 && (!strings.Contains(body, `"ERR_MIDDLEWARE_FAILED"`) || header.Get("X-App") != "" || strings.Contains(body, "seen")) {
				t.Errorf("got %q with %v, want an error that shows nothing of the app", body, header)
			}
			if status, _, body := send(t, "GET", front+"/app", ""); status != 200 || body != "GET /app  seen=b a for=127.0.0.1  <a <b" {
				t.Errorf("the next request: got %d %q, want 200", status, body)
			}
		})
	}
	for _, want := range []string{"middleware failed; the request was answered with 500", "component=a", "type=middleware.http.wasm", "pipeline=spec.appHttpPipeline", "a cannot say", "a traps"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, log.String())
		}
	}
	if status, _, body := send(t, "POST", front+"/app", strings.Repeat("x", 5<<20)); status != 413 || strings.Contains(body, "<a") {
		t.Errorf("a request over the limit: got %d %.80q, want 413", status, body)
	}
	if status, header, _ := send(t, "GET", api+"/v1.0/metadata", ""); status != 200 || header.Get("X-Passed") != "" {
		t.Errorf("the API: got %d %v, want it without this middleware", status, header)
	}
}

// TestAPI goes through the API's own pipeline.
func TestAPI(t *testing.T) {
	var log buffer
	front, api := start(t, app+marks("a", "b")+pipeline("httpPipeline", "a", "b"), &log)
	url := api + "/v1.0/state/statestore"
	for _, tt := range []struct {
		do     string
		status int
	}{{"b:refuse", 418}, {"a:fail", 500}, {"b:trap", 500}} {
		if status, _, body := send(t, "POST", url, `[{"key":"no","value":1}]`, "X-Do", tt.do); status != tt.status {
			t.Errorf("%s: got %d %s, want %d", tt.do, status, body, tt.status)
		}
		if status, _, body := send(t, "GET", url+"/no", ""); status != 204 {
			t.Errorf("%s: the state was written: got %d %s", tt.do, status, body)
		}
	}
	if status, header, body := send(t, "POST", url, `[{"key":"yes","value":1}]`); status != 204 || strings.Join(header["X-Passed"], ",") != "b,a" {
		t.Errorf("got %d %s %v, want 204 past both", status, body, header)
	}
	if status, _, body := send(t, "GET", url+"/yes", ""); status != 200 || body != "1 <b <a" {
		t.Errorf("got %d %s, want what was written", status, body)
	}
	if status, header, _ := send(t, "GET", api+"/v1.0/healthz", "", "X-Do", "a:refuse"); status != 204 || header.Get("X-Passed") != "" {
		t.Errorf("health: got %d, want it without middleware", status)
	}
	if status, header, _ := send(t, "GET", front+"/app", ""); status != 200 || header.Get("X-Passed") != "" {
		t.Errorf("the front door: got %d %v, want it without this middleware", status, header)
	}
}

// TestRefusesToStart: what would let requests pass unchecked ends the start.
func TestRefusesToStart(t *testing.T) {
	guests := build(t)
	bad := strings.Replace(marks("a"), "{name: mark, value: a}", "{name: other, value: a}", 1)
	for _, tt := range []struct{ name, text, want string }{
		{"not declared", pipeline("httpPipeline", "a"), `manifest.yaml:5:41: error: spec.httpPipeline.handlers[0].name: no component "a" is declared`},
		{"no middleware", app + pipeline("appHttpPipeline", "statestore"), "component \"statestore\" is a state.in-memory, want a middleware component"},
		{
			"a type of Dapr's", strings.Replace(marks("a"), "http.wasm", "http.bearer", 1) + strings.Replace(pipeline("httpPipeline", "a"), "http.wasm", "http.bearer", 1),
			"this binary has no driver middleware.http.bearer; it has middleware.http.wasm",
		},
		{"another type", marks("a") + strings.Replace(pipeline("httpPipeline", "a"), "http.wasm", "http.bearer", 1), "component \"a\" is a middleware.http.wasm, found middleware.http.bearer"},
		{"init fails", bad + pipeline("httpPipeline", "a"), "metadata field mark: want a name"},
		{"for one app", app + marks("a") + "scopes: [app]\n" + pipeline("httpPipeline", "a"), "a middleware is for all apps"},
		{"may be missing", strings.Replace(marks("a"), "  version: v1\n", "  version: v1\n  ignoreErrors: true\n", 1) + pipeline("httpPipeline", "a"), "ignoreErrors"},
		{"for each app", app + strings.Replace(marks("a"), "{name: mark, value: a}", `{name: mark, value: "{appID}"}`, 1) + pipeline("httpPipeline", "a"), "no request may pass without it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := newHost(t, tt.text, guests, io.Discard)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String gives what was written.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
