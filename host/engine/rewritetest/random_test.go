package rewritetest

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi/wasm"
)

// randomModule makes a module out of bytes and compares it before and after a rewrite.
func randomModule(t *testing.T, h *host, data []byte) {
	t.Helper()
	b, exports := generate(data)
	var steps []step
	at := 0
	next := func() uint64 {
		if len(data) == 0 {
			return 0
		}
		at++
		return uint64(data[len(data)-1-at%len(data)]) << (at % 3 * 8)
	}
	for range 2 {
		for i, ft := range exports {
			s := step{fn: fmt.Sprint("f", i)}
			for _, p := range ft.Params {
				v := next()
				if p == wasm.F64 {
					v = 0x4008_0000_0000_0000
				}
				s.args = append(s.args, v)
			}
			steps = append(steps, s)
		}
	}
	var globals []string
	for i := range b.Globals {
		globals = append(globals, fmt.Sprint("global", i))
	}
	in := b.Encode()
	want := observe(t, h, plain(in), tank{}, globals, steps)
	for _, v := range []struct {
		options wasm.Options
		slice   int64
	}{
		{wasm.Options{}, 0}, {wasm.Options{KeepTables: true, KeepData: true}, 100}, {wasm.Options{NoFuel: true}, 0},
	} {
		got := observe(t, h, transform(t, in, v.options), tank{slice: v.slice, budget: -1}, globals, steps)
		differ(t, fmt.Sprintf("%+v", v), want, got)
	}
}

// randomBytes gives the same bytes for the same seed.
func randomBytes(seed uint64, n int) []byte {
	rnd := rand.New(rand.NewPCG(seed, 1))
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(rnd.Uint32())
	}
	return out
}

// TestRandomModules runs many random modules, compiled and interpreted.
func TestRandomModules(t *testing.T) {
	const modules = 400
	for _, engine := range []string{compiled, interpreted} {
		t.Run(engine, func(t *testing.T) {
			h := newHostUncached(t, engine)
			for seed := range uint64(modules) {
				randomModule(t, h, randomBytes(seed, 50+int(seed)*5))
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
			}
		})
	}
}

// FuzzRewrite compares random modules in the interpreter.
func FuzzRewrite(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(randomBytes(seed, 200))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4000 {
			return
		}
		randomModule(t, newHostUncached(t, interpreted), data)
	})
}
