package rewritetest

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// loads are the guest's compute benchmarks, with rounds that take some milliseconds each.
var loads = []struct {
	name   string
	rounds uint64
}{{"sieve", 20}, {"collatz", 8000}, {"matrix", 100}, {"sorting", 8}, {"mapping", 60}, {"calling", 2000}}

// BenchmarkOverhead measures what each pass costs at run time: it runs the same loads in all variants in turn and
// reports the quickest runs as ratios to the module as it was.
func BenchmarkOverhead(b *testing.B) {
	guest := enginetest.Build(b, "testdata/torture")
	h := newHost(b, compiled)
	variants := []struct {
		name string
		wasm *wasm.Result
	}{
		{"plain", plain(guest)},
		{"devirtualised", transform(b, guest, wasm.Options{NoFuel: true})},
		{"fuel", transform(b, guest, wasm.Options{KeepTables: true})},
		{"all", transform(b, guest, wasm.Options{})},
	}
	var instances []*instance
	for _, v := range variants {
		i, err := h.start(b, v.wasm)
		if err != nil {
			b.Fatal(err)
		}
		i.must(b, "_initialize")
		instances = append(instances, i)
	}
	for n, l := range loads {
		b.Run(l.name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			times := make([][]time.Duration, len(variants))
			for range b.N {
				for v, i := range instances {
					start := cpuTime()
					i.must(b, "load", uint64(n), l.rounds)
					times[v] = append(times[v], cpuTime()-start)
				}
			}
			base := slices.Min(times[0])
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(base)/float64(time.Millisecond), "plain-ms")
			for v := 1; v < len(variants); v++ {
				b.ReportMetric(float64(slices.Min(times[v]))/float64(base), variants[v].name+"/plain")
			}
		})
	}
}
