package telemetry

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

// Spans gives the observer that makes a span of every sampled call, or nil when nothing is exported. Spans belong to
// the service that does the work: the calling app for outbound calls, the called one for the others.
func (t *Telemetry) Spans() chain.Observer {
	if !t.exports() {
		return nil
	}
	return spanObserver{t}
}

// Observers gives all observers of the chain, the outermost first.
func (t *Telemetry) Observers() []chain.Observer {
	if t == nil {
		return nil
	}
	var out []chain.Observer
	if s := t.Spans(); s != nil {
		out = append(out, s)
	}
	return append(out, t.Metrics())
}

type spanObserver struct{ t *Telemetry }

// Bind prepares the spans of one operation.
func (o spanObserver) Bind(op chain.Op) chain.Probe {
	attrs := []attribute.KeyValue{
		attribute.String("mrt.block", op.Block), attribute.String("mrt.operation", op.Name),
		attribute.String("mrt.target", op.Target), attribute.String("mrt.direction", op.Direction.String()),
	}
	if op.Type != "" {
		attrs = append(attrs, attribute.String("mrt.component.type", op.Type))
	}
	if op.App != "" {
		attrs = append(attrs, attribute.String("mrt.app", op.App))
	}
	service := op.Target
	if outgoing(op) || op.Direction == chain.Inbound && op.App != "" { // a delivery's target is the component
		service = op.App
	}
	if op.Block == apiBlock {
		service = ""
	}
	return &spanProbe{
		t: o.t, tracer: o.t.Tracer(service), name: op.Block + "/" + op.Name,
		opts: []trace.SpanStartOption{trace.WithAttributes(attrs...), trace.WithSpanKind(kind(op))},
	}
}

// apiBlock is the Block of the API server's own calls.
const apiBlock = "api"

// outgoing tells whether the work is done outside of the host: an invocation has a type only if it leaves it.
func outgoing(op chain.Op) bool {
	return op.Direction == chain.Outbound || op.Direction == chain.Invoke && op.Type != ""
}

func kind(op chain.Op) trace.SpanKind {
	switch {
	case op.Direction == chain.Outbound && op.Block == "pubsub":
		return trace.SpanKindProducer
	case outgoing(op):
		return trace.SpanKindClient
	case op.Block == "pubsub":
		return trace.SpanKindConsumer
	default:
		return trace.SpanKindServer
	}
}

type spanProbe struct {
	t      *Telemetry
	tracer trace.Tracer
	name   string
	opts   []trace.SpanStartOption
}

// Begin starts a span if the trace is sampled; else it gives ctx as it is.
func (p *spanProbe) Begin(ctx context.Context) context.Context {
	parent := trace.SpanContextFromContext(ctx)
	if parent.IsValid() {
		if !p.t.sampler.child(parent) {
			return ctx
		}
	} else if ctx.Value(rootKey{}) == nil {
		id := newTraceID()
		if !p.t.sampler.root(id) {
			return ctx
		}
		ctx = context.WithValue(ctx, rootKey{}, id)
	}
	ctx, span := p.tracer.Start(ctx, p.name, p.opts...)
	return context.WithValue(ctx, ownKey{}, ownSpan{p, span})
}

// ownKey holds the span that a probe's Begin started, so that End does not end the span of somebody further out.
type ownKey struct{}

type ownSpan struct {
	probe *spanProbe
	span  trace.Span
}

// End ends the span that Begin started, if it did.
func (p *spanProbe) End(ctx context.Context, _ time.Duration, err error) {
	own, ok := ctx.Value(ownKey{}).(ownSpan)
	if !ok || own.probe != p || own.span.SpanContext().SpanID() != trace.SpanContextFromContext(ctx).SpanID() {
		return
	}
	if err != nil {
		own.span.RecordError(err)
		own.span.SetStatus(codes.Error, err.Error())
		if trap, ok := errors.AsType[*abi.Trap](err); ok {
			own.span.SetAttributes(attribute.String("mrt.trap", trap.Kind.String()))
		}
	}
	own.span.End()
}

// HTTPStatus notes the answer's HTTP status on the current span, and its method and path; 5xx marks the span as
// failed. It does nothing when the call is not sampled.
func HTTPStatus(ctx context.Context, method, path string, status int) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(attribute.String("http.request.method", method), attribute.String("url.path", path),
		attribute.Int("http.response.status_code", status))
	if status >= 500 {
		span.SetStatus(codes.Error, "")
	}
}
