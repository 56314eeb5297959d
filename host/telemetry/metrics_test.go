package telemetry

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// scrape gives the text of /metrics.
func scrape(t *testing.T, tel *Telemetry) string {
	t.Helper()
	rec := httptest.NewRecorder()
	tel.Handler().ServeHTTP(rec, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(rec.Body)
	if err != nil || rec.Code != 200 {
		t.Fatalf("/metrics: %d, %v: %s", rec.Code, err, body)
	}
	return string(body)
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains(text, l) {
			t.Errorf("/metrics lacks %s", l)
		}
	}
	if t.Failed() {
		for l := range strings.Lines(text) {
			if strings.HasPrefix(l, "mrt_") && !strings.Contains(l, "_bucket") {
				t.Log(strings.TrimSpace(l))
			}
		}
	}
}

func TestMetricsOfCalls(t *testing.T) {
	quiet(t)
	tel := start(t, Config{})
	c := chain.New(tel.Observers(), nil)
	do := func(op chain.Op, err error) {
		_, _ = chain.Do(t.Context(), c.Point(op), func(context.Context, int) (int, error) { return 0, err }, 0)
	}
	failed := errors.New("no")
	do(stateOp, nil)
	do(stateOp, nil)
	do(stateOp, failed)
	do(chain.Op{Direction: chain.Outbound, Block: "pubsub", Name: "publish", Target: "bus", Type: "pubsub.redis", App: "orders"}, nil)
	do(chain.Op{Direction: chain.Outbound, Block: "pubsub", Name: "bulk-publish", Target: "bus", Type: "pubsub.redis", App: "orders"}, nil)
	do(chain.Op{Direction: chain.Inbound, Block: "pubsub", Name: "handle", Target: "bus", Type: "pubsub.redis", App: "notifier"}, nil)
	do(chain.Op{Direction: chain.Inbound, Block: "cron", Name: "tick", Target: "notifier"}, nil)
	do(invokeOp, nil)
	do(invokeOp, &abi.Trap{Kind: abi.TrapTimeout, Reason: "too slow"})
	do(chain.Op{Direction: chain.Outbound, Block: "binding", Name: "create", Target: "mail", App: "orders"}, nil)
	do(chain.Op{Direction: chain.Outbound, Block: "http", Name: "send", Target: "https://api.example.com", App: "orders"}, failed)
	do(frontOp, nil)
	text := scrape(t, tel)
	wantLines(t, text,
		`mrt_component_state_count{app_id="inventory",component="store",operation="get",success="true",type="state.in-memory"} 2`,
		`mrt_component_state_count{app_id="inventory",component="store",operation="get",success="false",type="state.in-memory"} 1`,
		`mrt_component_state_latencies_count{app_id="inventory",component="store",operation="get",success="true",type="state.in-memory"} 2`,
		`mrt_component_pubsub_egress_count{app_id="orders",component="bus",operation="publish",success="true",type="pubsub.redis"} 1`,
		`mrt_component_pubsub_egress_bulk_count{app_id="orders",component="bus",operation="bulk-publish",success="true",type="pubsub.redis"} 1`,
		`mrt_component_pubsub_ingress_count{app_id="notifier",component="bus",operation="handle",success="true",type="pubsub.redis"} 1`,
		`mrt_component_cron_count{app_id="notifier",component="",operation="tick",success="true",type=""} 1`,
		`mrt_component_output_binding_count{app_id="orders",component="mail",operation="create",success="true",type=""} 1`,
		`mrt_runtime_service_invocation_req_sent_total{app_id="orders",dst_app_id="inventory",type=""} 2`,
		`mrt_runtime_service_invocation_req_recv_total{app_id="inventory",src_app_id="orders",type=""} 2`,
		`mrt_runtime_service_invocation_res_recv_total{app_id="orders",src_app_id="inventory",success="false",type=""} 1`,
		`mrt_runtime_service_invocation_res_sent_total{app_id="inventory",dst_app_id="orders",success="true",type=""} 1`,
		`mrt_runtime_service_invocation_res_recv_latency_ms_count{app_id="orders",src_app_id="inventory",success="true",type=""} 1`,
		`mrt_runtime_app_traps_total{app_id="inventory",kind="timeout"} 1`,
		`mrt_http_client_completed_count{app_id="orders",host="https://api.example.com",success="false"} 1`,
		`go_goroutines `, `process_start_time_seconds `)
	if strings.Contains(text, "mrt_component_http") {
		t.Error("/metrics counts front door requests as a component's; the HTTP server counts them")
	}
}

func TestMetricsOfHTTPServers(t *testing.T) {
	quiet(t)
	tel := start(t, Config{})
	r := tel.HTTPRoute("orders", "/orders/...")
	r.Observe("POST", 201, 10, 20, 3*time.Millisecond)
	r.Observe("POST", 201, 10, 20, 3*time.Millisecond)
	r.Observe("BREW", 405, -1, 0, time.Millisecond)
	r.Observe("STEEP", 405, -1, 0, time.Millisecond)
	wantLines(t, scrape(t, tel),
		`mrt_http_server_request_count{app_id="orders",method="POST",path="/orders/...",status="201"} 2`,
		`mrt_http_server_response_bytes{app_id="orders",method="POST",path="/orders/...",status="201"} 40`,
		`mrt_http_server_request_bytes{app_id="orders",method="POST",path="/orders/...",status="201"} 20`,
		`mrt_http_server_request_count{app_id="orders",method="OTHER",path="/orders/...",status="405"} 2`,
		`mrt_http_server_latency_sum{app_id="orders",method="POST",path="/orders/...",status="201"} 6`)
	if got := testing.AllocsPerRun(100, func() { r.Observe("POST", 201, 10, 20, time.Millisecond) }); got > 1 {
		t.Errorf("counting a request: got %v allocations, want at most 1 (the map's key)", got)
	}
	var none *Telemetry
	none.HTTPRoute("orders", "/").Observe("GET", 200, 0, 0, 0)
}

func TestCollect(t *testing.T) {
	quiet(t)
	tel := start(t, Config{})
	n := 0.0
	err := tel.Collect(func(emit func(Sample)) {
		n++
		emit(Sample{Name: "instances", Help: "Instances of an app.", Labels: [][2]string{{"app_id", "orders"}, {"state", "busy"}}, Value: n})
		emit(Sample{Name: "compiled_total", Help: "Compilations.", Counter: true, Value: 7})
	})
	if err != nil {
		t.Fatal(err)
	}
	scrape(t, tel)
	wantLines(t, scrape(t, tel), `mrt_instances{app_id="orders",state="busy"} 2`, `mrt_compiled_total 7`, "# TYPE mrt_compiled_total counter")
}
