package telemetry

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// defaultRate is Dapr's sampling rate when none is given or it cannot be read.
const defaultRate = 1e-4

// sampler decides before a span is made, so that a call that is not sampled costs nothing. The SDK's sampler comes
// to the same result since both decide by the trace id.
type sampler struct {
	rate float64
	// ignoreParent is OTEL_TRACES_SAMPLER without "parentbased_".
	ignoreParent bool
}

// newSampler reads OTEL_TRACES_SAMPLER, else the configured rate, else the default.
func newSampler(rate string, otlpFromEnv bool) (sampler, error) {
	if name := os.Getenv("OTEL_TRACES_SAMPLER"); name != "" {
		return envSampler(name, os.Getenv("OTEL_TRACES_SAMPLER_ARG"))
	}
	if rate == "" && otlpFromEnv {
		return sampler{rate: 1}, nil
	}
	f, err := strconv.ParseFloat(rate, 64)
	if err != nil || f != f {
		f = defaultRate
	}
	return sampler{rate: min(max(f, 0), 1)}, nil
}

func envSampler(name, arg string) (sampler, error) {
	ratio := 1.0
	if arg != "" {
		var err error
		if ratio, err = strconv.ParseFloat(arg, 64); err != nil || ratio != ratio || ratio < 0 || ratio > 1 {
			return sampler{}, fmt.Errorf("OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1, found %q", arg)
		}
	}
	switch name {
	case "always_on":
		return sampler{rate: 1, ignoreParent: true}, nil
	case "always_off":
		return sampler{ignoreParent: true}, nil
	case "traceidratio":
		return sampler{rate: ratio, ignoreParent: true}, nil
	case "parentbased_always_on":
		return sampler{rate: 1}, nil
	case "parentbased_always_off":
		return sampler{}, nil
	case "parentbased_traceidratio":
		return sampler{rate: ratio}, nil
	default:
		return sampler{}, fmt.Errorf("OTEL_TRACES_SAMPLER: expected always_on, always_off, traceidratio, or one of them "+
			"with parentbased_ in front, found %q", name)
	}
}

// sdk gives the same decisions for spans that are started with a Tracer directly.
func (s sampler) sdk() sdktrace.Sampler {
	ratio := sdktrace.TraceIDRatioBased(s.rate)
	if s.ignoreParent {
		return ratio
	}
	return sdktrace.ParentBased(ratio)
}

// child decides for a span under a valid parent.
func (s sampler) child(parent trace.SpanContext) bool {
	if s.ignoreParent {
		return s.root(parent.TraceID())
	}
	return parent.IsSampled()
}

// root decides for a new trace by its id, as OpenTelemetry's TraceIDRatioBased does.
func (s sampler) root(id trace.TraceID) bool {
	switch {
	case s.rate <= 0:
		return false
	case s.rate >= 1:
		return true
	default:
		return binary.BigEndian.Uint64(id[8:16])>>1 < uint64(s.rate*(1<<63))
	}
}

// rootKey marks a context whose next span is the root of a trace with a chosen id, decided to be sampled.
type rootKey struct{}

// idGenerator takes a trace id that was chosen before.
type idGenerator struct{}

// NewIDs gives the ids of a root span.
func (idGenerator) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	if id, ok := ctx.Value(rootKey{}).(trace.TraceID); ok {
		return id, newSpanID()
	}
	return newTraceID(), newSpanID()
}

// NewSpanID gives the id of a child span.
func (idGenerator) NewSpanID(context.Context, trace.TraceID) trace.SpanID { return newSpanID() }

// Trace ids need to be unique, not secret, so math/rand/v2 with its per-process random seed is enough.
func newTraceID() (id trace.TraceID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id
}

func newSpanID() (id trace.SpanID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}
