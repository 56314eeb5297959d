package manifest

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// loadValid loads testdata/valid.txtar.
func loadValid(t *testing.T) *Manifest {
	t.Helper()
	path, err := filepath.Abs("testdata/valid.txtar")
	if err != nil {
		t.Fatal(err)
	}
	arc, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, f := range arc.Files {
		if err := os.MkdirAll(filepath.Dir(f.Name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Name, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	env := map[string]string{"LEVEL": "debug", "REDIS_PASSWORD": "secret", "OTEL": "localhost:4317"}
	m, err := Loader{Env: func(n string) (string, bool) { v, ok := env[n]; return v, ok }}.Load("manifest.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s: got %#v, want %#v", what, got, want)
	}
}

func TestApp(t *testing.T) {
	m := loadValid(t)
	equal(t, "names", m.AppNames(), []string{"orders", "inventory"})
	a := m.App("orders")
	equal(t, "source", a.Spec.Source.Go, "orders")
	equal(t, "routes", a.Routes(), []Route{{"/orders", true}, {"/", false}})
	equal(t, "env", a.Env(), map[string]string{"LOG_LEVEL": "debug", "PORT": "8080", "FAST": "true", "EMPTY": ""})
	equal(t, "memory", a.Spec.Limits.Memory, 128*MiB)
	equal(t, "timeout", a.Spec.Limits.Timeout, 10*time.Second)
	equal(t, "instances", a.Spec.Instances, "reuse")
	equal(t, "hosts", len(a.Spec.Allow.Hosts), 4)
	equal(t, "position", a.Spec.Limits.At("timeout"), Pos{"manifest.yaml", 10, 36})
	equal(t, "position of what is not there", a.Spec.Limits.At("nothing"), a.Spec.Limits.Pos)

	b := m.App("inventory")
	equal(t, "wasm", b.Spec.Source.Wasm, "inventory.wasm")
	equal(t, "no routes", len(b.Routes()), 0)
	want := DefaultLimits()
	want.Object = b.Spec.Limits.Object
	equal(t, "limits", b.Spec.Limits, want)
	equal(t, "instances", b.Spec.Instances, "reset")
	equal(t, "idle timeout", b.Spec.Actors[0].IdleTimeout, 10*time.Minute)
	equal(t, "default routes", DefaultRoutes("x")[0].String(), "/x/...")
}

func TestComponent(t *testing.T) {
	m := loadValid(t)
	c := m.Component("orders-db")
	equal(t, "values", c.Values(), map[string]string{
		"connectionString": "data.db", "keyPrefix": "name", "actorStateStore": "true", "cleanupInterval": "60",
		"consumerID": "{appID}-{uuid}", "empty": "",
	})
	equal(t, "block", c.Block(), "state")
	equal(t, "init timeout", c.Spec.InitTimeout, 10*time.Second)
	equal(t, "ignoreErrors", c.Spec.IgnoreErrors, true)
	equal(t, "scopes", c.Scopes, []string{"orders", "inventory"})

	bus := m.Component("bus")
	equal(t, "values", bus.Values(), map[string]string{"redisHost": "localhost:6379", "redisPassword": "secret"})
	equal(t, "secrets", len(bus.Secrets), 1)
	s := bus.Secrets[0]
	equal(t, "secret", []string{s.Field, s.Store, s.Name, s.Key}, []string{"sentinelPassword", "local-secrets", "redis", "sentinel"})
	equal(t, "init timeout", bus.Spec.InitTimeout, 5*time.Second)
	equal(t, "of a block", len(m.ComponentsOf("pubsub")), 1)
}

// TestValues checks that values of any type become the text that Dapr makes of them.
func TestValues(t *testing.T) {
	for yaml, want := range map[string]string{
		"text": "text", "'5'": "5", "5": "5", "0x10": "16", "1_000": "1000", "1.10": "1.1", "1e3": "1000", "true": "true",
		"True": "true", "yes": "true", "off": "false", "'yes'": "yes", "~": "", "": "", "2024-01-02": "2024-01-02",
		"[1, {b: 2, a: x}]": `[1,{"a":"x","b":2}]`, "{a: yes}": `{"a":true}`, ".inf": ".inf", "\"a\\tb\"": "a\tb",
		"18446744073709551615": "18446744073709552000",
	} {
		text := "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: c}\n" +
			"spec:\n  type: state.in-memory\n  metadata:\n  - name: v\n    value: " + yaml + "\n"
		m, err := Loader{}.Parse(Source{Name: "m.yaml", Data: []byte(text)})
		if err != nil {
			t.Errorf("%s: %v", yaml, err)
			continue
		}
		if got := m.Components[0].Values()["v"]; got != want {
			t.Errorf("value: %s: got %q, want %q", yaml, got, want)
		}
	}
}

func TestSubscriptions(t *testing.T) {
	m := loadValid(t)
	s := m.Subscriptions[0].Spec
	equal(t, "rule", []string{s.Routes.Rules[0].Match, s.Routes.Rules[0].Path}, []string{`event.type == "order.paid" && event.data.total > 100`, "/vip"})
	equal(t, "default", s.Routes.Default, "/orders")
	equal(t, "bulk", []any{s.BulkSubscribe.Enabled, s.BulkSubscribe.MaxMessagesCount, s.BulkSubscribe.MaxAwaitDurationMs}, []any{true, 50, 200})
	old := m.Subscriptions[1]
	equal(t, "old form", []string{old.Name(), old.Spec.Pubsub, old.Spec.Topic, old.Spec.Routes.Default}, []string{"old-sub", "bus", "old", "/old"})
	equal(t, "bulk", []any{old.Spec.BulkSubscribe.Enabled, old.Spec.BulkSubscribe.MaxMessagesCount}, []any{false, 100})
	equal(t, "position", old.Spec.At("pubsubname").Line, 117)
}

func TestResiliency(t *testing.T) {
	p := loadValid(t).Resiliencies[0].Spec.Policies
	equal(t, "timeout", p.Timeouts["fast"], 2*time.Second)
	r := p.Retries["important"]
	equal(t, "retry", []any{r.Policy, r.Duration, r.MaxInterval, r.MaxRetries}, []any{"exponential", 5 * time.Second, 15 * time.Second, 5})
	b := p.CircuitBreakers["cb"]
	equal(t, "breaker", []any{b.MaxRequests, b.Interval, b.Timeout, b.Trip}, []any{1, time.Duration(0), 30 * time.Second, "consecutiveFailures >= 5"})
}

func TestHTTPEndpoint(t *testing.T) {
	e := loadValid(t).HTTPEndpoints[0]
	equal(t, "headers", e.HeaderValues(), map[string]string{"X-Client": "mrt"})
	equal(t, "secret", e.Secrets[0].Field, "Authorization")
	equal(t, "root", e.Spec.ClientTLS.RootCA.Value.Text, "pem")
}

func TestConfigurationsMerge(t *testing.T) {
	const one = `
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: one}
spec:
  tracing: {samplingRate: "1", otel: {endpointAddress: a:1, isSecure: true, headers: [{name: h, value: 1}]}}
  components: {deny: [state.a, state.b]}
---
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: two}
spec:
  tracing: {stdout: true, otel: {endpointAddress: b:2, isSecure: false, headers: [{name: h, value: 2}]}}
  metrics: {enabled: false}
  components: {deny: [state.c]}
`
	m, err := Loader{}.Parse(Source{Name: "m.yaml", Data: []byte(one)})
	if err != nil {
		t.Fatal(err)
	}
	c := m.Configuration()
	equal(t, "rate", c.Tracing.Rate(0), 1.0)
	equal(t, "stdout", *c.Tracing.Stdout, true)
	equal(t, "endpoint", c.Tracing.Otel.EndpointAddress, "b:2")
	equal(t, "secure", *c.Tracing.Otel.IsSecure, false)
	equal(t, "headers", c.Tracing.Otel.HeaderValues(), map[string]string{"h": "2"})
	equal(t, "deny", c.Components.Deny, []string{"state.c"})
	equal(t, "metrics", c.MetricsEnabled(), false)
	equal(t, "the first is as it was", m.Configurations[0].Spec.Tracing.Otel.EndpointAddress, "a:1")
	equal(t, "none", (&Manifest{}).Configuration().MetricsEnabled(), true)
}

func TestQuantities(t *testing.T) {
	for text, want := range map[string]Bytes{
		"64Mi": 64 * MiB, "1.5Gi": GiB + 512*MiB, "65536": 64 * KiB, "1k": 1000, "2M": 2_000_000, "0": 0, "1Ki": 1024, "4Gi": 4 * GiB,
	} {
		if got, err := ParseBytes(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "Mi", "-1", "1.5", "64MB", "64 Mi", "1e3", "0x10", "NaN", "inf", "1Ei", "99999999999Ti", "+1", "1_0"} {
		if got, err := ParseBytes(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
	for b, want := range map[Bytes]string{64 * MiB: "64Mi", 1000: "1000", 0: "0", 4 * GiB: "4Gi", 1536 * KiB: "1536Ki"} {
		if got := b.String(); got != want {
			t.Errorf("%d: got %s, want %s", uint64(b), got, want)
		}
	}
}

func TestRoutes(t *testing.T) {
	for _, text := range []string{"/", "/...", "/a", "/a/b.c/...", "/a-b_~c/d:e@f", "/ü/..."} {
		r, err := ParseRoute(text)
		if err != nil || r.String() != text {
			t.Errorf("%s: got %s, %v", text, r, err)
		}
	}
	for _, text := range []string{"", "a", "/a/", "//", "//...", "/a/*", "/a?x", "/a#x", "/{id}", "/./a", "/.../a", "/a b", "/a\n", "/%41"} {
		if r, err := ParseRoute(text); err == nil {
			t.Errorf("%q: got %s, want an error", text, r)
		}
	}
}

func TestErrorIsDiagnostics(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"))
	ds, ok := errors.AsType[Diagnostics](err)
	if !ok || len(ds.Errors()) != 1 || len(ds.Warnings()) != 0 {
		t.Fatalf("got %#v, want Diagnostics with one error", err)
	}
	if !strings.HasSuffix(ds[0].String(), "none.yaml: error: cannot read the manifest: no such file or directory") {
		t.Errorf("got %s", ds[0])
	}
}

func TestTextThatIsNotYAML(t *testing.T) {
	for text, want := range map[string]string{
		"a: b\nc: \xff":                   "m.yaml:2:4: error: the file is not UTF-8: found byte 0xff; save the file as UTF-8 text",
		"a: \x00":                         "m.yaml:1:4: error: control character U+0000 is not allowed; save the file as UTF-8 text",
		strings.Repeat("#", maxFile+1):    "m.yaml: error: the file has 1048577 bytes, the limit is 1048576",
		strings.Repeat("[", 100_000):      "m.yaml:1:1: error: YAML syntax: exceeded max depth of 10000",
		"\xef\xbb\xbf# only a byte order": "",
	} {
		_, err := Loader{}.Parse(Source{Name: "m.yaml", Data: []byte(text)})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%.20q: got %q, want %q", text, got, want)
		}
	}
}

func TestManyDocumentsAndBombsEnd(t *testing.T) {
	doc := "apiVersion: dapr.io/v1alpha1\nkind: Component\nmetadata: {name: a}\nspec: {type: state.x}\n---\n"
	_, err := Loader{}.Parse(Source{Name: "m.yaml", Data: []byte(strings.Repeat(doc, maxDocuments+10))})
	if err == nil || !strings.Contains(err.Error(), "more than 5000 documents") {
		t.Errorf("got %.200v, want an error about too many documents", err)
	}
	bomb := "apiVersion: dapr.io/v1alpha1\nkind: Configuration\nmetadata: {name: a}\nspec: {nameResolution: {configuration: " +
		"[&a [x,x,x,x,x,x,x,x], &b [*a,*a,*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b,*b,*b], &d [*c,*c,*c,*c,*c,*c,*c,*c], *d,*d,*d,*d,*d,*d,*d,*d,*d]}}\n---\n"
	_, err = Loader{}.Parse(Source{Name: "m.yaml", Data: []byte(strings.Repeat(bomb, 100))})
	if err == nil || !strings.Contains(err.Error(), "more than 1000000 values") {
		t.Errorf("got %.200v, want an error about too many values", err)
	}
}
