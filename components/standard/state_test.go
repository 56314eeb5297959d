package standard_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
	"github.com/mrt-wasm/mrt-wasm/host/manifest"
)

// wasm is the guest of all apps.
type wasm []byte

func (w wasm) Load(context.Context, *manifest.App) ([]byte, error) { return w, nil }

// running is a host with the apps one and two of the guest relay, and a state store under test.
type running struct{ front, api string }

func run(t *testing.T, typ string, metadata map[string]string) running {
	t.Helper()
	fields := []map[string]string{}
	for name, value := range metadata {
		fields = append(fields, map[string]string{"name": name, "value": value})
	}
	list, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: one}
spec: {source: {wasm: guest.wasm}, limits: {maxInstances: 4}}
---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: two}
spec: {source: {wasm: guest.wasm}, limits: {maxInstances: 1}}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: store}
spec: {type: %s, version: v1, initTimeout: 60s, metadata: %s}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec: {type: pubsub.in-memory, version: v1}
`, typ, list)
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
	h, err := host.New(t.Context(), host.Options{
		Manifest: m, DataDir: filepath.Join(dir, "data"), CacheDir: enginetest.CacheDir(t), HTTPAddr: "127.0.0.1:0", APIAddr: "127.0.0.1:0",
		Drivers: drivers, Loader: wasm(enginetest.Build(t, "../../host/testdata/relay")),
	})
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
	front, api := h.Addrs()
	return running{front, api}
}

// send gives an answer's status and body; it does not end the test, so that goroutines may call it.
func send(ctx context.Context, method, url, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Dapr-Caller-App-Id", "one")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// command and reply are the guest's.
type (
	command struct {
		Do, Store, Key, Value, ETag, Query, Token string
		First                                     bool
		TTL, Limit                                int
		Keys                                      []string
	}
	reply struct {
		Value, ETag, Next, Error string
		Metadata, Failed         map[string]string
		Keys                     []string
	}
)

func (r running) do(t *testing.T, app string, want int, c command) reply {
	t.Helper()
	c.Store = "store"
	body, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	status, text, err := send(t.Context(), "POST", r.front+"/"+app+"/state", string(body))
	if err != nil || status != want {
		t.Fatalf("%s by %s: got %d %s, error %v, want %d", body, app, status, text, err, want)
	}
	var out reply
	if err := json.NewDecoder(bytes.NewReader([]byte(text))).Decode(&out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

// keys lists by way of the guest, or of the API.
func (r running) keys(t *testing.T, prefix string, fromAPI bool) []string {
	t.Helper()
	var out []string
	for token := ""; ; {
		page := struct {
			Keys  []string
			Token string
		}{}
		if fromAPI {
			status, text, err := send(t.Context(), "GET", r.api+"/v1.0-alpha1/state/store?limit=7&prefix="+prefix+"&token="+token, "")
			if err == nil {
				err = json.Unmarshal([]byte(text), &page)
			}
			if err != nil || status != http.StatusOK {
				t.Fatalf("list: got %d %s, error %v", status, text, err)
			}
		} else {
			p := r.do(t, "one", 200, command{Do: "list", Key: prefix, Limit: 7, Token: token})
			page.Keys, page.Token = p.Keys, p.Next
		}
		out = append(out, page.Keys...)
		if token = page.Token; token == "" {
			return out
		}
	}
}

// TestStateFromGuests: every state driver behind a whole host, used by guests and by the API at the same time.
func TestStateFromGuests(t *testing.T) {
	stores := []struct {
		name  string
		query int // the status of a query
		open  func(t *testing.T) running
	}{
		{"memory", 200, func(t *testing.T) running { return run(t, "state.in-memory", nil) }},
		{"sqlite", 200, func(t *testing.T) running {
			return run(t, "state.sqlite", map[string]string{"connectionString": filepath.Join(t.TempDir(), "s.db")})
		}},
		{"redis", 501, func(t *testing.T) running {
			return run(t, "state.redis", map[string]string{"redisHost": testserver.Redis(t).Addr})
		}},
		{"redis cluster", 501, func(t *testing.T) running {
			return run(t, "state.redis", map[string]string{"redisHost": testserver.RedisCluster(t).Addrs(), "redisType": "cluster"})
		}},
	}
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			r := s.open(t)
			t.Run("transactions", r.transactions)
			t.Run("keys", r.ownKeys)
			t.Run("etag", r.etags)
			t.Run("bulk", r.bulk)
			t.Run("ttl", r.expires)
			t.Run("query", func(t *testing.T) { r.query(t, s.query) })
		})
	}
}

// transactions: what several instances write together is there as a whole, however they meet.
func (r running) transactions(t *testing.T) {
	const workers, each = 6, 8
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				status, body, err := send(t.Context(), "POST", r.front+"/one/add?store=store", fmt.Sprintf("%d-%d", w, i))
				if err != nil || status != http.StatusOK {
					t.Errorf("add: got %d %s, error %v", status, body, err)
				}
			}
		})
	}
	wg.Wait()
	r.checkCounters(t, workers*each, workers*each)
}

// checkCounters wants both counters and the number of log entries to be the same, and from least to most.
func (r running) checkCounters(t *testing.T, least, most int) {
	t.Helper()
	entries := len(r.keys(t, "%7Bc%7Dlog/", true))
	for _, key := range []string{"{c}a", "{c}b"} {
		got := r.do(t, "one", 200, command{Do: "get", Key: key}).Value
		if got != fmt.Sprint(entries) || entries < least || entries > most {
			t.Errorf("%s: got %s with %d entries written along with it, want the same, %d to %d", key, got, entries, least, most)
		}
	}
}

func (r running) ownKeys(t *testing.T) {
	var want []string
	for i := range 20 {
		key := fmt.Sprintf("k/%02d", i)
		want = append(want, key)
		r.do(t, "one", 200, command{Do: "set", Key: key, Value: "mine"})
	}
	r.do(t, "two", 404, command{Do: "get", Key: "k/00"})
	if got := r.do(t, "two", 200, command{Do: "list", Key: "k/"}); len(got.Keys) != 0 {
		t.Errorf("two sees keys of one: %v", got.Keys)
	}
	r.do(t, "two", 200, command{Do: "delete", Key: "k/00"})
	for _, fromAPI := range []bool{false, true} {
		if got := r.keys(t, "k/", fromAPI); !slices.Equal(got, want) {
			t.Errorf("from the API %t: got %v, want %v", fromAPI, got, want)
		}
	}
}

func (r running) etags(t *testing.T) {
	r.do(t, "one", 200, command{Do: "set", Key: "e", Value: "1", First: true})
	r.do(t, "one", 409, command{Do: "set", Key: "e", Value: "2", First: true})
	old := r.do(t, "one", 200, command{Do: "get", Key: "e"})
	r.do(t, "one", 200, command{Do: "set", Key: "e", Value: "2", ETag: old.ETag})
	r.do(t, "one", 409, command{Do: "set", Key: "e", Value: "3", ETag: old.ETag})
	r.do(t, "one", 409, command{Do: "delete", Key: "e", ETag: old.ETag})
	if got := r.do(t, "one", 200, command{Do: "get", Key: "e"}); got.Value != "2" || got.ETag == old.ETag {
		t.Errorf("got %+v, want value 2 and another etag than %s", got, old.ETag)
	}
}

func (r running) bulk(t *testing.T) {
	r.do(t, "one", 200, command{Do: "set", Key: "b1", Value: "old"})
	set := r.do(t, "one", 200, command{Do: "bulk-set", Keys: []string{"b0", "b1", "b||2"}, Value: "new", First: true})
	if len(set.Failed) != 2 || !strings.Contains(set.Failed["b1"], "etag mismatch") || !strings.Contains(set.Failed["b||2"], "invalid key") {
		t.Errorf("bulk set: got failures %v, want b1 and b||2", set.Failed)
	}
	got := r.do(t, "one", 200, command{Do: "bulk-get", Keys: []string{"b1", "none", "b0"}})
	if !slices.Equal(got.Keys, []string{"old", "", "new"}) || len(got.Failed) != 1 || got.Failed["none"] == "" {
		t.Errorf("bulk get: got %+v, want old, nothing, new", got)
	}
	r.do(t, "one", 200, command{Do: "bulk-delete", Keys: []string{"b0", "b1", "none"}})
	r.do(t, "one", 404, command{Do: "get", Key: "b0"})
}

func (r running) expires(t *testing.T) {
	r.do(t, "one", 200, command{Do: "set", Key: "short", Value: "x", TTL: 1})
	r.do(t, "one", 200, command{Do: "set", Key: "kept", Value: "x", TTL: 3600})
	if got := r.do(t, "one", 200, command{Do: "get", Key: "kept"}).Metadata["ttlExpireTime"]; got == "" {
		t.Error("kept: got no ttlExpireTime")
	}
	r.do(t, "one", 200, command{Do: "set", Key: "kept", Value: "x", TTL: -1})
	if got := r.do(t, "one", 200, command{Do: "get", Key: "kept"}).Metadata["ttlExpireTime"]; got != "" {
		t.Errorf("kept: got ttlExpireTime %s, want none any more", got)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if status, _, err := send(t.Context(), "GET", r.api+"/v1.0/state/store/short", ""); err != nil || status == http.StatusNoContent {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("short is still there after a minute; it was to live a second")
		}
	}
	r.do(t, "one", 404, command{Do: "get", Key: "short"})
}

func (r running) query(t *testing.T, status int) {
	for i := range 5 {
		r.do(t, "one", 200, command{Do: "set", Key: fmt.Sprint("q", i), Value: fmt.Sprintf(`{"n":%d,"kind":"q"}`, i)})
	}
	r.do(t, "two", 200, command{Do: "set", Key: "q9", Value: `{"n":9,"kind":"q"}`})
	const query = `{"filter":{"AND":[{"EQ":{"kind":"q"}},{"GTE":{"n":1}}]},"sort":[{"key":"n","order":"DESC"}],"page":{"limit":3%s}}`
	got := r.do(t, "one", status, command{Do: "query", Query: fmt.Sprintf(query, "")})
	if status != http.StatusOK {
		return
	}
	if want := []string{"q4", "q3", "q2"}; !slices.Equal(got.Keys, want) || got.Next == "" {
		t.Errorf("first page: got %v, token %q, want %v and a token", got.Keys, got.Next, want)
	}
	got = r.do(t, "one", status, command{Do: "query", Query: fmt.Sprintf(query, `,"token":"`+got.Next+`"`)})
	if want := []string{"q1"}; !slices.Equal(got.Keys, want) {
		t.Errorf("second page: got %v, want %v", got.Keys, want)
	}
	r.do(t, "one", 400, command{Do: "query", Query: "{"})
}

// TestRedisGoesDownUnderLoad: while the server is away, requests fail with the reason and the host is not ready; when
// it is back, both mend by themselves, and every write that was acknowledged is there.
func TestRedisGoesDownUnderLoad(t *testing.T) {
	server := testserver.Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	r := run(t, "state.redis", map[string]string{"redisHost": server.Addr})
	var stopping atomic.Bool
	stop := func() { stopping.Store(true) }
	var sent, acknowledged, refused atomic.Int64
	var kept sync.Map
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	for w := range 4 {
		wg.Go(func() {
			for i := 0; !stopping.Load(); i++ {
				id := fmt.Sprintf("%d-%d", w, i)
				sent.Add(1)
				status, body, err := send(t.Context(), "POST", r.front+"/one/add?store=store", id)
				switch {
				case err == nil && status == http.StatusOK:
					acknowledged.Add(1)
					kept.Store("{c}log/"+id, true)
				case err == nil && status == http.StatusServiceUnavailable && strings.Contains(body, "unavailable"):
					refused.Add(1)
				default:
					t.Errorf("add: got %d %s, error %v, want 200, or 503 with the reason", status, body, err)
				}
			}
		})
	}
	until(t, "some writes", func() bool { return acknowledged.Load() > 20 })
	server.Stop()
	until(t, "refusals", func() bool { return refused.Load() > 4 })
	if status, body, err := send(t.Context(), "GET", r.api+"/readyz", ""); err != nil || status != 503 || !strings.Contains(body, "state store store") {
		t.Errorf("readyz while the server is away: got %d %s, error %v, want 503 that names the store", status, body, err)
	}
	server.Start()
	before := acknowledged.Load()
	until(t, "writes after the server is back", func() bool { return acknowledged.Load() > before+20 })
	until(t, "readiness", func() bool {
		status, _, err := send(t.Context(), "GET", r.api+"/readyz", "")
		return err == nil && status == http.StatusOK
	})
	stop()
	wg.Wait()
	r.checkCounters(t, int(acknowledged.Load()), int(sent.Load()))
	for _, key := range r.keys(t, "%7Bc%7Dlog/", true) {
		kept.Delete(key)
	}
	kept.Range(func(key, _ any) bool {
		t.Errorf("%s was acknowledged and is not there", key)
		return true
	})
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within a minute", what)
		}
	}
}
