package telemetry

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
)

const sampleParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestLoggerAddsTheTrace(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, slog.LevelInfo, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx := Extract(t.Context(), func(k string) string { return map[string]string{"traceparent": sampleParent}[k] })
	log.With("app", "orders").InfoContext(ctx, "hello", "n", 1)
	log.DebugContext(ctx, "not kept")
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("a buffer is no terminal, so want one line of JSON, got %s: %v", out.String(), err)
	}
	for key, want := range map[string]any{
		"msg": "hello", "level": "INFO", "app": "orders", "n": 1.0,
		"trace_id": "0af7651916cd43dd8448eb211c80319c", "span_id": "b7ad6b7169203331",
	} {
		if line[key] != want {
			t.Errorf("%s: got %v, want %v", key, line[key], want)
		}
	}
	out.Reset()
	log.InfoContext(ctx, "a guest's", "trace_id", TraceID(ctx))
	if got := strings.Count(out.String(), "trace_id"); got != 1 {
		t.Errorf("a line that comes with its trace: got %s, want one trace_id", out.String())
	}
}

func TestLoggerFormats(t *testing.T) {
	var out bytes.Buffer
	log, err := NewLogger(&out, slog.LevelDebug, LogPretty)
	if err != nil {
		t.Fatal(err)
	}
	log.Debug("hello", "app", "orders")
	if got := out.String(); !strings.Contains(got, "DBG hello app=orders") || strings.Contains(got, "\x1b") {
		t.Errorf("pretty without a terminal: got %q, want DBG hello app=orders without colours", got)
	}
	if _, err := NewLogger(&out, slog.LevelInfo, "xml"); err == nil || !strings.Contains(err.Error(), `found "xml"`) {
		t.Errorf("format xml: got %v, want an error that names it", err)
	}
}

func TestParseLevel(t *testing.T) {
	for in, want := range map[string]slog.Level{"debug": slog.LevelDebug, "INFO": slog.LevelInfo, "": slog.LevelInfo, "Warn": slog.LevelWarn, "error": slog.LevelError} {
		if got, err := ParseLevel(in); err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", in, got, err, want)
		}
	}
	if _, err := ParseLevel("loud"); err == nil {
		t.Error("loud: got no error")
	}
}

func TestInjectAndExtract(t *testing.T) {
	in := map[string]string{"traceparent": sampleParent, "tracestate": "vendor=1", "baggage": "user=7"}
	out := map[string]string{}
	Inject(Extract(t.Context(), func(k string) string { return in[k] }), func(k, v string) { out[k] = v })
	for k, v := range in {
		if out[k] != v {
			t.Errorf("%s: got %q, want %q", k, out[k], v)
		}
	}
	for _, bad := range []string{"", "x", "00-0-0-0", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", strings.Repeat("0", 10000)} {
		if got := TraceID(Extract(t.Context(), func(string) string { return bad })); got != "" {
			t.Errorf("traceparent %.60q: got trace %s, want none", bad, got)
		}
	}
}

func TestRootGivesATrace(t *testing.T) {
	var none *Telemetry
	ctx := none.Root(t.Context())
	if id := TraceID(ctx); len(id) != 32 {
		t.Fatalf("got trace id %q, want 32 digits", id)
	}
	if again := none.Root(ctx); TraceID(again) != TraceID(ctx) {
		t.Error("Root changed the trace of a context that has one")
	}
	if p := Traceparent(ctx); !strings.HasSuffix(p, "-00") {
		t.Errorf("traceparent: got %q, want one that is not sampled", p)
	}
	quiet(t)
	_, addr := grpcReceiver(t)
	tel := start(t, Config{Tracing: Tracing{SamplingRate: "1", OTLP: OTLP{Endpoint: addr, Protocol: "grpc", Insecure: true}}})
	root := tel.Root(t.Context())
	inner := tel.Spans().Bind(frontOp).Begin(root)
	if TraceID(root) == "" || TraceID(root) != TraceID(inner) || !strings.HasSuffix(Traceparent(inner), "-01") {
		t.Errorf("trace of the root %q, of its first span %q (%s); want the same, sampled", TraceID(root), TraceID(inner), Traceparent(inner))
	}
}
