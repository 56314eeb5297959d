package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exporters makes what the environment and the configuration ask for, and tells whether OTLP came from the
// environment.
func exporters(ctx context.Context, cfg Config) (out []sdktrace.SpanExporter, fromEnv bool, err error) {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") {
		return nil, false, nil
	}
	endpoint, fromEnv, err := environment()
	if err != nil {
		return nil, false, err
	}
	switch {
	case fromEnv:
		e, err := envExporter(ctx, endpoint)
		if err != nil {
			return nil, false, err
		}
		out = append(out, e)
	case cfg.Tracing.OTLP.Endpoint != "":
		e, err := otlpExporter(ctx, cfg.Tracing.OTLP)
		if err != nil {
			return nil, false, err
		}
		out = append(out, e)
	}
	if cfg.Tracing.Stdout {
		e, err := stdouttrace.New(stdouttrace.WithWriter(cfg.Stdout))
		if err != nil {
			return nil, false, fmt.Errorf("spec.tracing.stdout: %w", err)
		}
		out = append(out, e)
	}
	return out, fromEnv, nil
}

// environment gives the OTLP endpoint of the environment, if there is one and OTEL_TRACES_EXPORTER does not turn it off.
func environment() (endpoint string, ok bool, err error) {
	switch e := os.Getenv("OTEL_TRACES_EXPORTER"); e {
	case "", "otlp":
	case "none":
		return "", false, nil
	default:
		return "", false, fmt.Errorf("OTEL_TRACES_EXPORTER: expected otlp or none, found %q", e)
	}
	endpoint = firstEnv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	return endpoint, endpoint != "", nil
}

// envExporter leaves all OTEL_EXPORTER_OTLP_* variables to OpenTelemetry, except the protocol, which chooses the
// exporter. Without one, port 4317 means gRPC, since that is its registered port, and anything else HTTP.
func envExporter(ctx context.Context, endpoint string) (sdktrace.SpanExporter, error) {
	protocol := firstEnv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
	if protocol == "" {
		protocol = "http/protobuf"
		if u, err := url.Parse(endpoint); err == nil && u.Port() == "4317" {
			protocol = "grpc"
		}
	}
	switch protocol {
	case "grpc":
		return otlptracegrpc.New(ctx)
	case "http/protobuf":
		return otlptracehttp.New(ctx)
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL: expected grpc or http/protobuf, found %q", protocol)
	}
}

// otlpExporter makes the exporter of spec.tracing.otel.
func otlpExporter(ctx context.Context, o OTLP) (sdktrace.SpanExporter, error) {
	timeout := time.Duration(o.TimeoutMs) * time.Millisecond
	if timeout <= 0 {
		timeout = 10 * time.Second
	}
	switch o.Protocol {
	case "grpc":
		opts := []otlptracegrpc.Option{
			otlptracegrpc.WithEndpoint(o.Endpoint), otlptracegrpc.WithTimeout(timeout), otlptracegrpc.WithHeaders(o.Headers),
		}
		if o.Insecure {
			opts = append(opts, otlptracegrpc.WithInsecure())
		}
		return otlptracegrpc.New(ctx, opts...)
	case "http":
		opts := []otlptracehttp.Option{otlptracehttp.WithTimeout(timeout), otlptracehttp.WithHeaders(o.Headers)}
		if strings.Contains(o.Endpoint, "://") {
			opts = append(opts, otlptracehttp.WithEndpointURL(o.Endpoint))
		} else {
			opts = append(opts, otlptracehttp.WithEndpoint(o.Endpoint))
		}
		if o.Insecure {
			opts = append(opts, otlptracehttp.WithInsecure())
		}
		return otlptracehttp.New(ctx, opts...)
	default:
		return nil, fmt.Errorf("spec.tracing.otel.protocol: expected grpc or http, found %q", o.Protocol)
	}
}

func firstEnv(names ...string) string {
	for _, n := range names {
		if v := os.Getenv(n); v != "" {
			return v
		}
	}
	return ""
}

// loggedExporter writes the errors of an exporter to our log, and not through OpenTelemetry's global handler. An
// outage of the collector is logged once, and once more when it is over.
type loggedExporter struct {
	sdktrace.SpanExporter
	log *slog.Logger

	mu   sync.Mutex
	lost int // spans since the outage began
}

// ExportSpans never fails: what could not be sent is counted and dropped.
func (e *loggedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err != nil:
		if e.lost == 0 {
			e.log.Warn("trace spans cannot be exported and are dropped until the collector answers", "error", err)
		}
		e.lost += len(spans)
	case e.lost > 0:
		e.log.Info("trace spans are exported again", "lost", e.lost)
		e.lost = 0
	}
	return nil
}
