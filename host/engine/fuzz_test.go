package engine_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/component/componenttest"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

// FuzzCompile: no file makes Compile panic, and what compiles can be linked or is refused. What a component exports can
// be called.
func FuzzCompile(f *testing.F) {
	f.Add([]byte("\x00asm\x0d\x00\x01\x00"))
	f.Add(smallGuest())
	f.Add(withTables(cat([]byte{2, 0x70, 0, 1, 0x6f, 1, 2}, uleb(1<<20))))
	f.Add(genModule{funcs: []genFunc{{module: hostIface, name: "add"}, {name: "s", body: []byte{0x00}}}, start: 1}.bytes())
	for _, name := range []string{"things", "blobs", "pair", "start", "voice", "endless"} {
		f.Add(component(f, name))
	}
	for _, file := range componenttest.Cases(f) {
		for _, c := range file.Cases {
			if len(c.Wasm) > 0 && len(c.Wasm) < 1000 {
				f.Add(c.Wasm)
			}
		}
	}
	e, err := engine.New(f.Context(), engine.Config{Interpreter: true, Workers: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := e.Compile(t.Context(), "fuzz", wasm)
		if err != nil {
			return
		}
		limits := engine.Limits{Memory: 1 << 20, Timeout: 100 * time.Millisecond}
		cfg := engine.PoolConfig{App: "fuzz", Limits: limits, StartTimeout: 100 * time.Millisecond, Log: slog.New(slog.DiscardHandler)}
		if p, err := m.Pool(t.Context(), cfg); err == nil {
			if m.IsComponent() {
				callAll(t.Context(), m, p)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// callAll calls a component's functions of scalars with whatever comes first.
func callAll(ctx context.Context, m *engine.Module, p *engine.Pool) {
	const most = 20
	for k, name := range m.Exports() {
		if k == most {
			return
		}
		stack := make([]uint64, 32)
		_ = p.Do(ctx, func(ctx context.Context, g abi.Guest) error { return g.Call(ctx, name, stack) })
	}
}
