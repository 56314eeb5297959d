package engine_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// variant is one way to give a request its instance.
type variant struct {
	name   string
	images engine.Images
	policy engine.Policy
}

var variants = []variant{
	{"naive-reuse", engine.ImagesOff, engine.Reuse},
	{"naive-new", engine.ImagesOff, engine.Reset},
	{"reuse", engine.ImagesAuto, engine.Reuse},
	{"reset", engine.ImagesAuto, engine.Reset},
	{"reset-read", engine.ImagesRead, engine.Reset},
	{"reset-copied", engine.ImagesCopied, engine.Reset},
}

// pools makes one pool for each variant.
func pools(b *testing.B) map[string]*engine.Pool {
	b.Helper()
	wasm := guest(b)
	byName := map[string]*engine.Pool{}
	for _, v := range variants {
		e := enginetest.New(b, func(c *engine.Config) { c.Images = v.images })
		byName[v.name] = enginetest.Pool(b, e, wasm, engine.PoolConfig{
			Funcs: newHost().funcs(), Policy: v.policy, Warm: 1, Limits: engine.Limits{MaxInstances: 1},
		})
	}
	return byName
}

// BenchmarkRequest is one request with its instance: taking it, the call, and what makes it clean again. "noop" is a
// request that does nothing, "encode" one that formats 20 records.
func BenchmarkRequest(b *testing.B) {
	byName := pools(b)
	for _, fn := range []string{"noop", "encode"} {
		for _, v := range variants {
			b.Run(fn+"/"+v.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := enginetest.Call(b.Context(), byName[v.name], export(fn), 20); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRatios runs a formatting request in all variants in turn, and reports medians as ratios to the request
// that reuses its instance: they say more than times on a machine that does other things too.
func BenchmarkRatios(b *testing.B) {
	byName := pools(b)
	times := map[string][]time.Duration{}
	for b.Loop() {
		for _, v := range variants {
			calls := 50 // in a row, so that caches are as they would be
			if v.name == "naive-new" {
				calls = 1
			}
			for range calls {
				start := time.Now()
				if _, err := enginetest.Call(b.Context(), byName[v.name], export("encode"), 20); err != nil {
					b.Fatal(err)
				}
				times[v.name] = append(times[v.name], time.Since(start))
			}
		}
	}
	median := func(name string) float64 {
		slices.Sort(times[name])
		return float64(times[name][len(times[name])/2])
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median("reuse")/1000, "reuse-us")
	for _, v := range variants {
		b.ReportMetric(median(v.name)/median("reuse"), v.name+"/reuse")
	}
	b.ReportMetric((median("reset")-median("reuse"))/1000, "reset-cost-us")
	b.ReportMetric((median("naive-new")-median("naive-reuse"))/(median("reset")-median("reuse")), "new/reset-cost")
}

// BenchmarkClone makes instances from an image, and closes them: none is kept warm, and each call traps by a bug of the
// host, which drops its instance.
func BenchmarkClone(b *testing.B) {
	byName := pools(b)
	for _, name := range []string{"reset", "reset-copied"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = byName[name].Do(b.Context(), func(context.Context, abi.Guest) error {
					return &abi.Trap{Kind: abi.TrapHost, Reason: "drop it"}
				})
			}
		})
	}
}

// resident is the process's memory in bytes.
func resident(b *testing.B) float64 {
	b.Helper()
	return statusField(b, "VmRSS:")
}

// statusField gives one of the sizes that the system tells of this process, in bytes.
func statusField(b *testing.B, name string) float64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("this system does not tell how much memory a process has") // a benchmark asserts nothing
	}
	_, rest, _ := strings.Cut(string(text), name)
	var kib float64
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		b.Fatal(err)
	}
	return kib * 1024
}

// BenchmarkIdleInstance reports the memory of an instance that has not been called.
func BenchmarkIdleInstance(b *testing.B) {
	wasm := guest(b)
	for _, v := range []struct {
		variant
		n int
	}{{variants[3], 5000}, {variants[5], 100}, {variants[0], 100}} {
		b.Run(v.name, func(b *testing.B) {
			e := enginetest.New(b, func(c *engine.Config) { c.Images = v.images })
			cfg := engine.PoolConfig{
				App: "test", Funcs: newHost().funcs(), Policy: v.policy, Warm: 1,
				Limits: engine.Limits{MaxInstances: v.n},
			}
			first := enginetest.Pool(b, e, wasm, cfg)
			if _, err := enginetest.Call(b.Context(), first, export("noop")); err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				before := resident(b)
				cfg.Warm = v.n
				p := enginetest.Pool(b, e, wasm, cfg)
				b.ReportMetric((resident(b)-before)/float64(v.n)/1024, "KiB/instance")
				if err := p.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
