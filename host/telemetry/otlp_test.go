package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// receiver is an OTLP receiver, over gRPC and HTTP.
type receiver struct {
	collectorpb.UnimplementedTraceServiceServer
	mu      sync.Mutex
	spans   []received
	headers http.Header
}

type received struct {
	service string
	*tracepb.Span
}

// Export takes spans over gRPC.
func (c *receiver) Export(_ context.Context, req *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range req.GetResourceSpans() {
		service := ""
		for _, a := range rs.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				c.spans = append(c.spans, received{service, s})
			}
		}
	}
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

// ServeHTTP takes spans over HTTP.
func (c *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "not OTLP", http.StatusNotFound)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	var req collectorpb.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	c.headers = r.Header.Clone()
	c.mu.Unlock()
	_, _ = c.Export(r.Context(), &req)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// byName gives the spans by service and name.
func (c *receiver) byName() map[string]*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]*tracepb.Span{}
	for _, s := range c.spans {
		out[s.service+": "+s.GetName()] = s.Span
	}
	return out
}

func grpcReceiver(t *testing.T) (*receiver, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &receiver{}
	srv := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(srv, c)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-done; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("receiver: %v", err)
		}
	})
	return c, l.Addr().String()
}

// quiet takes the environment's own settings away.
func quiet(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"OTEL_SDK_DISABLED", "OTEL_SERVICE_NAME", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_EXPORTER", "OTEL_TRACES_SAMPLER",
		"OTEL_TRACES_SAMPLER_ARG", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
		"OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_INSECURE", "OTEL_EXPORTER_OTLP_HEADERS",
	} {
		t.Setenv(name, "")
	}
}

func start(t *testing.T, cfg Config) *Telemetry {
	t.Helper()
	tel, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.WithoutCancel(t.Context())) })
	return tel
}

var (
	frontOp  = chain.Op{Direction: chain.Inbound, Block: "http", Name: "handle", Target: "orders"}
	invokeOp = chain.Op{Direction: chain.Invoke, Block: "invoke", Name: "invoke", Target: "inventory", App: "orders"}
	stateOp  = chain.Op{Direction: chain.Outbound, Block: "state", Name: "get", Target: "store", Type: "state.in-memory", App: "inventory"}
)

// nest makes a front door request that invokes an app that reads state, which fails with err.
func nest(ctx context.Context, tel *Telemetry, err error) {
	c := chain.New(tel.Observers(), nil)
	front, invoke, state := c.Point(frontOp), c.Point(invokeOp), c.Point(stateOp)
	read := func(context.Context, string) (string, error) { return "", err }
	call := func(ctx context.Context, key string) (string, error) { return chain.Do(ctx, state, read, key) }
	_, _ = chain.Do(ctx, front, func(ctx context.Context, key string) (string, error) {
		_, err := chain.Do(ctx, invoke, call, key)
		HTTPStatus(ctx, "GET", "/orders/1", 500)
		return "", err
	}, "k")
}

func checkNest(t *testing.T, spans map[string]*tracepb.Span) {
	t.Helper()
	front, invoke, state := spans["orders: http/handle"], spans["inventory: invoke/invoke"], spans["inventory: state/get"]
	if front == nil || invoke == nil || state == nil {
		t.Fatalf("got spans %v, want orders: http/handle, inventory: invoke/invoke, inventory: state/get", slices.Collect(maps.Keys(spans)))
	}
	if !bytes.Equal(invoke.GetParentSpanId(), front.GetSpanId()) || !bytes.Equal(state.GetParentSpanId(), invoke.GetSpanId()) {
		t.Error("spans are not nested: want http > invoke > state")
	}
	if !bytes.Equal(front.GetTraceId(), state.GetTraceId()) {
		t.Error("spans are of different traces, want one")
	}
	if got := front.GetKind(); got != tracepb.Span_SPAN_KIND_SERVER {
		t.Errorf("kind of the front door's span: got %v, want server", got)
	}
	if got := state.GetKind(); got != tracepb.Span_SPAN_KIND_CLIENT {
		t.Errorf("kind of the state span: got %v, want client", got)
	}
	if got := state.GetStatus().GetCode(); got != tracepb.Status_STATUS_CODE_ERROR {
		t.Errorf("status of the failed state span: got %v, want error", got)
	}
	attrs := map[string]string{}
	for _, a := range state.GetAttributes() {
		attrs[a.GetKey()] = a.GetValue().GetStringValue()
	}
	if attrs["mrt.target"] != "store" || attrs["mrt.component.type"] != "state.in-memory" || attrs["mrt.trap"] != "guest" {
		t.Errorf("attributes of the state span: got %v", attrs)
	}
}

func TestOTLPOverGRPCFromEnvironment(t *testing.T) {
	quiet(t)
	c, addr := grpcReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+addr)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	tel := start(t, Config{})
	nest(tel.Root(t.Context()), tel, &abi.Trap{Kind: abi.TrapGuest, Reason: "unreachable"})
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	checkNest(t, c.byName())
	if got := c.byName()["orders: http/handle"].GetParentSpanId(); len(got) != 0 {
		t.Errorf("the root span has parent %x, want none", got)
	}
}

func TestOTLPOverHTTPFromConfiguration(t *testing.T) {
	quiet(t)
	c := &receiver{}
	srv := httptest.NewServer(c)
	defer srv.Close()
	tel := start(t, Config{Tracing: Tracing{SamplingRate: "1", OTLP: OTLP{
		Endpoint: strings.TrimPrefix(srv.URL, "http://"), Protocol: "http", Insecure: true, Headers: map[string]string{"x-key": "secret"},
	}}})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx := Extract(t.Context(), func(k string) string { return map[string]string{"traceparent": parent}[k] })
	nest(tel.Root(ctx), tel, &abi.Trap{Kind: abi.TrapGuest, Reason: "unreachable"})
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	spans := c.byName()
	checkNest(t, spans)
	if got := spans["orders: http/handle"]; !strings.Contains(parent, hexOf(got.GetTraceId())) || !strings.Contains(parent, hexOf(got.GetParentSpanId())) {
		t.Errorf("the span continues trace %x span %x, want %s", got.GetTraceId(), got.GetParentSpanId(), parent)
	}
	if got := c.headers.Get("X-Key"); got != "secret" {
		t.Errorf("header x-key: got %q, want secret", got)
	}
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	var s strings.Builder
	for _, c := range b {
		s.WriteByte(digits[c>>4])
		s.WriteByte(digits[c&15])
	}
	return s.String()
}

func TestServiceNameOfTheEnvironmentIsForAll(t *testing.T) {
	quiet(t)
	c, addr := grpcReceiver(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"+addr)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv("OTEL_SERVICE_NAME", "shop")
	tel := start(t, Config{})
	nest(t.Context(), tel, nil) // without Root, the first call of the chain begins the trace
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if spans := c.byName(); spans["shop: http/handle"] == nil || spans["shop: state/get"] == nil {
		t.Errorf("got %v, want all spans of service shop", slices.Collect(maps.Keys(spans)))
	}
}

func TestStdoutExporter(t *testing.T) {
	quiet(t)
	var out bytes.Buffer
	tel := start(t, Config{Stdout: &out, Tracing: Tracing{Stdout: true, SamplingRate: "1"}})
	nest(t.Context(), tel, nil)
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, `"http/handle"`) || !strings.Contains(got, `"state/get"`) {
		t.Errorf("got %s, want the spans http/handle and state/get", got)
	}
}

func TestCollectorThatDoesNotAnswerIsLoggedOnce(t *testing.T) {
	quiet(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no", http.StatusBadRequest)
	}))
	defer srv.Close()
	var lines lockedBuffer
	tel := start(t, Config{
		Log:     slog.New(slog.NewTextHandler(&lines, nil)),
		Tracing: Tracing{SamplingRate: "1", OTLP: OTLP{Endpoint: srv.URL, Protocol: "http", TimeoutMs: 2000}},
	})
	e := tel.processor[0].(interface{ ForceFlush(context.Context) error })
	for range 3 {
		nest(t.Context(), tel, nil)
		if err := e.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(lines.String(), "cannot be exported"); got != 1 {
		t.Errorf("got %d lines about the outage, want 1:\n%s", got, lines.String())
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String gives what was written.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestSettingsThatAreNotValid(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		cfg  Tracing
		want string
	}{
		"protocol of the environment": {env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, want: `expected grpc or http/protobuf, found "http/json"`},
		"exporter":                    {env: map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"}, want: `expected otlp or none, found "zipkin"`},
		"sampler":                     {env: map[string]string{"OTEL_TRACES_SAMPLER": "often"}, want: `found "often"`},
		"sampler's argument":          {env: map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, want: `expected a number from 0 to 1, found "2"`},
		"protocol of the resource":    {cfg: Tracing{OTLP: OTLP{Endpoint: "x:1", Protocol: "udp"}}, want: `spec.tracing.otel.protocol: expected grpc or http, found "udp"`},
	} {
		t.Run(name, func(t *testing.T) {
			quiet(t)
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			_, err := New(t.Context(), Config{Tracing: c.cfg})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestEnvironmentTurnsExportOff(t *testing.T) {
	for _, name := range []string{"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"} {
		t.Run(name, func(t *testing.T) {
			quiet(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
			t.Setenv(name, map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "none"}[name])
			if tel := start(t, Config{}); tel.exports() {
				t.Error("got an exporter, want none")
			}
		})
	}
}
