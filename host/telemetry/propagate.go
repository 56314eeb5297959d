package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// carrier adapts a pair of functions to OpenTelemetry's propagator.
type carrier struct {
	get func(key string) string
	set func(key, value string)
}

// Get reads a field.
func (c carrier) Get(key string) string {
	if c.get == nil {
		return ""
	}
	return c.get(key)
}

// Set writes a field.
func (c carrier) Set(key, value string) {
	if c.set != nil {
		c.set(key, value)
	}
}

// Keys is not needed by the W3C propagators.
func (c carrier) Keys() []string { return nil }

// Inject writes the W3C fields traceparent, tracestate and baggage of the call's trace. Without a trace it writes
// none. The keys are lower case; http.Header.Set and a map's assignment fit set.
func Inject(ctx context.Context, set func(key, value string)) {
	propagation.TraceContext{}.Inject(ctx, carrier{set: set})
	propagation.Baggage{}.Inject(ctx, carrier{set: set})
}

// Extract gives a context that continues the trace that the W3C fields name. Fields that are missing or not valid
// leave ctx as it is. get gets lower-case keys and answers "" for a missing field; http.Header.Get fits.
func Extract(ctx context.Context, get func(key string) string) context.Context {
	ctx = propagation.TraceContext{}.Extract(ctx, carrier{get: get})
	return propagation.Baggage{}.Extract(ctx, carrier{get: get})
}

// TraceID gives the call's trace id in hex, or "" when the call belongs to no trace.
func TraceID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		return sc.TraceID().String()
	}
	if id, ok := ctx.Value(rootKey{}).(trace.TraceID); ok {
		return id.String()
	}
	return ""
}

// SpanID gives the current span's id in hex, or "".
func SpanID(ctx context.Context) string {
	if sc := trace.SpanContextFromContext(ctx); sc.HasSpanID() {
		return sc.SpanID().String()
	}
	return ""
}

// Traceparent gives the W3C traceparent of the current span, or "".
func Traceparent(ctx context.Context) string {
	var out string
	propagation.TraceContext{}.Inject(ctx, carrier{set: func(key, value string) {
		if key == "traceparent" {
			out = value
		}
	}})
	return out
}

// Root gives every call a trace: where ctx has none, a new one is begun, sampled or not as configured. Triggers call
// it after Extract, so that log lines and messages have a trace id even when nothing is sampled. If the new trace is
// sampled, its root span is the next call through the chain.
func (t *Telemetry) Root(ctx context.Context) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	id := newTraceID()
	if t.exports() && t.sampler.root(id) {
		return context.WithValue(ctx, rootKey{}, id)
	}
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: newSpanID()}))
}
