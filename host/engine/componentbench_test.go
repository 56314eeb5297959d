package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

// The same function of a core module, of a component that is one module, and of one that is a graph, for each policy;
// and what a text of 1 KiB adds, in and out of a guest and of a host function.
func BenchmarkComponent(b *testing.B) {
	core := genModule{funcs: []genFunc{{name: "count", results: []byte{i32}, body: []byte{
		0x41, 0, 0x41, 0, 0x28, 2, 0, 0x41, 1, 0x6a, 0x36, 2, 0, // mem[0]++
		0x41, 0, 0x28, 2, 0,
	}}}}.bytes()
	things := component(b, "things")
	for _, policy := range []struct {
		name   string
		policy engine.Policy
	}{{"reuse", engine.Reuse}, {"reset", engine.Reset}} {
		for _, bb := range []struct {
			name  string
			wasm  []byte
			graph bool
		}{{"core", core, false}, {"merged", things, false}, {"graph", things, true}} {
			e := newEngine(b, func(c *engine.Config) { c.Graph = bb.graph })
			p := enginetest.Pool(b, e, bb.wasm, engine.PoolConfig{Funcs: newThings().funcs(), Policy: policy.policy, Warm: 1})
			b.Run(policy.name+"/"+bb.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := enginetest.Call(b.Context(), p, "count"); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkComponentCalls(b *testing.B) {
	e := newEngine(b)
	text := strings.Repeat("abcdefgh", 128)
	for _, bb := range []struct{ name, component, fn, text string }{
		{"host/empty", "things", "echo", ""},
		{"host/1KiB", "things", "echo", text},
		{"component/empty", "pair", "shout", ""},
		{"component/1KiB", "pair", "shout", text},
	} {
		p := enginetest.Pool(b, e, component(b, bb.component), engine.PoolConfig{Funcs: newThings().funcs(), Policy: engine.Reset})
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for left := b.N; left > 0; {
				// The guest's allocator never frees.
				err := p.Do(b.Context(), func(ctx context.Context, g abi.Guest) error {
					for range min(left, 8) {
						left--
						if _, err := engine.Invoke(ctx, g, bb.fn, canon.Str(bb.text)); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFused is a call from one component to another, with a string of five bytes, and what it is in.
func BenchmarkFused(b *testing.B) {
	m, err := newEngine(b).Compose(b.Context(), "speaker", component(b, "speaker"), map[string][]byte{"test:res/voice": component(b, "voice")})
	if err != nil {
		b.Fatal(err)
	}
	p, err := m.Pool(b.Context(), engine.PoolConfig{App: "test"})
	if err != nil {
		b.Fatal(err)
	}
	err = p.Do(b.Context(), func(ctx context.Context, g abi.Guest) error {
		stack := make([]uint64, 1)
		b.ReportAllocs()
		for b.Loop() {
			if err := g.Call(ctx, "speak", stack); err != nil {
				return err
			}
		}
		return nil
	})
	if err = errors.Join(err, p.Close(context.Background()), m.Close(context.Background())); err != nil {
		b.Fatal(err)
	}
}
