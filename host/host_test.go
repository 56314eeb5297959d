package host_test

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

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// memoryComponents keeps tests that are not about drivers off the disk.
const memoryComponents = `
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
spec: {type: state.in-memory, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec: {type: pubsub.in-memory, version: v1}
`

// guests maps app names to the wasm that the test's loader gives for them.
type guests map[string][]byte

func (g guests) Load(_ context.Context, app *manifest.App) ([]byte, error) {
	if wasm, ok := g[app.Name()]; ok {
		return wasm, nil
	}
	return nil, fmt.Errorf("the test has no guest %s", app.Name())
}

func app(name, limits string) string {
	return "---\napiVersion: mrt-wasm.dev/v1alpha1\nkind: App\nmetadata: {name: " + name + "}\n" +
		"spec: {source: {wasm: guest.wasm}, limits: {" + limits + "}}\n"
}

// newHost makes a host from manifest text; log gets its lines.
func newHost(t *testing.T, text string, wasm guests, log io.Writer) (*host.Host, error) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{"guest.wasm": "", "manifest.yaml": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := manifest.Load(filepath.Join(dir, "manifest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	drivers, err := standard.Drivers()
	if err != nil {
		t.Fatal(err)
	}
	logger, err := telemetry.NewLogger(log, slog.LevelDebug, "json")
	if err != nil {
		t.Fatal(err)
	}
	return host.New(t.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(t),
		HTTPAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0", Drivers: drivers, Loader: wasm,
		Log: logger,
	})
}

// start runs a host for the test and gives the URLs of its front door and its API.
func start(t *testing.T, text string, wasm guests, log io.Writer) (h *host.Host, front, api string) {
	t.Helper()
	h, err := newHost(t, text, wasm, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	if err := h.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	front, api = h.Addrs()
	return h, front, api
}

func fetch(t *testing.T, method, url, body string) (status int, header http.Header, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(got)
}

// lines is a log that can be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestGuestsThatBreak(t *testing.T) {
	var log lines
	text := app("faulty", "memory: 32Mi, timeout: 1s, maxInstances: 2") + memoryComponents
	_, front, api := start(t, text, guests{"faulty": enginetest.Build(t, "testdata/faulty")}, &log)
	tests := []struct {
		path   string
		status int
		logged string
	}{
		{"panic", 500, "on purpose"},
		{"exit", 500, "exited with code 3"},
		{"loop", 504, "timeout"},
		{"alloc", 500, "spec.limits.memory"},
		{"status", 500, "status"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			status, _, body := fetch(t, "GET", front+"/faulty/"+tt.path, "")
			if status != tt.status {
				t.Errorf("got %d %s; want %d", status, body, tt.status)
			}
			if !strings.Contains(log.String(), tt.logged) {
				t.Errorf("the log lacks %q:\n%s", tt.logged, log.String())
			}
			if status, _, body := fetch(t, "GET", front+"/faulty/ok", ""); status != 200 || body != "fine" {
				t.Errorf("the next request: got %d %s; want 200 fine", status, body)
			}
		})
	}
	if status, _, body := fetch(t, "GET", api+"/metrics", ""); status != 200 || !strings.Contains(body, `mrt_traps_total{app_id="faulty",kind="timeout"} 1`) {
		t.Errorf("/metrics %d lacks the timeout's trap", status)
	}
	if status, _, body := fetch(t, "POST", front+"/faulty/echo", strings.Repeat("x", 5<<20)); status != 413 {
		t.Errorf("a body of 5 MiB: got %d %s; want 413", status, body)
	}
}

func TestGuestsThatLie(t *testing.T) {
	var log lines
	text := app("liar", "maxInstances: 2") + memoryComponents
	_, front, _ := start(t, text, guests{"liar": enginetest.Build(t, "testdata/liar")}, &log)
	for _, path := range []string{"body", "header-count", "header-bytes", "utf8", "area", "unaligned"} {
		t.Run(path, func(t *testing.T) {
			if status, _, body := fetch(t, "GET", front+"/liar/"+path, ""); status != 500 {
				t.Errorf("got %d %s; want 500", status, body)
			}
			if status, _, body := fetch(t, "GET", front+"/liar/honest", ""); status != 200 {
				t.Errorf("the next request: got %d %s; want 200", status, body)
			}
		})
	}
	if !strings.Contains(log.String(), "mrt:http/handler@0.1.0#handle") {
		t.Errorf("the log does not name the function that lied:\n%s", log.String())
	}
}

func TestReallocLies(t *testing.T) {
	text := strings.Replace(app("liar", "maxInstances: 1"), "spec: {", "spec: {env: {LIE: realloc}, ", 1) + memoryComponents
	_, front, _ := start(t, text, guests{"liar": enginetest.Build(t, "testdata/liar")}, io.Discard)
	if status, _, body := fetch(t, "GET", front+"/liar/honest", ""); status != 500 {
		t.Errorf("got %d %s; want 500", status, body)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	var log lines
	_, front, _ := start(t, app("talker", "")+memoryComponents, guests{"talker": enginetest.Build(t, "testdata/talker")}, &log)
	tests := []struct{ path, want string }{
		{"app", `invoke nobody : app not found`},
		{"store", `state component "nowhere" is not found for app talker: it sees statestore`},
		{"key", "invalid key"},
		{"missing", "not found"},
		{"pubsub", `pubsub component "nowhere" is not found for app talker: it sees pubsub`},
		{"topic", "invalid topic"},
		{"host", "allow: {hosts"},
		{"state", "v, stale etag: state: set \"k\" in statestore: etag mismatch"},
		{"log", "<nil>"},
		{"again", "32"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			if _, _, body := fetch(t, "GET", front+"/talker/"+tt.path, ""); !strings.Contains(body, tt.want) {
				t.Errorf("got  %s\nwant %s", body, tt.want)
			}
		})
	}
	for _, want := range []string{`"msg":"a line"`, `"key":"value"`, `"app":"talker"`, `"trace_id"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the guest's log line lacks %s", want)
		}
	}
}

func TestQueueIsFull(t *testing.T) {
	text := app("faulty", "maxInstances: 1, queue: 0, timeout: 20s") + memoryComponents
	_, front, _ := start(t, text, guests{"faulty": enginetest.Build(t, "testdata/faulty")}, io.Discard)
	fetch(t, "GET", front+"/faulty/ok", "") // so that there is an instance
	const n = 8
	statuses, retry := make(chan int, n), make(chan string, n)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			status, header, _ := fetch(t, "GET", front+"/faulty/sleep", "")
			statuses <- status
			retry <- header.Get("Retry-After")
		})
	}
	wg.Wait()
	close(statuses)
	close(retry)
	count := map[int]int{}
	for s := range statuses {
		count[s]++
		if after := <-retry; s == 503 && after == "" {
			t.Error("503 without Retry-After")
		}
	}
	if count[200] == 0 || count[503] == 0 || count[200]+count[503] != n {
		t.Errorf("got %v; want some 200 and some 503", count)
	}
}

func TestNewRefuses(t *testing.T) {
	faulty := enginetest.Build(t, "testdata/faulty")
	down := strings.Replace(memoryComponents, "{type: state.in-memory, version: v1}",
		`{type: state.redis, version: v1, initTimeout: 300ms, metadata: [{name: redisHost, value: "127.0.0.1:1"}]}`, 1)
	secret := strings.Replace(memoryComponents, "{type: state.in-memory, version: v1}",
		`{type: state.in-memory, version: v1, metadata: [{name: primaryEncryptionKey, secretKeyRef: {name: keys, key: main}}]}`, 1)
	tests := []struct {
		name, manifest string
		wasm           []byte
		want           string
	}{
		{"not wasm", app("a", "") + memoryComponents, []byte("#!/bin/sh\n"), "manifest.yaml:5:16: app a: guest.wasm: want a WebAssembly module"},
		{"empty", app("a", "") + memoryComponents, nil, "a"},
		{"no handler", app("a", "") + memoryComponents, enginetest.Build(t, "testdata/mute"), "exports no handler"},
		{"no driver", app("a", "") + strings.Replace(memoryComponents, "state.in-memory", "state.nope", 1), faulty, "this binary has no driver state.nope"},
		{"secret that nothing gives", app("a", "") + secret, faulty, `component statestore: primaryEncryptionKey: secret store secretstore: secret "keys": not found`},
		{"server down", app("a", "") + down, faulty, "component statestore (state.redis): not ready within initTimeout 300ms"},
		{"topic without subscriber", app("a", "") + memoryComponents + `---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: s}
spec: {pubsubname: pubsub, topic: t, routes: {default: /x}}
scopes: [a]
`, faulty, "mrt:pubsub/subscriber"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := newHost(t, tt.manifest, guests{"a": tt.wasm}, io.Discard)
			if err == nil {
				err = h.Stop(t.Context())
				t.Fatalf("it started (and stopped: %v); want an error with %q", err, tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestReloadDropsNothing(t *testing.T) {
	wasm := guests{"faulty": enginetest.Build(t, "testdata/faulty")}
	h, front, _ := start(t, app("faulty", "maxInstances: 4")+memoryComponents, wasm, io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	bad, good := []string{}, 0
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				//nolint:contextcheck // a request that runs when ctx ends is to be answered too
				status, _, body := fetch(t, "POST", front+"/faulty/echo", "hello")
				mu.Lock()
				if status == 200 && body == "hello" {
					good++
				} else {
					bad = append(bad, fmt.Sprint(status, body))
				}
				mu.Unlock()
			}
		})
	}
	for range 5 {
		if err := h.Reload(t.Context(), "faulty"); err != nil {
			t.Error(err)
		}
	}
	cancel()
	wg.Wait()
	if len(bad) > 0 || good == 0 {
		t.Errorf("%d requests were answered and %d were not: %v", good, len(bad), bad)
	}
	if err := h.Reload(t.Context(), "nobody"); err == nil {
		t.Error("an unknown app was loaded again")
	}
}

func TestReadiness(t *testing.T) {
	h, _, api := start(t, app("faulty", "")+memoryComponents, guests{"faulty": enginetest.Build(t, "testdata/faulty")}, io.Discard)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/v1.0/healthz": 204} {
		if status, _, body := fetch(t, "GET", api+path, ""); status != want {
			t.Errorf("%s: got %d %s; want %d", path, status, body, want)
		}
	}
	status, _, body := fetch(t, "GET", api+"/v1.0/metadata", "")
	for _, want := range []string{`"statestore"`, `"state.in-memory"`, `"pubsub"`, `"faulty"`} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("metadata lacks %s: %d %s", want, status, body)
		}
	}
	if got := h.Apps(); len(got) != 1 || got[0].Name != "faulty" || len(got[0].Routes) != 1 {
		t.Errorf("Apps: got %+v", got)
	}
	if status, _, body := fetch(t, "POST", api+"/v1.0/shutdown", ""); status != 204 {
		t.Errorf("shutdown: got %d %s; want 204", status, body)
	}
	select {
	case <-h.Done():
	case <-time.After(30 * time.Second):
		t.Error("Done is not closed after POST /v1.0/shutdown")
	}
}

func TestOneProcessPerDataFolder(t *testing.T) {
	dir := t.TempDir()
	m := &manifest.Manifest{}
	drivers, err := standard.Drivers()
	if err != nil {
		t.Fatal(err)
	}
	o := host.Options{Manifest: m, DataDir: dir, Drivers: drivers}
	first, err := host.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("is in use by another mrt-wasm, process %d", os.Getpid())
	if _, err := host.New(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v; want %s", err, want)
	}
	if err := host.CheckDataDir(dir); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("CheckDataDir: got %v; want %s", err, want)
	}
	if err := first.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := host.CheckDataDir(dir); err != nil {
		t.Errorf("CheckDataDir of a free folder: %v", err)
	}
	second, err := host.New(t.Context(), o)
	if err != nil {
		t.Fatalf("after the first has stopped: %v", err)
	}
	if err := second.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}
