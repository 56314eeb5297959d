package standard_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
	"github.com/mrt-wasm/mrt-wasm/host/telemetry"
)

// leaks are planted credentials, and everything that came out of a host.
type leaks struct {
	mu      sync.Mutex
	planted map[string]string // value: what it is
	out     map[string]*bytes.Buffer
}

func newLeaks() *leaks {
	return &leaks{planted: map[string]string{}, out: map[string]*bytes.Buffer{}}
}

// plant makes a credential that stands nowhere else. It is in hex, so that it is the same in JSON, URLs and YAML.
func (l *leaks) plant(what string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	value := hex.EncodeToString(b[:])
	l.know(what, value)
	return value
}

func (l *leaks) know(what, value string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.planted[value] = what
}

// from takes what came out somewhere.
func (l *leaks) from(where string) io.Writer { return writer{l, where} }

func (l *leaks) add(where, text string) { _, _ = io.WriteString(l.from(where), text+"\n") }

type writer struct {
	*leaks
	where string
}

func (w writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.out[w.where] == nil {
		w.out[w.where] = &bytes.Buffer{}
	}
	return w.out[w.where].Write(p)
}

// check reports every line that has a planted value. It fails also if nothing came out of a place, so that a test which
// has stopped to look does not pass.
func (l *leaks) check(t *testing.T, places ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, place := range places {
		if l.out[place] == nil || l.out[place].Len() == 0 {
			t.Errorf("nothing came out of %s", place)
		}
	}
	for place, text := range l.out {
		for line := range strings.SplitSeq(text.String(), "\n") {
			for value, what := range l.planted {
				if strings.Contains(line, value) {
					t.Errorf("%s has the %s (%s): %s", place, what, value, line)
				}
			}
		}
	}
}

// launch makes a host of a manifest and starts it; everything that it logs goes to leaks. The error is that of New or
// Start.
func launch(t *testing.T, l *leaks, text string, files map[string]string) (probe, error) {
	t.Helper()
	dir := t.TempDir()
	all := map[string]string{"guest.wasm": "", "manifest.yaml": strings.ReplaceAll(text, "DIR", filepath.ToSlash(dir))}
	maps.Copy(all, files)
	for name, content := range all {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	m, err := manifest.Load(filepath.Join(dir, "manifest.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	l.add("warnings", fmt.Sprint(m.Warnings))
	drivers, err := standard.Drivers()
	if err != nil {
		t.Fatal(err)
	}
	log, err := telemetry.NewLogger(l.from("log"), slog.LevelDebug, "json")
	if err != nil {
		t.Fatal(err)
	}
	token := l.plant("API token")
	h, err := host.New(t.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(t), Log: log, APIToken: token,
		HTTPAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0", Drivers: drivers, Loader: wasm(enginetest.Build(t, "../../host/testdata/relay")),
	})
	if err != nil {
		return probe{}, err
	}
	return probe{l, h, token}, h.Start(t.Context())
}

// field writes a metadata field that has a credential, in one of the ways that Dapr has for it.
func field(t *testing.T, how, name, value string) (yaml, secret string) {
	t.Helper()
	switch how {
	case "value":
		return fmt.Sprintf("{name: %s, value: %q}", name, value), ""
	case "envRef":
		// Names are in small letters, since placeholders of manifests are not.
		variable := "planted_" + strings.ToLower(rand.Text())
		t.Setenv(variable, value)
		return fmt.Sprintf("{name: %s, envRef: %s}", name, variable), ""
	default:
		key := "k" + strings.ToLower(rand.Text())
		return fmt.Sprintf("{name: %s, secretKeyRef: {name: %s}}", name, key), fmt.Sprintf("%q: %q", key, value)
	}
}

// TestCredentialsOfWhatCannotStart: a component that does not start says why without the credentials that it was given,
// whichever way it was given them: in the error, in the log at level debug, and in what the API tells.
func TestCredentialsOfWhatCannotStart(t *testing.T) {
	l := newLeaks()
	redis := testserver.Redis(t, "--requirepass", l.plant("password at the server"))
	nats := testserver.NATS(t, "--user", "shop", "--pass", l.plant("password at the server"))
	vault, postgres := testserver.Vault(t), testserver.Postgres(t)
	servers := strings.NewReplacer("REDIS", "'"+redis.Addr+"'", "PGPORT", postgres.Port, "NATSADDR", strings.TrimPrefix(nats.URL, "nats://"), "NATS", nats.URL, "VAULT", vault.URL)
	for turn, how := range []string{"value", "envRef", "secretKeyRef"} {
		head := strings.ReplaceAll(brokenHead, "EXPORTER", l.plant("header of the exporter"))
		let, secrets := head, []string{}
		var calls []string
		for i, tt := range fails {
			if tt.quoted && how != "secretKeyRef" {
				continue // it is no credential by its name, and may be quoted
			}
			value := strings.ReplaceAll(tt.value, "SECRET", l.plant(tt.secret+" of "+tt.name+" by "+how))
			yaml, secret := field(t, how, tt.secret, servers.Replace(value))
			fields := servers.Replace(tt.fields) + ", " + yaml
			if secret != "" {
				secrets = append(secrets, secret)
			}
			name := fmt.Sprintf("broken%d", i)
			alone := i%3 == turn || tt.quoted || tt.secret == "primaryEncryptionKey"
			if tt.secret != "primaryEncryptionKey" { // a key that is none is never let go
				let += broken(name, tt.typ, fields, true)
				calls = append(calls, callsOf(tt.typ, name)...)
			}
			// Alone it is fatal. One of the ways is enough there: they differ before the component is opened.
			if alone {
				p, err := launch(t, l, head+broken(name, tt.typ, fields, false), files(secret))
				if err == nil && tt.fatal {
					t.Errorf("%s by %s: the host started", tt.name, how)
				}
				l.add("errors", fmt.Sprintf("%s: %v", tt.name, err))
				p.stop(t)
			}
		}
		p, err := launch(t, l, let, files(secrets...))
		if err != nil {
			t.Fatal(err)
		}
		p.facts(t)
		for _, call := range calls {
			p.call(t, call)
		}
		p.stop(t)
	}
	l.check(t, "log", "errors", "API")
}

func files(secrets ...string) map[string]string {
	return map[string]string{"planted.json": "{" + strings.Join(secrets, ",") + "}"}
}

// brokenHead has a collector that is down.
const brokenHead = `
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: c}
spec: {tracing: {samplingRate: "1", otel: {protocol: http, endpointAddress: "127.0.0.1:1", isSecure: false, headers: [{name: X-Key, value: EXPORTER}]}}}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: local}
spec: {type: secretstores.local.file, version: v1, metadata: [{name: secretsFile, value: DIR/planted.json}]}
`

func broken(name, typ, fields string, ignore bool) string {
	typ, version, found := strings.Cut(typ, "/")
	if !found {
		version = "v1"
	}
	return fmt.Sprintf(`---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: %s}
spec: {type: %s, version: %s, initTimeout: 200ms, ignoreErrors: %t, metadata: [%s]}
auth: {secretStore: local}
`, name, typ, version, ignore, fields)
}

// callsOf are calls of the API that use a component.
func callsOf(typ, name string) []string {
	block, _, _ := strings.Cut(typ, ".")
	return map[string][]string{
		"state":         {"GET /v1.0/state/" + name + "/k", `POST /v1.0/state/` + name + ` [{"key":"k","value":1}]`},
		"pubsub":        {"POST /v1.0/publish/" + name + "/t {}"},
		"bindings":      {`POST /v1.0/bindings/` + name + ` {"operation":"create","data":"x","metadata":{"key":"k"}}`, `POST /v1.0/bindings/` + name + ` {"operation":"get","metadata":{"key":"k"}}`},
		"configuration": {"GET /v1.0/configuration/" + name + "?key=k"},
		"lock":          {`POST /v1.0-alpha1/lock/` + name + ` {"resourceId":"r","lockOwner":"o","expiryInSeconds":1}`},
		"crypto": {
			"PUT /v1.0-alpha1/crypto/" + name + "/decrypt x", "POST /v1.0-alpha1/subtlecrypto/" + name + `/getkey {"name":"k"}`,
			"POST /v1.0-alpha1/subtlecrypto/" + name + `/encrypt {"keyName":"k","algorithm":"A128GCM","plaintext":"AAAA","nonce":"AAAA"}`,
		},
		"secretstores": {"GET /v1.0/secrets/" + name + "/k", "GET /v1.0/secrets/" + name + "/bulk"},
	}[block]
}

// probe asks a host for everything that it tells.
type probe struct {
	l     *leaks
	h     *host.Host
	token string
}

// stop ends the host, if there is one.
func (p probe) stop(t *testing.T) {
	t.Helper()
	if p.h == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := p.h.Stop(ctx); err != nil {
		p.l.add("errors", err.Error())
	}
}

// call makes one call of the API, "METHOD path body", as the app one.
func (p probe) call(t *testing.T, call string) int {
	t.Helper()
	_, url := p.h.Addrs()
	return p.send(t, url, call, nil)
}

func (p probe) send(t *testing.T, base, call string, header map[string]string) int {
	t.Helper()
	return p.sendAs(t, call, base, call, header)
}

// sendAs makes a call, and notes what came of it under a name.
func (p probe) sendAs(t *testing.T, name, base, call string, header map[string]string) int {
	t.Helper()
	method, rest, _ := strings.Cut(call, " ")
	path, body, _ := strings.Cut(rest, " ")
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Dapr-Caller-App-Id", "one")
	req.Header.Set("Dapr-Api-Token", p.token)
	for name, value := range header {
		req.Header.Set(name, value)
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
	p.l.add("API", fmt.Sprintf("%s: %d %v %s", name, resp.StatusCode, resp.Header, text))
	return resp.StatusCode
}

// facts reads what a host tells of itself.
func (p probe) facts(t *testing.T) {
	t.Helper()
	for path, want := range map[string]bool{"/v1.0/metadata": true, "/metrics": true, "/readyz": false, "/v1.0/healthz": false} {
		if status := p.call(t, "GET "+path); want && status != http.StatusOK {
			t.Errorf("GET %s: got %d, want 200", path, status)
		}
	}
}
