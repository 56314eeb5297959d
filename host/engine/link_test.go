package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

func TestLinkListsAllProblems(t *testing.T) {
	wasm := genModule{funcs: []genFunc{
		{module: "mrt:state/store@0.2.0", name: "get"},
		{module: "mrt:state/stoer@0.1.0", name: "set"},
		{module: "mrt:test/host@0.1.0", name: "ad"},
		{module: "mrt:test/host@0.1.0", name: "block", params: []byte{i64}, results: []byte{i32}},
		{module: "gojs", name: "runtime.wasmExit"},
		{module: "wasi_snapshot_preview1", name: "fd_writ"},
		{module: "wasi_snapshot_preview1", name: "proc_exit", params: []byte{i64}},
		{module: "env", name: "strlen"},
		{name: "cabi_realloc", params: []byte{i32}},
		{name: "mrt:http/handler@0.1.0#handle", params: []byte{i64}},
		{name: "mrt:pubsub/subscriber@0.1.0#one"},
	}}.bytes()
	e := newEngine(t)
	m, err := e.Compile(t.Context(), "bad.wasm", wasm)
	if err != nil {
		t.Fatal(err)
	}
	funcs := append(newHost().funcs(), abi.Func{Module: "mrt:state/store@0.1.0", Name: "get", Call: newHost().add})
	_, err = m.Pool(t.Context(), engine.PoolConfig{
		App: "test", Funcs: funcs,
		Exports: []abi.Func{
			{Module: "mrt:http/handler@0.1.0", Name: "handle", Params: []abi.ValType{abi.I32, abi.I32}, Results: []abi.ValType{abi.I32}},
			{Module: "mrt:pubsub/subscriber@0.1.0", Name: "one"},
			{Module: "mrt:pubsub/subscriber@0.1.0", Name: "two"},
			{Module: "mrt:job/handler@0.1.0", Name: "not-exported"},
		},
	})
	link, ok := errors.AsType[*engine.LinkError](err)
	if !ok {
		t.Fatalf("want a LinkError, got %v", err)
	}
	wants := []string{
		"import mrt:state/store@0.2.0#get: nobody provides the interface mrt:state/store@0.2.0; the host has version 0.1.0",
		"did you mean mrt:state/store@0.1.0?",
		"import mrt:test/host@0.1.0#ad: the interface has no such function; did you mean add?",
		"import mrt:test/host@0.1.0#block: the host's function is (i32) -> (i32), the module expects (i64) -> (i32)",
		"GOOS=wasip1",
		"did you mean fd_write?",
		"the host's function is (i32) -> (), the module expects (i64) -> ()",
		"import env#strlen",
		"export cabi_realloc: want (i32 i32 i32 i32) -> (i32), found (i32) -> ()",
		"export mrt:http/handler@0.1.0#handle: want (i32 i32) -> (i32), found (i64) -> ()",
		"export mrt:pubsub/subscriber@0.1.0#two: the module exports other functions of the interface, but not this one",
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in:\n%v", want, err)
		}
	}
	if len(link.Problems) != len(wants) {
		t.Errorf("want %d problems, got %d:\n%v", len(wants), len(link.Problems), err)
	}
}

func TestUnknownInterfaceListsTheKnown(t *testing.T) {
	e := newEngine(t)
	m, err := e.Compile(t.Context(), "bad", genModule{funcs: []genFunc{{module: "acme:billing/money", name: "pay"}}}.bytes())
	if err != nil {
		t.Fatal(err)
	}
	_, err = m.Pool(t.Context(), engine.PoolConfig{App: "test", Funcs: newHost().funcs()})
	if err == nil || !strings.Contains(err.Error(), "the host has mrt:test/host@0.1.0, wasi_snapshot_preview1") {
		t.Errorf("want the host's interfaces listed, got %v", err)
	}
}

func TestPoolRefusesConfig(t *testing.T) {
	e := newEngine(t)
	m, err := e.Compile(t.Context(), "m", genModule{funcs: []genFunc{{name: "f"}}, minPages: 32}.bytes())
	if err != nil {
		t.Fatal(err)
	}
	twice := append(newHost().funcs(), newHost().funcs()...)
	tests := []struct {
		name string
		cfg  engine.PoolConfig
		want string
	}{
		{"no app", engine.PoolConfig{}, "name of its app"},
		{"memory too small", engine.PoolConfig{App: "a", Limits: engine.Limits{Memory: 1 << 20}}, "starts with 2Mi of memory, which is over its limit of 1Mi"},
		{"memory too large", engine.PoolConfig{App: "a", Limits: engine.Limits{Memory: 5 << 30}}, "at most 4Gi"},
		{"no instances", engine.PoolConfig{App: "a", Limits: engine.Limits{MaxInstances: -1}}, "spec.limits.maxInstances"},
		{"too many warm", engine.PoolConfig{App: "a", Warm: 65}, "want 0 to 64 warm instances, found 65"},
		{"bad variable", engine.PoolConfig{App: "a", Env: map[string]string{"A=B": "c"}}, "spec.env"},
		{"bad value", engine.PoolConfig{App: "a", Env: map[string]string{"A": "\x00"}}, "zero byte"},
		{"unknown policy", engine.PoolConfig{App: "a", Policy: 7}, "want the policy reuse"},
		{"a function twice", engine.PoolConfig{App: "a", Funcs: twice}, "is provided twice"},
		{"a function without code", engine.PoolConfig{App: "a", Funcs: []abi.Func{{Module: "m", Name: "f"}}}, "has no code"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := m.Pool(t.Context(), tt.cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("want %q, got %v", tt.want, err)
			}
		})
	}
}

// Two apps run the same module with different host functions of the same name.
func TestAppsHaveTheirOwnHostFunctions(t *testing.T) {
	e := newEngine(t)
	wasm := guest(t)
	constant := func(v uint64) []abi.Func {
		funcs := newHost().funcs()
		funcs[0].Call = func(_ context.Context, _ abi.Guest, stack []uint64) { stack[0] = v }
		return funcs
	}
	a := enginetest.Pool(t, e, wasm, engine.PoolConfig{App: "a", Funcs: constant(1)})
	b := enginetest.Pool(t, e, wasm, engine.PoolConfig{App: "b", Funcs: constant(2)})
	for range 3 {
		for want, p := range map[uint64]*engine.Pool{1: a, 2: b} {
			if got, err := enginetest.Call(t.Context(), p, export("add"), 5, 6); err != nil || got != want {
				t.Errorf("want %d, got %d, %v", want, got, err)
			}
		}
	}
}

// A module may be closed while pools run it; its code goes when they are closed.
func TestModuleCloseWaitsForPools(t *testing.T) {
	e := newEngine(t)
	m, err := e.Compile(t.Context(), "m", guest(t))
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Pool(t.Context(), engine.PoolConfig{App: "test", Funcs: newHost().funcs()})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := m.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := enginetest.Call(t.Context(), p, export("add"), 2, 3); err != nil || got != 5 {
		t.Errorf("want 5, got %d, %v", got, err)
	}
	if _, err := m.Pool(t.Context(), engine.PoolConfig{App: "late"}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("want ErrClosed, got %v", err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
