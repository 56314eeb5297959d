package componenttests

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

const (
	// generatedTypes is how many types of a component are generated, beyond those that it always has.
	generatedTypes = 60
	// valuesOfType is how many values of each type are passed.
	valuesOfType = 12
)

// echoCall is one call: the value is to come back as it was.
type echoCall struct {
	typ   int
	value canon.Value
}

// echoWorld is a generated package with its components.
type echoWorld struct {
	types            []*canon.Type
	calls            []echoCall
	provider, caller []byte
}

// newEchoWorld generates components whose strings have the given encodings.
func newEchoWorld(t *testing.T, bin string, seed uint64, provider, caller string) *echoWorld {
	t.Helper()
	w := &echoWorld{types: echoTypes(t, seed, generatedTypes)}
	wit := echoWIT(w.types)
	w.provider = componentOf(t, bin, wit, "provider", providerCore(w.types), "--encoding", provider)
	w.caller = componentOf(t, bin, wit, "caller", callerCore(w.types), "--encoding", caller)
	g := &valueGen{r: rand.New(rand.NewPCG(seed, 2))}
	for k, typ := range w.types {
		for range valuesOfType {
			w.calls = append(w.calls, echoCall{k, g.value(typ, false)})
		}
	}
	return w
}

// thing is a resource of the host.
type thing struct{ n uint32 }

// echoFuncs is echoIface as the host implements it.
func echoFuncs(t *testing.T, types []*canon.Type) []abi.Func {
	t.Helper()
	one := []abi.ValType{abi.I32}
	funcs := []abi.Func{
		{
			Module: echoIface, Name: "[constructor]thing", Params: one, Results: one, Type: "func(n: u32) -> own<" + thingName + ">",
			Call: func(_ context.Context, g abi.Guest, stack []uint64) {
				stack[0] = uint64(canon.AddObject(g, thingRes, &thing{uint32(stack[0])}))
			},
		},
		{
			Module: echoIface, Name: "[method]thing.number", Params: one, Results: one, Type: "func(self: borrow<" + thingName + ">) -> u32",
			Call: func(_ context.Context, g abi.Guest, stack []uint64) {
				stack[0] = uint64(canon.Object[*thing](g, thingRes, uint32(stack[0])).n)
			},
		},
	}
	for k, typ := range types {
		f, err := canon.NewFunc([]canon.Field{field("x", typ)}, typ)
		if err != nil {
			t.Fatal(err)
		}
		params, results := f.Signature(canon.Import)
		funcs = append(funcs, abi.Func{
			Module: echoIface, Name: fmt.Sprintf("e%d", k), Params: params, Results: results, Type: f.Text(),
			Call: func(ctx context.Context, g abi.Guest, stack []uint64) {
				l := canon.NewLift(g)
				x := f.LiftParams(&l, stack)
				w := canon.NewLower(ctx, g)
				if err := f.LowerResult(&w, stack, x[0]); err != nil {
					abi.Trapf("%s: %v", f.Text(), err)
				}
			},
		})
	}
	return funcs
}

// run makes all calls on one instance of a module and checks that each value comes back. Things are made by new, which
// gives the handle's Value, and of is the reverse.
func (w *echoWorld) run(t *testing.T, m *engine.Module, cfg engine.PoolConfig, name string, things thingMaker) {
	t.Helper()
	cfg.App, cfg.Policy = "echo", engine.Reset
	p, err := m.Pool(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	err = p.Do(t.Context(), func(ctx context.Context, g abi.Guest) error {
		for _, c := range w.calls {
			typ := w.types[c.typ]
			in, err := mapHandles(typ, c.value, func(v canon.Value) (canon.Value, error) { return things.new(ctx, g, v) })
			if err != nil {
				return err
			}
			out, err := engine.Invoke(ctx, g, fmt.Sprintf("%s%d", name, c.typ), in)
			if err != nil {
				return fmt.Errorf("%s: %w", show(typ, c.value), err)
			}
			out, err = mapHandles(typ, out, func(v canon.Value) (canon.Value, error) { return things.number(ctx, g, v) })
			if err != nil {
				return err
			}
			if !same(typ, c.value, out) {
				t.Errorf("%s%d: got\n%s, want\n%s", name, c.typ, show(typ, out), show(typ, c.value))
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// thingMaker makes a thing of a number, and gives the number of a thing.
type thingMaker struct {
	new, number func(ctx context.Context, g abi.Guest, v canon.Value) (canon.Value, error)
}

// hostThings are those of the host.
func hostThings() thingMaker {
	return thingMaker{
		new: func(_ context.Context, _ abi.Guest, v canon.Value) (canon.Value, error) {
			return canon.HandleOf(canon.Rep{Obj: &thing{uint32(v.Bits)}}), nil
		},
		number: func(_ context.Context, _ abi.Guest, v canon.Value) (canon.Value, error) {
			t, ok := v.Obj.(*thing)
			if !ok {
				return v, fmt.Errorf("want a thing, got %T", v.Obj)
			}
			return canon.Uint(uint64(t.n)), nil
		},
	}
}

// guestThings are those of components, made and asked by the exports of the given names.
func guestThings(make, ask string) thingMaker {
	return thingMaker{
		new: func(ctx context.Context, g abi.Guest, v canon.Value) (canon.Value, error) {
			return engine.Invoke(ctx, g, make, v)
		},
		number: func(ctx context.Context, g abi.Guest, v canon.Value) (canon.Value, error) {
			return engine.Invoke(ctx, g, ask, v)
		},
	}
}

// Every value that goes through an export, through an import, and from component to component comes back as it was, in
// all encodings of strings.
func TestEcho(t *testing.T) {
	bin := tools(t)
	for k, encodings := range [][2]string{{"utf8", "utf8"}, {"utf16", "utf8"}, {"utf8", "utf16"}, {"compact-utf16", "utf8"}, {"utf16", "compact-utf16"}} {
		w := newEchoWorld(t, bin, uint64(100+k), encodings[0], encodings[1])
		for _, mode := range []struct {
			name  string
			graph bool
		}{{"merged", false}, {"graph", true}} {
			t.Run(encodings[0]+" "+encodings[1]+" "+mode.name, func(t *testing.T) {
				e := enginetest.New(t, func(c *engine.Config) { c.Graph = mode.graph })
				w.runAll(t, e)
			})
		}
	}
}

func (w *echoWorld) runAll(t *testing.T, e *engine.Engine) {
	compile := func(wasm []byte, deps map[string][]byte) *engine.Module {
		m, err := e.Compose(t.Context(), "echo", wasm, deps)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	t.Run("export", func(t *testing.T) {
		w.run(t, compile(w.provider, nil), engine.PoolConfig{}, echoIface+"#e",
			guestThings(echoIface+"#[constructor]thing", echoIface+"#[method]thing.number"))
	})
	t.Run("import", func(t *testing.T) {
		w.run(t, compile(w.caller, nil), engine.PoolConfig{Funcs: echoFuncs(t, w.types)}, callIface+"#c", hostThings())
	})
	t.Run("composed", func(t *testing.T) {
		m := compile(w.caller, map[string][]byte{echoIface: w.provider})
		w.run(t, m, engine.PoolConfig{}, callIface+"#c", guestThings(callIface+"#make", callIface+"#ask"))
	})
}
