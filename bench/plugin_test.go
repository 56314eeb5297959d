package bench

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/components/standard"
	"github.com/mrt-wasm/mrt-wasm/host/plugin/plugintest"
	"github.com/mrt-wasm/mrt-wasm/host/state"
)

const pluginStores = `apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: native}
spec: {type: state.in-memory, version: v1}
---
apiVersion: dapr.io/v1alpha1
kind: Component
metadata: {name: plugin}
spec:
  type: state.wasm
  version: v1
  initTimeout: 60s
  metadata: [{name: source, value: memory.wasm}]
`

// BenchmarkPluginGet measures a get of 1 KiB through a plugin that keeps state in its memory against the driver that is
// built in, in turns: the medians' difference is to be at most 3 µs.
func BenchmarkPluginGet(b *testing.B) {
	drivers, err := standard.Drivers()
	if err != nil {
		b.Fatal(err)
	}
	h, err := plugintest.New(b, plugintest.Config{
		Drivers: drivers, Guests: []string{"../components/state/wasm/testdata/memory"}, Manifest: pluginStores,
	})
	if err != nil {
		b.Fatal(err)
	}
	stores := []state.Store{plugintest.Of[state.Store](b, h, "native"), plugintest.Of[state.Store](b, h, "plugin")}
	for _, s := range stores {
		if err := s.Set(b.Context(), state.SetRequest{Key: "app||key", Value: []byte(strings.Repeat("x", 1<<10))}); err != nil {
			b.Fatal(err)
		}
	}
	const rounds, each = 400, 100
	b.ResetTimer()
	var took [2][]time.Duration
	for range max(b.N, rounds) {
		for i, s := range stores {
			begin := time.Now()
			for range each {
				if e, err := s.Get(b.Context(), state.GetRequest{Key: "app||key"}); err != nil || e == nil {
					b.Fatalf("get: %v, %v", e, err)
				}
			}
			took[i] = append(took[i], time.Since(begin)/each)
		}
	}
	var median [2]float64
	for i := range took {
		slices.Sort(took[i])
		median[i] = float64(took[i][len(took[i])/2])
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median[0]/1000, "µs-native")
	b.ReportMetric(median[1]/1000, "µs-plugin")
	b.ReportMetric((median[1]-median[0])/1000, "µs-over")
	b.ReportMetric(median[1]/median[0], "ratio")
}
