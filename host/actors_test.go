package host_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// actorApps are an app with all actor types of the guest, and one that only calls them.
const actorApps = `
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: acts}
spec:
  source: {wasm: guest.wasm}
  limits: {timeout: 20s, maxInstances: 8}
  actors:
    - {type: Plain}
    - {type: Atomic, atomic: true}
    - {type: Never, hibernate: never, idleTimeout: 50ms}
    - {type: Open, reentrancy: true, atomic: false}
    - {type: Flat, maxStackDepth: 4}
    - {type: Small, mailbox: 3, maxActive: 2}
    - {type: Quick, idleTimeout: 50ms}
    - {type: Gate, mailbox: 100000}
---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: caller}
spec: {source: {wasm: guest.wasm}, limits: {timeout: 60s, maxInstances: 8}}
`

// actorMemory has the actors' state in memory.
const actorMemory = `
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: memory}
spec: {type: state.in-memory, version: v1, metadata: [{name: actorStateStore, value: "true"}]}
`

// step is one of the guest's.
type step map[string]any

// reply is the guest's.
type reply struct {
	Version string
	Mem     []string
	Fired   []struct {
		Name string
		At   int64
	}
	Got              map[string]string
	Count, Turns     int
	Errs             []string
	Begin, End, Born int64
}

// system is a host with actors that a test can stop and start again on the same data.
type system struct {
	t          testing.TB
	dir, text  string
	wasm       guests
	log        lines
	h          *host.Host
	front, api string
}

// actors starts a host with the apps of text, actorApps if empty.
func actors(t testing.TB, text string) *system {
	t.Helper()
	guest := enginetest.Build(t, "testdata/actors")
	if !strings.Contains(text, "kind: App") {
		text = actorApps + text
	}
	s := &system{t: t, dir: t.TempDir(), text: text, wasm: guests{"acts": guest, "caller": guest}}
	t.Cleanup(s.stop)
	s.start()
	return s
}

// start starts the host, on what an earlier one has left.
func (s *system) start() {
	s.t.Helper()
	h, err := actorHost(s.t.Context(), s.t, s.dir, s.text, s.wasm, &s.log)
	if err != nil {
		s.t.Fatal(err)
	}
	s.h = h
	if err := h.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.front, s.api = h.Addrs()
}

func actorHost(ctx context.Context, t testing.TB, dir, text string, wasm guests, log io.Writer) (*host.Host, error) {
	t.Helper()
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
	logger, err := telemetry.NewLogger(log, slog.LevelInfo, "json")
	if err != nil {
		t.Fatal(err)
	}
	return host.New(ctx, host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(t),
		HTTPAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0", Drivers: drivers, Loader: wasm, Log: logger,
	})
}

// stop stops the host if it runs.
func (s *system) stop() {
	s.t.Helper()
	if s.h == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.t.Context()), time.Minute)
	defer cancel()
	if err := s.h.Stop(ctx); err != nil {
		s.t.Errorf("stop: %v", err)
	}
	s.h = nil
	client.CloseIdleConnections()
}

func (s *system) restart() {
	s.t.Helper()
	s.stop()
	s.start()
}

// client keeps the connections of tests with many callers.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// send sends a request; header has names and values.
func (s *system) send(method, path, body string, header ...string) (status int, h http.Header, text string, err error) {
	url := path
	if strings.HasPrefix(path, "/") {
		url = s.api + path
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(s.t.Context()), method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, "", err
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, "", err
	}
	data, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close() // what was read counts
	return resp.StatusCode, resp.Header, string(data), err
}

// call is send of a test that cannot go on without an answer.
func (s *system) call(method, path, body string, header ...string) (int, http.Header, string) {
	s.t.Helper()
	status, h, text, err := s.send(method, path, body, header...)
	if err != nil {
		s.t.Fatal(err)
	}
	return status, h, text
}

func asJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func methodPath(actor string) string { return "/v1.0/actors/" + actor + "/method/run" }

// try has an actor, "Type/id", do steps, and gives the answer as it is.
func (s *system) try(actor string, steps ...step) (int, string) {
	status, _, text, err := s.send(http.MethodPut, methodPath(actor), asJSON(steps))
	if err != nil {
		return 0, err.Error()
	}
	return status, text
}

// run has an actor do steps, which must work.
func (s *system) run(actor string, steps ...step) reply {
	s.t.Helper()
	status, text := s.try(actor, steps...)
	if status != http.StatusOK {
		s.t.Fatalf("%s %v: got %d %s; want 200", actor, steps, status, text)
	}
	return parse[reply](s.t, text)
}

// fails has an actor do steps that make the turn fail, and wants a status and texts.
func (s *system) fails(status int, texts []string, actor string, steps ...step) {
	s.t.Helper()
	got, text := s.try(actor, steps...)
	if got != status || !containsAll(text, texts) {
		s.t.Errorf("%s %v: got %d %s\nwant %d with %q", actor, steps, got, text, status, texts)
	}
}

func containsAll(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

func parse[T any](t testing.TB, text string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return v
}

// listed is an actor of the list.
type listed struct {
	Type, ID, Status string
	Turns, Fuel      uint64
	Waiting          int
	LastUsed         *time.Time
}

// list gives the actors of a type by id.
func (s *system) list(typ string) map[string]listed {
	s.t.Helper()
	out, token := map[string]listed{}, ""
	for {
		path := "/v1.0-alpha1/actors?limit=1000&type=" + typ + "&token=" + strings.ReplaceAll(token, " ", "%20")
		status, _, text := s.call(http.MethodGet, path, "")
		if status != http.StatusOK {
			s.t.Fatalf("list: %d %s", status, text)
		}
		page := parse[struct {
			Actors []listed
			Next   string
		}](s.t, text)
		for _, a := range page.Actors {
			if _, twice := out[a.ID]; twice {
				s.t.Errorf("%s/%s is twice in the list", a.Type, a.ID)
			}
			out[a.ID] = a
		}
		if token = page.Next; token == "" {
			return out
		}
	}
}

// state gives what an actor has stored, active or not.
func (s *system) state(actor string) map[string]string {
	s.t.Helper()
	status, _, text := s.call(http.MethodGet, "/v1.0-alpha1/actors/"+actor+"/state?limit=1000", "")
	if status != http.StatusOK {
		s.t.Fatalf("state of %s: %d %s", actor, status, text)
	}
	out := map[string]string{}
	for _, row := range parse[struct {
		State []struct {
			Key     string
			Value   json.RawMessage
			Expires *time.Time
		}
		Next string
	}](s.t, text).State {
		out[row.Key] = strings.Trim(string(row.Value), `"`)
	}
	return out
}

// metric gives a figure of a type.
func (s *system) metric(name, typ string) float64 {
	s.t.Helper()
	_, _, text := s.call(http.MethodGet, "/metrics", "")
	prefix := fmt.Sprintf("mrt_runtime_actor_%s{actor_type=%q,app_id=\"acts\"} ", name, typ)
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			var v float64
			if _, err := fmt.Sscan(rest, &v); err != nil {
				s.t.Fatalf("%s: %v", line, err)
			}
			return v
		}
	}
	s.t.Fatalf("/metrics lacks %s", prefix)
	return 0
}

// until waits for what must come.
func (s *system) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("after a minute not yet: %s\n%s", what, s.log.String())
		}
	}
}

// asleep waits until an actor is hibernated.
func (s *system) asleep(actor string) {
	s.t.Helper()
	typ, id, _ := strings.Cut(actor, "/")
	s.until(actor+" is hibernated", func() bool { return s.list(typ)[id].Status == "hibernated" })
}
