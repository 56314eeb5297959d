package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

const (
	thingsIface = "test:res/things@0.2.12"
	thingType   = "test:res/things@0.2/thing"
	blobsIface  = "test:res/blobs@0.2.0"
)

// things is the host's side of the test components.
type things struct {
	res *canon.Resource
	// shared makes things that instances may have in common.
	shared bool

	mu      sync.Mutex
	dropped []uint32 // guarded by mu
}

type thing struct{ n uint32 }

func newThings() *things {
	h := &things{}
	h.res = &canon.Resource{Name: thingType, Host: true, Drop: func(_ context.Context, rep canon.Rep) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.dropped = append(h.dropped, number(rep.Obj))
	}}
	return h
}

func number(obj any) uint32 {
	switch t := obj.(type) {
	case *thing:
		return t.n
	case *sharedThing:
		return t.n
	default:
		return 0
	}
}

// gone gives what was dropped since it was last asked.
func (h *things) gone() []uint32 {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := h.dropped
	h.dropped = nil
	return out
}

func (h *things) funcs() []abi.Func {
	one, three := []abi.ValType{abi.I32}, []abi.ValType{abi.I32, abi.I32, abi.I32}
	return []abi.Func{
		{
			Module: thingsIface, Name: "[constructor]thing", Params: one, Results: one, Type: "func(n: u32) -> own<" + thingType + ">",
			Call: func(_ context.Context, g abi.Guest, stack []uint64) {
				var obj any = &thing{uint32(stack[0])}
				if h.shared {
					obj = &sharedThing{thing{uint32(stack[0])}}
				}
				stack[0] = uint64(canon.AddObject(g, h.res, obj))
			},
		},
		{
			Module: thingsIface, Name: "[method]thing.get", Params: one, Results: one, Type: "func(self: borrow<" + thingType + ">) -> u32",
			Call: func(_ context.Context, g abi.Guest, stack []uint64) {
				stack[0] = uint64(number(canon.HandlesOf(g).Get(h.res, uint32(stack[0])).Obj))
			},
		},
		{
			Module: thingsIface, Name: "take", Params: one, Results: one, Type: "func(t: own<" + thingType + ">) -> u32",
			Call: func(_ context.Context, g abi.Guest, stack []uint64) {
				stack[0] = uint64(number(canon.HandlesOf(g).Take(h.res, uint32(stack[0])).Obj))
			},
		},
		{
			Module: thingsIface, Name: "[resource-drop]thing", Params: one, Type: "func(self: own<" + thingType + ">)",
			Call: func(ctx context.Context, g abi.Guest, stack []uint64) {
				canon.HandlesOf(g).Drop(ctx, h.res, uint32(stack[0]))
			},
		},
		{
			Module: thingsIface, Name: "echo", Params: three, Type: "func(s: string) -> string",
			Call: func(ctx context.Context, g abi.Guest, stack []uint64) {
				l := canon.NewLift(g)
				s := l.String(uint32(stack[0]), uint32(stack[1]))
				at := uint32(stack[2])
				l.Area(at, 8, 4)
				w := canon.NewLower(ctx, g)
				w.PutString(at, s)
			},
		},
	}
}

// component reads a component of testdata.
func component(t testing.TB, name string) []byte {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", "component", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

// bothWays runs a test with an engine that merges components and with one that does not.
func bothWays(t *testing.T, test func(t *testing.T, e *engine.Engine)) {
	for _, graph := range []bool{false, true} {
		name := "merged"
		if graph {
			name = "graph"
		}
		t.Run(name, func(t *testing.T) {
			test(t, newEngine(t, func(c *engine.Config) { c.Graph = graph }))
		})
	}
}

// callNumber is one call of an export that takes and gives scalars.
func callNumber(ctx context.Context, g abi.Guest, name string, params ...uint64) (uint64, error) {
	stack := make([]uint64, max(len(params), 1))
	copy(stack, params)
	err := g.Call(ctx, name, stack)
	return uint64(uint32(stack[0])), err
}

// shout calls an export from string to string.
func shout(ctx context.Context, g abi.Guest, name, s string) (string, error) {
	v, err := engine.Invoke(ctx, g, name, canon.Str(s))
	return v.Str, err
}

func TestComponentUsesHandles(t *testing.T) {
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		h := newThings()
		p := enginetest.Pool(t, e, component(t, "things"), engine.PoolConfig{Funcs: h.funcs(), Policy: engine.Reset})
		err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
			for _, step := range []struct {
				fn          string
				param, want uint64
			}{{"new", 7, 1}, {"new", 8, 2}, {"get", 1, 7}, {"get", 2, 8}, {"take", 1, 7}, {"new", 9, 1}, {"get", 1, 9}, {"drop", 2, 2}} {
				got, err := callNumber(ctx, g, step.fn, step.param)
				if err != nil || got != step.want {
					t.Errorf("%s(%d): want %d, got %d, %v", step.fn, step.param, step.want, got, err)
				}
			}
			if s, err := shout(ctx, g, "echo", "grüße, 世界"); err != nil || s != "grüße, 世界" {
				t.Errorf("want the text back, got %q, %v", s, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if got, want := h.gone(), []uint32{8, 9}; !slices.Equal(got, want) {
			t.Errorf("want %d dropped by the guest and at the end of the call, got %d", want, got)
		}
	})
}

// What a hostile guest can do with handles and addresses ends its own call, and the next call is served.
func TestHostileComponent(t *testing.T) {
	type step struct {
		fn     string
		params []uint64
	}
	tests := []struct {
		name  string
		steps []step
		want  string
	}{
		{"forged handle", []step{{"get", []uint64{99}}}, "found 99, which is none"},
		{"handle 0", []step{{"get", []uint64{0}}}, "found 0, which is none"},
		{"largest handle", []step{{"take", []uint64{1<<32 - 1}}}, "which is none"},
		{"use after drop", []step{{"new", []uint64{1}}, {"drop", []uint64{1}}, {"get", []uint64{1}}}, "which is none"},
		{"drop twice", []step{{"new", []uint64{1}}, {"drop", []uint64{1}}, {"drop", []uint64{1}}}, "which is none"},
		{"use after take", []step{{"new", []uint64{1}}, {"take", []uint64{1}}, {"get", []uint64{1}}}, "which is none"},
		{"string past memory", []step{{"raw-echo", []uint64{65530, 100, 16}}}, "memory"},
		{"string at the end of addresses", []step{{"raw-echo", []uint64{1<<32 - 8, 1<<32 - 1, 16}}}, "expected at most"},
		{"result past memory", []step{{"raw-echo", []uint64{0, 4, 65532}}}, "memory"},
		{"result misaligned", []step{{"raw-echo", []uint64{0, 4, 17}}}, "a multiple of 4"},
		{"realloc past memory", []step{{"lie", []uint64{1 << 30}}, {"raw-echo", []uint64{0, 4, 16}}}, "past the memory"},
		{"crash with a handle", []step{{"new", []uint64{1}}, {"crash", nil}}, "unreachable"},
	}
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		h := newThings()
		p := enginetest.Pool(t, e, component(t, "things"), engine.PoolConfig{Funcs: h.funcs(), Policy: engine.Reset})
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
					for _, s := range tt.steps {
						if _, err := callNumber(ctx, g, s.fn, s.params...); err != nil {
							return err
						}
					}
					return nil
				})
				if _, ok := asTrap(err); !ok || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("want a trap with %q, got %v", tt.want, err)
				}
				if got, err := enginetest.Call(t.Context(), p, "new", 1); err != nil || got != 1 {
					t.Errorf("the next call: want handle 1, got %d, %v", got, err)
				}
			})
		}
		if p.Close(t.Context()) != nil {
			t.Error("the pool does not close")
		}
		if got := len(h.gone()); got != len(tests)+3 {
			t.Errorf("want %d things dropped in all, got %d", len(tests)+3, got)
		}
	})
}

// A guest's result that is no string of its memory is a trap of the guest.
func TestComponentGivesBadString(t *testing.T) {
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		p := enginetest.Pool(t, e, component(t, "things"), engine.PoolConfig{Funcs: newThings().funcs(), Policy: engine.Reset})
		for _, tt := range []struct{ ptr, n uint64 }{{65530, 100}, {0, 1 << 20}, {1<<32 - 1, 1}} {
			err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
				_, err := engine.Invoke(ctx, g, "give", canon.Uint(tt.ptr), canon.Uint(tt.n))
				return err
			})
			wantTrap(t, err, abi.TrapABI, "memory")
		}
	})
}

func TestHandlesLiveAsLongAsTheirInstance(t *testing.T) {
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		h := newThings()
		m, err := e.Compile(t.Context(), "things", component(t, "things"))
		if err != nil {
			t.Fatal(err)
		}
		p, err := m.Pool(t.Context(), engine.PoolConfig{App: "test", Funcs: h.funcs(), Policy: engine.Reuse})
		if err != nil {
			t.Fatal(err)
		}
		for n := range uint64(3) {
			if got, err := enginetest.Call(t.Context(), p, "new", n+5); err != nil || got != n+1 {
				t.Errorf("want handle %d, got %d, %v", n+1, got, err)
			}
		}
		if got := h.gone(); len(got) > 0 {
			t.Errorf("want nothing dropped under the policy reuse, got %d", got)
		}
		shut(t, p.Close)
		if got, want := h.gone(), []uint32{5, 6, 7}; !slices.Equal(got, want) {
			t.Errorf("want %d dropped with the instance, got %d", want, got)
		}
	})
}

// A call that does not end is ended, in whichever of a component's modules it is.
func TestComponentTimeout(t *testing.T) {
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		for _, name := range []string{"things", "pair"} {
			p := enginetest.Pool(t, e, component(t, name), engine.PoolConfig{
				Funcs: newThings().funcs(), Limits: engine.Limits{Timeout: 100 * time.Millisecond},
			})
			_, err := enginetest.Call(t.Context(), p, "loop")
			wantTrap(t, err, abi.TrapTimeout, "spec.limits.timeout")
		}
	})
}

func TestPolicyOfComponents(t *testing.T) {
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		for policy, want := range map[engine.Policy][]uint64{engine.Reset: {1, 1, 1}, engine.Reuse: {1, 2, 3}} {
			p := enginetest.Pool(t, e, component(t, "things"), engine.PoolConfig{Funcs: newThings().funcs(), Policy: policy, Warm: 1})
			var got []uint64
			for range want {
				n, err := enginetest.Call(t.Context(), p, "count")
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, n)
			}
			if !slices.Equal(got, want) {
				t.Errorf("policy %d: want %d, got %d", policy, want, got)
			}
		}
	})
}

func TestComponentsCallEachOther(t *testing.T) {
	e := newEngine(t)
	p := enginetest.Pool(t, e, component(t, "pair"), engine.PoolConfig{Limits: engine.Limits{Memory: 4 << 16, MaxInstances: 1}})
	err := p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
		for range 3 {
			if got, err := shout(ctx, g, "shout", "hello"); err != nil || got != "HELLO" {
				t.Errorf("want HELLO, got %q, %v", got, err)
			}
		}
		if got, err := callNumber(ctx, g, "calls"); err != nil || got != 3 {
			t.Errorf("want 3 calls counted, got %d, %v", got, err)
		}
		// The limit is for all memories together: there are two pages, and four are allowed.
		for _, step := range []struct {
			fn          string
			pages, want uint64
		}{{"grow", 1, 1}, {"grow-inner", 2, 1<<32 - 1}, {"grow-inner", 1, 1}, {"grow", 1, 1<<32 - 1}} {
			if got, err := callNumber(ctx, g, step.fn, step.pages); err != nil || got != step.want {
				t.Errorf("%s(%d): want %d, got %d, %v", step.fn, step.pages, step.want, got, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if fuel := p.Stats().Fuel; images != engine.ImagesOff && fuel == 0 {
		t.Error("want the fuel of all modules counted, got 0")
	}
	m, err := e.Compile(t.Context(), "pair", component(t, "pair"))
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, m.Close)
	_, err = m.Pool(t.Context(), engine.PoolConfig{App: "test", Limits: engine.Limits{Memory: 1 << 16}})
	if err == nil || !strings.Contains(err.Error(), "starts with 128Ki of memory, which is over its limit of 64Ki") {
		t.Errorf("want the memories' sizes added up, got %v", err)
	}
}

// A component that does not end its start is given up, in whichever of its modules it computes.
func TestComponentThatDoesNotStart(t *testing.T) {
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		p := enginetest.Pool(t, e, component(t, "endless"), engine.PoolConfig{StartTimeout: 100 * time.Millisecond})
		err := p.Do(t.Context(), func(context.Context, abi.Guest) error { return nil })
		wantTrap(t, err, abi.TrapTimeout, "did not start within 100ms")
	})
}

// A component cannot be called while it is in a call, not even by who keeps the instance.
func TestComponentIsNotEnteredTwice(t *testing.T) {
	h := newThings()
	funcs := h.funcs()
	var again func(ctx context.Context, g abi.Guest)
	funcs[2].Call = func(ctx context.Context, g abi.Guest, _ []uint64) { again(ctx, g) }
	p := enginetest.Pool(t, newEngine(t), component(t, "things"), engine.PoolConfig{Funcs: funcs})
	k, err := p.Keep(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close(t.Context())
	again = func(ctx context.Context, g abi.Guest) {
		if _, err := callNumber(ctx, g, "count"); err == nil || !strings.Contains(err.Error(), "serves one call at a time") {
			t.Errorf("by the guest: want it refused, got %v", err)
		}
		err := k.Do(ctx, func(context.Context, abi.Guest) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "cannot be called while it is in a call") {
			t.Errorf("by the holder: want it refused, got %v", err)
		}
	}
	err = k.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
		_, err := callNumber(ctx, g, "take", 1)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// A component that calls itself by way of the host does not use up the host's stack.
func TestComponentRecursion(t *testing.T) {
	bothWays(t, func(t *testing.T, e *engine.Engine) {
		p := enginetest.Pool(t, e, component(t, "recursion"), engine.PoolConfig{})
		for range 2 {
			if got, err := enginetest.Call(t.Context(), p, "rec", 30); err != nil || got != 30 {
				t.Errorf("want 30, got %d, %v", got, err)
			}
		}
		_, err := enginetest.Call(t.Context(), p, "rec", 1_000_000)
		wantTrap(t, err, abi.TrapGuest, "stack overflow")
		if got, err := enginetest.Call(t.Context(), p, "rec", 3); err != nil || got != 3 {
			t.Errorf("after that: want 3, got %d, %v", got, err)
		}
	})
}
