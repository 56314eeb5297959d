package standard_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/mrt-wasm/mrt-wasm/components/internal/testserver"
)

// running is a manifest with every place that takes a credential. The words in capitals are replaced.
const runningManifest = `
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: one}
spec: {source: {wasm: guest.wasm}}
---
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: c}
spec:
  tracing:
    samplingRate: "1"
    otel: {protocol: http, endpointAddress: COLLECTOR, isSecure: false, headers: [OTEL1, OTEL2]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: vault}
spec: {type: secretstores.hashicorp.vault, version: v1, metadata: [{name: vaultAddr, value: VAULT}, TOKEN]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: statestore}
spec: {type: state.redis, version: v1, metadata: [{name: redisHost, value: 'REDIS'}, REDIS1]}
auth: {secretStore: vault}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: sealed}
spec: {type: state.redis, version: v1, metadata: [{name: redisHost, value: 'REDIS'}, REDIS2, ENCRYPTION]}
auth: {secretStore: vault}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: pubsub}
spec: {type: pubsub.redis, version: v1, metadata: [{name: redisHost, value: 'REDIS'}, REDIS3]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: stream}
spec: {type: pubsub.jetstream, version: v1, metadata: [NATS1]}
auth: {secretStore: vault}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: nats}
spec: {type: bindings.nats, version: v1, metadata: [{name: natsURL, value: 'NATSURL'}, {name: subject, value: s}, {name: username, value: shop}, NATS2]}
auth: {secretStore: vault}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: counters}
spec: {type: bindings.redis, version: v1, metadata: [{name: redisHost, value: 'REDIS'}, REDIS4]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: hook}
spec: {type: bindings.http, version: v1, metadata: [URL, {name: securityTokenHeader, value: X-Token}, HTTP]}
auth: {secretStore: vault}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: signed}
spec: {type: bindings.webhook, version: v1, metadata: [{name: path, value: /signed}, WEBHOOK]}
auth: {secretStore: vault}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: configstore}
spec: {type: configuration.redis, version: v1, metadata: [{name: redisHost, value: 'REDIS'}, REDIS5]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: lockstore}
spec: {type: lock.redis, version: v1, metadata: [{name: redisHost, value: 'REDIS'}, REDIS6]}
auth: {secretStore: vault}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: orders}
spec: {type: state.postgresql, version: v2, metadata: [PG1]}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: database}
spec: {type: bindings.postgresql, version: v1, metadata: [{name: connectionString, value: 'PGPLAIN'}, PG2]}
auth: {secretStore: vault}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: rabbit}
spec: {type: pubsub.rabbitmq, version: v1, metadata: [RABBIT1]}
auth: {secretStore: vault}
---
apiVersion: dapr.io/v1alpha1
kind: HTTPEndpoint
metadata: {name: payments}
spec: {baseUrl: UPSTREAM, headers: [HEADER1, HEADER2]}
auth: {secretStore: vault}
`

// stage is the servers of a running host.
type stage struct {
	redis    *testserver.RedisServer
	nats     *testserver.NATSServer
	vault    *testserver.VaultServer
	postgres *testserver.PostgresServer
	rabbit   *testserver.RabbitMQServer
	upstream *httptest.Server
	manifest string
	// hmac is the webhook's secret.
	hmac string
}

// stop ends all servers, so that everything fails from now on.
func (s *stage) stop() {
	s.redis.Stop()
	s.nats.Stop()
	s.vault.Stop()
	s.postgres.Stop()
	s.rabbit.Stop()
	s.upstream.Close()
}

func newStage(t *testing.T, l *leaks) *stage {
	t.Helper()
	redisPassword, natsPassword := l.plant("Redis password"), l.plant("NATS password")
	s := &stage{
		redis: testserver.Redis(t, "--requirepass", redisPassword),
		nats:  testserver.NATS(t, "--user", "shop", "--pass", natsPassword),
		vault: testserver.Vault(t), postgres: testserver.Postgres(t), rabbit: testserver.RabbitMQ(t),
		hmac: l.plant("secret of the webhook"),
	}
	l.know("PostgreSQL password", s.postgres.Password)
	l.know("RabbitMQ password", s.rabbit.Password)
	s.upstream = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Token") == "" && r.Header.Get("Authorization") == "" {
			t.Errorf("%s %s: the credential is missing", r.Method, r.URL.Path)
		}
		w.WriteHeader(http.StatusBadGateway)
	}))
	t.Cleanup(s.upstream.Close)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Key") == "" || r.Header.Get("X-Tenant") == "" {
			t.Error("the exporter has not sent its headers")
		}
		_, _ = io.Copy(l.from("traces"), r.Body)
		l.add("traces", "")
	}))
	t.Cleanup(collector.Close)

	token := l.plant("Vault token")
	if _, err := s.vault.Client().Auth().Token().Create(&api.TokenCreateRequest{ID: token, Policies: []string{"root"}}); err != nil {
		t.Fatal(err)
	}
	l.know("root token of Vault", s.vault.Token)
	put := func(how, name, value string) string {
		yaml, secret := field(t, how, name, value)
		if secret != "" {
			key := strings.SplitN(secret, `"`, 3)[1]
			if _, err := s.vault.Client().KVv2("secret").Put(t.Context(), "dapr/"+key, map[string]any{key: value}); err != nil {
				t.Fatal(err)
			}
		}
		return yaml
	}
	const value, env, ref = "value", "envRef", "secretKeyRef"
	natsAddr, upstream := strings.TrimPrefix(s.nats.URL, "nats://"), strings.TrimPrefix(s.upstream.URL, "http://")
	s.manifest = strings.NewReplacer(
		"COLLECTOR", strings.TrimPrefix(collector.URL, "http://"), "VAULT", s.vault.URL, "UPSTREAM", s.upstream.URL,
		"OTEL1", put(value, "X-Key", l.plant("header of the exporter")), "OTEL2", put(env, "X-Tenant", l.plant("header of the exporter")),
		"TOKEN", put(env, "vaultToken", token),
		"REDIS1", put(ref, "redisPassword", redisPassword), "REDIS2", put(env, "redisPassword", redisPassword),
		"REDIS3", put(value, "redisPassword", redisPassword), "REDIS4", put(env, "redisPassword", redisPassword),
		"REDIS5", put(value, "redisPassword", redisPassword), "REDIS6", put(ref, "redisPassword", redisPassword), "'REDIS'", "'"+s.redis.Addr+"'",
		"PG1", put(env, "connectionString", s.postgres.DSN()), "PG2", put(ref, "password", s.postgres.Password),
		"PGPLAIN", strings.Replace(s.postgres.DSN(), "password="+s.postgres.Password, "", 1), "RABBIT1", put(ref, "connectionString", s.rabbit.URL()),
		"ENCRYPTION", put(ref, "primaryEncryptionKey", l.plant("encryption key")),
		"NATS1", put(ref, "natsURL", "nats://shop:"+natsPassword+"@"+natsAddr), "NATS2", put(ref, "password", natsPassword), "NATSURL", s.nats.URL,
		"{name: path, value: /signed}, WEBHOOK", "{name: path, value: /signed}, "+put(ref, "secret", s.hmac),
		"[URL,", "["+put(value, "url", "http://shop:"+l.plant("password in a URL")+"@"+upstream+"/path?key="+l.plant("key in a URL"))+",",
		"HTTP]", put(env, "securityToken", l.plant("token of bindings.http"))+"]",
		"HEADER1", put(ref, "Authorization", l.plant("header of an endpoint")), "HEADER2", put(value, "X-Key", l.plant("header of an endpoint")),
	).Replace(runningManifest)
	return s
}

// TestCredentialsOfWhatRuns: calls that succeed, calls that are refused, and calls of servers that are gone show nobody
// the credentials of what they went through: neither in answers nor in logs, traces, metrics and metadata.
func TestCredentialsOfWhatRuns(t *testing.T) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_SAMPLER"} {
		t.Setenv(name, "")
	}
	l := newLeaks()
	s := newStage(t, l)
	p, err := launch(t, l, s.manifest, nil)
	if err != nil {
		t.Fatal(err)
	}
	front, api := p.h.Addrs()
	header := l.plant("header of a request of bindings.http")
	calls := []struct {
		call string
		want int // while the servers run
	}{
		{`POST /v1.0/state/statestore [{"key":"k","value":1}]`, 204},
		{"GET /v1.0/state/statestore/k", 200},
		{`POST /v1.0/state/sealed [{"key":"k","value":1}]`, 204},
		{"GET /v1.0/state/sealed/k", 200},
		{`POST /v1.0/state/orders [{"key":"k","value":1}]`, 204},
		{"GET /v1.0/state/orders/k", 200},
		{`POST /v1.0/bindings/database {"operation":"query","metadata":{"sql":"SELECT 1"}}`, 200},
		{`POST /v1.0/bindings/database {"operation":"query","metadata":{"sql":"SELECT none"}}`, 500},
		{"POST /v1.0/publish/rabbit/t {}", 204},
		{"POST /v1.0/publish/pubsub/t {}", 204},
		{"POST /v1.0/publish/stream/t {}", 204},
		{`POST /v1.0/bindings/nats {"operation":"create","data":"x"}`, 204},
		{`POST /v1.0/bindings/counters {"operation":"create","data":"x","metadata":{"key":"k"}}`, 204},
		{`POST /v1.0/bindings/counters {"operation":"none"}`, 500},
		{`POST /v1.0/bindings/hook {"operation":"get","metadata":{"X-Other":"` + header + `"}}`, 500},
		{`POST /v1.0/bindings/hook {"operation":"get","metadata":{"path":"../x"}}`, 500},
		{"GET /v1.0/configuration/configstore?key=absent", 204},
		{`POST /v1.0-alpha1/lock/lockstore {"resourceId":"r","lockOwner":"o","expiryInSeconds":3600}`, 200},
		{`POST /v1.0-alpha1/unlock/lockstore {"resourceId":"r","lockOwner":"o"}`, 200},
		{"GET /v1.0/secrets/vault/none", 500},
		{"POST /v1.0/invoke/payments/method/pay {}", 502},
	}
	drive := func(up bool) {
		for _, c := range calls {
			// The call itself has the header.
			shown := strings.ReplaceAll(c.call, header, "...")
			if got := p.sendAs(t, shown, api, c.call, nil); up && got != c.want {
				t.Errorf("%s: got %d, want %d", shown, got, c.want)
			}
		}
		mac := hmac.New(sha256.New, []byte(s.hmac))
		mac.Write([]byte("{}"))
		for signature, want := range map[string]int{"sha256=" + hex.EncodeToString(mac.Sum(nil)): 503, "sha256=00": 401, s.hmac: 401} {
			if got := p.send(t, front, "POST /signed {}", map[string]string{"X-Hub-Signature-256": signature}); got != want {
				t.Errorf("webhook: got %d, want %d", got, want)
			}
		}
		for _, store := range []string{"statestore", "sealed"} {
			for _, do := range []string{"set", "get", "query"} {
				p.send(t, front, fmt.Sprintf(`POST /one/state {"Do":%q,"Store":%q,"Key":"k","Value":"1","Query":"{}"}`, do, store), nil)
			}
		}
		p.facts(t)
		wrong := p
		wrong.token = l.plant("API token of a caller")
		if got := wrong.call(t, "GET /v1.0/state/statestore/k"); got != http.StatusUnauthorized {
			t.Errorf("a wrong API token: got %d, want 401", got)
		}
	}
	drive(true)
	s.stop()
	drive(false)
	p.stop(t)
	l.check(t, "log", "API", "traces")
}
