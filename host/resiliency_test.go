package host_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

const flakyManifest = `---
apiVersion: mrt-wasm.dev/v1alpha1
kind: App
metadata: {name: flaky}
spec: {source: {wasm: guest.wasm}, instances: reuse, limits: {maxInstances: 1}}
` + memoryComponents + `---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: s}
spec: {pubsubname: pubsub, topic: events, routes: {default: /events}}
---
apiVersion: dapr.io/v1alpha1
kind: Resiliency
metadata: {name: res}
spec:
  policies:
    timeouts: {short: 300ms}
    retries:
      quick: {policy: constant, duration: 1ms, maxRetries: 3, matching: {httpStatusCodes: "500-599"}}
    circuitBreakers:
      cb: {timeout: 1h, trip: consecutiveFailures >= 8}
  targets:
    apps: {flaky: {retry: quick, circuitBreaker: cb, timeout: short}}
    components: {pubsub: {inbound: {retry: quick}}}
`

func flaky(t *testing.T) guests {
	t.Helper()
	return guests{"flaky": enginetest.Build(t, "./testdata/flaky")}
}

func TestInvocationsAreRetried(t *testing.T) {
	_, front, api := start(t, flakyManifest, flaky(t), io.Discard)
	invoke := func(path string) (int, string) {
		status, _, text := fetch(t, http.MethodPost, api+"/v1.0/invoke/flaky/method/flaky/"+path, "")
		return status, text
	}
	if status, text := invoke("fail/a/2"); status != 200 || text != "3" {
		t.Errorf("got %d %q; want 200 after 3 tries", status, text)
	}
	if status, text := invoke("fail/b/100"); status != 503 || !strings.Contains(text, "not yet") {
		t.Errorf("got %d %q; want the app's own last answer, 503", status, text)
	}
	if _, _, text := fetch(t, http.MethodGet, front+"/flaky/count/b", ""); text != "4" {
		t.Errorf("the app was called %s times; want one call and 3 retries", text)
	}
	start := time.Now()
	if status, text := invoke("sleep"); status != 500 || time.Since(start) > 4*time.Second {
		t.Errorf("got %d %q after %s; want a timeout long before the app answers", status, text, time.Since(start))
	}
	// The timeouts were failures too: with the four of b that is enough for the circuit breaker.
	status, text := invoke("fail/c/0")
	if status != 500 || !strings.Contains(text, "circuit breaker cb is open") {
		t.Errorf("got %d %q; want an open circuit breaker", status, text)
	}
	if _, _, text := fetch(t, http.MethodGet, front+"/flaky/count/c", ""); text != "0" {
		t.Errorf("the app was called %s times; want none: the circuit breaker is open", text)
	}
	_, _, metrics := fetch(t, http.MethodGet, api+"/metrics", "")
	for _, want := range []string{`mrt_resiliency_cb_state{`, `status="open"`, `mrt_resiliency_activations_total{`} {
		if !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

func TestDeliveriesAreRetriedInPlace(t *testing.T) {
	_, front, api := start(t, flakyManifest, flaky(t), io.Discard)
	if status, _, text := fetch(t, http.MethodPost, api+"/v1.0/publish/pubsub/events", url.QueryEscape("x")); status != 204 {
		t.Fatalf("publish: got %d %s", status, text)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, _, text := fetch(t, http.MethodGet, front+"/flaky/count/event", "")
		if text == "3" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the handler was called %s times; want 3: two failures and a success", text)
		}
	}
}
