package engine_test

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// benchKept makes a pool of the guest in testdata/kept, with a kept instance that has served n turns.
func benchKept(b *testing.B, turns int) (*engine.Pool, *engine.Kept) {
	b.Helper()
	e := enginetest.New(b)
	p := keptPool(b, e, &keptHost{}, engine.PoolConfig{
		Policy: engine.Reset, Boot: &engine.BootSeed{Secret: [32]byte{1}}, Limits: engine.Limits{MaxInstances: 64},
	})
	k := keep(b, p, nil)
	for n := range turns {
		call(b, k, "deposit", uint64(n))
	}
	return p, k
}

// BenchmarkKept measures what is done with kept instances of a standard Go guest that uses encoding/json. The numbers
// in the names say how many turns the instance has served, each of which decodes and encodes JSON.
func BenchmarkKept(b *testing.B) {
	p, k := benchKept(b, 10)
	b.Run("KeepClose", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			k, err := p.Keep(b.Context(), nil)
			if err != nil {
				b.Fatal(err)
			}
			k.Close(b.Context())
		}
	})
	b.Run("Do", func(b *testing.B) {
		b.ReportAllocs()
		fn := func(context.Context, abi.Guest) error { return nil }
		for b.Loop() {
			if err := k.Do(b.Context(), fn); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("DoNoop", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			call(b, k, "noop")
		}
	})
	b.Run("Turn", func(b *testing.B) {
		for b.Loop() {
			call(b, k, "deposit", 1)
		}
	})
	for _, turns := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(turns), func(b *testing.B) { benchState(b, turns) })
	}
}

func benchState(b *testing.B, turns int) {
	p, k := benchKept(b, turns)
	check := func(b *testing.B, err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	b.Run("Mark", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			check(b, k.Mark())
		}
	})
	b.Run("MarkRollback", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			check(b, k.Mark())
			check(b, k.Rollback())
		}
	})
	b.Run("MarkTurnRollback", func(b *testing.B) {
		for b.Loop() {
			check(b, k.Mark())
			call(b, k, "deposit", 1)
			check(b, k.Rollback())
		}
	})
	var saved []byte
	b.Run("Save", func(b *testing.B) {
		b.ReportAllocs()
		var err error
		for b.Loop() {
			saved, err = k.Save()
			check(b, err)
		}
		b.ReportMetric(float64(len(saved)), "bytes")
	})
	for _, fn := range []string{"", "noop", "deposit"} {
		b.Run("Wake"+fn, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				k, err := p.Keep(b.Context(), saved)
				check(b, err)
				if fn != "" {
					call(b, k, fn, 1)
				}
				k.Close(b.Context())
			}
		})
	}
}

// BenchmarkKeptMemory reports the memory of kept instances that have served turns, and of those that were called by
// nobody.
func BenchmarkKeptMemory(b *testing.B) {
	for _, turns := range []int{0, 1, 10, 100} {
		b.Run(fmt.Sprint(turns), func(b *testing.B) {
			const n = 500
			for b.Loop() {
				p, _ := benchKept(b, 1)
				before := private(b)
				all := make([]*engine.Kept, n)
				for i := range all {
					all[i] = keep(b, p, nil)
					for turn := range turns {
						call(b, all[i], "deposit", uint64(turn))
					}
				}
				settle()
				b.ReportMetric((private(b)-before)/n/1024, "KiB/instance")
				for _, k := range all {
					k.Close(b.Context())
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// settle gives back what is garbage.
func settle() {
	runtime.GC()
	debug.FreeOSMemory()
}

// private is the process's memory that it shares with nobody, in bytes. Pages of an image that many instances have
// read are one page of memory, which the whole resident size counts for each.
func private(b *testing.B) float64 {
	b.Helper()
	return statusField(b, "RssAnon:")
}
