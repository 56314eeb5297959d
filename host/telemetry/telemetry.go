// Package telemetry sets up what an operator sees of a host: traces (OpenTelemetry, W3C trace context), metrics
// (Prometheus, Dapr's names with the prefix mrt_) and logs (log/slog). It gives observers for the call chain, so
// that building blocks contain none of it, and a few functions to carry trace context over messages and requests.
//
// It sets no global of OpenTelemetry: two hosts may run in one process.
package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Scope is the instrumentation scope of all spans.
const Scope = "github.com/mrt-wasm/mrt-wasm"

// Config says what to set up. The zero value traces nothing and still keeps trace context and metrics.
type Config struct {
	// Service is the host's own name: the service of spans that belong to no app, and the app_id of its metrics.
	// Empty means "mrt-wasm". OTEL_SERVICE_NAME overrides it, and then the spans of all apps have that service.
	Service string
	// Version is the host's version.
	Version string
	// Tracing is spec.tracing of the Configuration resource.
	Tracing Tracing
	// Stdout is where Tracing.Stdout writes spans; nil means os.Stdout.
	Stdout io.Writer
	// Log gets the errors of exporters; nil drops them.
	Log *slog.Logger
}

// Tracing is Dapr's spec.tracing.
type Tracing struct {
	// SamplingRate is the part of traces begun here that is sampled, "0" to "1" as text. Empty or not a number
	// means 0.0001 as in Dapr, or all of them when the exporter comes from OTEL_EXPORTER_OTLP_ENDPOINT. Traces
	// begun elsewhere are sampled as their traceparent says. OTEL_TRACES_SAMPLER overrides it.
	SamplingRate string
	// Stdout writes every span as JSON.
	Stdout bool
	// OTLP exports to a collector; the OTEL_EXPORTER_OTLP_* variables override it.
	OTLP OTLP
}

// OTLP is Dapr's spec.tracing.otel.
type OTLP struct {
	// Endpoint is host:port; with protocol http it may be a URL. Empty means no export.
	Endpoint string
	// Protocol is "grpc" or "http".
	Protocol string
	// Insecure means without TLS: the opposite of Dapr's isSecure.
	Insecure bool
	// Headers are sent with each export.
	Headers map[string]string
	// TimeoutMs bounds one export, in milliseconds; 0 means 10 s.
	TimeoutMs int
}

// Telemetry is the running set-up. All methods are safe for concurrent use, and on a nil *Telemetry the methods for
// trace context work and the others do nothing.
type Telemetry struct {
	service   string // of the host
	fixed     bool   // OTEL_SERVICE_NAME: one service for everything
	base      *resource.Resource
	sampler   sampler
	processor []sdktrace.SpanProcessor // none when nothing is exported

	mu      sync.Mutex
	tracers map[string]trace.Tracer // by service

	registry *prometheus.Registry
	metrics  *metrics
}

// New sets up telemetry. It fails on settings that contradict each other or name an unknown protocol; a collector
// that cannot be reached is not an error but is logged when spans are sent. Call Shutdown when done.
func New(ctx context.Context, cfg Config) (*Telemetry, error) {
	if cfg.Service == "" {
		cfg.Service = "mrt-wasm"
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Stdout == nil {
		cfg.Stdout = os.Stdout
	}
	t := &Telemetry{service: cfg.Service, tracers: map[string]trace.Tracer{}}
	if name := os.Getenv("OTEL_SERVICE_NAME"); name != "" {
		t.service, t.fixed = name, true
	}
	var err error
	if t.base, err = resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithProcessPID(),
		resource.WithAttributes(attribute.String("service.version", cfg.Version)), resource.WithFromEnv()); err != nil {
		return nil, errors.Join(errors.New("OTEL_RESOURCE_ATTRIBUTES: expected key=value pairs separated by commas"), err)
	}
	exporters, fromEnv, err := exporters(ctx, cfg)
	if err != nil {
		return nil, err
	}
	for _, e := range exporters {
		t.processor = append(t.processor, sdktrace.NewBatchSpanProcessor(&loggedExporter{SpanExporter: e, log: cfg.Log}))
	}
	if t.sampler, err = newSampler(cfg.Tracing.SamplingRate, fromEnv); err != nil {
		return nil, err
	}
	t.registry, t.metrics = newMetrics(t.service)
	return t, nil
}

// Shutdown sends what is still buffered and ends the exporters; ctx bounds it.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	if t == nil {
		return nil
	}
	var errs []error
	for _, p := range t.processor {
		errs = append(errs, p.Shutdown(ctx))
	}
	return errors.Join(errs...)
}

// Tracer gives the tracer whose spans belong to an app, or to the host itself for app "".
func (t *Telemetry) Tracer(app string) trace.Tracer {
	if app == "" || t.fixed {
		app = t.service
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if tr, ok := t.tracers[app]; ok {
		return tr
	}
	opts := []sdktrace.TracerProviderOption{
		sdktrace.WithResource(t.resource(app)), sdktrace.WithSampler(t.sampler.sdk()), sdktrace.WithIDGenerator(idGenerator{}),
	}
	for _, p := range t.processor {
		opts = append(opts, sdktrace.WithSpanProcessor(p))
	}
	tr := sdktrace.NewTracerProvider(opts...).Tracer(Scope)
	t.tracers[app] = tr
	return tr
}

// resource is the base with the service's name. The SDK's own rule is that the later one wins.
func (t *Telemetry) resource(service string) *resource.Resource {
	r, err := resource.Merge(t.base, resource.NewSchemaless(attribute.String("service.name", service)))
	if err != nil { // only for conflicting schema URLs; the merged attributes are there all the same
		return t.base
	}
	return r
}

// exports tells whether spans go anywhere.
func (t *Telemetry) exports() bool { return t != nil && len(t.processor) > 0 }
