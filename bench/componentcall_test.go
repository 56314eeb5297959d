package bench

import (
	"context"
	"strings"
	"testing"

	"github.com/mrt-wasm/mrt-wasm/abi"
	"github.com/mrt-wasm/mrt-wasm/abi/canon"
	"github.com/mrt-wasm/mrt-wasm/host/engine"
	"github.com/mrt-wasm/mrt-wasm/host/engine/enginetest"
)

const (
	calleeIface = "bench:call/callee@1.0.0"
	callerIface = "bench:call/caller@1.0.0"
	// callsEach is how many calls a guest makes in one call from outside.
	callsEach = 1000
)

// BenchmarkComponentCall measures what a call costs that a component makes, of which the guest makes 1,000 in a row: of a
// function of its own core module ("core"), of another component ("component") and of the host ("host"), with a number,
// with a string of 1 KiB, and with one that comes back as the result ("same"). "over" is what a string costs more than
// the core call, which is to be at most 300 ns.
func BenchmarkComponentCall(b *testing.B) {
	e := enginetest.New(b)
	caller := wasmFile(b, "component/caller")
	composed, err := e.Compose(b.Context(), "composed", caller, map[string][]byte{calleeIface: wasmFile(b, "component/callee")})
	if err != nil {
		b.Fatal(err)
	}
	limits := engine.Limits{MaxInstances: 1, Timeout: -1}
	p, err := composed.Pool(b.Context(), engine.PoolConfig{App: "composed", Limits: limits})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
	})
	pools := map[string]*engine.Pool{
		"component": p, "host": enginetest.Pool(b, e, caller, engine.PoolConfig{App: "host", Limits: limits, Funcs: calleeFuncs()}),
	}
	calls := []struct{ pool, fn, name string }{
		{"host", "own", "core"},
		{"component", "number", "component-number"},
		{"component", "text", "component-text"},
		{"component", "same", "component-same"},
		{"host", "number", "host-number"},
		{"host", "text", "host-text"},
		{"host", "same", "host-same"},
	}
	took := turns(b, len(calls), 1, func(k int) error {
		return pools[calls[k].pool].Do(b.Context(), func(ctx context.Context, g abi.Guest) error {
			stack := [1]uint64{callsEach}
			return g.Call(ctx, callerIface+"#"+calls[k].fn, stack[:])
		})
	})
	for k, c := range calls {
		ns := took[k] * 1000 / callsEach
		b.ReportMetric(ns, "ns-"+c.name)
		if c.fn == "text" {
			b.ReportMetric(ns-took[0]*1000/callsEach, "ns-over-"+c.name)
		}
	}
}

// calleeFuncs are the callee as the host has it, in the shape of generated glue.
func calleeFuncs() []abi.Func {
	one, two, three := []abi.ValType{abi.I32}, []abi.ValType{abi.I32, abi.I32}, []abi.ValType{abi.I32, abi.I32, abi.I32}
	return []abi.Func{
		{
			Module: calleeIface, Name: "number", Params: one, Results: one, Type: "func(x: u32) -> u32",
			Call: func(_ context.Context, _ abi.Guest, stack []uint64) { stack[0] = uint64(uint32(stack[0]) + 1) },
		},
		{
			Module: calleeIface, Name: "text", Params: two, Results: one, Type: "func(s: string) -> u32",
			Call: func(_ context.Context, g abi.Guest, stack []uint64) {
				l := canon.NewLift(g)
				stack[0] = uint64(len(l.String(uint32(stack[0]), uint32(stack[1]))))
			},
		},
		{
			Module: calleeIface, Name: "same", Params: three, Type: "func(s: string) -> string",
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

// BenchmarkComponentExport measures calls that the host makes of a component's exports, in the shape of generated glue: with
// a number, with a string of 1 KiB, and with one that comes back; "over" is what a string costs more than the number, which
// is the core call.
func BenchmarkComponentExport(b *testing.B) {
	p := enginetest.Pool(b, enginetest.New(b), wasmFile(b, "component/callee"), engine.PoolConfig{App: "callee", Limits: engine.Limits{Timeout: -1}})
	text := strings.Repeat("x", 1024)
	names := []string{"number", "text", "same"}
	calls := []func(ctx context.Context, g abi.Guest) error{callNumber, callText(text), callSame(text)}
	took := turns(b, len(calls), 1, func(k int) error {
		return p.Do(b.Context(), func(ctx context.Context, g abi.Guest) error {
			for range callsEach {
				if err := calls[k](ctx, g); err != nil {
					return err
				}
			}
			return nil
		})
	})
	for k, name := range names {
		b.ReportMetric(took[k]*1000/callsEach, "ns-"+name)
		if k > 0 {
			b.ReportMetric((took[k]-took[0])*1000/callsEach, "ns-over-"+name)
		}
	}
}

func callNumber(ctx context.Context, g abi.Guest) error {
	stack := [1]uint64{1}
	return g.Call(ctx, calleeIface+"#number", stack[:])
}

func callText(text string) func(context.Context, abi.Guest) error {
	return func(ctx context.Context, g abi.Guest) (err error) {
		const fn = calleeIface + "#text"
		defer canon.Catch(fn, &err)
		var stack [2]uint64
		w := canon.NewLower(ctx, canon.At(g, fn))
		ptr, n := w.String(text)
		stack[0], stack[1] = uint64(ptr), uint64(n)
		return g.Call(ctx, fn, stack[:])
	}
}

func callSame(text string) func(context.Context, abi.Guest) error {
	return func(ctx context.Context, g abi.Guest) (err error) {
		const fn = calleeIface + "#same"
		defer canon.Catch(fn, &err)
		var stack [2]uint64
		at := canon.At(g, fn)
		w := canon.NewLower(ctx, at)
		ptr, n := w.String(text)
		stack[0], stack[1] = uint64(ptr), uint64(n)
		if err := g.Call(ctx, fn, stack[:]); err != nil {
			return err
		}
		l := canon.NewLift(at)
		if got := l.StringAt(l.Area(uint32(stack[0]), 8, 4), 0); len(got) != len(text) {
			abi.Trapf("want %d bytes, got %d", len(text), len(got))
		}
		return nil
	}
}
