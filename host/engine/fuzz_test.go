package engine_test

import (
	"testing"

	"github.com/mrt-wasm/mrt-wasm/host/engine"
)

// FuzzCompile: no file makes Compile panic, and what compiles can be linked or is refused.
func FuzzCompile(f *testing.F) {
	f.Add([]byte("\x00asm\x0d\x00\x01\x00"))
	f.Add(smallGuest())
	f.Add(withTables(cat([]byte{2, 0x70, 0, 1, 0x6f, 1, 2}, uleb(1<<20))))
	f.Add(genModule{funcs: []genFunc{{module: hostIface, name: "add"}, {name: "s", body: []byte{0x00}}}, start: 1}.bytes())
	e, err := engine.New(f.Context(), engine.Config{Interpreter: true, Workers: 1})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := e.Compile(t.Context(), "fuzz", wasm)
		if err != nil {
			return
		}
		if p, err := m.Pool(t.Context(), engine.PoolConfig{App: "fuzz", Limits: engine.Limits{Memory: 1 << 20}}); err == nil {
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
