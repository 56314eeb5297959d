package engine_test

import (
	"context"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// modes are with and without the checks that end a guest at its deadline.
func modes(b *testing.B, f func(b *testing.B, p *engine.Pool)) {
	b.Helper()
	wasm := guest(b)
	for _, mode := range []struct {
		name            string
		uninterruptible bool
	}{{"deadline", false}, {"nodeadline", true}} {
		b.Run(mode.name, func(b *testing.B) {
			e := newEngine(b, func(c *engine.Config) { c.Uninterruptible = mode.uninterruptible })
			f(b, enginetest.Pool(b, e, wasm, engine.PoolConfig{Funcs: newHost().funcs(), Warm: 1}))
		})
	}
}

// inGuest measures one call of an export for each iteration, inside of one Do.
func inGuest(b *testing.B, fn string, param uint64) {
	modes(b, func(b *testing.B, p *engine.Pool) {
		err := p.Do(b.Context(), func(ctx context.Context, g abi.Guest) error {
			stack := make([]uint64, 2)
			name := export(fn)
			if err := g.Call(ctx, name, stack); err != nil {
				return err
			}
			b.ReportAllocs()
			for b.Loop() {
				stack[0], stack[1] = param, param
				if err := g.Call(ctx, name, stack); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	})
}

func BenchmarkHostToGuest(b *testing.B) { inGuest(b, "noop", 0) }
func BenchmarkRoundTrip(b *testing.B)   { inGuest(b, "add", 1) }
func BenchmarkEncode100(b *testing.B)   { inGuest(b, "encode", 100) }
func BenchmarkSpin100k(b *testing.B)    { inGuest(b, "spin", 100_000) }

// BenchmarkGuestToHost1000 is 1000 calls of a host function in one call of the guest.
func BenchmarkGuestToHost1000(b *testing.B) { inGuest(b, "calls", 1000) }

// BenchmarkRealloc is an allocation in the guest by a host function, the text's copying included.
func BenchmarkRealloc(b *testing.B) { inGuest(b, "text", 0) }

func BenchmarkDo(b *testing.B) {
	modes(b, func(b *testing.B, p *engine.Pool) {
		fn := func(context.Context, abi.Guest) error { return nil }
		b.ReportAllocs()
		for b.Loop() {
			if err := p.Do(b.Context(), fn); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDoParallel(b *testing.B) {
	modes(b, func(b *testing.B, p *engine.Pool) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			stack := make([]uint64, 2)
			for pb.Next() {
				err := p.Do(b.Context(), func(ctx context.Context, g abi.Guest) error {
					return g.Call(ctx, export("add"), stack)
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// BenchmarkInstantiate drops the instance after each call.
func BenchmarkInstantiate(b *testing.B) {
	modes(b, func(b *testing.B, p *engine.Pool) {
		b.ReportAllocs()
		for b.Loop() {
			_ = p.Do(b.Context(), func(context.Context, abi.Guest) error {
				abi.Trapf("drop it")
				return nil
			})
		}
	})
}
