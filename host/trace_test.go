package host_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// receiver is an OTLP receiver over HTTP.
type receiver struct {
	mu    sync.Mutex
	spans []span
}

type span struct {
	service string
	*tracepb.Span
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	var req collectorpb.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &req)
	}
	if err != nil || q.URL.Path != "/v1/traces" {
		http.Error(w, fmt.Sprintf("%s: %v", q.URL.Path, err), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		service := ""
		for _, a := range rs.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				r.spans = append(r.spans, span{service, s})
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// tree gives the spans of a trace under one parent, in the order of their start, as "service name" with one indent a
// level.
func (r *receiver) tree(trace, parent, indent string) []string {
	r.mu.Lock()
	spans := slices.Clone(r.spans)
	r.mu.Unlock()
	slices.SortFunc(spans, func(a, b span) int { return int(a.GetStartTimeUnixNano()) - int(b.GetStartTimeUnixNano()) })
	var out []string
	for _, s := range spans {
		if hex.EncodeToString(s.GetTraceId()) == trace && hex.EncodeToString(s.GetParentSpanId()) == parent {
			out = append(out, indent+s.service+" "+s.GetName())
			out = append(out, r.tree(trace, hex.EncodeToString(s.GetSpanId()), indent+"  ")...)
		}
	}
	return out
}

// relays are three apps of one guest: one calls second, which publishes to third.
func relays(rest string) string {
	return app("one", "maxInstances: 4") + app("second", "maxInstances: 2") + app("third", "maxInstances: 2") + `---
apiVersion: dapr.io/v2alpha1
kind: Subscription
metadata: {name: steps}
spec: {pubsubname: pubsub, topic: steps, routes: {default: /step}}
scopes: [third]
` + rest
}

func relayGuests(t *testing.T) guests {
	wasm := enginetest.Build(t, "testdata/relay")
	return guests{"one": wasm, "second": wasm, "third": wasm}
}

// TestOneTraceThroughEverything: the spans of a request that goes from the front door, or from the API, over an
// invocation and a topic are one trace, each the child of what caused it; the caller's traceparent is the root's parent.
func TestOneTraceThroughEverything(t *testing.T) {
	for _, name := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_SAMPLER", "OTEL_SERVICE_NAME"} {
		t.Setenv(name, "")
	}
	var collector receiver
	server := httptest.NewServer(&collector)
	defer server.Close()
	configuration := fmt.Sprintf(`---
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata: {name: c}
spec: {tracing: {samplingRate: "0", otel: {protocol: http, endpointAddress: %q, isSecure: false}}}
`, strings.TrimPrefix(server.URL, "http://"))
	var log lines
	h, front, api := start(t, relays(configuration+memoryComponents), relayGuests(t), &log)

	delivered := []string{"third pubsub/handle", "  third state/set"}
	published := append([]string{"second pubsub/publish"}, indent(delivered)...)
	tests := []struct {
		name, trace, url, body string
		want                   []string
	}{
		{
			"front door", "0af7651916cd43dd8448eb211c80319a", front + "/one/chain", "f",
			append([]string{"one http/handle", "  one state/set", "  second invoke/invoke"}, indent(indent(published))...),
		},
		{
			"API invoke", "0af7651916cd43dd8448eb211c80319b", api + "/v1.0/invoke/second/method/publish", `"i"`,
			append([]string{"mrt-wasm api//v1.0/invoke/", "  second invoke/invoke"}, indent(indent(published))...),
		},
		{
			"API publish", "0af7651916cd43dd8448eb211c80319c", api + "/v1.0/publish/pubsub/steps", `"p"`,
			append([]string{"mrt-wasm api/POST /v1.0/publish/{pubsub}/{topic...}", "  mrt-wasm pubsub/publish"}, indent(indent(delivered))...),
		},
	}
	const parent = "b7ad6b7169203331"
	for _, tt := range tests {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, tt.url, strings.NewReader(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Traceparent", "00-"+tt.trace+"-"+parent+"-01")
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		got := resp.Header.Get("Traceparent")
		if resp.StatusCode >= 300 || !strings.HasPrefix(got, "00-"+tt.trace+"-") || strings.Contains(got, parent) {
			t.Errorf("%s: got %d, Traceparent %s, want success and a span of our own in trace %s", tt.name, resp.StatusCode, got, tt.trace)
		}
		awaitDone(t, api, strings.Trim(tt.body, `"`))
		if want := `"trace_id":"` + tt.trace + `"`; !strings.Contains(log.String(), want) {
			t.Errorf("%s: the subscriber's log line lacks %s:\n%s", tt.name, want, log.String())
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := h.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		if got := collector.tree(tt.trace, parent, ""); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

func indent(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = "  " + l
	}
	return out
}

// awaitDone waits until third's subscriber has handled a step.
func awaitDone(t *testing.T, api, id string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api+"/v1.0/state/statestore/done%2F"+id, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Dapr-Caller-App-Id", "third")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("step %s was not delivered: the state of third has %d for it", id, resp.StatusCode)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
