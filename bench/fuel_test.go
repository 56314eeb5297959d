package bench

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// kernels are those of testdata/compute, in its order, with rounds that take about a
// millisecond: the quickest of many runs then is one that nothing else on the machine disturbed.
var kernels = []struct {
	name   string
	rounds uint64
}{
	{"sieve", 12},
	{"matrix", 12},
	{"fibonacci", 20},
	{"sorting", 3},
	{"mapping", 24},
	{"hashing", 8},
	{"encoding", 24},
	{"matching", 6},
	{"packing", 6},
}

// compute makes a pool of one instance of the compute guest.
func compute(b *testing.B, change func(*engine.Config)) *engine.Pool {
	b.Helper()
	return enginetest.Pool(b, enginetest.New(b, change), enginetest.Build(b, "testdata/compute"), engine.PoolConfig{
		Policy: engine.Reuse, Warm: 1, Limits: engine.Limits{MaxInstances: 1, Timeout: -1},
	})
}

// BenchmarkFuel runs the same kernels in a guest that is rewritten with fuel and in one that is rewritten without, in
// turn, and compares the quickest runs: the ratio is what fuel costs.
func BenchmarkFuel(b *testing.B) {
	with := compute(b, func(*engine.Config) {})
	without := compute(b, func(c *engine.Config) { c.Uninterruptible = true })
	logs, worst := 0.0, 0.0
	for n, k := range kernels {
		ratio := 0.0
		b.Run(k.name, func(b *testing.B) {
			times := map[*engine.Pool][]time.Duration{}
			for b.Loop() {
				for _, p := range []*engine.Pool{with, without} {
					times[p] = append(times[p], timeOf(b, p, uint64(n), k.rounds))
				}
			}
			ratio = float64(slices.Min(times[with])) / float64(slices.Min(times[without]))
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ratio, "fuel/none")
		})
		logs += math.Log(ratio)
		worst = max(worst, ratio)
	}
	b.Run("all", func(b *testing.B) {
		b.ReportMetric(0, "ns/op")
		b.ReportMetric(math.Exp(logs/float64(len(kernels))), "fuel/none-mean")
		b.ReportMetric(worst, "fuel/none-worst")
	})
}

// timeOf gives the time that a kernel takes.
func timeOf(b *testing.B, p *engine.Pool, kernel, rounds uint64) time.Duration {
	b.Helper()
	began := time.Now()
	if _, err := enginetest.Call(b.Context(), p, "run", kernel, rounds); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// BenchmarkPause has a guest compute all the time while the host collects its garbage, and compares how long the
// collector stops the host: with the guest rewritten, run as it is by the runtime with its checks for deadlines, and
// without those, where the collector waits for the end of a call of about 100 ms.
func BenchmarkPause(b *testing.B) {
	modes := []struct {
		name   string
		change func(*engine.Config)
	}{
		{"rewritten", func(*engine.Config) {}},
		{"checked", func(c *engine.Config) { c.Images = engine.ImagesOff }},
		{"unrewritten", func(c *engine.Config) { c.Images, c.Uninterruptible = engine.ImagesOff, true }},
	}
	pauses := map[string][]float64{}
	for _, m := range modes {
		p := compute(b, m.change)
		for range max(b.N, 5) {
			pauses[m.name] = append(pauses[m.name], pause(b, p).Seconds())
		}
		slices.Sort(pauses[m.name])
	}
	median := func(name string) float64 { return pauses[name][len(pauses[name])/2] }
	worst := func(name string) float64 { return pauses[name][len(pauses[name])-1] }
	b.ReportMetric(0, "ns/op")
	for _, m := range modes {
		b.ReportMetric(median(m.name)*1e6, m.name+"-µs-p50")
	}
	b.ReportMetric(median("rewritten")/median("unrewritten"), "rewritten/unrewritten")
	b.ReportMetric(worst("rewritten")/worst("unrewritten"), "worst-rewritten/unrewritten")
}

// pause gives how long one collection stopped the host while a guest computed.
func pause(b *testing.B, p *engine.Pool) time.Duration {
	b.Helper()
	inside, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- p.Do(b.Context(), func(ctx context.Context, g abi.Guest) error {
			close(inside)
			return g.Call(ctx, "run", []uint64{2, spinning})
		})
	}()
	<-inside
	time.Sleep(5 * time.Millisecond) // until it computes
	var before, after debug.GCStats
	debug.ReadGCStats(&before)
	runtime.GC()
	debug.ReadGCStats(&after)
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	return (after.PauseTotal - before.PauseTotal) / time.Duration(after.NumGC-before.NumGC)
}

// spinning are the rounds of fibonacci that take about 100 ms.
const spinning = 34
