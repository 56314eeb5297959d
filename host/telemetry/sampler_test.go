package telemetry

import (
	"context"
	"math"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/mrt-wasm/mrt-wasm/host/chain"
)

func TestSamplingRate(t *testing.T) {
	for _, c := range []struct {
		rate    string
		fromEnv bool
		want    float64
	}{
		{"", false, 1e-4},
		{"", true, 1},
		{"0", false, 0},
		{"0", true, 0},
		{"1", false, 1},
		{"0.5", false, 0.5},
		{"often", false, 1e-4},
		{"often", true, 1e-4},
		{"NaN", false, 1e-4},
		{"-1", false, 0},
		{"7", false, 1},
	} {
		quiet(t)
		got, err := newSampler(c.rate, c.fromEnv)
		if err != nil || got.rate != c.want || got.ignoreParent {
			t.Errorf("samplingRate %q, from environment %t: got %+v, %v; want rate %g", c.rate, c.fromEnv, got, err, c.want)
		}
	}
}

func TestSamplerOfTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		name, arg string
		want      sampler
	}{
		{"always_on", "", sampler{1, true}},
		{"always_off", "", sampler{0, true}},
		{"traceidratio", "0.25", sampler{0.25, true}},
		{"parentbased_always_on", "", sampler{1, false}},
		{"parentbased_always_off", "", sampler{0, false}},
		{"parentbased_traceidratio", "0.25", sampler{0.25, false}},
	} {
		quiet(t)
		t.Setenv("OTEL_TRACES_SAMPLER", c.name)
		t.Setenv("OTEL_TRACES_SAMPLER_ARG", c.arg)
		if got, err := newSampler("0.9", false); err != nil || got != c.want {
			t.Errorf("%s %s: got %+v, %v; want %+v", c.name, c.arg, got, err, c.want)
		}
	}
}

// The decision before a span is made must be the SDK's, or spans would be made for nothing.
func TestSamplerDecidesAsTheSDK(t *testing.T) {
	for _, s := range []sampler{{0, false}, {1e-4, false}, {0.3, false}, {0.3, true}, {1, false}, {1, true}} {
		sdk, hits := s.sdk(), 0
		const n = 20000
		for range n {
			id := newTraceID()
			want := sdk.ShouldSample(sdktrace.SamplingParameters{ParentContext: context.Background(), TraceID: id}).Decision == sdktrace.RecordAndSample
			if got := s.root(id); got != want {
				t.Fatalf("%+v: root %s: got %t, the SDK says %t", s, id, got, want)
			}
			if want {
				hits++
			}
			for _, flags := range []trace.TraceFlags{0, trace.FlagsSampled} {
				parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: newSpanID(), TraceFlags: flags})
				want := sdk.ShouldSample(sdktrace.SamplingParameters{
					ParentContext: trace.ContextWithSpanContext(context.Background(), parent), TraceID: id,
				}).Decision == sdktrace.RecordAndSample
				if got := s.child(parent); got != want {
					t.Fatalf("%+v: child of %s (%v): got %t, the SDK says %t", s, id, flags, got, want)
				}
			}
		}
		if dev := math.Abs(float64(hits)/n - s.rate); dev > 0.03 {
			t.Errorf("%+v: %d of %d roots sampled", s, hits, n)
		}
	}
}

func TestUnsampledCallAllocatesNothing(t *testing.T) {
	quiet(t)
	_, addr := grpcReceiver(t)
	cfg := Config{Tracing: Tracing{SamplingRate: "0", OTLP: OTLP{Endpoint: addr, Protocol: "grpc", Insecure: true}}}
	tel := start(t, cfg)
	if tel.Spans() == nil {
		t.Fatal("spans are off; the test would show nothing")
	}
	p := chain.New(tel.Observers(), nil).Point(stateOp)
	get := func(_ context.Context, key string) (string, error) { return key, nil }
	contexts := map[string]context.Context{
		"no trace":        t.Context(),
		"unsampled trace": tel.Root(t.Context()),
		"unsampled parent": Extract(t.Context(), func(k string) string {
			return map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}[k]
		}),
	}
	for name, ctx := range contexts {
		got := testing.AllocsPerRun(1000, func() {
			if _, err := chain.Do(ctx, p, get, "k"); err != nil {
				t.Fatal(err)
			}
		})
		if got != 0 {
			t.Errorf("%s: got %v allocations a call, want 0", name, got)
		}
	}
	sampled := Extract(t.Context(), func(k string) string {
		return map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}[k]
	})
	if got := testing.AllocsPerRun(100, func() { _, _ = chain.Do(sampled, p, get, "k") }); got == 0 {
		t.Error("a sampled call allocates nothing, so the measurement is not one")
	}
}

func BenchmarkObservers(b *testing.B) {
	tel, err := New(b.Context(), Config{})
	if err != nil {
		b.Fatal(err)
	}
	p := chain.New(tel.Observers(), nil).Point(stateOp)
	get := func(_ context.Context, key string) (string, error) { return key, nil }
	b.ReportAllocs()
	for b.Loop() {
		_, _ = chain.Do(b.Context(), p, get, "k")
	}
}
